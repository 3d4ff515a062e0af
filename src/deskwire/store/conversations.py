"""Conversations: facts in rows, so that they can be merged again, and the view of them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct
from sqlalchemy import (
    BindParameter,
    Connection,
    RowMapping,
    Table,
    and_,
    bindparam,
    func,
    select,
    update,
)

from deskwire.core.codec import convert, decode
from deskwire.core.exchange import encode
from deskwire.core.facts import (
    AssignmentFacts,
    Entry,
    Facts,
    Head,
    Item,
    MessageFacts,
    ParticipantFacts,
    Stamp,
)
from deskwire.core.instants import from_micros, to_micros
from deskwire.core.model import Conversation
from deskwire.core.view import Origin
from deskwire.store import derived, tables
from deskwire.store.upserts import insert, upsert

C = tables.conversations
Value = TypeVar("Value", bound=Struct)

_INSTANTS = frozenset({"sent_at", "from_at"})
_STAMPS = dict[str, Stamp]


class Stored(Struct, frozen=True, kw_only=True):
    """A conversation as it stands in the store."""

    id: str
    source: str
    origin: Origin
    version: int
    number: int | None
    facts: Facts
    rows: dict[str, str]  #: JSON of its derived rows, by table


# Built once, as they are run for every change: SQLAlchemy takes longer to build a statement than
# SQLite to run it.
_A_WORKSPACE: BindParameter[str] = bindparam("a_workspace")
_AN_ID: BindParameter[str] = bindparam("an_id")
_FIND = select(C.c.id).where(
    C.c.workspace == _A_WORKSPACE,
    C.c.account == bindparam("an_account"),
    C.c.external_id == bindparam("an_external_id"),
)
_LOAD = select(C).where(C.c.workspace == _A_WORKSPACE, C.c.id == _AN_ID)
_ITEMS = {
    table: select(table).where(table.c.workspace == _A_WORKSPACE, table.c.conversation_id == _AN_ID)
    for table in (tables.participants, tables.messages, tables.assignments)
}
_CREATE = insert(C).on_conflict_do_nothing().returning(C.c.id)
_SAVE = update(C).where(
    C.c.workspace == _A_WORKSPACE, C.c.id == _AN_ID, C.c.version == bindparam("a_version")
)


def find_id(connection: Connection, workspace: str, account: str, external_id: str) -> str | None:
    """The internal id of a provider's conversation; None when it was never heard of."""
    named = {"a_workspace": workspace, "an_account": account, "an_external_id": external_id}
    return connection.execute(_FIND, named).scalar()


def find_ids(connection: Connection, workspace: str, text: str) -> list[str]:
    """Internal ids that a person may mean by an internal or a provider's id."""
    rows = connection.execute(
        select(C.c.id).where(
            C.c.workspace == workspace, (C.c.id == text) | (C.c.external_id == text)
        )
    )
    return [row.id for row in rows]


def load(connection: Connection, workspace: str, conversation_id: str) -> Stored | None:
    """One conversation with all that is known of it."""
    named = {"a_workspace": workspace, "an_id": conversation_id}
    row = connection.execute(_LOAD, named).mappings().first()
    if row is None:
        return None

    def items(table: Table, kind: type[Value]) -> dict[str, Item[Value]]:
        rows = connection.execute(_ITEMS[table], named).mappings()
        return {one["external_id"]: item_of(one, kind) for one in rows}

    facts = Facts(
        head=decode(row["head"], Item[Head]),
        participants=items(tables.participants, ParticipantFacts),
        messages=items(tables.messages, MessageFacts),
        assignments=items(tables.assignments, AssignmentFacts),
        tags=decode(row["tags"], dict[str, Item[Entry]]),
        attributes=decode(row["attributes"], dict[str, Item[Entry]]),
        erased=row["is_erased"],
    )
    origin = Origin(
        provider=row["provider"], account=row["account"], external_id=row["external_id"]
    )
    return Stored(
        id=row["id"],
        source=row["source"],
        origin=origin,
        version=row["version"],
        number=row["number"],
        facts=facts,
        rows={name: row[name] for name in derived.ROWS},
    )


def create(
    connection: Connection,
    workspace: str,
    now: int,
    source: str,
    origin: Origin,
    facts: Facts,
    seen: Conversation,
    number: int | None = None,
) -> str | None:
    """Store a conversation never heard of; None when somebody else just did.

    A number that another one has is given up for the next that is free.
    """
    conversation_id = str(uuid.uuid4())
    if number is not None:
        number = _free(connection, workspace, number)
    row = {
        "workspace": workspace,
        "id": conversation_id,
        "source": source,
        "provider": origin.provider,
        "account": origin.account,
        "external_id": origin.external_id,
        "version": 1,
        "created_at": now,
        "number": number,
        **_columns(facts, seen),
    }
    if connection.execute(_CREATE, row).first() is None:
        return None
    _save_items(connection, workspace, conversation_id, None, facts)
    derived.save_rows(connection, workspace, conversation_id, derived.NONE, seen)
    derived.spell(connection, workspace, "channel", seen.channel)
    return conversation_id


