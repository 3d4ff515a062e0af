"""Business hours: how much of a stretch of time a schedule is open."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo

from msgspec import Struct

from deskwire.core.instants import from_micros, to_micros

DAY_MINUTES = 24 * 60
#: Beyond these nothing is open: an instant of the year 9999 is a desk's mistake.
FIRST_YEAR, LAST_YEAR = 1970, 2100


class Schedule(Struct, frozen=True, kw_only=True):
    """When it is open; local times, as minutes of the day, half-open."""

    zone: str
    week: tuple[tuple[tuple[int, int], ...], ...]  #: seven days, Monday first
    holidays: frozenset[date] = frozenset()

    def open_micros(self, from_at: int, to_at: int) -> int:
        """µs between two instants during which it is open; 0 when they are reversed."""
        return max(0, _open_before(self, to_at) - _open_before(self, from_at))


def _open_before(schedule: Schedule, at: int) -> int:
    starts, ends, before = _stretches(schedule)
    place = bisect_right(starts, at) - 1
    if place < 0:
        return 0
    return before[place] + min(at, ends[place]) - starts[place]


@lru_cache(maxsize=16)
def _stretches(schedule: Schedule) -> tuple[list[int], list[int], list[int]]:
    """Where it is open, in order: from, to, and for how long before each."""
    zone = ZoneInfo(schedule.zone)
    told: list[tuple[int, int]] = []
    for ordinal in range(date(FIRST_YEAR, 1, 1).toordinal(), date(LAST_YEAR, 12, 31).toordinal()):
        day = date.fromordinal(ordinal)
        week = () if day in schedule.holidays else schedule.week[day.weekday()]
        for begin, end in week:
            start, stop = _first(day, begin, zone), _last(day, end, zone)
            if told and start <= told[-1][1]:
                start, before = told.pop()
                stop = max(stop, before)
            if start < stop:
                told.append((start, stop))
    starts, ends = [one[0] for one in told], [one[1] for one in told]
    lengths = [end - start for start, end in told]
    return starts, ends, list(accumulate(lengths, initial=0))[:-1]


def midnight(day: date, zone: ZoneInfo) -> int:
    """µs of the first instant of a local day, whatever its clock shows then."""
    return _first(day, 0, zone)


def _first(day: date, minute: int, zone: ZoneInfo) -> int:
    """The first instant at which the clock shows this minute or, where it skips it, a later one."""
    return _micros(_wall(day, minute), zone, fold=0)


def _last(day: date, minute: int, zone: ZoneInfo) -> int:
    """The last such instant; the end of a day is the first of the next."""
    return _micros(_wall(day, minute), zone, fold=0 if minute == DAY_MINUTES else 1)


def _wall(day: date, minute: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(minutes=minute)


def _micros(wall: datetime, zone: ZoneInfo, fold: int) -> int:
    local = wall.replace(tzinfo=zone, fold=fold)
    at = to_micros(local.astimezone(UTC))
    if from_micros(at).astimezone(zone).replace(tzinfo=None) == wall:
        return at
    return _change(to_micros(wall.replace(tzinfo=zone, fold=1).astimezone(UTC)), at, wall, zone)


def _change(before: int, after: int, wall: datetime, zone: ZoneInfo) -> int:
    """The instant at which the clock jumped over a time; `before` and `after` are around it."""
    after = max(after, to_micros(wall.replace(tzinfo=zone, fold=0).astimezone(UTC)))
    while before < after:
        middle = (before + after) // 2
        if from_micros(middle).astimezone(zone).replace(tzinfo=None) >= wall:
            after = middle
        else:
            before = middle + 1
    return after
