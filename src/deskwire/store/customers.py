"""Customers: what is known of them beside their conversations, and topics of stretches of time."""

from __future__ import annotations

from sqlalchemy import Connection, select

from deskwire.core.codec import decode
from deskwire.core.exchange import encode
from deskwire.core.facts import Customer, Entry, Item, ParticipantFacts
from deskwire.store import tables
from deskwire.store.conversations import item_of, row_of
from deskwire.store.derived import key, spell
from deskwire.store.upserts import upsert

K, T = tables.customers, tables.topics

TYPE = "type"  #: the attribute by which customers are grouped


def load(connection: Connection, workspace: str, account: str, external_id: str) -> Customer | None:
    """What is known of a customer; None: they were never told of."""
    row = (
        connection.execute(
            select(K).where(
                K.c.workspace == workspace,
                K.c.account == account,
                K.c.external_id == external_id,
            )
        )
        .mappings()
        .first()
    )
    if row is None:
        return None
    return Customer(
        said=item_of(row, ParticipantFacts),
        attributes=decode(row["attributes"], dict[str, Item[Entry]]),
    )


def save(
    connection: Connection, workspace: str, account: str, external_id: str, customer: Customer
) -> None:
    """Replace what is known of a customer."""
    kind = customer.values().get(TYPE)
    row: dict[str, object] = {
        "workspace": workspace,
        "account": account,
        "external_id": external_id,
        **row_of(customer.said),
        "attributes": encode(customer.attributes),
        "type": kind,
        "type_key": key(kind),
    }
    upsert(connection, K, [row])
    spell(connection, workspace, "customer_type", kind)


def set_topic(
    connection: Connection,
    workspace: str,
    stretch: tuple[int, int],
    stamp: tuple[int, int],
    topic: str | None,
) -> str:
    """What a stretch of time (µs, half-open) was about, unless a later saying is known.

    The stamp is (as_of, received_at). Whether it is "new", "changed" or "unchanged".
    """
    from_at, to_at = stretch
    row = connection.execute(
        select(T).where(T.c.workspace == workspace, T.c.from_at == from_at)
    ).first()
    if row is not None and (row.as_of, row.received_at) > stamp:
        return "unchanged"
    values: dict[str, object] = {
        "workspace": workspace,
        "from_at": from_at,
        "to_at": to_at,
        "as_of": stamp[0],
        "received_at": stamp[1],
        "topic": topic,
    }
    upsert(connection, T, [values])
    if row is None:
        return "new"
    return "unchanged" if (row.to_at, row.topic) == (to_at, topic) else "changed"
