"""Handling: how many conversations each agent had, and how long."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, and_, func, select

from deskwire.store import tables

N, A, S = tables.agent_numbers, tables.agents, tables.segments


class Handled(Struct, frozen=True, kw_only=True):
    """What one agent handled, over all their accounts."""

    number: int
    name: str
    conversations: int  #: distinct ones that they had a part of
    average_seconds: float | None  #: of the stretches during which they had one; None: none


def by_agent(connection: Connection, workspace: str) -> list[Handled]:
    """Every agent, by number. A conversation counts once it began to be handled and is over."""
    seconds = (S.c.to_at - S.c.from_at) / 1_000_000.0
    rows = connection.execute(
        select(N.c.number, func.count(S.c.conversation_id.distinct()), func.avg(seconds))
        .join(
            S,
            and_(
                S.c.workspace == N.c.workspace,
                S.c.account == N.c.account,
                S.c.agent == N.c.external_id,
            ),
        )
        .where(N.c.workspace == workspace, S.c.is_handled)
        .group_by(N.c.number)
    )
    handled = {row[0]: (row[1], float(row[2])) for row in rows}
    return [
        Handled(
            number=number,
            name=name,
            conversations=handled[number][0] if number in handled else 0,
            average_seconds=handled[number][1] if number in handled else None,
        )
        for number, name in names(connection, workspace).items()
    ]


def names(connection: Connection, workspace: str, number: int | None = None) -> dict[int, str]:
    """The name of every agent, or of one, by number; else their address or the provider's id."""
    wanted = [N.c.workspace == workspace]
    if number is not None:
        wanted.append(N.c.number == number)
    same = and_(
        A.c.workspace == N.c.workspace,
        A.c.account == N.c.account,
        A.c.external_id == N.c.external_id,
    )
    rows = connection.execute(
        select(N.c.number, N.c.external_id, A.c.name, A.c.email)
        .outerjoin(A, same)
        .where(*wanted)
        .order_by(N.c.number, A.c.name.is_(None), N.c.account, N.c.external_id)
    )
    found: dict[int, str] = {}
    for row in rows:
        found.setdefault(row.number, row.name or row.email or row.external_id)
    return found
