"""Noting: what a record says of people and topics, whatever conversations they are in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from deskwire.core.facts import (
    CustomerFacts,
    Item,
    ParticipantFacts,
    PersonFacts,
    Said,
    SetAside,
    TopicFacts,
)
from deskwire.core.instants import to_micros
from deskwire.core.merge import lift_customer, lift_person, merge_customers, merge_items
from deskwire.core.provider import Record
from deskwire.pipeline.hub import Source
from deskwire.pipeline.marking import News, Reach, mark_deliveries
from deskwire.store import agents, conversations, customers, records
from deskwire.store.db import Connection


class Change(Struct, frozen=True, kw_only=True):
    """What a record made of one thing, for the log and for counts."""

    kind: Literal["conversation", "customer", "topic"] = "conversation"
    conversation: str = ""  #: ours
    external_id: str
    is_new: bool = False
    is_changed: bool = False  #: it was known, and other things of it are now
    messages: int = 0


def note(
    connection: Connection,
    now: int,
    source: Source,
    record: Record,
    said: list[Said],
    reach: Reach = "replay",
) -> list[Change]:
    """Keep what a record says of people and topics, and what of it is set aside.

    What it made of customers and topics; of agents the conversations tell.
    """
    changes = know(connection, now, source, record, enumerate(said), reach)
    asides = [one for one in said if isinstance(one, SetAside)]
    records.replace_set_aside(connection, source.workspace, record, asides)
    return changes


def know(
    connection: Connection,
    now: int,
    source: Source,
    record: Record,
    numbered: Iterable[tuple[int, Said]],
    reach: Reach,
) -> list[Change]:
    """Keep what some of a record's statements, with their positions, say of people and topics."""
    changes = []
    for position, one in numbered:
        match one:
            case PersonFacts():
                if _meet(connection, source, one, record, position):
                    mark_conversations_of(connection, now, source, one.external_id, reach)
            case CustomerFacts():
                changes.append(_know_customer(connection, source, one, record, position))
            case TopicFacts():
                changes.append(_set_topic(connection, source, one, record))
            case _:
                pass
    return changes


def _know_customer(
    connection: Connection, source: Source, said: CustomerFacts, record: Record, position: int
) -> Change:
    workspace, account = source.workspace, source.account
    told = lift_customer(said, to_micros(record.received_at), record.id, position)
    before = customers.load(connection, workspace, account, said.external_id)
    after = told if before is None else merge_customers(before, told)
    if after != before:
        customers.save(connection, workspace, account, said.external_id, after)
    is_changed = before is not None and (
        after.values() != before.values() or after.said.value != before.said.value
    )
    return Change(
        kind="customer",
        external_id=said.external_id,
        is_new=before is None,
        is_changed=is_changed,
    )


def _set_topic(connection: Connection, source: Source, said: TopicFacts, record: Record) -> Change:
    stretch = to_micros(said.from_at), to_micros(said.to_at)
    stamp = to_micros(said.as_of), to_micros(record.received_at)
    made = customers.set_topic(connection, source.workspace, stretch, stamp, said.topic)
    return Change(
        kind="topic",
        external_id=said.from_at.isoformat(),
        is_new=made == "new",
        is_changed=made == "changed",
    )


def _meet(
    connection: Connection, source: Source, said: PersonFacts, record: Record, position: int
) -> bool:
    """Whether something new is known of a person, other than that it still holds."""
    item = lift_person(said, to_micros(record.received_at), record.id, position)
    known = agents.load(connection, source.workspace, source.account, [said.external_id])
    before = known.get(said.external_id)
    after = item if before is None else merge_items(before, item)
    if after == before:
        return False
    workspace, account = source.workspace, source.account
    agents.save(connection, workspace, account, said.external_id, after, said.number, before)
    return before is None or after.value != before.value


def keep_person(
    connection: Connection,
    now: int,
    source: Source,
    external_id: str,
    item: Item[ParticipantFacts],
    number: int | None = None,
) -> None:
    """Replace what is known of a person; their conversations may read otherwise now."""
    agents.save(connection, source.workspace, source.account, external_id, item, number)
    mark_conversations_of(connection, now, source, external_id)


def mark_conversations_of(
    connection: Connection, now: int, source: Source, agent: str, reach: Reach = "replay"
) -> None:
    """Have the conversations of an agent, of whom something new is known, looked at again."""
    found = conversations.with_agents(connection, source.workspace, source.account, [agent])
    for conversation_id in found:
        mark_deliveries(connection, now, source, conversation_id, News(reach=reach))
