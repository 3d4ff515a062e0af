"""Records: what was received, kept before its meaning is read."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from sqlalchemy import BindParameter, Connection, and_, bindparam, func, select

from deskwire.core.facts import SetAside
from deskwire.core.instants import from_micros, to_micros
from deskwire.core.provider import Record, RecordKind
from deskwire.store import tables
from deskwire.store.upserts import insert

R, L, S = tables.records, tables.record_conversations, tables.set_aside
C = tables.conversations

# Built once, as they are run for every record: SQLAlchemy takes longer to build a statement than
# SQLite to run it.
_KEEP = insert(R).on_conflict_do_nothing().returning(R.c.id)
_LINK = insert(L).on_conflict_do_nothing()
_A_WORKSPACE: BindParameter[str] = bindparam("a_workspace")
_NOTHING_ASIDE = S.delete().where(
    S.c.workspace == _A_WORKSPACE, S.c.record_id == bindparam("a_record")
)


def keep(
    connection: Connection, workspace: str, record: Record, dedupe_key: str | None = None
) -> bool:
    """Store a record; False when one with this dedupe key was stored before."""
    row = {
        "workspace": workspace,
        "id": record.id,
        "source": record.source,
        "account": record.account,
        "kind": record.kind,
        "origin": record.origin,
        "received_at": to_micros(record.received_at),
        "dedupe_key": dedupe_key,
        "body": zlib.compress(record.body),
    }
    return connection.execute(_KEEP, row).first() is not None


def is_kept(connection: Connection, workspace: str, source: str, dedupe_key: str) -> bool:
    """Whether a source has a record with this dedupe key."""
    rows = connection.execute(
        select(R.c.id).where(
            R.c.workspace == workspace, R.c.source == source, R.c.dedupe_key == dedupe_key
        )
    )
    return rows.first() is not None


def get(connection: Connection, workspace: str, record_id: str) -> Record | None:
    """One record, whole; None when there is none with this id."""
    rows = connection.execute(
        select(R).where(R.c.workspace == workspace, R.c.id == record_id)
    ).mappings()
    for row in rows:
        return Record(
            id=row["id"],
            source=row["source"],
            account=row["account"],
            kind=row["kind"],
            origin=row["origin"],
            received_at=from_micros(row["received_at"]),
            body=zlib.decompress(row["body"]),
        )
    return None


def ids(
    connection: Connection,
    workspace: str,
    source: str | None = None,
    since: int = 0,
    after: tuple[int, str] = (-1, ""),
    limit: int = 1000,
) -> list[tuple[int, str]]:
    """(received_at, id) of records in the order of their receipt, a page after another."""
    later = (R.c.received_at > after[0]) | ((R.c.received_at == after[0]) & (R.c.id > after[1]))
    wanted = [R.c.workspace == workspace, R.c.received_at >= since, later]
    if source is not None:
        wanted.append(R.c.source == source)
    rows = connection.execute(
        select(R.c.received_at, R.c.id)
        .where(*wanted)
        .order_by(R.c.received_at, R.c.id)
        .limit(limit)
    )
    return [(row.received_at, row.id) for row in rows]


def ids_of_kind(connection: Connection, workspace: str, source: str, kind: RecordKind) -> list[str]:
    """Ids of all of a source's records of one kind."""
    rows = connection.execute(
        select(R.c.id).where(R.c.workspace == workspace, R.c.source == source, R.c.kind == kind)
    )
    return [row.id for row in rows]


def link(
    connection: Connection, workspace: str, record_id: str, conversation_id: str, ats: Iterable[str]
) -> None:
    """Say at which places a record speaks of a conversation."""
    rows = [
        {
            "workspace": workspace,
            "record_id": record_id,
            "conversation_id": conversation_id,
            "at": at,
        }
        for at in ats
    ]
    connection.execute(_LINK, rows)


def unlink(
    connection: Connection, workspace: str, record_id: str, conversation_id: str, ats: Iterable[str]
) -> None:
    """Take it back that a record speaks of a conversation at these places."""
    connection.execute(
        L.delete().where(
            L.c.workspace == workspace,
            L.c.record_id == record_id,
            L.c.conversation_id == conversation_id,
            L.c.at.in_(list(ats)),
        )
    )


