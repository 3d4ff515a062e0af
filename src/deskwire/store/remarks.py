"""Remarks: what of the ledgers a person should know."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, func, select

from deskwire.store import tables
from deskwire.store.deliveries import SHARED

L = tables.ledger


class Remark(Struct, frozen=True, kw_only=True):
    """Something about a line that a person should know."""

    destination: str
    conversation_id: str  #: empty: the line belongs to the whole destination
    key: str
    text: str


class Remarks(Struct, frozen=True, kw_only=True):
    """The remarks on one destination; the examples are the newest of their kind."""

    shared: list[Remark]  #: all of them: an agent taken for another is in many conversations
    refused: int
    refused_examples: list[Remark]
    otherwise: int  #: how many lines were sent otherwise than they were said
    otherwise_examples: list[Remark]


def remarks(
    connection: Connection, workspace: str, refused_examples: int = 20, otherwise_examples: int = 3
) -> dict[str, Remarks]:
    """By destination; what needs attention is never pushed out by what is harmless."""
    is_shared = L.c.conversation_id == SHARED
    is_refused = L.c.refused.is_not(None)
    noted = and_(L.c.note.is_not(None), ~is_refused)
    shared = _newest(connection, workspace, and_(is_shared, noted), None)
    refused = _newest(connection, workspace, is_refused, refused_examples)
    otherwise = _newest(connection, workspace, and_(~is_shared, noted), otherwise_examples)
    return {
        name: Remarks(
            shared=shared.get(name, (0, []))[1],
            refused=refused.get(name, (0, []))[0],
            refused_examples=refused.get(name, (0, []))[1],
            otherwise=otherwise.get(name, (0, []))[0],
            otherwise_examples=otherwise.get(name, (0, []))[1],
        )
        for name in sorted({*shared, *refused, *otherwise})
    }


def _newest(
    connection: Connection, workspace: str, wanted: ColumnElement[bool], limit: int | None
) -> dict[str, tuple[int, list[Remark]]]:
    """By destination: how many such lines there are, and the newest (None: all) of them."""
    of_destination = func.row_number().over(
        partition_by=L.c.destination, order_by=(L.c.at.desc(), L.c.conversation_id, L.c.key)
    )
    lines = (
        select(
            L.c.destination,
            L.c.conversation_id,
            L.c.key,
            func.coalesce(L.c.refused, L.c.note).label("text"),
            of_destination.label("number"),
            func.count().over(partition_by=L.c.destination).label("total"),
        )
        .where(L.c.workspace == workspace, wanted)
        .subquery()
    )
    statement = select(lines).order_by(lines.c.destination, lines.c.number)
    if limit is not None:
        statement = statement.where(lines.c.number <= limit)
    found: dict[str, tuple[int, list[Remark]]] = {}
    for row in connection.execute(statement):
        _, remarks_of_it = found.setdefault(row.destination, (row.total, []))
        remarks_of_it.append(
            Remark(
                destination=row.destination,
                conversation_id=row.conversation_id,
                key=row.key,
                text=row.text,
            )
        )
    return found
