"""What a report is asked: a period, a zone, what to group and to filter by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from deskwire.core.errors import Misconfigured
from deskwire.core.instants import from_micros, to_micros
from deskwire.reports.hours import Schedule

MOST_DIMENSIONS = 3


class Unanswerable(Misconfigured):
    """The question is none; `field` is the part that has to be mended."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Calendar(Struct, frozen=True, kw_only=True):
    """The configured zone, and the business hours by their names."""

    zone: str = "UTC"
    schedules: dict[str, Schedule] = {}


class Question(Struct, frozen=True, kw_only=True):
    """Which events, and how they are grouped; instants are µs, the period is half-open."""

    workspace: str = "main"
    zone: ZoneInfo = ZoneInfo("UTC")
    since: int | None = None
    until: int | None = None
    by: tuple[str, ...] | None = None  #: names of dimensions; None: the report's own
    #: By dimension: one of these values; an empty one is "none".
    filters: dict[str, tuple[str, ...]] = {}
    hours: str | None = None  #: name of the schedule
    schedule: Schedule | None = None

    def local(self, micros: int | None) -> str | None:
        """An instant as the zone's clock shows it, with its offset."""
        return None if micros is None else from_micros(micros).astimezone(self.zone).isoformat()


def ask(
    calendar: Calendar,
    workspace: str,
    *,
    since: str | None = None,
    until: str | None = None,
    zone: str | None = None,
    by: Sequence[str] = (),  # one empty text: all in one
    hours: str | None = None,
    filters: Mapping[str, Sequence[str]] | None = None,
) -> Question:
    """The question that texts are; Unanswerable when they are none."""
    place = zone_named(zone or calendar.zone)
    begin, end = _instant("since", since, place), _instant("until", until, place)
    if begin is not None and end is not None and begin >= end:
        raise Unanswerable("until", f"until {until} is not after since {since}")
    names = tuple(name.strip() for part in by for name in part.split(",") if name.strip())
    if len(names) > MOST_DIMENSIONS or len(set(names)) < len(names):
        raise Unanswerable("by", f"by takes {MOST_DIMENSIONS} different dimensions at most")
    if hours is not None and hours not in calendar.schedules:
        known = ", ".join(calendar.schedules) or "none; [[schedule]] in deskwire.toml defines one"
        raise Unanswerable("hours", f"there is no schedule {hours!r}; there are: {known}")
    return Question(
        workspace=workspace,
        zone=place,
        since=begin,
        until=end,
        by=names if by else None,
        filters={name: tuple(values) for name, values in (filters or {}).items() if values},
        hours=hours,
        schedule=None if hours is None else calendar.schedules[hours],
    )


def zone_named(name: str) -> ZoneInfo:
    """A zone of the tz database; Unanswerable when there is none of this name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name at all, a folder of names
        example = "a name such as Europe/London or UTC"
        raise Unanswerable("zone", f"there is no time zone {name!r}; write {example}") from None


def _instant(field: str, text: str | None, zone: ZoneInfo) -> int | None:
    if text is None:
        return None
    try:
        told = datetime.fromisoformat(text)
        instant = told.replace(tzinfo=zone) if told.tzinfo is None else told
        instant.astimezone(zone)
        return to_micros(instant.astimezone(UTC))
    except (ValueError, OverflowError):
        example = "write 2026-11-20 or 2026-11-20T09:30"
        raise Unanswerable(field, f"{text!r} is no date; {example}") from None