def save(
    connection: Connection, workspace: str, before: Stored, facts: Facts, seen: Conversation
) -> bool:
    """Replace what is known, if nobody else did since `before` was loaded; False otherwise."""
    named = {"a_workspace": workspace, "an_id": before.id, "a_version": before.version}
    row = {"version": before.version + 1, **_columns(facts, seen)}
    if not connection.execute(_SAVE, {**named, **row}).rowcount:
        return False
    _save_items(connection, workspace, before.id, before.facts, facts)
    derived.save_rows(connection, workspace, before.id, before.rows, seen)
    if before.facts.head.value.channel != facts.head.value.channel:
        derived.spell(connection, workspace, "channel", seen.channel)
    return True


def give_number(connection: Connection, workspace: str, conversation_id: str, number: int) -> None:
    """Give one that has no number this one, or the next that is free where it is taken."""
    connection.execute(
        update(C)
        .where(C.c.workspace == workspace, C.c.id == conversation_id, C.c.number.is_(None))
        .values(number=_free(connection, workspace, number))
    )


def _free(connection: Connection, workspace: str, number: int) -> int:
    is_taken = find_number(connection, workspace, number) is not None
    return next_number(connection, workspace) if is_taken else number


def find_number(connection: Connection, workspace: str, number: int) -> str | None:
    """The internal id of the conversation with a number."""
    return connection.execute(
        select(C.c.id).where(C.c.workspace == workspace, C.c.number == number)
    ).scalar()


def newest(connection: Connection, workspace: str, account: str, limit: int) -> list[str]:
    """Internal ids of an account's conversations, the last that started first."""
    rows = connection.execute(
        select(C.c.id)
        .where(C.c.workspace == workspace, C.c.account == account)
        .order_by(C.c.started_at.desc(), C.c.created_at.desc(), C.c.id.desc())
        .limit(limit)
    )
    return [row.id for row in rows]


def next_number(connection: Connection, workspace: str) -> int:
    """One more than the greatest number."""
    greatest = select(func.max(C.c.number)).where(C.c.workspace == workspace)
    return int(connection.execute(greatest).scalar() or 0) + 1


def _columns(facts: Facts, seen: Conversation) -> dict[str, object]:
    return {
        "head": encode(facts.head),
        "tags": encode(facts.tags),
        "attributes": encode(facts.attributes),
        "is_erased": facts.erased,
        **derived.columns(seen),
    }


def _save_items(
    connection: Connection, workspace: str, conversation_id: str, before: Facts | None, facts: Facts
) -> None:
    pairs: list[tuple[Table, Mapping[str, Item[Any]], Mapping[str, Item[Any]]]] = [
        (tables.participants, before.participants if before else {}, facts.participants),
        (tables.messages, before.messages if before else {}, facts.messages),
        (tables.assignments, before.assignments if before else {}, facts.assignments),
    ]
    for table, old, new in pairs:
        gone = list(old.keys() - new.keys())
        if gone:  # a replay, or an erasure
            connection.execute(
                table.delete().where(
                    table.c.workspace == workspace,
                    table.c.conversation_id == conversation_id,
                    table.c.external_id.in_(gone),
                )
            )
        rows = [
            {"workspace": workspace, "conversation_id": conversation_id, "external_id": key}
            | row_of(item)
            for key, item in new.items()
            if old.get(key) != item
        ]
        upsert(connection, table, rows)


def row_of(item: Item[Any]) -> dict[str, object]:
    """An item's columns; what nobody said is NULL."""
    row: dict[str, object] = {
        "as_of": item.stamp.as_of,
        "received_at": item.stamp.received_at,
        "record": item.stamp.record,
        "position": item.stamp.position,
        "stamps": encode(item.stamps) if item.stamps else None,
    }
    for name in item.value.__struct_fields__:
        value = getattr(item.value, name)
        if value is UNSET:
            value = None
        elif name in _INSTANTS:
            value = to_micros(value)
        elif name == "attachments":
            value = encode(value)
        row[name] = value
    return row


def item_of(row: RowMapping, kind: type[Value]) -> Item[Value]:
    """The item that `row_of` made a row of."""
    fields: dict[str, object] = {}
    for name in kind.__struct_fields__:
        value = row[name]
        if value is None:
            continue
        if name in _INSTANTS:
            value = from_micros(value)
        elif name == "attachments":
            value = msgspec.json.decode(value)
        fields[name] = value
    stamps = decode(row["stamps"], _STAMPS) if row["stamps"] else {}
    stamp = Stamp(row["as_of"], row["received_at"], row["record"], row["position"])
    return Item(value=convert(fields, kind), stamp=stamp, stamps=stamps)


def with_agents(
    connection: Connection, workspace: str, account: str, agents: list[str]
) -> list[str]:
    """Ids of the conversations that any of these agents has or had."""
    table = tables.assignments
    rows = connection.execute(
        select(C.c.id)
        .join(table, and_(table.c.workspace == C.c.workspace, table.c.conversation_id == C.c.id))
        .where(C.c.workspace == workspace, C.c.account == account, table.c.agent.in_(agents))
        .distinct()
    )
    return [row.id for row in rows]


def counts(connection: Connection, workspace: str) -> dict[tuple[str, bool], tuple[int, int]]:
    """By (source, whether it is closed): how many conversations, and messages in them."""
    is_closed = (C.c.status == "closed").label("is_closed")
    rows = connection.execute(
        select(C.c.source, is_closed, func.count(), func.sum(C.c.message_count))
        .where(C.c.workspace == workspace)
        .group_by(C.c.source, is_closed)
    )
    return {(row[0], bool(row[1])): (row[2], row[3]) for row in rows}
