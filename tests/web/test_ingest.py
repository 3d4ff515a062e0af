"""Intercom conversations that are posted, over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from deskwire import providers
from tests.web.serving import NOT_JSON, Served, invalid, served

PATH = "/integrations/intercom/conversations"
LIST = "/internal/conversations"
FIXTURES = Path(providers.__file__).parent / "intercom" / "fixtures"
SMALL: dict[str, Any] = {
    "id": "c1",
    "created_at": 1_767_261_600,
    "conversation_message": {"id": "m", "body": "Hello", "author": {"type": "user", "id": "u1"}},
}
COUNTS = "SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM conversations)"


def tell(folder: Path, story: Callable[[Served], Coroutine[Any, Any, None]]) -> None:
    async def all_of_it() -> None:
        async with served(folder) as client:
            await story(client)

    uvloop.run(all_of_it())


def small(**changes: Any) -> bytes:  # noqa: ANN401 - whatever JSON can be
    """A payload, with some of its fields others; None: without them."""
    told = {**deepcopy(SMALL), **changes}
    return json.dumps({name: one for name, one in told.items() if one is not None}).encode()


async def stored(client: Served) -> tuple[int, int]:
    """How many records and conversations there are."""
    row = await client.hub.read(lambda c: c.exec_driver_sql(COUNTS).one())
    return row[0], row[1]


def test_a_conversation_is_taken_and_can_be_read_at_once(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        status, answer = await client.ask(PATH, small())
        shown = await client.ask(f"{LIST}/{answer['id']}")

        assert (status, answer) == (
            201,
            {
                "id": str(UUID(answer["id"])),
                "provider": "intercom",
                "external_id": "c1",
                "deduplicated": False,
            },
        )
        assert shown[0] == 200
        assert [one["content"] for one in shown[1]["messages"]] == ["Hello"]
        assert client.hub.wake.is_set()

    tell(tmp_path, story)


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(FIXTURES.glob("call_*.json")) if ".expected." not in path.name],
    ids=lambda path: path.stem,
)
def test_what_intercom_sends_is_taken(tmp_path: Path, path: Path) -> None:
    async def story(client: Served) -> None:
        status, answer = await client.ask(PATH, path.read_bytes())  # noqa: ASYNC240 - a small file

        assert status == 201, answer

    tell(tmp_path, story)


def test_the_first_message_may_be_the_source(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        body = small(conversation_message=None, source=SMALL["conversation_message"])
        assert (await client.ask(PATH, body))[0] == 201
        body = small(id="c2", source="conversation_message is there, so nobody looks here")
        assert (await client.ask(PATH, body))[0] == 201

    tell(tmp_path, story)


def test_the_same_conversation_keeps_its_id_and_what_is_new_is_merged_in(tmp_path: Path) -> None:
    part = {
        "type": "conversation_part",
        "id": "p1",
        "part_type": "comment",
        "body": "Hi, how can I help?",
        "created_at": 1_767_261_700,
        "author": {"type": "admin", "id": "a1", "name": "Ana", "email": ""},
    }

    async def story(client: Served) -> None:
        _, first = await client.ask(PATH, small())
        again = await client.ask(PATH, small())
        grown = await client.ask(PATH, small(conversation_parts={"conversation_parts": [part]}))
        _, shown = await client.ask(f"{LIST}/{first['id']}")

        assert again == grown == (200, {**first, "deduplicated": True})
        assert [one["content"] for one in shown["messages"]] == ["Hello", "Hi, how can I help?"]
        assert await stored(client) == (2, 1)  # the very same payload is one record

    tell(tmp_path, story)


def test_of_fifty_who_post_a_new_conversation_at_once_one_is_told_so(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        bodies = [small(updated_at=1_767_261_600 + number // 2) for number in range(50)]
        answers = await asyncio.gather(*(client.ask(PATH, body) for body in bodies))

        assert sorted(status for status, _ in answers) == [200] * 49 + [201]
        assert len({answer["id"] for _, answer in answers}) == 1
        assert await stored(client) == (25, 1)

    tell(tmp_path, story)


def test_every_fault_is_told_with_its_place(tmp_path: Path) -> None:
    missing, text = "Field required", "Input should be a valid string"
    no_model = "Input should be a valid dictionary or instance of {}"
    long = "String should have at most 240 characters"
    short = "String should have at least 1 character"
    expected: dict[bytes, list[tuple[str, str, str]]] = {
        b"{}": [
            ("id", "missing", missing),
            ("created_at", "missing", missing),
            ("conversation_message", "missing", missing),
        ],
        small(conversation_message=None, source={"body": 7}): [
            ("source.body", "type_error", text),
            ("source.author", "missing", missing),
        ],
        small(conversation_message={"body": None, "author": {}}): [
            ("conversation_message.body", "type_error", text),
            ("conversation_message.author.id", "missing", missing),
        ],
        small(conversation_message="Hello", source=SMALL["conversation_message"]): [
            ("conversation_message", "type_error", no_model.format("Opening")),
        ],
        small(id=7, created_at="1767261600"): [
            ("id", "type_error", text),
            ("created_at", "type_error", "Input should be a valid integer"),
        ],
        small(id="", created_at=-1): [
            ("id", "invalid", short),
            ("created_at", "invalid", "Input should be greater than or equal to 0"),
        ],
        small(id="x" * 241, created_at=253_402_300_800): [
            ("id", "invalid", long),
            ("created_at", "invalid", "Input should be less than or equal to 253402300799"),
        ],
        small(created_at=True): [("created_at", "type_error", "Input should be a valid integer")],
        small(created_at=1.5): [("created_at", "type_error", "Input should be a valid integer")],
        small(created_at=10**400): [
            ("created_at", "invalid", "Input should be less than or equal to 253402300799")
        ],
        b"null": [("body", "type_error", no_model.format("WithMessage"))],
        b"[]": [("body", "type_error", no_model.format("WithMessage"))],
        b'"text"': [("body", "type_error", no_model.format("WithMessage"))],
    }

    async def story(client: Served) -> None:
        got = {body: await client.ask(PATH, body) for body in expected}

        assert got == {body: invalid(*faults) for body, faults in expected.items()}
        assert await stored(client) == (0, 0)

    tell(tmp_path, story)


def test_what_is_no_json_is_a_400(tmp_path: Path) -> None:
    whole = small()
    bodies = {
        "empty": b"",
        "cut": whole[:-1],
        "two": whole * 2,
        "no text": whole.replace(b"Hello", b"\xff"),
        "no text where nobody looks": whole.replace(b'"user"', b'"\xff"'),
        "UTF-16": whole.decode().encode("utf-16"),
        "UTF-16 without a mark": whole.decode().encode("utf-16-le"),
        "a byte order mark": b"\xef\xbb\xbf" + whole,
        "NaN": whole.replace(b'"user"', b"NaN"),
        "Infinity": whole.replace(b"1767261600", b"-Infinity"),
        "a raw NUL": whole.replace(b"Hello", b"\x00"),
        "too deep": small()[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "a number beyond all bounds": whole.replace(b"1767261600", b"1" * 5000),
    }

    async def story(client: Served) -> None:
        got = {name: await client.ask(PATH, body) for name, body in bodies.items()}

        assert got == dict.fromkeys(bodies, NOT_JSON)
        assert await stored(client) == (0, 0)

    tell(tmp_path, story)


def test_odd_json_is_taken_for_what_it_says(tmp_path: Path) -> None:
    def deep(levels: int) -> bytes:
        return b"[" * levels + b"]" * levels

    def beside(value: bytes) -> bytes:
        return small()[:-1] + b', "custom_attributes": ' + value + b"}"

    bodies = {
        "100 levels": (beside(deep(100)), "Hello"),
        "400 digits": (beside(b"1" * 400), "Hello"),
        "5000 digits": (beside(b"1" * 5000), "Hello"),
        "a key twice": (small()[:-1] + b', "id": "c1"}', "Hello"),
        "half an emoji": (small().replace(b"Hello", b"Hel\\ud83dlo"), "Hel\ufffdlo"),
        "half an emoji where nobody looks": (beside(b'"\\ud83d"'), "Hello"),
        "a NUL": (small().replace(b"Hello", b"Hel\\u0000lo"), "Hel\ufffdlo"),
        "only markup": (small().replace(b"Hello", b"<p> </p>"), "[no text]"),
    }

    async def story(client: Served) -> None:
        for number, (name, (body, text)) in enumerate(bodies.items()):
            status, answer = await client.ask(PATH, body.replace(b'"c1"', b'"c%d"' % number))
            assert status == 201, (name, answer)
            _, shown = await client.ask(f"{LIST}/{answer['id']}")
            assert [one["content"] for one in shown["messages"]] == [text], name

    tell(tmp_path, story)


def test_an_id_with_half_an_emoji_or_a_nul_is_told_as_it_is_stored(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        body = small().replace(b'"c1"', b'"a\\u0000b"')
        _, first = await client.ask(PATH, body)
        _, second = await client.ask(PATH, body)
        _, listed = await client.ask(LIST)

        assert (first["external_id"], second["external_id"]) == ("a\ufffdb", "a\ufffdb")
        assert [one["external_id"] for one in listed["items"]] == ["a\ufffdb"]

    tell(tmp_path, story)


def test_a_card_number_is_masked_before_anything_is_stored(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        body = small().replace(b"Hello", b"4111 1111 1111 1111")
        _, first = await client.ask(PATH, body)
        _, second = await client.ask(PATH, body)
        _, shown = await client.ask(f"{LIST}/{first['id']}")

        assert [one["content"] for one in shown["messages"]] == ["**** **** **** ****"]
        assert second == {**first, "deduplicated": True}
        assert await stored(client) == (1, 1)

    tell(tmp_path, story)


def test_a_payload_whose_meaning_cannot_be_kept_is_refused_whole(tmp_path: Path) -> None:
    """Valid as published, but its only conversation has an id that is too long for any column."""

    async def story(client: Served) -> None:
        status, answer = await client.ask(
            PATH,
            small(conversation_message={**SMALL["conversation_message"], "id": "m" * 300}),
        )

        assert (status, answer["error_code"]) == (422, "validation_error")
        assert answer["details"][0]["issue"] == "invalid"
        assert await stored(client) == (0, 0)

    tell(tmp_path, story)


def test_a_large_conversation_is_taken(tmp_path: Path) -> None:
    parts = [
        {"id": str(n), "part_type": "comment", "body": "x" * 1000, "created_at": 1_767_261_600 + n}
        for n in range(500)
    ]

    async def story(client: Served) -> None:
        body = small(conversation_parts={"conversation_parts": parts})
        assert (await client.ask(PATH, body))[0] == 201
        _, listed = await client.ask(LIST)
        assert listed["items"][0]["message_count"] == 501

    tell(tmp_path, story)


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
payloads = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=3) | odd,
        "created_at": st.integers(0, 2**40) | odd,
        "updated_at": odd,
        "state": st.sampled_from(["open", "closed"]) | odd,
        "conversation_parts": st.fixed_dictionaries({"conversation_parts": odd}) | odd,
        "conversation_message": st.fixed_dictionaries(
            {"body": st.text() | odd, "author": st.fixed_dictionaries({"id": st.text()}) | odd}
        )
        | odd,
        "source": odd,
        "tags": odd,
    },
)


@given(
    bodies=st.lists(payloads.map(lambda one: json.dumps(one).encode()) | st.binary(), max_size=50)
)
@settings(max_examples=5)
def test_whatever_is_posted_is_stored_or_refused(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]
) -> None:
    async def story(client: Served) -> None:
        for body in bodies:
            status, answer = await client.ask(PATH, body)
            assert status in {200, 201, 400, 422}, (body, answer)

    tell(tmp_path_factory.mktemp("hub"), story)
