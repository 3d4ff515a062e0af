"""Upkeep of the work table: slots, dead processes, clocks that go back, work that is wanted now."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from deskwire.store import tables
from deskwire.store.work import HOST, ensure

W = tables.work


def keep_slots(connection: Connection, now: int, workspace: str, target: str, count: int) -> None:
    """As many slots of a destination as it may have calls under way; superfluous ones go."""
    keys = [str(number) for number in range(count)]
    for key in keys:
        ensure(connection, now, workspace, "slot", target, key)
    connection.execute(
        W.delete().where(
            W.c.workspace == workspace,
            W.c.kind == "slot",
            W.c.target == target,
            W.c.key.not_in(keys),
        )
    )


def recall(connection: Connection, now: int, kind: str, targets: Sequence[str]) -> int:
    """Make due what waits: the clock that it waits by went back. How many rows."""
    return connection.execute(
        update(W)
        .where(W.c.kind == kind, W.c.target.in_(targets), W.c.due_at > now, W.c.dead_at.is_(None))
        .values(due_at=now)
    ).rowcount


def void_dead_leases(connection: Connection, is_alive: dict[int, bool]) -> int:
    """Free what dead processes of this host held; how many rows."""
    gone = [pid for pid, alive in is_alive.items() if not alive]
    return connection.execute(
        update(W)
        .where(W.c.host == HOST, W.c.pid.in_(gone), W.c.lease_id.is_not(None))
        .values(lease_id=None, lease_until=None)
    ).rowcount


def holders(connection: Connection) -> list[int]:
    """The processes of this host that hold leases."""
    rows = connection.execute(
        select(W.c.pid).where(W.c.host == HOST, W.c.lease_id.is_not(None)).distinct()
    )
    return [row.pid for row in rows]


def wake_all(connection: Connection, now: int, kind: str, target: str) -> int:
    """Make due now what waits for a target after a failure, in the order it waited.

    What has not failed waits for something else, as for the quiet time after an end.
    """
    return connection.execute(
        update(W)
        .where(
            W.c.kind == kind,
            W.c.target == target,
            W.c.due_at > now,
            W.c.attempts > 0,
            W.c.dead_at.is_(None),
        )
        .values(due_at=now)
    ).rowcount


def hasten(
    connection: Connection, now: int, workspace: str, kind: str, target: str, key: str
) -> None:
    """Make a row due now."""
    connection.execute(
        update(W)
        .where(W.c.workspace == workspace, W.c.kind == kind, W.c.target == target, W.c.key == key)
        .values(due_at=now)
    )
