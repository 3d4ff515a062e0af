"""Replay: conversations built anew from their records, after a mapping changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import msgspec
from msgspec import Struct

from deskwire.core.errors import GiveUp, RetryLater
from deskwire.core.facts import (
    ConversationFacts,
    Facts,
    Item,
    ParticipantFacts,
    PersonFacts,
    SetAside,
)
from deskwire.core.instants import to_micros
from deskwire.core.merge import lift, lift_person, merge, merge_items
from deskwire.core.model import Conversation
from deskwire.core.provider import Record
from deskwire.core.view import Origin, view
from deskwire.pipeline.hub import Hub, Source
from deskwire.pipeline.normalise import mark_deliveries, read
from deskwire.store import agents, conversations, records
from deskwire.store.db import Connection


class Difference(Struct, frozen=True, kw_only=True):
    """What a replay makes of one conversation that it changes."""

    external_id: str
    is_new: bool
    fields: list[str]  #: of the conversation's view, that are another now


class Replayed(Struct, frozen=True, kw_only=True):
    """What a replay came to."""

    records: int
    conversations: int
    differences: list[Difference]


def replay(
    hub: Hub,
    source: Source,
    since: int = 0,
    *,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Replayed:
    """Build anew every conversation that a source's records since then (µs) speak of.

    Nothing is asked of the provider. With `dry_run` nothing is written.
    """
    touched: dict[str, set[str]] = {}
    people: dict[str, Item[ParticipantFacts]] = {}
    count = 0
    for record in _records(hub, source, since):
        count += 1
        progress(count)
        said = read(source, record)
        for position, one in enumerate(said):
            if isinstance(one, ConversationFacts):
                touched.setdefault(one.external_id, set()).add(record.id)
            elif isinstance(one, PersonFacts):
                item = lift_person(one, to_micros(record.received_at), record.id, position)
                known = people.get(one.external_id)
                people[one.external_id] = item if known is None else merge_items(known, item)
        if not dry_run:
            asides = [one for one in said if isinstance(one, SetAside)]
            _set_aside(hub, source, record, asides)
    if not dry_run:
        for external_id, item in people.items():
            _save_person(hub, source, external_id, item)
    found = [
        _rebuild(hub, source, external_id, ids, dry_run=dry_run)
        for external_id, ids in touched.items()
    ]
    differences = [one for one in found if one is not None]
    return Replayed(records=count, conversations=len(touched), differences=differences)


def _records(hub: Hub, source: Source, since: int) -> Iterator[Record]:
    after = (-1, "")
    while True:
        page = hub.database.read(partial(_ids, source, since, after))
        for _, record_id in page:
            record = hub.database.read(partial(_get, source, record_id))
            if record is not None:
                yield record
        if not page:
            return
        after = page[-1]


def _ids(
    source: Source, since: int, after: tuple[int, str], connection: Connection
) -> list[tuple[int, str]]:
    return records.ids(connection, source.workspace, source.name, since, after)


def _get(source: Source, record_id: str, connection: Connection) -> Record | None:
    return records.get(connection, source.workspace, record_id)


def _set_aside(hub: Hub, source: Source, record: Record, places: list[SetAside]) -> None:
    hub.database.write(lambda c: records.replace_set_aside(c, source.workspace, record, places))


def _save_person(hub: Hub, source: Source, external_id: str, item: Item[ParticipantFacts]) -> None:
    hub.database.write(
        lambda c: agents.save(c, source.workspace, source.account, external_id, item)
    )


def _rebuild(
    hub: Hub, source: Source, external_id: str, newly: set[str], *, dry_run: bool
) -> Difference | None:
    """One conversation from nothing, in one transaction; None when it comes out the same."""

    def rebuild(connection: Connection) -> Difference | None:
        workspace, account = source.workspace, source.account
        found = conversations.find_id(connection, workspace, account, external_id)
        linked = records.of_conversation(connection, workspace, found) if found else []
        ids = sorted(newly | {one[0] for one in linked})
        facts, places = _facts(connection, source, external_id, ids)
        if facts is None:
            return None
        origin = Origin(provider=source.provider_name, account=account, external_id=external_id)
        after = view(facts, origin, {})
        stored = conversations.load(connection, workspace, found) if found else None
        if stored is not None and stored.facts == facts:
            return None
        if not dry_run:
            if stored is None:
                found = conversations.create(
                    connection, workspace, hub.now(), source.name, origin, facts, after
                )
            elif not conversations.save(connection, workspace, stored, facts, after):
                raise RetryLater(f"conversation {external_id} changed meanwhile: replay again")
            assert found is not None
            for record_id, ats in places.items():
                records.link(connection, workspace, record_id, found, ats)
            mark_deliveries(connection, hub.now(), source, found)
        before = view(stored.facts, origin, {}) if stored is not None else None
        return Difference(
            external_id=external_id, is_new=stored is None, fields=_changed(before, after)
        )

    return hub.database.read(rebuild) if dry_run else hub.database.write(rebuild)


def _facts(
    connection: Connection, source: Source, external_id: str, ids: list[str]
) -> tuple[Facts | None, dict[str, list[str]]]:
    facts: Facts | None = None
    places: dict[str, list[str]] = {}
    for record_id in ids:
        record = records.get(connection, source.workspace, record_id)
        if record is None:
            raise GiveUp(f"conversation {external_id}: record {record_id} is gone; not replayed")
        for position, one in enumerate(read(source, record)):
            if isinstance(one, ConversationFacts) and one.external_id == external_id:
                lifted = lift(one, to_micros(record.received_at), record_id, position)
                facts = lifted if facts is None else merge(facts, lifted)
                places.setdefault(record_id, []).append(one.at)
    return facts, places


def _changed(before: Conversation | None, after: Conversation) -> list[str]:
    if before is None:
        return ["all of it"]
    one, other = msgspec.structs.asdict(before), msgspec.structs.asdict(after)
    return [name for name in one if one[name] != other[name]]
