"""Tables: found in the sheets by their headers, in any order and spelling."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from deskwire.core.table import Cell, Row, Sheet
from deskwire.providers.spreadsheet.cells import quoted, words

#: Beyond, nobody looks for headers.
DEEPEST_HEADERS = 20

#: Per table, its columns and the spellings that mean them, without case, blanks, signs and plurals;
#: the first that is there counts. Of the first two tables all columns must be there, of the last
#: one the first.
TABLES = {
    "interactions": {
        "Date Start": ("datestart", "startdate", "date", "start"),
        "Interaction": ("interaction", "channel"),
        "Customers": ("customer", "customerid"),
    },
    "products": {
        "Date": ("date", "month"),
        "Product": ("product",),
    },
    "customers": {
        "Customer_Id": ("customerid", "customer", "id"),
        "Occupation": ("occupation",),
        "Type": ("type", "customertype"),
    },
}
_ELSEWHERE = {*TABLES["interactions"]["Interaction"], *TABLES["products"]["Product"]}
_SEPARATORS = re.compile(r"[\W_]+")
_PLURAL = re.compile(r"(?<=\w)s$")


class Table(Struct, frozen=True, kw_only=True):
    """A table that was found."""

    kind: str
    header: int  #: index of the row with its headers
    columns: dict[str, int]  #: index by the name above
    further: dict[str, int] = {}  #: the same of columns that are not above, case-folded
    notes: list[tuple[int, str]] = []  #: (column, what is to be said of it)


def find(sheet: Sheet) -> Table | None:
    """The table of a sheet; None: it has none that is known."""
    for index, row in enumerate(sheet.rows[:DEEPEST_HEADERS]):
        for kind in TABLES:
            columns = _columns(kind, row.cells)
            if columns is not None:
                further = _further(row.cells, columns) if kind == "customers" else {}
                notes = [
                    *_spelt_otherwise(row.cells, columns),
                    *_left_out(sheet.rows[index:], {*columns.values(), *further.values()}),
                ]
                return Table(kind=kind, header=index, columns=columns, further=further, notes=notes)
    return None


def _plain(cell: Cell) -> str:
    parts = _SEPARATORS.split(words(cell).casefold())
    return "".join(_PLURAL.sub("", part) for part in parts)


def _columns(kind: str, headers: Sequence[Cell]) -> dict[str, int] | None:
    plain = [_plain(one) for one in headers]
    found = {
        name: next(plain.index(one) for one in spellings if one in plain)
        for name, spellings in TABLES[kind].items()
        if not set(plain).isdisjoint(spellings)
    }
    if kind == "customers":
        return found if "Customer_Id" in found and _ELSEWHERE.isdisjoint(plain) else None
    return found if len(found) == len(TABLES[kind]) else None


def _further(headers: Sequence[Cell], columns: dict[str, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for index, one in enumerate(headers):
        name = words(one).casefold()
        is_known = index in columns.values() or name in {key.casefold() for key in columns}
        if name and not is_known:
            found.setdefault(name, index)
    return found


def _spelt_otherwise(headers: Sequence[Cell], columns: dict[str, int]) -> Iterator[tuple[int, str]]:
    for name, index in columns.items():
        if headers[index] != name:
            yield index, f'header {quoted(headers[index])} read as "{name}"'
    order = list(columns.values())
    if order != sorted(order):
        yield min(order), "the columns are in another order"


def _left_out(rows: Sequence[Row], taken: set[int]) -> Iterator[tuple[int, str]]:
    """Columns in which something is written and that are not read."""
    headers = rows[0].cells
    used = {index for row in rows for index, cell in enumerate(row.cells) if cell is not None}
    for index in sorted(used - taken):
        header = headers[index] if index < len(headers) else None
        which = f"column {index + 1}" if header is None else f"column {quoted(header)}"
        yield index, f"{which} is not read"
