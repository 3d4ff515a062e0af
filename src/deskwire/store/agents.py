"""Agents: the people that a provider told us of, by account."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from deskwire.core.facts import Item, ParticipantFacts
from deskwire.store import numbers, tables
from deskwire.store.conversations import item_of, row_of
from deskwire.store.upserts import upsert

A = tables.agents

# Built once, as it is run for every person of every record.
_LOAD = select(A).where(
    A.c.workspace == bindparam("a_workspace"),
    A.c.account == bindparam("an_account"),
    A.c.external_id.in_(bindparam("external_ids", expanding=True)),
)


def load(
    connection: Connection, workspace: str, account: str, external_ids: list[str]
) -> dict[str, Item[ParticipantFacts]]:
    """What is known of these; whom the provider was never asked about is missing."""
    named = {"a_workspace": workspace, "an_account": account, "external_ids": external_ids}
    rows = connection.execute(_LOAD, named).mappings()
    return {row["external_id"]: item_of(row, ParticipantFacts) for row in rows}


def save(
    connection: Connection,
    workspace: str,
    account: str,
    external_id: str,
    item: Item[ParticipantFacts],
    number: int | None = None,
    before: Item[ParticipantFacts] | None = None,
) -> None:
    """Keep what is known of one agent, who has a number from now on.

    `before` is what was known, where that was looked at: then they have their number already, and
    the people of an address that stays the same are one already.
    """
    key = _email_key(item)
    row = {"workspace": workspace, "account": account, "external_id": external_id}
    upsert(connection, A, [{**row, **row_of(item), "email_key": key}])
    if before is None:
        numbers.meet(connection, workspace, account, external_id, number)
    if key is not None and (before is None or key != _email_key(before)):
        numbers.join(connection, workspace, key)


def _email_key(item: Item[ParticipantFacts]) -> str | None:
    email = item.value.email
    return email.strip().casefold() or None if isinstance(email, str) else None


def number_all(connection: Connection) -> None:
    """Give every agent a number who has none, and make those of one e-mail address one person."""
    for row in connection.execute(select(A).order_by(A.c.received_at)).mappings().all():
        item = item_of(row, ParticipantFacts)
        save(connection, row["workspace"], row["account"], row["external_id"], item)
