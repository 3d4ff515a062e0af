"""Business hours: how much of a stretch of time a schedule is open."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo

from msgspec import Struct

from deskwire.core.instants import from_micros, to_micros

DAY_MINUTES = 24 * 60
MINUTE = 60_000_000  # µs
DAY = DAY_MINUTES * MINUTE
#: µs. Beyond these years nothing is open: an instant of the year 9999 is a desk's mistake.
_BEGIN, _END = (to_micros(datetime(year, 1, 1, tzinfo=UTC)) for year in (1970, 2100))
_STRETCH = re.compile(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)", re.ASCII)


def minutes_of(text: str) -> tuple[int, int]:
    """`09:00-17:30` as minutes of the day; ValueError when it is no such stretch."""
    found = _STRETCH.fullmatch(text)
    if found is not None:
        hour, minute, last_hour, last_minute = map(int, found.groups())
        begin, end = hour * 60 + minute, last_hour * 60 + last_minute
        if begin < end <= DAY_MINUTES:
            return begin, end
    raise ValueError(f"{text!r} is no stretch of a day; write as in 09:00-17:30, at most to 24:00")


class Schedule(Struct, frozen=True, kw_only=True):
    """When it is open; local times, as minutes of the day, half-open."""

    zone: str
    week: tuple[tuple[tuple[int, int], ...], ...]  #: seven days, Monday first
    holidays: frozenset[date] = frozenset()

    def open_micros(self, from_at: int, to_at: int) -> int:
        """µs between two instants during which it is open; 0 when they are reversed."""
        if from_at >= to_at:
            return 0
        years = range(_year(from_at - DAY), _year(to_at + DAY) + 1)
        return sum(
            _open_before(self, year, to_at) - _open_before(self, year, from_at) for year in years
        )


def _year(at: int) -> int:
    return from_micros(min(max(at, _BEGIN), _END)).year


def _open_before(schedule: Schedule, year: int, at: int) -> int:
    """µs of the local year's open time that are before an instant."""
    starts, ends, before = _stretches(schedule, year)
    place = bisect_right(starts, at) - 1
    if place < 0:
        return 0
    return before[place] + min(at, ends[place]) - starts[place]


@lru_cache(maxsize=1000)
def _stretches(schedule: Schedule, year: int) -> tuple[list[int], list[int], list[int]]:
    """Where it is open in a year, in order: from, to, and for how long before each."""
    zone = ZoneInfo(schedule.zone)
    told: list[tuple[int, int]] = []
    for ordinal in range(date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal()):
        day = date.fromordinal(ordinal)
        if (week := schedule.week[day.weekday()]) and day not in schedule.holidays:
            told += _open_on(day, week, zone)
    starts, ends = [one[0] for one in told], [one[1] for one in told]
    lengths = [end - start for start, end in told]
    return starts, ends, list(accumulate(lengths, initial=0))[:-1]


def _open_on(
    day: date, stretches: tuple[tuple[int, int], ...], zone: ZoneInfo
) -> Iterator[tuple[int, int]]:
    """While the clock shows a time of a stretch: what it shows twice counts twice."""
    start, end = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    change = _change(start, end, zone)
    wall = to_micros(datetime.combine(day, time(), UTC))
    for piece_start, piece_end in ((start, change), (change, end)):
        offset = _offset(piece_start, zone)
        for begin, stop in stretches:
            from_at = max(piece_start, wall + begin * MINUTE - offset)
            to_at = min(piece_end, wall + stop * MINUTE - offset)
            if from_at < to_at:
                yield from_at, to_at


def midnight(day: date, zone: ZoneInfo) -> int:
    """µs of the first instant of a local day, whatever its clock shows then."""
    wall = datetime.combine(day, time(), zone)
    at = to_micros(wall.astimezone(UTC))
    before = to_micros(wall.replace(fold=1).astimezone(UTC))
    return _change(before, at, zone) if before < at else at  # the clock jumps over it


def _offset(at: int, zone: ZoneInfo) -> int:
    """µs by which the local clock is ahead of UTC."""
    found = from_micros(at).astimezone(zone).utcoffset()
    return (found or timedelta()) // timedelta(microseconds=1)


def _change(before: int, after: int, zone: ZoneInfo) -> int:
    """The first instant, of those up to `after`, with another offset than `before`."""
    offset = _offset(before, zone)
    if _offset(after - 1, zone) == offset:
        return after
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(middle, zone) == offset:
            before = middle
        else:
            after = middle
    return after
