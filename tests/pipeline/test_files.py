"""Files as they come: every shape, and every way to be broken."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deskwire.core.text import storable
from deskwire.pipeline import files
from deskwire.pipeline.files import Broken, Value, opened, values, whole

UNDER = frozenset({"conversations"})
Write = Callable[[Any], str]


def read(content: bytes, name: str = "file.json") -> list[bytes]:
    return [one.body for one in values(io.BytesIO(content), name, UNDER)]


def read_broken(content: bytes) -> tuple[list[bytes], str]:
    """The values before the break, and what is said of it."""
    found: list[bytes] = []
    broken = values(io.BytesIO(content), "file.json", UNDER)
    try:
        found.extend(one.body for one in broken)
    except Broken as error:
        return found, str(error)
    pytest.fail("it is not broken")


def as_list(told: list[Any], write: Write) -> str:
    return write(told)


def as_page(told: list[Any], write: Write) -> str:
    return write({"type": "list", "pages": {"next": [1]}, "conversations": told, "total": [3]})


def as_lines(told: list[Any], _write: Write) -> str:
    return "\n".join(json.dumps(one) for one in told)


def one_after_another(told: list[Any], write: Write) -> str:
    return " ".join(write(one) for one in told)


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def indented(value: object) -> str:
    return json.dumps(value, indent=2)


shapes = st.sampled_from([as_list, as_page, as_lines, one_after_another])
keys = st.text().map("k{}".format)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(keys, deeper, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(keys, json_values, max_size=4)


@settings(max_examples=40)
@given(st.lists(objects, max_size=5), shapes, st.sampled_from([json.dumps, compact, indented]))
def test_every_shape_of_a_file_holds_the_same_values(
    told: list[Any], shape: Callable[[list[Any], Write], str], write: Write
) -> None:
    found = read(shape(told, write).encode())

    assert [json.loads(one) for one in found] == told
    assert found == read(json.dumps(told).encode())


halves = st.text(st.sampled_from('\ud83d\ude00\ud800\udfffA\\u"d8\U0001f600\n '), max_size=30)


@given(st.lists(halves, min_size=1))
def test_half_a_character_costs_no_more_than_itself(texts: list[str]) -> None:
    body = json.dumps([{"text": one} for one in texts])

    found = [json.loads(one)["text"] for one in read(body.encode())]

    assert found == [storable(one["text"]) for one in json.loads(body)]


@given(st.integers(1, 40), st.integers(1, 3))
@example(files.CHUNK - 12, 2000)
@example(files.MIB - 5, 2000)
def test_an_escape_is_not_cut_in_two_wherever_it_is(before: int, times: int) -> None:
    text = "x" * before + "\U0001f600" * times + "\ud83d" + "\\" * 13

    [found] = read(json.dumps([{"text": text}]).encode())

    assert json.loads(found)["text"] == storable(text)


def test_numbers_keep_their_value() -> None:
    numbers = b"[[1,1.50,1E400,-0.0,100000000000000000000000000000000000000]]"

    assert read(numbers) == [b"[1,1.50,1E+400,-0.0,100000000000000000000000000000000000000]"]


@pytest.mark.parametrize("content", [b"", b" \n\n", b"[]", b"[]\n", b'{"conversations": []}'])
def test_an_empty_file_has_no_values(content: bytes) -> None:
    assert read(content) == []


def test_values_of_many_shapes_may_follow_each_other() -> None:
    content = (
        b'{"conversations": [1, {"conversations": [2]}], "pages": 3, "conversations": [[4]]}'
        b' [5, [6]] {"conversations": {"no": "list"}} "x" 7'
    )

    assert read(content) == [
        b"1",
        b'{"conversations":[2]}',
        b"[4]",
        b"5",
        b"[6]",
        b'{"conversations":{"no":"list"}}',
        b'"x"',
        b"7",
    ]


def test_a_byte_order_mark_is_no_value() -> None:
    assert read(b'\xef\xbb\xbf{"a":1}\r\n{"b":2}\r\n') == [b'{"a":1}', b'{"b":2}']


@pytest.mark.parametrize("bad", [b"bad", b'{"a"', b'{"a":NaN}', b'"\xff"', b"9" * 5000, b"1 ]"])
def test_a_bad_line_is_a_value_as_it_is_and_the_rest_goes_on(bad: bytes) -> None:
    lines = b'{"a":1}\n\n%b\n[2,{"conversations":[3]}]\n' % bad

    assert list(values(io.BytesIO(lines), "file.json", UNDER)) == [
        Value(body=b'{"a":1}', place="line 1"),
        Value(body=bad, place="line 3"),
        Value(body=b"2", place="line 4"),
        Value(body=b'{"conversations":[3]}', place="line 4, value 2"),
    ]


@pytest.mark.parametrize("name", ["a.ndjson", "a.JSONL", "a.ndjson.gz"])
def test_a_file_named_for_lines_is_read_by_line_even_when_its_first_is_bad(name: str) -> None:
    assert read(b'bad\n{"a":1}', name) == [b"bad", b'{"a":1}']


def test_a_line_that_is_too_long_is_told_by_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = b'{"a":1}\n"%b"\n{"b":2}\n' % (b"x" * files.LONGEST_LINE)

    first, long, last = values(io.BytesIO(lines), "file.ndjson", UNDER)

    assert (first.body, last) == (b'{"a":1}', Value(body=b'{"b":2}', place="line 3"))
    assert long == Value(
        body=b'"' + b"x" * (files.BEGINNING - 1),
        place="line 2",
        fault="a line of more than 64 MiB; this is its beginning",
    )


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b", ",
        b', {"c": {"d": 3}',
        b', {"c": NaN}]',
        b', {"c": tru}]',
        b', {"c": "\xff"}]',
        b', {"c": 1e99999999999999999999}]',
        b', {"c": %b}]' % (b"9" * 5000),
        b"] ]",
        b"} ",
        b"\x00",
    ],
)
def test_what_comes_before_a_break_is_read(rest: bytes) -> None:
    found, why = read_broken(b'[{"a": 1}, {"b": [2]}' + rest)

    assert found == [b'{"a":1}', b'{"b":[2]}']
    assert why.startswith("its JSON breaks ")


def test_a_break_far_into_a_file_is_told_by_its_place() -> None:
    good = b"1," * files.CHUNK

    found, why = read_broken(b"[" + good + b"NaN" + good)

    assert len(found) == files.CHUNK
    assert why == (
        "its JSON breaks in bytes 131072 to 196608: lexical error: invalid char in json text."
    )


def test_nothing_is_nested_too_deeply_to_be_kept() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000

    assert read(b"[%b]" % deep) == [deep]


def test_a_packed_file_is_unpacked(tmp_path: Path) -> None:
    packed = tmp_path / "a.json.gz"
    packed.write_bytes(gzip.compress(b'[{"a": 1}]'))

    with opened(str(packed)) as (file, _):
        assert [one.body for one in values(file, packed.name, UNDER)] == [b'{"a":1}']


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_packed_file_that_is_cut_off_is_broken(tmp_path: Path, *, is_whole: bool) -> None:
    packed = tmp_path / "a.json.gz"
    packed.write_bytes(gzip.compress(b'[{"a": 1}]')[:-9])

    with opened(str(packed)) as (file, _), pytest.raises(Broken, match="it cannot be read: "):
        list(whole(file) if is_whole else values(file, packed.name, UNDER))


def test_a_whole_file_is_one_value() -> None:
    assert list(whole(io.BytesIO(b"[1, 2]\n"))) == [Value(body=b"[1, 2]\n", place="")]


def test_a_whole_file_may_not_be_larger_than_memory_stands() -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return bytes(size or 0)

    with pytest.raises(Broken, match="more than 256 MiB"):
        list(whole(Endless()))
