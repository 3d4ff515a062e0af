"""What every provider must do, run for each folder that is there."""

import json
import os
import random
from datetime import UTC, datetime
from functools import reduce
from itertools import product
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire import providers
from deskwire.core.errors import Unreadable
from deskwire.core.facts import ConversationFacts, Facts, Said
from deskwire.core.instants import to_micros
from deskwire.core.merge import lift, merge
from deskwire.core.provider import Record, RecordKind

FOLDERS = Path(providers.__file__).parent
RECEIVED_AT = datetime(2026, 11, 1, 12, 0, 10, tzinfo=UTC)
KINDS: tuple[RecordKind, ...] = ("page", "detail", "person", "webhook", "file", "call")
FIXTURES = [
    pytest.param(name, path, id=f"{name}/{path.stem}")
    for name in providers.names()
    for path in sorted(FOLDERS.glob(f"{name}/fixtures/*.json"))
    if not path.name.endswith(".expected.json")
]
PAGES = [one for one in FIXTURES if str(one.id).split("/")[1].startswith("page_")]

odd_numbers = st.integers() | st.just(10**4000) | st.floats() | st.sampled_from([-1, 0, 2**63])
odd_texts = st.text(st.characters()) | st.sampled_from(["", "\x00", "\ud83d", "START", "MESSAGE"])
odd_values = st.none() | st.booleans() | odd_numbers | odd_texts


def record(kind: RecordKind, body: bytes) -> Record:
    return Record(
        id="r1",
        source="main",
        account="main",
        kind=kind,
        origin="a test",
        received_at=RECEIVED_AT,
        body=body,
    )


def recorded(path: Path) -> Record:
    return record(cast("RecordKind", path.name.partition("_")[0]), path.read_bytes())


def said(name: str, one: Record) -> list[Said]:
    return list(providers.load(name).normalise(one))


def said_or_unreadable(name: str, kind: RecordKind, body: bytes) -> object:
    """Everything that is said can be lifted and stored, or the record is unreadable."""
    try:
        found = said(name, record(kind, body))
    except Unreadable as error:
        return str(error)
    for position, one in enumerate(found):
        if isinstance(one, ConversationFacts):
            lift(one, 0, "r1", position)
    return msgspec.json.encode(found)


def conversations(facts: list[tuple[int, Said]]) -> dict[str, Facts]:
    found: dict[str, list[Facts]] = {}
    for position, one in facts:
        if isinstance(one, ConversationFacts):
            lifted = lift(one, to_micros(RECEIVED_AT), "r1", position)
            found.setdefault(one.external_id, []).append(lifted)
    return {key: reduce(merge, told) for key, told in found.items()}


@pytest.mark.parametrize(("name", "path"), FIXTURES)
def test_a_fixture_says_exactly_what_its_expected_file_says(name: str, path: Path) -> None:
    expected = path.with_suffix(".expected.json")
    told = msgspec.json.encode(said(name, recorded(path)))
    if os.environ.get("DESKWIRE_WRITE_EXPECTED"):
        expected.write_bytes(msgspec.json.format(told) + b"\n")

    assert msgspec.json.decode(told) == msgspec.json.decode(expected.read_bytes())


@pytest.mark.parametrize(("name", "path"), FIXTURES)
def test_normalising_twice_says_the_same(name: str, path: Path) -> None:
    assert said(name, recorded(path)) == said(name, recorded(path))


@pytest.mark.parametrize(("name", "path"), PAGES)
@given(seed=st.integers())
def test_any_order_of_a_page_tells_the_same_conversations(name: str, path: Path, seed: int) -> None:
    facts = list(enumerate(said(name, recorded(path))))
    shuffled = random.Random(seed).sample(facts, len(facts))

    assert conversations(shuffled) == conversations(facts)


@pytest.mark.parametrize(("name", "kind"), list(product(providers.names(), KINDS)))
@given(body=st.binary())
def test_any_bytes_are_understood_or_unreadable(name: str, kind: RecordKind, body: bytes) -> None:
    assert said_or_unreadable(name, kind, body)


@pytest.mark.parametrize(("name", "path"), FIXTURES)
@given(data=st.data())
def test_any_json_in_the_place_of_any_value_is_understood_or_unreadable(
    name: str, path: Path, data: st.DataObject
) -> None:
    whole = json.loads(path.read_bytes())
    inner = st.recursive(
        odd_values,
        lambda deeper: (
            st.lists(deeper, max_size=3) | st.dictionaries(odd_texts, deeper, max_size=3)
        ),
        max_leaves=5,
    )
    body = as_bytes(put_somewhere(data, whole, data.draw(inner)))

    assert said_or_unreadable(name, recorded(path).kind, body)


@pytest.mark.parametrize(("name", "path"), FIXTURES)
@pytest.mark.parametrize("odd", [b"[" * 50_000 + b"]" * 50_000, b"9" * 5_000, b"NaN", b'"\\ud83d"'])
def test_json_at_its_limits_is_understood_or_unreadable(name: str, path: Path, odd: bytes) -> None:
    bodies = [path.read_bytes().replace(b": " + old, b": " + odd) for old in (b"1", b'"', b"null")]

    assert all(said_or_unreadable(name, recorded(path).kind, body) for body in [odd, *bodies])


def put_somewhere(data: st.DataObject, whole: Any, odd: object) -> object:  # noqa: ANN401 - JSON
    """The JSON with one value anywhere in it replaced."""
    places = list(whole) if isinstance(whole, dict) else list(range(len(whole)))
    if not places or data.draw(st.integers(0, 4)) == 0:
        return odd
    place = data.draw(st.sampled_from(places))
    if isinstance(whole[place], dict | list):
        whole[place] = put_somewhere(data, whole[place], odd)
    else:
        whole[place] = odd
    return whole


def as_bytes(value: object) -> bytes:
    """JSON as the standard library writes it: NaN and halves of emoji are no error there."""
    return json.dumps(value).encode()
