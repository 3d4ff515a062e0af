"""Buckets of time: hours, days, weeks and months of a zone as half-open stretches."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from msgspec import Struct

from deskwire.core.instants import from_micros, to_micros
from deskwire.reports.hours import midnight
from deskwire.reports.question import Unanswerable

TimeUnit = Literal["hour", "day", "week", "month", "weekday_hour"]
UNITS: tuple[TimeUnit, ...] = get_args(TimeUnit)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_HOUR = 3_600_000_000  # µs
_SHORTEST = {"hour": _HOUR // 2, "weekday_hour": _HOUR // 2}  # where clocks change by half an hour
MOST_BUCKETS = 20_000
#: Zones differ from UTC by whole quarters of an hour.
_QUARTER = timedelta(minutes=15)


class Buckets(Struct, frozen=True, kw_only=True):
    """Stretches that follow each other; each lasts until the next begins, the last for ever.

    Several may have one key, as all Mondays at nine.
    """

    starts: list[int]  #: µs
    keys: list[str]

    def key_of(self, at: int) -> str:
        """The key of the stretch that an instant is in; it is in one."""
        return self.keys[bisect_right(self.starts, at) - 1]

    def stretches(self, keys: frozenset[str]) -> list[tuple[int, int | None]]:
        """Where these keys are."""
        ends = [*self.starts, None][1:]
        found = zip(self.starts, ends, self.keys, strict=True)
        return [(start, end) for start, end, key in found if key in keys]

    def labels(self) -> dict[str, str]:
        """How each key is shown, in order."""
        return {key: label(key) for key in sorted(self.keys)}


def label(key: str) -> str:
    """How a bucket is shown: `1-09` is Mondays at nine, others are as they are."""
    weekday, _, hour = key.partition("-")
    return f"{WEEKDAYS[int(weekday) - 1]} {hour}:00" if len(key) == len("1-09") else key


def cut(unit: TimeUnit, zone: ZoneInfo, since: int, until: int) -> Buckets:
    """The buckets that hold the instants from `since` to before `until`; µs.

    Unanswerable when there are too many, or the calendar does not reach so far.
    """
    if (until - since) // _SHORTEST.get(unit, 23 * _HOUR) > MOST_BUCKETS:
        raise Unanswerable("since", f"by {unit} this is too long a period; say since and until")
    cutter = _hours if unit in _SHORTEST else _days
    starts: list[int] = []
    keys: list[str] = []
    try:
        for start, key in cutter(unit, zone, since, until):
            if starts and start <= starts[-1]:  # a day that its zone skipped has no length
                starts.pop(), keys.pop()
            starts.append(start)
            keys.append(key)
    except (OverflowError, ValueError):
        raise Unanswerable("until", "the period goes on beyond the year 9999, say until") from None
    return Buckets(starts=starts, keys=keys)


def _days(unit: TimeUnit, zone: ZoneInfo, since: int, until: int) -> Iterator[tuple[int, str]]:
    day = from_micros(since).astimezone(zone).date()
    if unit == "week":
        day -= timedelta(days=day.weekday())
    elif unit == "month":
        day = day.replace(day=1)
    while (start := midnight(day, zone)) < until:
        yield start, day.isoformat()[:7] if unit == "month" else day.isoformat()
        day = _following(unit, day)


def _following(unit: TimeUnit, day: date) -> date:
    if unit == "month":
        return (day + timedelta(days=31)).replace(day=1)
    return day + timedelta(days=7 if unit == "week" else 1)


def _hours(unit: TimeUnit, zone: ZoneInfo, since: int, until: int) -> Iterator[tuple[int, str]]:
    """A local hour begins where the clock shows a full one, or jumps into one."""
    instant = from_micros(since - since % (_HOUR // 4) - 2 * _HOUR)
    last: tuple[int, str] | None = None
    before: datetime | None = None
    while to_micros(instant) < until:
        local = instant.astimezone(zone)
        if before is not None and (local.minute == 0 or local.hour != before.hour):
            if last is not None and to_micros(instant) > since:
                yield last
            last = to_micros(instant.astimezone(UTC)), _key(unit, local)
        before = local
        instant += _QUARTER
    if last is not None:
        yield last


def _key(unit: TimeUnit, local: datetime) -> str:
    if unit == "weekday_hour":
        return f"{local.isoweekday()}-{local.hour:02}"
    return local.isoformat(timespec="minutes")
