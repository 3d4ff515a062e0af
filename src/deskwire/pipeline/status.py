"""How everything is: what flows, what waits, what needs a person."""

from __future__ import annotations

from msgspec import Struct

from deskwire.pipeline.breaker import THRESHOLD
from deskwire.pipeline.hub import MICROS, Hub, Outlet, Source
from deskwire.store import backlogs, conversations, deliveries, health, records
from deskwire.store.backlogs import Backlog
from deskwire.store.db import Connection
from deskwire.store.health import DestinationHealth, SourceHealth
from deskwire.store.remarks import Remark, Remarks, remarks

#: A source that was not polled for so many of its intervals, and a minute, has no hub running.
INTERVALS_TO_TELL = 6
#: Seconds that a delivery may wait before somebody is told, when its destination is not down.
WAIT_TO_TELL = 900.0
#: Polls in a row that may fail before somebody is told: BigChat fails one in twenty by itself.
FAILURES_TO_TELL = 10

#: Seconds that a poll may be in the future: the clocks of two processes are read in any order.
AHEAD_TO_TELL = 2.0


class SourceStatus(Struct, frozen=True, kw_only=True):
    """One source. Seconds are up to now, negative where the clock went back; None: never."""

    name: str
    provider: str
    is_paused: bool
    is_polled: bool
    polled_seconds_ago: float | None
    failures_in_a_row: int
    last_error: str | None
    conversations_open: int
    conversations_closed: int
    messages: int
    records_waiting: int
    fetches_waiting: int
    set_aside: int
    newest_set_aside: list[tuple[str, str, str]]  #: record, place, reason


class DestinationStatus(Struct, frozen=True, kw_only=True):
    """One destination."""

    name: str
    kind: str
    is_paused: bool
    is_down: bool  #: the breaker is open
    waiting: int
    oldest_waiting_seconds: float | None
    dead: int
    failures_in_a_row: int
    last_error: str | None
    confirmed_seconds_ago: float | None
    conversations_complete: int
    sent: int  #: agents, chats and messages that it confirmed
    refused: int
    differing: int  #: conversations that were edited after they were sent


class Status(Struct, frozen=True, kw_only=True):
    """All of it; `problems` need a person, `warnings` can wait."""

    problems: list[str]
    warnings: list[str]
    sources: list[SourceStatus]
    destinations: list[DestinationStatus]


class Figures(Struct, frozen=True, kw_only=True):
    """All that is counted in one workspace: each table is read once, not once for each source."""

    sources: dict[str, SourceHealth]
    destinations: dict[str, DestinationHealth]
    backlog: list[Backlog]
    conversations: dict[tuple[str, bool], tuple[int, int]]
    set_aside: dict[str, int]
    newest_set_aside: dict[str, list[tuple[str, str, str]]]
    sent: dict[str, tuple[int, int, int]]
    differing: dict[str, int]
    remarks: dict[str, Remarks]


def status(connection: Connection, hub: Hub) -> Status:
    """How everything is right now."""
    figures = {name: _figures(connection, name) for name in hub.workspaces}
    sources = [
        _source(hub, one, figures[one.workspace])
        for one in hub.sources.values()
        if not one.is_given or _is_used(one, figures[one.workspace])
    ]
    outlets = [_outlet(hub, one, figures[one.workspace]) for one in hub.outlets.values()]
    backlog = [one for counted in figures.values() for one in counted.backlog]
    notes = [
        line
        for counted in figures.values()
        for destination, said in counted.remarks.items()
        for line in _remarks(destination, said)
    ]
    return Status(
        problems=_problems(hub, backlog, sources, outlets),
        warnings=_warnings(sources, outlets) + notes,
        sources=sources,
        destinations=outlets,
    )


def _figures(connection: Connection, workspace: str) -> Figures:
    return Figures(
        sources=health.sources(connection, workspace),
        destinations=health.destinations(connection, workspace),
        backlog=backlogs.waiting(connection, workspace),
        conversations=conversations.counts(connection, workspace),
        set_aside=records.set_aside_counts(connection, workspace),
        newest_set_aside=records.newest_set_aside(connection, workspace),
        sent=deliveries.sent_counts(connection, workspace),
        differing=deliveries.differing(connection, workspace),
        remarks=remarks(connection, workspace),
    )


def _is_used(source: Source, figures: Figures) -> bool:
    known = {name for name, _ in figures.conversations}
    return source.name in known.union(figures.set_aside)


def _remarks(destination: str, said: Remarks) -> list[str]:
    """What concerns all conversations first, then what is not there, then what reads otherwise."""
    lines = [_remark(one) for one in said.shared]
    lines += [_remark(one) for one in said.refused_examples]
    if said.refused > len(said.refused_examples):
        more = said.refused - len(said.refused_examples)
        lines.append(f"destination {destination}: {more} more things refused")
    if said.otherwise:
        lines.append(
            f"destination {destination}: {said.otherwise} texts sent otherwise than they were "
            "said, because they could not be taken; the newest:"
        )
    return lines + [_remark(one) for one in said.otherwise_examples]


def _remark(one: Remark) -> str:
    of = f" of {one.conversation_id}" if one.conversation_id else ""
    return f"destination {one.destination}: {one.key}{of}: {one.text}"


