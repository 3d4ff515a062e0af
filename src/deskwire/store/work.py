"""Work: rows with leases. A row is due, held, or dead; what is finished is no row any more."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Sequence

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    case,
    column,
    exists,
    literal,
    or_,
    select,
    tuple_,
    update,
    values,
)
from sqlalchemy.sql.dml import ReturningUpdate

from deskwire.core.errors import LeaseLost
from deskwire.store import tables
from deskwire.store.upserts import Insert, insert

W = tables.work
HOST = socket.gethostname()
NEVER = 2**62  #: µs; later than anything


class Claim(Struct, frozen=True, kw_only=True):
    """A piece of work and the lease under which this process has it."""

    workspace: str
    kind: str
    target: str
    key: str
    seq: int
    attempts: int
    failing_since: int | None
    due_at: int
    lease_id: str


def mark(
    connection: Connection,
    now: int,
    workspace: str,
    kind: str,
    target: str,
    key: str,
    due_at: int | None = None,
    *,
    postpones: bool = False,
) -> None:
    """Make work due; what is being done right now will be done again.

    A row that waits after a failure keeps its time, so that news do not hammer a sick system.
    Another takes the sooner time of the two, or, with `postpones`, the new one.
    """
    row = {
        "workspace": workspace,
        "kind": kind,
        "target": target,
        "key": key,
        "seq": 1,
        "marked_at": now,
        "due_at": now if due_at is None else due_at,
        "attempts": 0,
    }
    connection.execute(_POSTPONE if postpones else _MARK, row)


def _marking(*, postpones: bool) -> Insert:
    """Built once, as it is run for every change of every conversation."""
    statement = insert(W)
    new = statement.excluded
    is_waiting = and_(W.c.attempts > 0, W.c.dead_at.is_(None))
    sooner = case((W.c.due_at < new.due_at, W.c.due_at), else_=new.due_at)
    later = new.due_at if postpones else sooner
    return statement.on_conflict_do_update(
        index_elements=[W.c.workspace, W.c.kind, W.c.target, W.c.key],
        set_={
            "seq": W.c.seq + 1,
            "due_at": case((is_waiting, W.c.due_at), else_=later),
            "attempts": case((is_waiting, W.c.attempts), else_=0),
            "failing_since": case((is_waiting, W.c.failing_since), else_=None),
            "marked_at": case((W.c.dead_at.is_(None), W.c.marked_at), else_=new.marked_at),
            "dead_at": None,
        },
    )


_MARK, _POSTPONE = _marking(postpones=False), _marking(postpones=True)


def ensure(
    connection: Connection, now: int, workspace: str, kind: str, target: str, key: str
) -> None:
    """See to it that a row of standing work (a poll, a slot) exists."""
    connection.execute(
        insert(W)
        .values(
            workspace=workspace,
            kind=kind,
            target=target,
            key=key,
            seq=1,
            marked_at=now,
            due_at=now,
            attempts=0,
        )
        .on_conflict_do_nothing()
    )


def claim(
    connection: Connection,
    now: int,
    kind: str,
    target: str,
    limit: int,
    lease_micros: int,
    next_due_micros: int | None = None,
) -> list[Claim]:
    """Take up to `limit` due rows, the longest due first.

    `next_due_micros` is the interval of standing work: its next time is set here and now, so
    that its rhythm does not depend on how long it takes.
    """
    due = (
        select(W.c.workspace, W.c.kind, W.c.target, W.c.key)
        .where(W.c.kind == kind, W.c.target == target, W.c.due_at <= now, _is_free(now))
        .order_by(W.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    lease_id = str(uuid.uuid4())
    values: dict[str, object] = {
        "lease_id": lease_id,
        "lease_until": now + lease_micros,
        "host": HOST,
        "pid": os.getpid(),
    }
    if next_due_micros is not None:
        following = W.c.due_at + next_due_micros
        values["due_at"] = case((following > now, following), else_=now + next_due_micros)
    rows = connection.execute(
        update(W)
        .where(tuple_(W.c.workspace, W.c.kind, W.c.target, W.c.key).in_(select(due)))
        .values(values)
        .returning(W)
    ).mappings()
    claims = [
        Claim(
            workspace=row["workspace"],
            kind=row["kind"],
            target=row["target"],
            key=row["key"],
            seq=row["seq"],
            attempts=row["attempts"],
            failing_since=row["failing_since"],
            due_at=row["due_at"],
            lease_id=lease_id,
        )
        for row in rows
    ]
    return sorted(claims, key=lambda one: (one.due_at, one.key))


def _is_free(now: int | BindParameter[int]) -> ColumnElement[bool]:
    return and_(W.c.dead_at.is_(None), or_(W.c.lease_id.is_(None), W.c.lease_until <= now))


def _is(claim: Claim) -> ColumnElement[bool]:
    return and_(
        W.c.workspace == claim.workspace,
        W.c.kind == claim.kind,
        W.c.target == claim.target,
        W.c.key == claim.key,
        W.c.lease_id == claim.lease_id,
    )


def renew(connection: Connection, lease_ids: list[str], until: int) -> set[str]:
    """Prolong leases; the ids of those that are still ours."""
    rows = connection.execute(
        update(W)
        .where(W.c.lease_id.in_(lease_ids))
        .values(lease_until=until)
        .returning(W.c.lease_id)
    )
    return {row.lease_id for row in rows}


# The statements of every step of a delivery are built once: SQLAlchemy takes longer to build one
# than SQLite to run it.
_ROW = and_(
    W.c.workspace == bindparam("a_workspace"),
    W.c.kind == bindparam("a_kind"),
    W.c.target == bindparam("a_target"),
    W.c.key == bindparam("a_key"),
)
_MINE = and_(_ROW, W.c.lease_id == bindparam("a_lease"))
_FENCE = update(W).where(_MINE).values(lease_id=W.c.lease_id).returning(W.c.seq)
_PROGRESS = update(W).where(_MINE).values(attempts=0, failing_since=None).returning(W.c.seq)
_SEQ = select(W.c.seq).where(_ROW)


def fence(connection: Connection, claim: Claim) -> int:
    """The row's seq, locked; LeaseLost when the work is not ours any more."""
    return _fenced(connection, _FENCE, claim)


