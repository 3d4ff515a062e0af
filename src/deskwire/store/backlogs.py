"""What waits and what was given up: the work table as a person looks at it."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, and_, case, func, select

from deskwire.store import tables

W = tables.work


class Backlog(Struct, frozen=True, kw_only=True):
    """How much work of a kind waits for a target."""

    kind: str
    target: str
    waiting: int
    waits_since: int | None  #: since the oldest is due, or fails; what is not due yet is later
    dead: int
    failing: int
    an_error: str | None  #: of a dead one


def waiting(connection: Connection, workspace: str) -> list[Backlog]:
    """What waits and what is dead, by kind and target."""
    dead = W.c.dead_at.is_not(None)
    since = case(
        (dead, None), (W.c.failing_since.is_not(None), W.c.failing_since), else_=W.c.due_at
    )
    rows = connection.execute(
        select(
            W.c.kind,
            W.c.target,
            func.sum(case((dead, 0), else_=1)).label("waiting"),
            func.min(since).label("oldest"),
            func.sum(case((dead, 1), else_=0)).label("dead"),
            func.sum(case((and_(~dead, W.c.attempts > 0), 1), else_=0)).label("failing"),
            func.max(case((dead, W.c.last_error))).label("an_error"),
        )
        .where(W.c.workspace == workspace, W.c.kind.not_in(["slot", "poll", "reconcile"]))
        .group_by(W.c.kind, W.c.target)
        .order_by(W.c.kind, W.c.target)
    )
    return [
        Backlog(
            kind=row.kind,
            target=row.target,
            waiting=row.waiting,
            waits_since=row.oldest,
            dead=row.dead,
            failing=row.failing,
            an_error=row.an_error,
        )
        for row in rows
    ]


def last_error(
    connection: Connection, workspace: str, kind: str, target: str, key: str
) -> str | None:
    """What the last attempt at a piece of work came to; None: it went well, or none was made."""
    return connection.execute(
        select(W.c.last_error).where(
            W.c.workspace == workspace, W.c.kind == kind, W.c.target == target, W.c.key == key
        )
    ).scalar()


class DeadLetter(Struct, frozen=True, kw_only=True):
    """Work that was given up."""

    kind: str
    target: str
    key: str
    dead_at: int
    attempts: int
    error: str | None


def dead_letters(
    connection: Connection, workspace: str, target: str | None = None
) -> list[DeadLetter]:
    """All that was given up, the oldest first."""
    wanted = [W.c.workspace == workspace, W.c.dead_at.is_not(None)]
    if target is not None:
        wanted.append(W.c.target == target)
    rows = connection.execute(select(W).where(*wanted).order_by(W.c.dead_at, W.c.key)).mappings()
    return [
        DeadLetter(
            kind=row["kind"],
            target=row["target"],
            key=row["key"],
            dead_at=row["dead_at"],
            attempts=row["attempts"],
            error=row["last_error"],
        )
        for row in rows
    ]
