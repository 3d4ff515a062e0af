"""The hub that settings describe."""

from __future__ import annotations

from datetime import UTC, date, datetime

from msgspec.structs import replace

from deskwire import destinations, providers
from deskwire.core.codec import convert
from deskwire.core.instants import to_micros
from deskwire.core.provider import Account
from deskwire.pipeline.hub import Hub, Outlet, Source, Timing, Way
from deskwire.reports import Calendar, Schedule, minutes_of
from deskwire.settings.checks import GIVEN, prefix_for
from deskwire.settings.shape import DestinationSettings, Settings, SourceSettings
from deskwire.store.db import Database


def open_hub(settings: Settings, timing: Timing | None = None) -> Hub:
    """The hub that the settings describe, with its database open."""
    told = {one.name for one in settings.source}
    given = [SourceSettings(name=name, provider=name) for name in GIVEN if name not in told]
    ways = {one.name: _way(one) for one in settings.destination}
    sources = [_source(one, ways) for one in settings.source]
    sources += [replace(_source(one, ways), is_given=True) for one in given]
    outlets = [_outlet(one, sources) for one in settings.destination]
    database = Database(settings.store.url)
    return Hub(database, sources, outlets, timing, calendar=_calendar(settings))


def _calendar(settings: Settings) -> Calendar:
    schedules = {
        one.name: Schedule(
            zone=one.zone,
            week=tuple(tuple(sorted(map(minutes_of, day))) for day in one.week()),
            holidays=frozenset(one.holidays),
        )
        for one in settings.schedule
    }
    return Calendar(zone=settings.reports.zone, schedules=schedules)


def _source(one: SourceSettings, ways: dict[str, Way]) -> Source:
    provider = providers.load(one.provider)
    if not one.base_url:  # what the hub's own API takes in: there is nobody to ask further
        provider = replace(provider, poll=None, backfill=None, detail=None, people=None)
    return Source(
        name=one.name,
        provider_name=one.provider,
        provider=provider,
        account=one.account or one.name,
        access=Account(
            poll_every_seconds=one.poll_every_seconds,
            user=one.user,
            token=one.token,
            options=convert(one.model_extra or {}, provider.options),
        ),
        base_url=one.base_url,
        ways=tuple(ways[name] for name in one.destinations),
        is_paused=one.paused,
        timeout_seconds=one.timeout_seconds,
        workspace=one.workspace,
    )


def _way(one: DestinationSettings) -> Way:
    return Way(
        destination=one.name,
        trigger=destinations.load(one.kind).trigger,
        quiet_seconds=one.quiet_seconds,
        deliver_from=0 if one.deliver_from is None else to_micros(_instant(one.deliver_from)),
        again=one.again,
    )


def _instant(told: date | datetime) -> datetime:
    """A date means its beginning, one without a zone UTC."""
    if not isinstance(told, datetime):
        told = datetime(told.year, told.month, told.day, tzinfo=UTC)
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told


def _outlet(one: DestinationSettings, sources: list[Source]) -> Outlet:
    destination = destinations.load(one.kind)
    return Outlet(
        name=one.name,
        kind=one.kind,
        destination=destination,
        base_url=one.base_url or one.url,
        user=one.user,
        token=one.token,
        concurrency=one.concurrency,
        is_paused=one.paused,
        with_notes=one.notes,
        external_id_prefix={source.name: prefix_for(one, source.name) for source in sources},
        timeout_seconds=one.timeout_seconds,
        settle_seconds=one.settle_seconds,
        headers=one.headers,
        only={key: frozenset(values) for key, values in one.only.items()},
        on_unknown=one.on_unknown,
        again=one.again,
        directory=one.directory,
        options=convert(one.model_extra or {}, destination.options),
        workspace=one.workspace,
    )