def progress(connection: Connection, claim: Claim) -> int:
    """`fence`, and failures before this are forgotten."""
    return _fenced(connection, _PROGRESS, claim)


def _fenced(connection: Connection, statement: ReturningUpdate[int], claim: Claim) -> int:
    seq = connection.execute(
        statement,
        {
            "a_workspace": claim.workspace,
            "a_kind": claim.kind,
            "a_target": claim.target,
            "a_key": claim.key,
            "a_lease": claim.lease_id,
        },
    ).scalar()
    if seq is None:
        raise LeaseLost(f"{claim.kind} {claim.target} {claim.key}")
    return int(seq)


def finish(connection: Connection, now: int, claim: Claim) -> bool:
    """The work is done: True. False: it changed meanwhile, and is due again."""
    done = connection.execute(W.delete().where(_is(claim), W.c.seq == claim.seq)).rowcount
    if not done:
        release(connection, claim, now)
    return bool(done)


def release(
    connection: Connection,
    claim: Claim,
    due_at: int | None,
    *,
    error: str | None = None,
    failed_at: int | None = None,
    has_progress: bool = False,
) -> None:
    """Give work back; `due_at` None keeps its time.

    With `failed_at` it counts as a failed attempt; progress made before sets the count back.
    """
    fence(connection, claim)
    values: dict[str, object] = {"lease_id": None, "lease_until": None, "last_error": error}
    if due_at is not None:
        values["due_at"] = due_at
    since = None if has_progress else claim.failing_since
    attempts = 0 if has_progress else claim.attempts
    if failed_at is not None:
        values["attempts"] = attempts + 1
        values["failing_since"] = failed_at if since is None else since
    elif has_progress:
        values["attempts"] = 0
        values["failing_since"] = None
    connection.execute(update(W).where(_is(claim)).values(values))


def bury(connection: Connection, now: int, claim: Claim, error: str) -> None:
    """Make work a dead letter, until a person or a change revives it."""
    fence(connection, claim)
    connection.execute(
        update(W)
        .where(_is(claim))
        .values(
            lease_id=None,
            lease_until=None,
            last_error=error,
            dead_at=case((W.c.seq == claim.seq, now), else_=None),
            attempts=case((W.c.seq == claim.seq, claim.attempts + 1), else_=0),
            failing_since=None,
            # Out of the way of those who look for due work.
            due_at=case((W.c.seq == claim.seq, NEVER), else_=now),
        )
    )


def due(lanes: Sequence[tuple[str, str]]) -> Callable[[Connection, int], list[tuple[str, str]]]:
    """A query, built once: in which of the lanes (kind, target) something could be claimed now.

    Asked lane by lane: a DISTINCT over a backlog of 100,000 rows takes 30 ms, this none.
    """
    if not lanes:
        return lambda _connection, _now: []
    now = bindparam("a_now", type_=BigInteger)
    asked = values(column("kind", String), column("target", String), name="asked").data(list(lanes))
    lane = asked.cte()
    something = (
        select(literal(1))
        .where(W.c.kind == lane.c.kind, W.c.target == lane.c.target)
        .where(W.c.due_at <= now, _is_free(now))
        .correlate(lane)
        .limit(1)
    )
    query = select(lane.c.kind, lane.c.target).where(exists(something))

    def ask(connection: Connection, at: int) -> list[tuple[str, str]]:
        rows = connection.execute(query, {"a_now": at})
        return [(row.kind, row.target) for row in rows]

    return ask


def open_keys(
    connection: Connection, workspace: str, kind: str, target: str, keys: list[str]
) -> dict[str, int]:
    """Those of the keys that are still to be done, with when they were first marked."""
    rows = connection.execute(
        select(W.c.key, W.c.marked_at).where(
            W.c.workspace == workspace,
            W.c.kind == kind,
            W.c.target == target,
            W.c.key.in_(keys),
            W.c.dead_at.is_(None),
        )
    )
    return {row.key: row.marked_at for row in rows}


def seq(connection: Connection, workspace: str, kind: str, target: str, key: str) -> int:
    """How often a row was marked; 0 when there is none."""
    row = {"a_workspace": workspace, "a_kind": kind, "a_target": target, "a_key": key}
    return int(connection.execute(_SEQ, row).scalar() or 0)
