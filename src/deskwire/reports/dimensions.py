"""Dimensions: what events are grouped and filtered by. Each is one expression over the tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from sqlalchemy import Column, ColumnElement, Connection, String, cast, func, select, union

from deskwire.reports.buckets import UNITS
from deskwire.reports.measures import C, Measure, S
from deskwire.store import numbers, tables
from deskwire.store.derived import key

K, N, T = tables.customers, tables.agent_numbers, tables.topics
Text = ColumnElement[str | None]

#: Characters of a value: it is part of a URL. What has these in common is one.
LONGEST_VALUE = 400


class Dimension(Struct, frozen=True, kw_only=True):
    """One way of telling events apart. A value is a text; None: it has none."""

    name: str
    title: str
    definition: str
    #: An event's value.
    of: Callable[[Measure], Text]
    #: Every value that is known, and how it is shown.
    known: Callable[[Connection, str], dict[str, str]]
    #: What a person types as a value.
    meant: Callable[[Connection, str, str], str] = lambda _connection, _workspace, text: text
    #: Whether a value without events has a row, too.
    has_zeros: bool = True


def _column(column: ColumnElement[Any]) -> Text:
    return func.nullif(_told(column), "")


def _told(column: ColumnElement[Any]) -> ColumnElement[str]:
    return func.substr(column, 1, LONGEST_VALUE)


def _topic(_measure: Measure) -> Text:
    of_month = (
        select(T.c.topic)
        .where(
            T.c.workspace == C.c.workspace,
            T.c.from_at <= C.c.started_at,
            T.c.to_at > C.c.started_at,
        )
        .order_by(T.c.from_at.desc())
        .limit(1)
        .correlate(C)
        .scalar_subquery()
    )
    return func.coalesce(_column(C.c.topic), _column(of_month))


def _customer_type(_measure: Measure) -> Text:
    kind = select(K.c.type_key).where(
        K.c.workspace == C.c.workspace,
        K.c.account == C.c.account,
        K.c.external_id == C.c.customer,
    )
    return _column(kind.correlate(C).scalar_subquery())


def _agent(measure: Measure) -> Text:
    number = (
        select(cast(N.c.number, String))
        .where(
            N.c.workspace == C.c.workspace,
            N.c.account == C.c.account,
            N.c.external_id == measure.agent,
        )
        .correlate(C, measure.table)
        .scalar_subquery()
    )
    return func.coalesce(number, C.c.account + "/" + measure.agent)


def _agents(connection: Connection, workspace: str) -> dict[str, str]:
    return {str(number): name for number, name in numbers.names(connection, workspace).items()}


def _agent_meant(connection: Connection, workspace: str, text: str) -> str:
    found = numbers.find(connection, workspace, text) if text else []
    return str(found[0].number) if found else text


def _spelt(kind: str) -> Callable[[Connection, str], dict[str, str]]:
    W = tables.spellings  # noqa: N806 - tables have short names

    def known(connection: Connection, workspace: str) -> dict[str, str]:
        rows = connection.execute(
            select(W.c.key, W.c.name).where(
                W.c.workspace == workspace, W.c.kind == kind, W.c.key != ""
            )
        )
        return {row.key: row.name for row in rows}

    return known


def _stored(*columns: Column[str]) -> Callable[[Connection, str], dict[str, str]]:
    def known(connection: Connection, workspace: str) -> dict[str, str]:
        each = [
            select(_told(one)).where(one.table.c.workspace == workspace, one != "")
            for one in columns
        ]
        return {row[0]: row[0] for row in connection.execute(union(*each))}

    return known


def _customers(connection: Connection, workspace: str) -> dict[str, str]:
    which = (C.c.account + "/" + C.c.customer).label("customer")
    rows = connection.execute(
        select(which, func.max(func.coalesce(K.c.name, C.c.customer_name, C.c.customer)))
        .outerjoin(
            K,
            (K.c.workspace == C.c.workspace)
            & (K.c.account == C.c.account)
            & (K.c.external_id == C.c.customer),
        )
        .where(C.c.workspace == workspace, C.c.customer.is_not(None))
        .group_by(which)
    )
    return {row[0]: row[1] for row in rows}


def _folded(_connection: Connection, _workspace: str, text: str) -> str:
    return key(text) or ""


_ALL = (
    Dimension(
        name="channel",
        title="Channel",
        definition="how the customer came; spellings that differ in case are one",
        of=lambda _: _column(C.c.channel_key),
        known=_spelt("channel"),
        meant=_folded,
    ),
    Dimension(
        name="topic",
        title="Topic",
        definition="the conversation's own, else that of the stretch of time in which it began",
        of=_topic,
        known=_stored(C.c.topic, T.c.topic),
    ),
    Dimension(
        name="team",
        title="Team",
        definition="see each measure's credit",
        of=lambda measure: _column(measure.team),
        known=_stored(C.c.team, S.c.team),
    ),
    Dimension(
        name="agent",
        title="Agent",
        definition="see each measure's credit; the accounts of one person are one agent, by number",
        of=_agent,
        known=_agents,
        meant=_agent_meant,
    ),
    Dimension(
        name="customer_type",
        title="Customer type",
        definition="the customer's attribute `type`; spellings that differ in case are one",
        of=_customer_type,
        known=_spelt("customer_type"),
        meant=_folded,
    ),
    Dimension(
        name="customer",
        title="Customer",
        definition="the account and its id of the customer",
        of=lambda _: C.c.account + "/" + C.c.customer,
        known=_customers,
        has_zeros=False,
    ),
    Dimension(
        name="source",
        title="Source",
        definition="the configured source that it came from",
        of=lambda _: C.c.source,
        known=_stored(C.c.source),
    ),
    Dimension(
        name="account",
        title="Account",
        definition="the account at the desk that it belongs to",
        of=lambda _: C.c.account,
        known=_stored(C.c.account),
    ),
)
DIMENSIONS = {one.name: one for one in _ALL}

#: Of the measure's clock, in the zone of the report.
TIME_TITLES = {
    "hour": "Hour",
    "day": "Day",
    "week": "Week",
    "month": "Month",
    "weekday_hour": "Hour of the week",
}
NAMES = (*DIMENSIONS, *UNITS)


def title(name: str) -> str:
    """How a dimension is headed."""
    return TIME_TITLES[name] if name in TIME_TITLES else DIMENSIONS[name].title