def _source(hub: Hub, source: Source, figures: Figures) -> SourceStatus:
    fares = figures.sources.get(source.name, SourceHealth(name=source.name))
    opened = figures.conversations.get((source.name, False), (0, 0))
    closed = figures.conversations.get((source.name, True), (0, 0))
    return SourceStatus(
        name=source.name,
        provider=source.provider_name,
        is_paused=source.is_paused,
        is_polled=source.provider.poll is not None,
        polled_seconds_ago=_ago(hub, fares.polled_at),
        failures_in_a_row=fares.failures,
        last_error=fares.last_error,
        conversations_open=opened[0],
        conversations_closed=closed[0],
        messages=opened[1] + closed[1],
        records_waiting=_waiting(figures.backlog, "normalise", source.name),
        fetches_waiting=_waiting(figures.backlog, "fetch", source.name),
        set_aside=figures.set_aside.get(source.name, 0),
        newest_set_aside=figures.newest_set_aside.get(source.name, []),
    )


def _outlet(hub: Hub, outlet: Outlet, figures: Figures) -> DestinationStatus:
    fares = figures.destinations.get(outlet.name, DestinationHealth(name=outlet.name))
    mine = [one for one in figures.backlog if one.kind == "deliver" and one.target == outlet.name]
    counts = figures.sent.get(outlet.name, (0, 0, 0))
    return DestinationStatus(
        name=outlet.name,
        kind=outlet.kind,
        is_paused=outlet.is_paused,
        is_down=fares.failures >= THRESHOLD,
        waiting=mine[0].waiting if mine else 0,
        oldest_waiting_seconds=_waited(hub, mine[0].waits_since if mine else None),
        dead=mine[0].dead if mine else 0,
        failures_in_a_row=fares.failures,
        last_error=fares.last_error if fares.failures else None,
        confirmed_seconds_ago=_waited(hub, fares.confirmed_at),
        conversations_complete=counts[0],
        sent=counts[1],
        refused=counts[2],
        differing=figures.differing.get(outlet.name, 0),
    )


def _ago(hub: Hub, instant: int | None) -> float | None:
    """Seconds since then; negative where the clock went back."""
    return None if instant is None else round((hub.now() - instant) / MICROS, 1)


def _waited(hub: Hub, instant: int | None) -> float | None:
    """The same, and none where the clock went back: that is told of the source."""
    seconds = _ago(hub, instant)
    return None if seconds is None else max(0.0, seconds)


def _waiting(backlog: list[Backlog], kind: str, target: str) -> int:
    return sum(one.waiting for one in backlog if one.kind == kind and one.target == target)


def _problems(
    hub: Hub,
    backlog: list[Backlog],
    sources: list[SourceStatus],
    outlets: list[DestinationStatus],
) -> list[str]:
    found = [
        f"source {one.name}: {one.failures_in_a_row} polls failed in a row: {one.last_error}"
        for one in sources
        if one.failures_in_a_row >= FAILURES_TO_TELL
    ]
    found += [
        f"source {one.name} was polled last {-one.polled_seconds_ago:.0f} s in the future: the "
        "clock went back, and nothing is due before it is there again; set the clock right"
        for one in sources
        if one.polled_seconds_ago is not None and one.polled_seconds_ago < -AHEAD_TO_TELL
    ]
    found += [_unpolled(one) for one in sources if _is_unpolled(hub.sources[one.name], one)]
    found += [
        f"destination {one.name}: the oldest of {one.waiting} deliveries waits for "
        f"{one.oldest_waiting_seconds:.0f} s; {_why(one)}"
        for one in outlets
        if not one.is_down
        and not one.is_paused
        and (one.oldest_waiting_seconds or 0) > WAIT_TO_TELL
    ]
    found += [
        f"destination {one.name} is down: {one.last_error}; it is probed, nothing is lost"
        for one in outlets
        if one.is_down
    ]
    for one in backlog:
        if one.dead:
            found.append(
                f"{one.dead} dead letters ({one.kind} {one.target}), for example: {one.an_error}; "
                "see 'deskwire dead list', then 'deskwire dead replay'"
            )
        known = hub.outlets if one.kind in {"deliver", "reconcile"} else hub.sources
        if one.target not in known:
            found.append(
                f"{one.waiting} pieces of work ({one.kind}) are for {one.target}, "
                "which the configuration does not define"
            )
    return found


def _why(one: DestinationStatus) -> str:
    return "is 'deskwire run' running?" if one.last_error is None else f"last: {one.last_error}"


def _is_unpolled(source: Source, now: SourceStatus) -> bool:
    if now.is_paused or source.provider.poll is None or now.failures_in_a_row:
        return False
    longest = max(60.0, INTERVALS_TO_TELL * source.access.poll_every_seconds)
    return now.polled_seconds_ago is None or now.polled_seconds_ago > longest


def _unpolled(one: SourceStatus) -> str:
    when = "never" if one.polled_seconds_ago is None else f"{one.polled_seconds_ago:.0f} s ago"
    return f"source {one.name} was polled last: {when}; is 'deskwire run' running?"


def _warnings(sources: list[SourceStatus], outlets: list[DestinationStatus]) -> list[str]:
    found = []
    for source in sources:
        if source.set_aside:
            found.append(
                f"source {source.name}: {source.set_aside} places set aside, as they could not be "
                "understood"
            )
            found += [
                f"source {source.name}: record {record} {at or '(all of it)'}: {reason}"
                for record, at, reason in source.newest_set_aside
            ]
    found += [
        f"destination {one.name}: {one.differing} conversations are not there as they are here; "
        "'deskwire show conversation' tells how"
        for one in outlets
        if one.differing
    ]
    return found
