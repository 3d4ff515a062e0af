"""Business hours and days of a zone, compared with clocks that are read minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire.core.instants import from_micros, to_micros
from deskwire.reports.buckets import UNITS, TimeUnit, cut
from deskwire.reports.hours import Schedule, midnight, minutes_of
from deskwire.reports.question import Unanswerable, zone_named

LONDON = ZoneInfo("Europe/London")
HOUR = 3_600_000_000  # µs
MINUTE = timedelta(minutes=1)
#: Their clocks go on and back at night, at midnight, by half an hour, or never.
ZONES = ["Europe/London", "America/Santiago", "Asia/Beirut", "Australia/Lord_Howe", "UTC"]
WEEK = [
    ["00:00-01:30", "02:00-24:00"],
    ["09:00-17:30"],
    [],
    ["00:00-24:00"],
    ["08:15-12:00", "12:00-13:45", "23:00-24:00"],
    ["22:00-24:00"],
    ["00:00-00:15", "01:15-02:45"],
]
TUESDAY = date(2026, 3, 24)


def schedule(zone: str) -> Schedule:
    week = tuple(tuple(map(minutes_of, day)) for day in WEEK)
    return Schedule(zone=zone, week=week, holidays=frozenset({TUESDAY}))


def is_open(local: datetime) -> bool:
    minute = local.hour * 60 + local.minute
    stretches = map(minutes_of, WEEK[local.weekday()])
    return local.date() != TUESDAY and any(begin <= minute < end for begin, end in stretches)


starts = st.sampled_from(
    [
        datetime(2026, 3, 23, tzinfo=UTC),
        datetime(2026, 3, 28, tzinfo=UTC),
        datetime(2026, 4, 4, tzinfo=UTC),
        datetime(2026, 10, 3, tzinfo=UTC),
        datetime(2026, 10, 24, tzinfo=UTC),
    ]
)


@given(st.sampled_from(ZONES), starts, st.integers(0, 2000), st.integers(0, 2000))
def test_as_much_is_open_as_a_clock_shows(
    zone: str, start: datetime, before: int, minutes: int
) -> None:
    from_at = start + before * MINUTE
    clock = ((from_at + n * MINUTE).astimezone(ZoneInfo(zone)) for n in range(minutes))

    counted = schedule(zone).open_micros(to_micros(from_at), to_micros(from_at + minutes * MINUTE))

    assert counted == sum(map(is_open, clock)) * 60_000_000


def test_reversed_ends_are_no_time() -> None:
    assert schedule("UTC").open_micros(to_micros(datetime(2026, 3, 27, tzinfo=UTC)), 0) == 0


def test_what_is_beyond_all_years_is_no_time() -> None:
    year_9999 = to_micros(datetime(9999, 12, 31, tzinfo=UTC))

    assert schedule("UTC").open_micros(year_9999 - HOUR, year_9999) == 0


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 28), 24), (date(2026, 3, 29), 23), (date(2026, 10, 25), 25)],
)
def test_a_day_is_as_long_as_its_clock_makes_it(day: date, hours: int) -> None:
    start, end = midnight(day, LONDON), midnight(day + timedelta(days=1), LONDON)
    whole = cut("hour", LONDON, start, end)

    assert end - start == hours * HOUR
    assert len(set(whole.keys)) == hours
    assert cut("day", LONDON, start, end).keys == [day.isoformat()]


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_the_last_microsecond_of_a_day_is_its_own_and_midnight_the_next_ones(day: date) -> None:
    start, end = midnight(day, LONDON), midnight(day + timedelta(days=1), LONDON)
    days = cut("day", LONDON, start - 1, end + 1)

    before, after = (day - timedelta(days=1)).isoformat(), (day + timedelta(days=1)).isoformat()
    assert [days.key_of(at) for at in (start - 1, start, end - 1, end)] == [
        before,
        day.isoformat(),
        day.isoformat(),
        after,
    ]


def test_hours_where_the_clock_changes_by_half_an_hour_are_longer_or_shorter() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    day = date(2026, 4, 5)  # 02:00+11:00 is 01:30+10:30
    hours = cut("hour", zone, midnight(day, zone), midnight(day + timedelta(days=1), zone))

    assert hours.keys[:4] == [
        "2026-04-05T00:00+11:00",
        "2026-04-05T01:00+11:00",
        "2026-04-05T02:00+10:30",
        "2026-04-05T03:00+10:30",
    ]
    assert hours.starts[2] - hours.starts[1] == HOUR * 3 // 2


@given(
    st.sampled_from(UNITS),
    st.sampled_from(ZONES),
    st.integers(
        to_micros(datetime(2025, 1, 1, tzinfo=UTC)), to_micros(datetime(2027, 1, 1, tzinfo=UTC))
    ),
    st.integers(1, 60 * 24 * HOUR),
)
def test_every_instant_of_a_period_is_in_a_bucket_of_its_clock(
    unit: TimeUnit, zone: str, since: int, length: int
) -> None:
    buckets = cut(unit, ZoneInfo(zone), since, since + length)

    assert buckets.starts == sorted(set(buckets.starts))
    assert buckets.starts[0] <= since
    assert buckets.starts[1:] == [at for at in buckets.starts if since < at < since + length]
    local = from_micros(since).astimezone(ZoneInfo(zone))
    shown = {
        "hour": local.strftime("%Y-%m-%dT%H"),
        "day": local.date().isoformat(),
        "week": (local.date() - timedelta(days=local.weekday())).isoformat(),
        "month": local.strftime("%Y-%m"),
        "weekday_hour": f"{local.isoweekday()}-{local.hour:02}",
    }
    if unit != "hour" or zone != "Australia/Lord_Howe":
        assert buckets.key_of(since).startswith(shown[unit])


def test_too_long_a_period_is_told() -> None:
    with pytest.raises(Unanswerable, match="by hour this is too long a period"):
        cut("hour", LONDON, 0, to_micros(datetime(2026, 1, 1, tzinfo=UTC)))


def test_the_end_of_the_calendar_is_told() -> None:
    last = to_micros(datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    for unit in UNITS:
        for zone in ("UTC", "Pacific/Auckland", "America/Santiago"):
            with pytest.raises(Unanswerable, match="beyond the year 9999"):
                cut(unit, ZoneInfo(zone), last, last + 1)


@pytest.mark.parametrize("name", ["", "Europe", "Europe/Nowhere", "../../etc", "a\0b", "x" * 9999])
def test_what_is_no_zone_is_told(name: str) -> None:
    with pytest.raises(Unanswerable, match="there is no time zone"):
        zone_named(name)


@pytest.mark.parametrize(
    "text", ["9-17", "09:00-09:00", "17:00-09:00", "09:00-24:01", "٠٩:00-10:00"]
)
def test_what_is_no_stretch_of_a_day_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no stretch of a day"):
        minutes_of(text)
