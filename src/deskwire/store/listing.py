"""Lists of conversations: filtered, newest first, a page after another."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, or_, select, tuple_

from deskwire.store import numbers, search, tables
from deskwire.store.derived import key

A, C, N, S = tables.agents, tables.conversations, tables.agent_numbers, tables.segments

#: Where a page ends: when the last one started, when we first heard of it (both µs), its id.
Place = tuple[int, int, str]


class Wanted(Struct, frozen=True, kw_only=True):
    """What a list has; None: any."""

    provider: str | None = None
    source: str | None = None
    channel: tuple[str, ...] | None = None  #: one of these, in any case
    status: str | None = None
    agent: str | None = None  #: who had a part of it: see `_had`
    customer: str | None = None  #: the provider's id, an e-mail address in any case, or a name
    since: int | None = None  #: µs; started then or later
    until: int | None = None  #: µs; started before
    q: str | None = None  #: words that one of its messages has


class Listed(Struct, frozen=True, kw_only=True):
    """A conversation in a list; instants are µs."""

    id: str
    provider: str
    external_id: str
    started_at: int
    created_at: int
    updated_at: int
    participant_count: int
    message_count: int
    last_message_at: int | None
    preview: str | None

    @property
    def place(self) -> Place:
        """Where a page that it is the last of ends."""
        return self.started_at, self.created_at, self.id


def page(
    connection: Connection,
    workspace: str,
    wanted: Wanted,
    after: Place | None,
    limit: int,
    among: Select[tuple[str]] | None = None,
) -> list[Listed]:
    """The newest conversations, or those that follow a place; `among`: ids of all there are."""
    order = (C.c.started_at, C.c.created_at, C.c.id)
    conditions = [C.c.workspace == workspace, C.c.is_withdrawn.is_(False)]
    conditions += _conditions(connection, workspace, wanted)
    if among is not None:
        conditions.append(C.c.id.in_(among))
    if after is not None:
        conditions.append(tuple_(*order) < tuple_(*after))
    rows = connection.execute(
        select(*(C.c[name] for name in Listed.__struct_fields__))
        .where(*conditions)
        .order_by(*(column.desc() for column in order))
        .limit(limit)
    )
    return [Listed(**row) for row in rows.mappings()]


def _conditions(
    connection: Connection, workspace: str, wanted: Wanted
) -> list[ColumnElement[bool]]:
    found = [
        C.c[name] == value
        for name in ("provider", "source", "status")
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.channel is not None:
        found.append(C.c.channel_key.in_([key(one) for one in wanted.channel]))
    if wanted.since is not None:
        found.append(C.c.started_at >= wanted.since)
    if wanted.until is not None:
        found.append(C.c.started_at < wanted.until)
    if (customer := wanted.customer) is not None:
        is_email = C.c.customer_email == customer.casefold()
        found.append(or_(C.c.customer == customer, is_email, C.c.customer_name == customer))
    if wanted.agent is not None:
        found.append(C.c.id.in_(_had(connection, workspace, wanted.agent)))
    if wanted.q is not None:
        found.append(search.having(connection, wanted.q))
    return found


def _had(connection: Connection, workspace: str, agent: str) -> Select[tuple[str]]:
    """Ids of the conversations that an agent had a part of.

    The agent is a number or id of ours, else an e-mail address, else a provider's id.
    """
    known = [(one.account, one.external_id) for one in numbers.find(connection, workspace, agent)]
    for table, is_meant in (
        (A, A.c.email_key == agent.strip().casefold()),
        (N, N.c.external_id == agent),
    ):
        known = known or [
            (row.account, row.external_id)
            for row in connection.execute(
                select(table.c.account, table.c.external_id).where(
                    table.c.workspace == workspace, is_meant
                )
            )
        ]
    return select(S.c.conversation_id).where(
        S.c.workspace == workspace, tuple_(S.c.account, S.c.agent).in_(known)
    )


def started_between(
    connection: Connection, workspace: str, account: str, first: int, last: int
) -> list[tuple[str, int, str | None, str | None]]:
    """(external id, start, customer, channel) of an account's conversations, by their start.

    From one instant (µs) to another, both included; what was withdrawn is left out.
    """
    rows = connection.execute(
        select(C.c.external_id, C.c.started_at, C.c.customer, C.c.channel)
        .where(
            C.c.workspace == workspace,
            C.c.account == account,
            C.c.started_at.between(first, last),
            C.c.is_withdrawn.is_(False),
            C.c.is_erased.is_(False),
        )
        .order_by(C.c.started_at, C.c.external_id)
    )
    return [(row.external_id, row.started_at, row.customer, row.channel) for row in rows]