def speaks_of(connection: Connection, workspace: str, account: str, record_id: str) -> list[str]:
    """External ids of an account's conversations that a record was seen to speak of."""
    rows = connection.execute(
        select(C.c.external_id)
        .join(L, and_(L.c.workspace == C.c.workspace, L.c.conversation_id == C.c.id))
        .where(L.c.workspace == workspace, L.c.record_id == record_id, C.c.account == account)
        .distinct()
    )
    return [row.external_id for row in rows]


def of_conversation(
    connection: Connection, workspace: str, conversation_id: str
) -> list[tuple[str, str, str, int, list[str]]]:
    """(id, kind, origin, received_at, places) of the records that speak of a conversation."""
    rows = connection.execute(
        select(R.c.id, R.c.kind, R.c.origin, R.c.received_at, L.c.at)
        .join(R, and_(R.c.workspace == L.c.workspace, R.c.id == L.c.record_id))
        .where(L.c.workspace == workspace, L.c.conversation_id == conversation_id)
        .order_by(R.c.received_at, R.c.id, L.c.at)
    )
    found: dict[str, tuple[str, str, str, int, list[str]]] = {}
    for row in rows:
        if row.id not in found:
            found[row.id] = (row.id, row.kind, row.origin, row.received_at, [])
        found[row.id][4].append(row.at)
    return list(found.values())


def replace_set_aside(
    connection: Connection, workspace: str, record: Record, places: list[SetAside]
) -> None:
    """What of a record could not be understood, in place of what was said of it before."""
    connection.execute(_NOTHING_ASIDE, {"a_workspace": workspace, "a_record": record.id})
    rows = [
        {
            "workspace": workspace,
            "record_id": record.id,
            "at": one.at,
            "source": record.source,
            "external_id": one.external_id,
            "reason": one.reason,
        }
        for one in places
    ]
    if rows:
        connection.execute(insert(S).on_conflict_do_nothing(), rows)


def set_aside_in(connection: Connection, workspace: str, record_id: str) -> list[SetAside]:
    """What of a record could not be understood."""
    rows = connection.execute(
        select(S).where(S.c.workspace == workspace, S.c.record_id == record_id).order_by(S.c.at)
    )
    return [SetAside(at=row.at, reason=row.reason, external_id=row.external_id) for row in rows]


def set_aside_counts(connection: Connection, workspace: str) -> dict[str, int]:
    """How many places of each source's records are set aside."""
    rows = connection.execute(
        select(S.c.source, func.count()).where(S.c.workspace == workspace).group_by(S.c.source)
    )
    return {row[0]: row[1] for row in rows}


def newest_set_aside(
    connection: Connection, workspace: str, limit: int = 5
) -> dict[str, list[tuple[str, str, str]]]:
    """By source: (record, place, reason) of what was set aside last."""
    number = func.row_number().over(
        partition_by=S.c.source, order_by=(S.c.record_id.desc(), S.c.at)
    )
    places = (
        select(S.c.source, S.c.record_id, S.c.at, S.c.reason, number.label("number"))
        .where(S.c.workspace == workspace)
        .subquery()
    )
    rows = connection.execute(
        select(places).where(places.c.number <= limit).order_by(places.c.source, places.c.number)
    )
    found: dict[str, list[tuple[str, str, str]]] = {}
    for row in rows:
        found.setdefault(row.source, []).append((row.record_id, row.at, row.reason))
    return found


def set_aside_of(
    connection: Connection, workspace: str, external_id: str, source: str | None = None
) -> list[tuple[str, str, str, str]]:
    """(source, record, place, reason) of what was set aside and belongs to one conversation.

    Without a source: of any that has a conversation with this id.
    """
    wanted = [S.c.workspace == workspace, S.c.external_id == external_id]
    if source is not None:
        wanted.append(S.c.source == source)
    rows = connection.execute(
        select(S.c.source, S.c.record_id, S.c.at, S.c.reason)
        .where(*wanted)
        .order_by(S.c.source, S.c.record_id, S.c.at)
    )
    return [(row.source, row.record_id, row.at, row.reason) for row in rows]
