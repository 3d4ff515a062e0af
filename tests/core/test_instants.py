from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire.core.instants import from_micros, parse_instant, rfc3339, to_micros

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
instants = st.datetimes(timezones=st.just(UTC))


@given(instants)
def test_micros_keep_an_instant_to_the_microsecond(instant: datetime) -> None:
    assert from_micros(to_micros(instant)) == instant


@given(instants)
def test_text_keeps_an_instant_to_the_microsecond(instant: datetime) -> None:
    assert parse_instant(rfc3339(instant)) == instant


def test_micros_count_from_1970() -> None:
    assert to_micros(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)) == 1_000_005


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (NOON, "2026-11-01T12:00:00Z"),
        (NOON + timedelta(microseconds=5), "2026-11-01T12:00:00.000005Z"),
        (NOON.astimezone(timezone(timedelta(hours=2))), "2026-11-01T12:00:00Z"),
    ],
)
def test_an_instant_is_written_in_utc(instant: datetime, text: str) -> None:
    assert rfc3339(instant) == text


@pytest.mark.parametrize(
    "text", ["2026-11-01T12:00:00", "2026-11-01T12:00:00Z", "2026-11-01T14:00:00+02:00"]
)
def test_a_missing_zone_means_utc(text: str) -> None:
    assert parse_instant(text) == NOON


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"])
def test_what_is_no_instant_in_utc_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be told in UTC"):
        parse_instant(text)


@pytest.mark.parametrize("text", ["", "noon", "1767261600.5x"])
def test_other_text_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid isoformat"):
        parse_instant(text)
