"""Tables of a file, as they are kept in a record: what was read of it, before its meaning."""

from __future__ import annotations

import re

from msgspec import Struct

_ROW = re.compile(r"/sheets/([0-9]+)(?:/rows/([0-9]+)(?:/.*)?)?")


class Date(Struct, frozen=True):
    """A cell that the file itself has as a date."""

    date: str  #: ISO 8601 without a zone, with a time of day or without


Cell = Date | str | float | int | bool | None  #: None: empty


class Row(Struct, frozen=True):
    """A row that is not empty."""

    row: int  #: counts from 1, as the sheet does
    cells: list[Cell]


class Sheet(Struct, frozen=True):
    """A sheet of a workbook, or all of a CSV file."""

    name: str
    rows: list[Row] = []


class Workbook(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a file holds; or what one that was imported does not hold any more."""

    file: str = ""
    zone: str = "UTC"  #: of its dates: a name in the tz database
    sheets: list[Sheet] = []
    withdrawn: list[str] = []  #: external ids of conversations


def place(sheet: int, row: int) -> str:
    """JSON pointer to a row, both by their index."""
    return f"/sheets/{sheet}/rows/{row}"


def whereabouts(workbook: Workbook, at: str) -> tuple[str, int]:
    """The sheet's name and the row's number that a pointer leads to; the first row of a sheet."""
    found = _ROW.fullmatch(at)
    if found is None:
        return "", 1
    sheet = workbook.sheets[int(found[1])]
    row = int(found[2] or 0)
    return sheet.name, sheet.rows[row].row if row < len(sheet.rows) else 1


def rows_at(workbook: Workbook, ats: set[str]) -> int:
    """How many rows are named by pointers, to themselves or to all of their sheet."""
    count = 0
    for at in ats:
        found = _ROW.fullmatch(at)
        if found is not None and found[2] is None:
            count += len(workbook.sheets[int(found[1])].rows)
        elif found is not None:
            count += at == place(int(found[1]), int(found[2]))
    return count
