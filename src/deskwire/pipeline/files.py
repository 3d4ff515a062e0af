"""Files that are imported: their values one by one; memory does not grow with the file."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import ijson  # type: ignore[import-untyped]
import msgspec
from msgspec import Struct

from deskwire.core.errors import GiveUp

STDIN = "-"
MIB = 1 << 20
LONGEST_LINE = 64 * MIB
LARGEST_WHOLE = 256 * MIB
CHUNK = 1 << 16
#: What is kept of a line that is too long, so that a person can tell which it is.
BEGINNING = 1 << 16
BY_LINE = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Event = tuple[str, object]
BRACKETS = {"start_map": b"{", "end_map": b"}", "start_array": b"[", "end_array": b"]"}

LONGEST_ESCAPE = 12  # bytes: a character as two halves, `\\ud83d\\ude00`
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][\da-fA-F]{2})|.)",  # the group: one half alone
    re.DOTALL,
)
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


class Broken(GiveUp):
    """A file cannot be read on; what came before counts."""


class Value(Struct, frozen=True, kw_only=True):
    """One JSON value of a file, or a line that is none."""

    body: bytes
    place: str  #: for people; empty: it is all of the file
    fault: str | None = None  #: why `body` is only a beginning


@contextmanager
def opened(name: str) -> Iterator[tuple[io.BufferedIOBase, io.BufferedIOBase]]:
    """What a file holds, unpacked where it is packed, and the file as it is on the disk."""
    with _told():
        raw = io.FileIO(0 if name == STDIN else name, closefd=name != STDIN)
    with io.BufferedReader(raw) as file:
        with _told():
            is_packed = file.peek(2)[:2] == b"\x1f\x8b"
        yield (gzip.GzipFile(fileobj=file) if is_packed else file), file


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise Broken(f"it cannot be read: {error}") from error


def whole(file: io.BufferedIOBase) -> Iterator[Value]:
    """All of a file as one value; Broken when it is too large."""
    with _told():
        body = file.read(LARGEST_WHOLE + 1)
    if len(body) > LARGEST_WHOLE:
        raise Broken(f"it has more than {LARGEST_WHOLE // MIB} MiB: split it")
    yield Value(body=body, place="")


def values(file: io.BufferedIOBase, name: str, listed_under: frozenset[str]) -> Iterator[Value]:
    """Each JSON value: of a list, below one of the keys, after another, or on a line.

    Broken where the JSON is; a line that is broken is a value as it is.
    """
    with _told():
        first = file.readline(MIB).removeprefix(BYTE_ORDER_MARK)
        is_whole = len(first) < MIB and _split(first, listed_under)
        if is_whole or name.lower().endswith(BY_LINE):
            yield from _by_line(first, file, listed_under)
        else:
            for number, body in enumerate(_streamed(_chunks(first, file), listed_under), 1):
                yield Value(body=body, place=f"value {number}")


def _by_line(
    first: bytes, file: io.BufferedIOBase, listed_under: frozenset[str]
) -> Iterator[Value]:
    line, number = first, 1
    if not first.endswith(b"\n"):
        line += file.readline(LONGEST_LINE)
    while line:
        place = f"line {number}"
        if len(line) > LONGEST_LINE:
            fault = f"a line of more than {LONGEST_LINE // MIB} MiB; this is its beginning"
            yield Value(body=line[:BEGINNING], place=place, fault=fault)
            while line and not line.endswith(b"\n"):
                line = file.readline(MIB)
        elif line.strip():
            bodies = _split(line, listed_under)
            for n, body in enumerate([line.strip()] if bodies is None else bodies, 1):
                yield Value(body=body, place=place if n == 1 else f"{place}, value {n}")
        line, number = file.readline(LONGEST_LINE + 1), number + 1


def _split(line: bytes, listed_under: frozenset[str]) -> list[bytes] | None:
    """The values of a line; None: it is no JSON, or only a part of it."""
    try:
        return list(_streamed(_chunks(line, io.BytesIO()), listed_under))
    except Broken:
        return None


def _chunks(first: bytes, file: io.BufferedIOBase) -> Iterator[bytes]:
    """A file from its first line on, with no escape cut in two."""
    line = io.BytesIO(first)

    def read(size: int) -> bytes:
        return line.read(size) or file.read(size)

    while chunk := bytearray(read(CHUNK)):
        while b"\\" in chunk[-LONGEST_ESCAPE:] and (more := read(LONGEST_ESCAPE)):
            chunk += more
        yield _mended(bytes(chunk))


def _mended(chunk: bytes) -> bytes:
    """With U+FFFD in place of each half of a character that is alone.

    ijson stops at some of them, and makes characters that nobody wrote of others.
    """
    if _HALF.search(chunk) is None:
        return chunk
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], chunk)


def _streamed(chunks: Iterable[bytes], listed_under: frozenset[str]) -> Iterator[bytes]:
    events: list[Event] = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events, multiple_values=True, use_float=False)
    splitter = Splitter(listed_under)
    is_blank, offset = True, 0
    for chunk in chunks:
        fault = _fed(events, parser.send, chunk)
        yield from splitter.take(events)
        if fault is not None:
            place = f"bytes {offset} to {offset + len(chunk)}"
            raise Broken(f"its JSON breaks in {place}: {fault}")
        is_blank = is_blank and not chunk.strip()
        offset += len(chunk)
    fault = None if is_blank else _fed(events, parser.close)
    yield from splitter.take(events)
    if fault is not None:
        raise Broken(f"its JSON breaks off at byte {offset}: {fault}")


def _fed(events: list[Event], feed: Callable[..., object], *chunk: bytes) -> str | None:
    """What is wrong with the JSON; None: nothing so far."""
    try:
        feed(*chunk)
    except SystemError:
        # ijson made an event of a whole number that is longer than Python reads, without a value:
        # whoever looks at that crashes.
        del events[-1:]
        return "a number is too long"
    except (ijson.JSONError, ValueError, ArithmeticError) as error:
        return str(error).partition("\n")[0]
    return None


class Splitter:
    """Makes JSON of the events of each value again, without what is around it."""

    def __init__(self, listed_under: frozenset[str]) -> None:
        self._listed_under = listed_under
        self._around = ""  #: brackets that are open around the values
        self._depth = 0  #: brackets that are open in the value
        self._key = ""  #: the last one outside of the value, or in its first rank
        self._text = bytearray()

    def take(self, events: list[Event]) -> Iterator[bytes]:
        """The values that the events complete; they are taken out of the list."""
        for event, value in events:
            if event == "map_key" and self._depth <= 1:
                self._key = str(value)
            if event == "start_array" and self._is_listed():
                self._around = ("{" if self._depth or self._around else "") + "["
                self._depth = 0
                self._text.clear()
            elif self._depth == 0 and event in {"end_array", "end_map"}:
                self._around = self._around[:-1]
            elif self._depth or self._around != "{" or event != "map_key":
                self._write(event, value)
                if self._depth == 0:
                    if self._around != "{":  # what a page says beside its list
                        yield bytes(self._text)
                    self._text.clear()
        events.clear()

    def _is_listed(self) -> bool:
        """Whether the list that begins is one of values, and no value itself."""
        if self._around == "" and self._depth == 0:
            return True
        is_of_page = (self._around, self._depth) in {("", 1), ("{", 0)}
        return is_of_page and self._key in self._listed_under

    def _write(self, event: str, value: object) -> None:
        is_first = not self._text or self._text.endswith((b"{", b"[", b":"))
        if not is_first and not event.startswith("end"):
            self._text += b","
        match event:
            case "start_map" | "start_array":
                self._depth += 1
                self._text += BRACKETS[event]
            case "end_map" | "end_array":
                self._depth -= 1
                self._text += BRACKETS[event]
            case "map_key":
                self._text += msgspec.json.encode(value) + b":"
            case "number":  # one that is no whole number is a Decimal
                self._text += str(value).encode()
            case _:
                self._text += msgspec.json.encode(value)
