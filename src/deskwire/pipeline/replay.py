"""Replay: what the records say is read anew, after a mapping changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from msgspec import Struct

from deskwire.core.facts import ConversationFacts, PersonFacts, Said, SetAside
from deskwire.core.provider import Record
from deskwire.pipeline.hub import Hub, Source
from deskwire.pipeline.normalise import read
from deskwire.pipeline.rebuild import Difference, Ids, rebuild_conversations, rebuild_people
from deskwire.store import records
from deskwire.store.db import Connection


class Replayed(Struct, frozen=True, kw_only=True):
    """What a replay came to."""

    records: int
    conversations: int
    people: int
    differences: list[Difference]


class Spoken(Struct, kw_only=True):
    """Of whom the records of a replay speak: ids only, for there may be millions."""

    conversations: Ids = {}
    people: Ids = {}


class Found(Struct, frozen=True, kw_only=True):
    """A record, and what was made of it when it was read last."""

    record: Record
    conversations: list[str]  #: external ids
    set_aside: list[SetAside]


def replay(
    hub: Hub,
    source: Source,
    since: int = 0,
    *,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Replayed:
    """Build anew everything that a source's records since then (µs) speak of, or spoke of.

    Nothing is asked of the provider here; what is now seen to be missing becomes work of the
    hub. With `dry_run` nothing is written.
    """
    spoken = Spoken()
    differences: list[Difference] = []
    count = 0
    for found in _records(hub, source, since):
        count += 1
        progress(count)
        said = read(source, found.record)
        _note(spoken, found, said)
        places = [one for one in said if isinstance(one, SetAside)]
        if _by_place(places) != _by_place(found.set_aside):
            changed = Difference(
                kind="record", external_id=found.record.id, is_new=False, fields=["set_aside"]
            )
            differences.append(changed)
            if not dry_run:
                hub.database.write(partial(_set_aside, source, found.record, places))
    differences += rebuild_people(hub, source, spoken.people, dry_run=dry_run)
    differences += rebuild_conversations(hub, source, spoken.conversations, dry_run=dry_run)
    return Replayed(
        records=count,
        conversations=len(spoken.conversations),
        people=len(spoken.people),
        differences=differences,
    )


def _note(spoken: Spoken, found: Found, said: list[Said]) -> None:
    for external_id in found.conversations:  # even if the record does not speak of it any more
        spoken.conversations.setdefault(external_id, set())
    for one in said:
        if isinstance(one, ConversationFacts):
            spoken.conversations.setdefault(one.external_id, set()).add(found.record.id)
        elif isinstance(one, PersonFacts):
            spoken.people.setdefault(one.external_id, set()).add(found.record.id)


def _by_place(places: list[SetAside]) -> dict[str, tuple[str | None, str]]:
    """Without the reason where it is all of a record: then whoever refused it may have given it."""
    return {one.at: (one.external_id, one.reason if one.at else "") for one in reversed(places)}


def _records(hub: Hub, source: Source, since: int) -> Iterator[Found]:
    after = (-1, "")
    while page := hub.database.read(partial(_ids, source, since, after)):
        for _, record_id in page:
            found = hub.database.read(partial(_find, source, record_id))
            if found is not None:
                yield found
        after = page[-1]


def _ids(
    source: Source, since: int, after: tuple[int, str], connection: Connection
) -> list[tuple[int, str]]:
    return records.ids(connection, source.workspace, source.name, since, after)


def _find(source: Source, record_id: str, connection: Connection) -> Found | None:
    record = records.get(connection, source.workspace, record_id)
    if record is None:
        return None
    return Found(
        record=record,
        conversations=records.speaks_of(connection, source.workspace, source.account, record_id),
        set_aside=records.set_aside_in(connection, source.workspace, record_id),
    )


def _set_aside(
    source: Source, record: Record, places: list[SetAside], connection: Connection
) -> None:
    records.replace_set_aside(connection, source.workspace, record, places)
