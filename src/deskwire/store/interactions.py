"""Interactions: conversations counted by customer, channel, product and type of customer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    Subquery,
    Table,
    and_,
    func,
    select,
    true,
    tuple_,
    union,
)

from deskwire.store import tables
from deskwire.store.derived import key, spelt

C, K, T = tables.conversations, tables.customers, tables.topics

#: The channel of what its provider tells no channel of.
UNKNOWN = "unknown"

#: A customer: the account, and the provider's id there.
Customer = tuple[str, str]

_IS_COUNTED = and_(C.c.is_withdrawn.is_(False), C.c.is_erased.is_(False))
#: The words for what can be counted as rows, with which rows these are.
_ROWS: dict[str, tuple[Table, ColumnElement[bool]]] = {
    "customers": (K, true()),
    "interactions": (C, _IS_COUNTED),
    "products": (T, T.c.topic.is_not(None)),
}


class Wanted(Struct, frozen=True, kw_only=True):
    """Which interactions count; None, and no channels: any."""

    account: str | None = None
    channels: tuple[str, ...] = ()  #: in any case
    since: int | None = None  #: µs; started then or later
    until: int | None = None  #: µs; started before
    product: str | None = None  #: exactly this
    customer_type: str | None = None  #: in any case


def by_channel(connection: Connection, workspace: str, wanted: Wanted) -> dict[str, int]:
    """How many there are by channel: all that the workspace knows, as they were met first."""
    names = spelt(connection, workspace, "channel")
    found = dict.fromkeys(names.values(), 0)
    for channel, number in _count(connection, _all(workspace, wanted), "channel"):
        found[names.get(channel, channel)] = number
    return found


def by_customer(
    connection: Connection, workspace: str, wanted: Wanted, of: Sequence[Customer]
) -> dict[Customer, dict[str, int]]:
    """The same, of each of these customers."""
    names = spelt(connection, workspace, "channel")
    found = {one: dict.fromkeys(names.values(), 0) for one in of}
    rows = _all(workspace, wanted, of)
    for account, customer, channel, number in _count(
        connection, rows, "account", "customer", "channel"
    ):
        found[account, customer][names.get(channel, channel)] = number
    return found


def by_topic(
    connection: Connection, workspace: str, wanted: Wanted, customer: Customer
) -> dict[str, dict[str | None, int]]:
    """A customer's, by channel (all that the workspace knows) and topic; None: it has none."""
    names = spelt(connection, workspace, "channel")
    found: dict[str, dict[str | None, int]] = {name: {} for name in names.values()}
    rows = _all(workspace, wanted, [customer])
    for channel, topic, number in _count(connection, rows, "channel", "product"):
        found.setdefault(names.get(channel, channel), {})[topic] = number
    return found


def by_product(
    connection: Connection, workspace: str, wanted: Wanted
) -> dict[str | None, dict[str | None, int]]:
    """By type of customer, as they were met first, and product; None comes last: it has none."""
    names = spelt(connection, workspace, "customer_type")
    found: dict[str | None, dict[str | None, int]] = {name: {} for name in names.values()}
    rows = _count(connection, _all(workspace, wanted), "customer_type", "product")
    for kind, product, number in rows:
        found.setdefault(names.get(kind), {})[product] = number
    return {kind: products for kind, products in found.items() if products}


def _count(connection: Connection, rows: Subquery, *by: str) -> list[tuple[Any, ...]]:
    """Groups of the rows, by these columns; names in order, NULL last."""
    columns = [rows.c[name] for name in by]
    order = [part for column in columns for part in (column.is_(None), column)]
    query = select(*columns, func.count()).group_by(*columns).order_by(*order)
    return [tuple(row) for row in connection.execute(query)]


