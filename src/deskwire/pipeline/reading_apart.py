"""Reading a workbook apart: the process in which it is done, with nothing to lose.

`python -m deskwire.pipeline.reading_apart LIMITS`: the file on standard input, its sheets as
JSON on standard output; or a reason there, and exit code 1.
"""

from __future__ import annotations

import csv
import io
import re
import resource
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec
import python_calamine as calamine

from deskwire.core.codec import decode
from deskwire.core.table import Cell, Date, Row, Sheet
from deskwire.core.text import storable
from deskwire.pipeline.workbook import OLE, ZIP, Limits

DELIMITERS = ",;\t"
#: Whole numbers as Excel writes them; `007` and `3.0` are texts that must be read as something.
_WHOLE = re.compile(r"-?[1-9][0-9]{0,11}|0", re.ASCII)
#: From here on a number is the name of something. As a text it is masked where it is a card's.
LONG = 1e12
#: From here on a spreadsheet's numbers are not exact.
INEXACT = 2.0**53


class Refused(Exception):
    """The file is not read; why."""


def main(told: str) -> int:
    """Read a file within its limits; the exit code."""
    limits = decode(told, Limits)
    _bound(limits)
    content = sys.stdin.buffer.read()
    try:
        body = _encoded(sheets(content, limits), limits)
    except (Refused, calamine.CalamineError, csv.Error) as error:
        sys.stdout.write(" ".join(f"it cannot be read: {error}".split()))
        return 1
    sys.stdout.buffer.write(body)
    return 0


def _bound(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _encoded(told: Iterator[Sheet], limits: Limits) -> bytes:
    body = msgspec.json.encode(list(told))
    if len(body) > limits.body_bytes:
        raise Refused("it holds too much text: split it")
    return body


def sheets(content: bytes, limits: Limits) -> Iterator[Sheet]:
    """What a file holds; Refused or the reader's own errors when it cannot be read."""
    if not content.startswith((ZIP, OLE)):
        yield _of_csv(content, limits)
        return
    workbook = calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
    left = limits.cells
    for told in workbook.sheets_metadata:
        if told.typ is not calamine.SheetTypeEnum.WorkSheet:
            continue
        sheet = workbook.get_sheet_by_name(told.name)
        left -= sheet.height * sheet.width
        if left < 0:
            raise Refused(f"it has more than {limits.cells} cells: split it")
        first = (sheet.start or (0, 0))[0] + 1
        rows = _rows(enumerate(sheet.to_python(), first))
        yield Sheet(name=storable(told.name), rows=list(rows))


def _of_csv(content: bytes, limits: Limits) -> Sheet:
    text = _decoded(content)
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    csv.field_size_limit(limits.file_bytes)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    numbered = ((number, [_typed(one) for one in row]) for number, row in enumerate(reader, 1))
    rows = list(_rows(_counted(numbered, limits)))
    return Sheet(name="", rows=rows)


def _decoded(content: bytes) -> str:
    """As UTF-8, with its mark or without; else as the Windows of western Europe writes."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _counted(
    rows: Iterable[tuple[int, list[Any]]], limits: Limits
) -> Iterator[tuple[int, list[Any]]]:
    left = limits.cells
    for number, row in rows:
        left -= len(row)
        if left < 0:
            raise Refused(f"it has more than {limits.cells} cells: split it")
        yield number, row


def _typed(text: str) -> Cell:
    return int(text) if _WHOLE.fullmatch(text) else text


def _rows(numbered: Iterable[tuple[int, list[Any]]]) -> Iterator[Row]:
    for number, values in numbered:
        cells = [_cell(value) for value in values]
        while cells and cells[-1] is None:
            cells.pop()
        if cells:
            yield Row(row=number, cells=cells)


def _cell(value: Any) -> Cell:  # noqa: ANN401 - whatever calamine makes of a cell
    match value:
        case str():
            return storable(value) if value.strip() else None
        case bool() | int():
            return value
        case float():
            return _number(value)
        case datetime() | date():
            return Date(value.isoformat())
        case time() | timedelta():
            return str(value)
        case _:
            return None if value is None else storable(str(value))


def _number(value: float) -> Cell:
    if not value.is_integer() or abs(value) >= INEXACT:
        return value
    return int(value) if abs(value) < LONG else str(int(value))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
