"""Agents: the people that a provider told us of, by account."""

from __future__ import annotations

from sqlalchemy import Connection, select

from deskwire.core.facts import Item, ParticipantFacts
from deskwire.store import numbers, tables
from deskwire.store.conversations import item_of, row_of
from deskwire.store.upserts import upsert

A = tables.agents


def load(
    connection: Connection, workspace: str, account: str, external_ids: list[str]
) -> dict[str, Item[ParticipantFacts]]:
    """What is known of these; whom the provider was never asked about is missing."""
    rows = connection.execute(
        select(A).where(
            A.c.workspace == workspace, A.c.account == account, A.c.external_id.in_(external_ids)
        )
    ).mappings()
    return {row["external_id"]: item_of(row, ParticipantFacts) for row in rows}


def save(
    connection: Connection,
    workspace: str,
    account: str,
    external_id: str,
    item: Item[ParticipantFacts],
    number: int | None = None,
) -> None:
    """Keep what is known of one agent, who has a number from now on."""
    email = item.value.email
    key = email.strip().casefold() if isinstance(email, str) else None
    row = {"workspace": workspace, "account": account, "external_id": external_id}
    upsert(connection, A, [{**row, **row_of(item), "email_key": key or None}])
    numbers.meet(connection, workspace, account, external_id, number)
    if key:
        numbers.join(connection, workspace, key)


def number_all(connection: Connection) -> None:
    """Give every agent a number who has none, and make those of one e-mail address one person."""
    for row in connection.execute(select(A).order_by(A.c.received_at)).mappings().all():
        item = item_of(row, ParticipantFacts)
        save(connection, row["workspace"], row["account"], row["external_id"], item)
