"""Rebuilding: a conversation or a person from nothing, over all the records that speak of them.

Records are read outside the write transaction. What changed meanwhile is built once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Literal

from msgspec import UNSET, Struct

from deskwire.core.codec import convert
from deskwire.core.errors import GiveUp
from deskwire.core.facts import ConversationFacts, Facts, Item, ParticipantFacts, PersonFacts
from deskwire.core.instants import to_micros
from deskwire.core.merge import lift, lift_person, merge, merge_items
from deskwire.core.model import Conversation
from deskwire.core.provider import Record
from deskwire.core.view import Origin, view
from deskwire.pipeline.hub import Hub, Source
from deskwire.pipeline.marking import News, ended_at, mark_deliveries
from deskwire.pipeline.normalise import ask_further, read
from deskwire.pipeline.noting import keep_person
from deskwire.store import agents, conversations, records
from deskwire.store.conversations import Stored
from deskwire.store.db import Connection

#: So many are in memory at once; a record that several of them share is read once for them all.
BATCH = 100

Ids = dict[str, set[str]]  #: of conversations or people, with the records that speak of them
Person = Item[ParticipantFacts]


class Difference(Struct, frozen=True, kw_only=True):
    """What a replay makes of one thing that it changes."""

    kind: Literal["conversation", "person", "record"] = "conversation"
    external_id: str  #: the provider's; ours, where it is a record
    is_new: bool
    fields: list[str]  #: that are another now; none: it is only known from another place


class Draft(Struct, kw_only=True):
    """A conversation as its records have it now, beside how it stands in the store."""

    origin: Origin
    stored: Stored | None
    linked: dict[str, list[str]]  #: by record, the places by which it is known so far
    wanted: set[str]  #: the records to read
    facts: Facts | None = None  #: None: no record speaks of it
    places: dict[str, list[str]] = {}  #: by record
    has_detail: bool = False


def rebuild_conversations(
    hub: Hub, source: Source, spoken: Ids, *, dry_run: bool
) -> list[Difference]:
    """Every conversation that comes out otherwise; it is written, and marked for delivery."""
    differences = []
    for batch in _batches(spoken):
        late = batch
        while late:
            drafts = _drafts(hub, source, late)
            changed = {draft.origin.external_id: _difference(draft) for draft in drafts}
            written = {
                draft.origin.external_id: hub.database.submit(partial(_save, hub, source, draft))
                for draft in drafts
                if not dry_run and changed[draft.origin.external_id] is not None
            }
            lost = {key for key, result in written.items() if not result.result()}
            differences += [one for key, one in changed.items() if one and key not in lost]
            late = {key: batch[key] for key in lost}
    return differences


def _batches(spoken: Ids) -> Iterator[Ids]:
    rest = iter(spoken.items())
    while batch := dict(islice(rest, BATCH)):
        yield batch


def _drafts(hub: Hub, source: Source, batch: Ids) -> list[Draft]:
    drafts = {
        key: hub.database.read(partial(_begin, source, key, newly)) for key, newly in batch.items()
    }
    for record in _read(hub, source, {one for draft in drafts.values() for one in draft.wanted}):
        for position, said in enumerate(read(source, record)):
            if isinstance(said, ConversationFacts) and said.external_id in drafts:
                draft = drafts[said.external_id]
                lifted = lift(said, to_micros(record.received_at), record.id, position)
                draft.facts = lifted if draft.facts is None else merge(draft.facts, lifted)
                draft.places.setdefault(record.id, []).append(said.at)
                draft.has_detail = draft.has_detail or record.kind == "detail"
    return list(drafts.values())


def _begin(source: Source, external_id: str, newly: set[str], connection: Connection) -> Draft:
    """How it stands, and by which records: from one snapshot, so that nothing falls between."""
    workspace, account = source.workspace, source.account
    found = conversations.find_id(connection, workspace, account, external_id)
    linked = records.of_conversation(connection, workspace, found) if found else []
    return Draft(
        origin=Origin(provider=source.provider_name, account=account, external_id=external_id),
        stored=conversations.load(connection, workspace, found) if found else None,
        linked={one[0]: one[4] for one in linked},
        wanted=newly | {one[0] for one in linked},
    )


def _read(hub: Hub, source: Source, wanted: Iterable[str]) -> Iterator[Record]:
    for record_id in sorted(wanted):
        record = hub.database.read(partial(_get, source, record_id))
        if record is None:
            raise GiveUp(f"record {record_id} is gone; what it speaks of cannot be built anew")
        yield record


def _get(source: Source, record_id: str, connection: Connection) -> Record | None:
    return records.get(connection, source.workspace, record_id)


def _difference(draft: Draft) -> Difference | None:
    facts, stored = draft.facts, draft.stored
    if facts is None or (stored is not None and (stored.facts == facts or stored.facts.erased)):
        return None
    after = view(facts, draft.origin, {})
    before = None if stored is None else view(stored.facts, draft.origin, {})
    return Difference(
        external_id=draft.origin.external_id,
        is_new=before is None,
        fields=["all of it"] if before is None else _changed(before, after),
    )


def _changed(before: Conversation | ParticipantFacts, after: Struct) -> list[str]:
    names = before.__struct_fields__
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def _save(hub: Hub, source: Source, draft: Draft, connection: Connection) -> bool:
    """Write it, unless it changed since it was read: False."""
    workspace, now = source.workspace, hub.now()
    facts, stored, origin = draft.facts, draft.stored, draft.origin
    assert facts is not None
    seen = view(facts, origin, {})
    if stored is None:
        found = conversations.create(connection, workspace, now, source.name, origin, facts, seen)
        if found is None:
            return False
    else:
        found = stored.id
        if not conversations.save(connection, workspace, stored, facts, seen):
            return False
    for record_id, ats in draft.linked.items():
        gone = set(ats) - set(draft.places.get(record_id, []))
        records.unlink(connection, workspace, record_id, found, gone)
    for record_id, ats in draft.places.items():
        records.link(connection, workspace, record_id, found, ats)
    news = News(reach="replay", ended_at=ended_at(facts))
    mark_deliveries(connection, now, source, found, news)
    lacks_detail = stored is None and not draft.has_detail
    ask_further(connection, now, source, origin.external_id, facts, lacks_detail=lacks_detail)
    return True


def rebuild_people(hub: Hub, source: Source, spoken: Ids, *, dry_run: bool) -> list[Difference]:
    """Every person who comes out otherwise; their conversations are marked for delivery."""
    differences = []
    for batch in _batches(spoken):
        late = batch
        while late:
            before = hub.database.read(partial(_load, source, list(late)))
            lost = set()
            for key, item in _people(hub, source, late, before).items():
                known = before.get(key)
                if item == known:
                    continue
                keep = partial(_keep, hub, source, key, known, item)
                if dry_run or hub.database.write(keep):
                    differences.append(_difference_of(key, known, item))
                else:
                    lost.add(key)
            late = {key: batch[key] for key in lost}
    return differences


def _load(source: Source, external_ids: list[str], connection: Connection) -> dict[str, Person]:
    return agents.load(connection, source.workspace, source.account, external_ids)


def _people(hub: Hub, source: Source, batch: Ids, before: dict[str, Person]) -> dict[str, Person]:
    """Them over all their records; `before` was loaded first, so that no record is overlooked."""
    found: dict[str, Person] = {}
    wanted = set(hub.database.read(partial(_person_records, source))).union(*batch.values())
    for key, item in before.items():
        stamps = [item.stamp, *item.stamps.values()]
        wanted |= {one.record for one in stamps if one.record}
        if (unrecorded := _unrecorded(item)) is not None:
            found[key] = unrecorded
    for record in _read(hub, source, wanted):
        for position, said in enumerate(read(source, record)):
            if isinstance(said, PersonFacts) and (key := said.external_id) in batch:
                item = lift_person(said, to_micros(record.received_at), record.id, position)
                found[key] = merge_items(found[key], item) if key in found else item
    return found


def _person_records(source: Source, connection: Connection) -> list[str]:
    return records.ids_of_kind(connection, source.workspace, source.name, "person")


def _unrecorded(item: Person) -> Person | None:
    """What is known by no record: that the provider did not know them."""
    fields = {
        name: value
        for name in item.value.__struct_fields__
        if (value := getattr(item.value, name)) is not UNSET and not item.stamp_of(name).record
    }
    if not fields:
        return None
    stamp = max(item.stamp_of(name) for name in fields)
    return Item(value=convert(fields, ParticipantFacts), stamp=stamp)


def _difference_of(external_id: str, before: Person | None, after: Person) -> Difference:
    fields = _changed(ParticipantFacts() if before is None else before.value, after.value)
    return Difference(kind="person", external_id=external_id, is_new=before is None, fields=fields)


def _keep(
    hub: Hub,
    source: Source,
    external_id: str,
    before: Person | None,
    after: Person,
    connection: Connection,
) -> bool:
    """Write them, unless they changed since they were read: False."""
    if _load(source, [external_id], connection).get(external_id) != before:
        return False
    keep_person(connection, hub.now(), source, external_id, after)
    return True