def _all(workspace: str, wanted: Wanted, of: Sequence[Customer] | None = None) -> Subquery:
    """Account, customer, channel, product and customer_type of all that count; `of`: None, anyone.

    Channels and types are keys, whose spelling is elsewhere.
    Its product is its own topic, else that of the stretch in which it started. Of stretches that
    overlap, the one that began last has it.
    """
    topic = (
        select(T.c.topic)
        .where(
            T.c.workspace == C.c.workspace,
            T.c.from_at <= C.c.started_at,
            T.c.to_at > C.c.started_at,
            T.c.topic.is_not(None),
        )
        .order_by(T.c.from_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    product = func.coalesce(C.c.topic, topic)
    channel = func.coalesce(C.c.channel_key, UNKNOWN)
    conditions = [C.c.workspace == workspace, _IS_COUNTED, *_conditions(wanted)]
    if wanted.channels:
        conditions.append(channel.in_([key(one) for one in wanted.channels]))
    if wanted.product is not None:
        conditions.append(product == wanted.product)
    if of is not None:
        # SQLite takes no index for pairs alone.
        conditions += [
            tuple_(C.c.account, C.c.customer).in_(of),
            C.c.account.in_({account for account, _ in of}),
            C.c.customer.in_({customer for _, customer in of}),
        ]
    known = and_(
        K.c.workspace == C.c.workspace,
        K.c.account == C.c.account,
        K.c.external_id == C.c.customer,
    )
    return (
        select(
            C.c.account,
            C.c.customer,
            channel.label("channel"),
            product.label("product"),
            K.c.type_key.label("customer_type"),
        )
        .outerjoin(K, known)
        .where(*conditions)
        .subquery()
    )


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.account is not None:
        found.append(C.c.account == wanted.account)
    if wanted.since is not None:
        found.append(C.c.started_at >= wanted.since)
    if wanted.until is not None:
        found.append(C.c.started_at < wanted.until)
    if wanted.customer_type is not None:
        found.append(K.c.type_key == key(wanted.customer_type))
    return found


def known_in(
    connection: Connection, workspace: str, accounts: Sequence[str], external_id: str
) -> list[str]:
    """Of these accounts those that tell of a customer of this id, or have an interaction of it."""
    told = select(K.c.account).where(
        K.c.workspace == workspace, K.c.account.in_(accounts), K.c.external_id == external_id
    )
    named = select(C.c.account).where(
        C.c.workspace == workspace,
        _IS_COUNTED,
        C.c.account.in_(accounts),
        C.c.customer == external_id,
    )
    return sorted(row.account for row in connection.execute(union(told, named)))


def customers(
    connection: Connection, workspace: str, wanted: Wanted, after: Customer | None, limit: int
) -> list[Customer]:
    """Customers that follow a place, by account and id; numbers in the order of numbers.

    Of `wanted` only the account and the type count: who had no interactions is there, too.
    """
    told = select(K.c.account, K.c.external_id.label("customer")).where(K.c.workspace == workspace)
    named = select(C.c.account, C.c.customer).where(
        C.c.workspace == workspace, _IS_COUNTED, C.c.customer.is_not(None)
    )
    if wanted.customer_type is not None:
        found = told.where(K.c.type_key == key(wanted.customer_type)).subquery()
    else:
        found = union(told, named).subquery()
    order = found.c.account, func.length(found.c.customer), found.c.customer
    query = select(found.c.account, found.c.customer).order_by(*order).limit(limit)
    if wanted.account is not None:
        query = query.where(found.c.account == wanted.account)
    if after is not None:
        account, customer = after
        query = query.where(tuple_(*order) > tuple_(account, func.length(customer), customer))
    return [(row.account, row.customer) for row in connection.execute(query)]


def rows_of(connection: Connection, workspace: str, name: str) -> int | None:
    """How many customers, interactions or products there are; None: it is another word."""
    if name not in _ROWS:
        return None
    table, is_one = _ROWS[name]
    query = select(func.count()).select_from(table).where(table.c.workspace == workspace, is_one)
    return connection.execute(query).scalar_one()
