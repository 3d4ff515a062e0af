"""Cells: what is written in them, and what it is read as.

Each function gives the value and, where that is not what is written, a note; ValueError says why
a cell cannot be understood. Dates are day first, always.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from deskwire.core.table import Cell, Date
from deskwire.core.text import storable

#: Years that somebody may have meant.
FIRST_YEAR, LAST_YEAR = 1900, 2100
LONGEST_SHOWN = 60  # characters

_ID = re.compile(r"([0-9]{1,15})(?:\.0+)?")
_DAY_FIRST = re.compile(
    r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})"
    r"(?:[ T,]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?)?"
)
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?")
_MONTH = re.compile(r"(?:([0-9]{1,2})[-/.]([0-9]{4})|([0-9]{4})[-/.]([0-9]{1,2}))")
_HALF_A_SECOND = timedelta(seconds=0.5)


class Start(Struct, frozen=True, kw_only=True):
    """When something began."""

    at: datetime  #: aware, UTC
    local: str  #: as the zone's clocks showed it; the second of two equal ones has its offset


def text(cell: Cell) -> str:
    """What is written in a cell."""
    match cell:
        case None:
            return ""
        case str():
            return storable(cell)
        case bool():
            return str(cell).upper()
        case Date(date=date):
            return storable(date)
        case _:
            return str(cell)


def words(cell: Cell) -> str:
    """What is written in a cell, with single blanks and none around."""
    return " ".join(text(cell).split())


def quoted(cell: Cell) -> str:
    """What is written in a cell, for people."""
    written = text(cell)
    shown = written if len(written) <= LONGEST_SHOWN else f"{written[:LONGEST_SHOWN]}…"
    return f'"{shown}"' if isinstance(cell, str) else shown


def otherwise(cell: Cell, value: str) -> list[str]:
    """The note that a cell is read as another text, unless that is what it is."""
    return [] if text(cell) == value else [f'{quoted(cell)} read as "{value}"']


def customer_id(cell: Cell) -> tuple[str, list[str]]:
    """A customer's id: a whole number."""
    found = _ID.fullmatch(words(cell))
    if cell is None:
        raise ValueError("it has no customer")
    if found is None or isinstance(cell, bool):
        raise ValueError(f"{quoted(cell)} is no customer's id: ids are whole numbers")
    value = str(int(found[1]))
    is_number = isinstance(cell, int) and text(cell) == value
    return value, [] if is_number else [f"{quoted(cell)} read as {value}"]


def start(cell: Cell, zone: ZoneInfo) -> tuple[Start, list[str]]:
    """A date with a time of day, in a zone."""
    if cell is None:
        raise ValueError("it has no date")
    moment, has_time = _moment(cell, "is no date: write 31/12/2020 16:05")
    local = moment if moment.tzinfo is None else moment.astimezone(zone)
    notes = []
    if f"{local:%d/%m/%Y %H:%M}" != text(cell):
        shown = f"{local:%d/%m/%Y %H:%M:%S}" if local.second else f"{local:%d/%m/%Y %H:%M}"
        notes.append(f"{_written(cell)} read as {shown}")
    if not has_time:
        notes.append("it has no time of day: 00:00 counts")
    if local.tzinfo is not None:
        return Start(at=local.astimezone(UTC), local=_local(local)), notes
    seen = local.replace(tzinfo=zone)
    at = seen.astimezone(UTC)
    back = at.astimezone(zone)
    if back.replace(tzinfo=None) != local:
        notes.append(f"the clocks skipped this time: {back:%H:%M} counts")
    elif seen.utcoffset() != seen.replace(fold=1).utcoffset():
        notes.append("the clocks showed this time twice: the first counts")
    return Start(at=at, local=_local(seen)), notes


def month(cell: Cell) -> tuple[tuple[int, int], list[str]]:
    """(year, month)."""
    if cell is None:
        raise ValueError("it has no month")
    found = _MONTH.fullmatch(words(cell)) if isinstance(cell, str) else None
    if found is not None:
        year, number = int(found[2] or found[3]), int(found[1] or found[4])
        if not 1 <= number <= 12:
            raise ValueError(f"{quoted(cell)}: there is no month {number}")
        _check_year(year, cell)
    else:
        moment, _ = _moment(cell, "is no month: write 12-2020")
        year, number = moment.year, moment.month
    value = f"{number:02}-{year}"
    notes = [] if text(cell) == value else [f"{_written(cell)} read as {value}"]
    return (year, number), notes


def _moment(cell: Cell, fault: str) -> tuple[datetime, bool]:
    """A date, and whether it has a time of day; aware where the cell has an offset."""
    written = words(cell) if isinstance(cell, str) else ""
    if isinstance(cell, Date):
        moment, has_time = _whole_second(cell), True
    elif _ISO.fullmatch(written):
        moment, has_time = _iso(cell), len(written) > len("2020-12-31")
    elif (found := _DAY_FIRST.fullmatch(written)) is not None:
        day, number, year, hour, minute, second = (int(one or 0) for one in found.groups())
        try:
            moment = datetime(year, number, day, hour, minute, second)  # noqa: DTZ001 - the zone's
        except ValueError as error:
            raise ValueError(f"{quoted(cell)} is an impossible date: {error}") from error
        has_time = found[4] is not None
    else:
        raise ValueError(f"{quoted(cell)} {fault}")
    _check_year(moment.year, cell)
    return moment, has_time


def _whole_second(cell: Date) -> datetime:
    """Excel keeps dates as fractions of days, which are not exact."""
    try:
        value = datetime.fromisoformat(words(cell)).replace(tzinfo=None) + _HALF_A_SECOND
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{quoted(cell)} is an impossible date: {error}") from error
    return value.replace(microsecond=0)


def _iso(cell: Cell) -> datetime:
    try:
        return datetime.fromisoformat(words(cell)).replace(microsecond=0)
    except ValueError as error:
        raise ValueError(f"{quoted(cell)} is an impossible date: {error}") from error


def _check_year(year: int, cell: Cell) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f"{quoted(cell)}: the year is not from {FIRST_YEAR} to {LAST_YEAR}")


def _written(cell: Cell) -> str:
    return f"the date {quoted(cell)}" if isinstance(cell, Date) else quoted(cell)


def _local(seen: datetime) -> str:
    spec = "seconds" if seen.second else "minutes"
    bare = seen.replace(tzinfo=None, fold=0).isoformat(timespec=spec)
    is_second = seen.fold and seen.utcoffset() != seen.replace(fold=0).utcoffset()
    return f"{bare}{seen:%z}" if is_second else bare
