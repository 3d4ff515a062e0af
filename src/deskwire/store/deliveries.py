"""Deliveries: what was sent where (the ledger), what was begun (the intent), every attempt."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, func, select, update

from deskwire.core.codec import convert, decode
from deskwire.core.destination import Payload, Sent, Step
from deskwire.core.exchange import encode
from deskwire.store import tables
from deskwire.store.upserts import insert, upsert

D, L, A = tables.deliveries, tables.ledger, tables.attempts

_LOG = insert(A)  # built once, with its columns taken from the row

_ARM = insert(D)
_ARM = _ARM.on_conflict_do_update(
    index_elements=[D.c.workspace, D.c.destination, D.c.conversation_id],
    set_={"closing": _ARM.excluded.closing},
)

#: In place of an instant to settle until, where nobody can look: it waits for a person, or one
#: said that it may be sent again, once.
PARKED, ALLOWED = 0, -1

#: In place of a conversation's id: the line belongs to the whole destination.
SHARED = ""


class Delivery(Struct, frozen=True, kw_only=True):
    """Where the delivery of a conversation to a destination stands; instants in µs."""

    intent: Step | None = None
    settle_until: int | None = None
    patience: int = 0  #: µs that the call which was begun may take
    verify: bool = False  #: read back all of it first; `save` leaves this alone
    closing: int | None = None  #: the end that "ended" fired for; `save` leaves this alone


class Attempt(Struct, frozen=True, kw_only=True):
    """One call, or one look, and what came of it."""

    at: int
    action: str
    key: str
    outcome: str
    detail: str | None
    milliseconds: int


def load(
    connection: Connection, workspace: str, destination: str, conversation_id: str
) -> Delivery:
    """Where it stands; a delivery never begun stands at the beginning."""
    row = connection.execute(select(D).where(*_is(workspace, destination, conversation_id))).first()
    if row is None:
        return Delivery()
    intent = decode(row.intent, Step) if row.intent else None
    return Delivery(
        intent=intent,
        settle_until=row.settle_until,
        patience=row.patience,
        verify=row.verify,
        closing=row.closing,
    )


def _is(workspace: str, destination: str, conversation_id: str) -> list[ColumnElement[bool]]:
    return [
        D.c.workspace == workspace,
        D.c.destination == destination,
        D.c.conversation_id == conversation_id,
    ]


def save(
    connection: Connection,
    workspace: str,
    destination: str,
    conversation_id: str,
    delivery: Delivery,
) -> None:
    """Store what was begun, and when to look what became of it."""
    row: dict[str, object] = {
        "workspace": workspace,
        "destination": destination,
        "conversation_id": conversation_id,
        "intent": encode(delivery.intent) if delivery.intent else None,
        "settle_until": delivery.settle_until,
        "patience": delivery.patience,
    }
    upsert(connection, D, [row])


def close(
    connection: Connection,
    workspace: str,
    destination: str,
    conversation_id: str,
    differs: list[str],
    complete_at: int | None,
) -> None:
    """Nothing is begun; what differs, and when all was there (None: it is not)."""
    save(connection, workspace, destination, conversation_id, Delivery())
    values: dict[str, object] = {"differs": "\n".join(differs) or None}
    if complete_at is not None:
        values["delivered_at"] = complete_at
    connection.execute(
        update(D).where(*_is(workspace, destination, conversation_id)).values(values)
    )


def verified(
    connection: Connection, workspace: str, destination: str, conversation_id: str
) -> None:
    """All of it was read back."""
    connection.execute(
        update(D).where(*_is(workspace, destination, conversation_id)).values(verify=False)
    )


def is_begun(
    connection: Connection, workspace: str, destination: str, conversation_id: str
) -> bool:
    """Whether a destination has, or was to have, anything of a conversation."""
    row = select(D.c.conversation_id).where(*_is(workspace, destination, conversation_id))
    return connection.execute(row).first() is not None


def closing(
    connection: Connection, workspace: str, destination: str, conversation_id: str
) -> int | None:
    """The end of a conversation that "ended" fired for, in µs; None: it has not."""
    row = select(D.c.closing).where(*_is(workspace, destination, conversation_id))
    return connection.execute(row).scalar()


def arm(
    connection: Connection,
    workspace: str,
    destination: str,
    conversation_id: str,
    closing: int | None,
) -> None:
    """Have "ended" fire for this end of a conversation; None: it was reopened before."""
    row: dict[str, object] = {
        "workspace": workspace,
        "destination": destination,
        "conversation_id": conversation_id,
        "patience": 0,
        "closing": closing,
    }
    connection.execute(_ARM, row)


def ledger(
    connection: Connection, workspace: str, destination: str, conversation_id: str
) -> dict[str, Sent]:
    """What the destination holds of a conversation, and what is shared by all of them."""
    rows = connection.execute(
        select(L).where(
            L.c.workspace == workspace,
            L.c.destination == destination,
            L.c.conversation_id.in_([SHARED, conversation_id]),
        )
    ).mappings()
    return {
        row["key"]: Sent(
            payload=decode(row["payload"], Payload),
            remote_id=row["remote_id"],
            note=row["note"],
            refused=row["refused"],
            is_shared=row["conversation_id"] == SHARED,
        )
        for row in rows
    }


def learn(
    connection: Connection,
    now: int,
    workspace: str,
    destination: str,
    conversation_id: str,
    changes: dict[str, Sent | None],
) -> None:
    """Bring the ledger up to date; None takes a line out."""
    gone = [key for key, sent in changes.items() if sent is None]
    if gone:
        connection.execute(
            L.delete().where(
                L.c.workspace == workspace,
                L.c.destination == destination,
                L.c.conversation_id.in_([SHARED, conversation_id]),
                L.c.key.in_(gone),
            )
        )
    rows: list[dict[str, object]] = [
        {
            "workspace": workspace,
            "destination": destination,
            "conversation_id": SHARED if sent.is_shared else conversation_id,
            "key": key,
            "remote_id": sent.remote_id,
            "payload": encode(sent.payload),
            "note": sent.note,
            "refused": sent.refused,
            "at": now,
        }
        for key, sent in changes.items()
        if sent is not None
    ]
    upsert(connection, L, rows)


def log_attempt(
    connection: Connection,
    workspace: str,
    destination: str,
    conversation_id: str,
    attempt: Attempt,
) -> None:
    """Keep what an attempt came to."""
    row = {
        "workspace": workspace,
        "destination": destination,
        "conversation_id": conversation_id,
    }
    connection.execute(_LOG, {**row, **msgspec.structs.asdict(attempt)})


def attempts(
    connection: Connection, workspace: str, conversation_id: str
) -> list[tuple[str, Attempt]]:
    """(destination, attempt) in the order of time."""
    rows = connection.execute(
        select(A)
        .where(A.c.workspace == workspace, A.c.conversation_id == conversation_id)
        .order_by(A.c.at)
    )
    return [(row.destination, convert(row, Attempt, from_attributes=True)) for row in rows]


def of_conversation(
    connection: Connection, workspace: str, conversation_id: str
) -> dict[str, tuple[Delivery, str | None, int | None]]:
    """By destination: where it stands, what differs, when all was there last."""
    rows = connection.execute(
        select(D).where(D.c.workspace == workspace, D.c.conversation_id == conversation_id)
    ).mappings()
    return {
        row["destination"]: (
            load(connection, workspace, row["destination"], conversation_id),
            row["differs"],
            row["delivered_at"],
        )
        for row in rows
    }


def conversation_ids(
    connection: Connection, workspace: str, destination: str, after: str = "", limit: int = 500
) -> list[str]:
    """The conversations that a destination has something of, a page after another."""
    rows = connection.execute(
        select(D.c.conversation_id)
        .where(
            D.c.workspace == workspace,
            D.c.destination == destination,
            D.c.conversation_id > after,
        )
        .order_by(D.c.conversation_id)
        .limit(limit)
    )
    return [row.conversation_id for row in rows]


def demand_verification(
    connection: Connection, workspace: str, destination: str, conversation_ids: list[str]
) -> None:
    """Have these deliveries read back as a whole before anything else."""
    connection.execute(
        update(D)
        .where(
            D.c.workspace == workspace,
            D.c.destination == destination,
            D.c.conversation_id.in_(conversation_ids),
        )
        .values(verify=True)
    )


def oldest(connection: Connection, workspace: str, destination: str, key: str) -> Sent | None:
    """The line of this key that was confirmed first."""
    row = connection.execute(
        select(L.c.remote_id)
        .where(
            L.c.workspace == workspace,
            L.c.destination == destination,
            L.c.key == key,
            L.c.remote_id.is_not(None),
        )
        .order_by(L.c.at)
        .limit(1)
    ).first()
    return None if row is None else Sent(payload={}, remote_id=row.remote_id)


def forget_shared(connection: Connection, workspace: str, destination: str) -> None:
    """Take out the lines that belong to the whole destination: they will be looked up anew."""
    connection.execute(
        L.delete().where(
            L.c.workspace == workspace,
            L.c.destination == destination,
            L.c.conversation_id == SHARED,
        )
    )


def forget_refused(
    connection: Connection, workspace: str, destination: str, conversation_id: str
) -> int:
    """Take out the lines that were refused, so that they are tried again; how many."""
    return connection.execute(
        L.delete().where(
            L.c.workspace == workspace,
            L.c.destination == destination,
            L.c.conversation_id.in_([SHARED, conversation_id]),
            L.c.refused.is_not(None),
        )
    ).rowcount


def allow(connection: Connection, workspace: str, destination: str, conversation_id: str) -> None:
    """A person says that what is parked may be sent again."""
    connection.execute(
        update(D)
        .where(*_is(workspace, destination, conversation_id), D.c.settle_until == PARKED)
        .values(settle_until=ALLOWED)
    )


def sent_counts(connection: Connection, workspace: str) -> dict[str, tuple[int, int, int]]:
    """By destination: conversations complete, lines confirmed, lines refused."""
    complete = {
        row[0]: row[1]
        for row in connection.execute(
            select(D.c.destination, func.count())
            .where(D.c.workspace == workspace, D.c.delivered_at.is_not(None))
            .group_by(D.c.destination)
        )
    }
    rows = connection.execute(
        select(L.c.destination, func.count(), func.count(L.c.refused))
        .where(L.c.workspace == workspace)
        .group_by(L.c.destination)
    )
    return {row[0]: (complete.get(row[0], 0), row[1] - row[2], row[2]) for row in rows}


def differing(connection: Connection, workspace: str) -> dict[str, int]:
    """By destination: conversations that say something else there and cannot be mended."""
    rows = connection.execute(
        select(D.c.destination, func.count())
        .where(D.c.workspace == workspace, D.c.differs.is_not(None))
        .group_by(D.c.destination)
    )
    return {row[0]: row[1] for row in rows}
