"""What is derived from a conversation's facts, to be listed, searched and counted by."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select, update

from deskwire.core.document import preview, took_part
from deskwire.core.exchange import encode
from deskwire.core.instants import to_micros
from deskwire.core.model import Conversation
from deskwire.core.responses import responses
from deskwire.store import tables
from deskwire.store.upserts import insert

C = tables.conversations
_MET = tables.spellings.alias()
_SPELL = (
    insert(tables.spellings)
    .values(
        position=select(func.count())
        .where(_MET.c.workspace == bindparam("a_workspace"), _MET.c.kind == bindparam("a_kind"))
        .scalar_subquery()
    )
    .on_conflict_do_nothing()
)

#: Raised with every change of `columns` or `_rows`: what an older version wrote is derived again.
DERIVED_BY = 2

#: The tables of derived rows; a column of the conversation has each one's as JSON.
ROWS = {"segments": tables.segments, "responses": tables.responses}
_ADD = {name: insert(table) for name, table in ROWS.items()}
NONE = dict.fromkeys(ROWS, "[]")


def columns(seen: Conversation) -> dict[str, object]:
    """The columns of a conversation's row that are derived."""
    customer = seen.customer
    return {
        "status": seen.status,
        "started_at": to_micros(seen.started_at),
        "handle_started_at": _micros(seen.handle_started_at),
        "ended_at": _micros(seen.ended_at),
        "updated_at": to_micros(seen.updated_at),
        "channel": seen.channel,
        "customer": customer and customer.external_id,
        "customer_name": customer and customer.name,
        "customer_email": customer and customer.email and customer.email.casefold(),
        "participant_count": len(took_part(seen)),
        "message_count": len(seen.messages),
        "last_message_at": to_micros(seen.messages[-1].sent_at) if seen.messages else None,
        "preview": preview(seen),
        "channel_key": key(seen.channel),
        "topic": seen.topic,
        "agent": seen.agent and seen.agent.external_id,
        "team": seen.assignments[-1].team if seen.assignments else None,
        "reopens": seen.reopens,
        **_rating(seen),
        "is_withdrawn": seen.is_withdrawn,
        **{name: encode(rows) for name, rows in _rows(seen).items()},
        "derived_by": DERIVED_BY,
    }


def key(name: str | None) -> str | None:
    """What names have in common that differ in case and blanks only."""
    return None if name is None else " ".join(name.split()).casefold()[:255].rstrip()


def _rating(seen: Conversation) -> dict[str, object]:
    one = seen.rating
    return {
        "rating": one and one.value,
        "rating_min": one and one.scale_min,
        "rating_max": one and one.scale_max,
        # Where the provider does not say when, at the end.
        "rated_at": one and _micros(one.rated_at or seen.ended_at),
    }


def _micros(instant: datetime | None) -> int | None:
    return None if instant is None else to_micros(instant)


def _rows(seen: Conversation) -> dict[str, list[dict[str, object]]]:
    before = [None, *(one.agent for one in seen.assignments)]
    return {
        "segments": [
            {
                "position": position,
                "account": seen.account,
                "agent": one.agent and one.agent.external_id,
                "previous_agent": previous and previous.external_id,
                "team": one.team,
                "from_at": to_micros(one.from_at),
                "to_at": _micros(one.to_at),
            }
            for position, (one, previous) in enumerate(zip(seen.assignments, before, strict=False))
        ],
        "responses": [
            {
                "position": position,
                "account": seen.account,
                "agent": one.agent.external_id,
                "asked_at": to_micros(one.asked_at),
                "answered_at": to_micros(one.answered_at),
            }
            for position, one in enumerate(responses(seen))
        ],
    }


def save_rows(
    connection: Connection,
    workspace: str,
    conversation_id: str,
    before: dict[str, str],
    seen: Conversation,
) -> None:
    """Replace the derived rows, but for those tables where they are as `before` (their JSON)."""
    key = {"workspace": workspace, "conversation_id": conversation_id}
    for name, rows in _rows(seen).items():
        if encode(rows) == before[name]:
            continue
        table = ROWS[name]
        if before[name] != "[]":
            connection.execute(
                table.delete().where(
                    table.c.workspace == workspace, table.c.conversation_id == conversation_id
                )
            )
        if rows:
            connection.execute(_ADD[name], [key | row for row in rows])


def spell(connection: Connection, workspace: str, kind: str, name: str | None) -> None:
    """Remember how a word is spelt, unless it was met before in another spelling."""
    if name is not None:
        row = {"workspace": workspace, "kind": kind, "key": key(name), "name": name}
        connection.execute(_SPELL, row | {"a_workspace": workspace, "a_kind": kind})


def spelt(connection: Connection, workspace: str, kind: str) -> dict[str, str]:
    """How words are spelt, by their key; in the order in which they were first met."""
    table = tables.spellings
    rows = connection.execute(
        select(table.c.key, table.c.name)
        .where(table.c.workspace == workspace, table.c.kind == kind)
        .order_by(table.c.position, table.c.key)
    )
    return {row.key: row.name for row in rows}


def outdated(connection: Connection, limit: int) -> list[tuple[str, str]]:
    """(workspace, id) of conversations whose derived columns are an older version's."""
    rows = connection.execute(
        select(C.c.workspace, C.c.id).where(C.c.derived_by < DERIVED_BY).limit(limit)
    )
    return [(row.workspace, row.id) for row in rows]


def derive(
    connection: Connection,
    workspace: str,
    conversation_id: str,
    before: dict[str, str],
    seen: Conversation,
) -> None:
    """Write what is derived anew; what is known does not change. `before`: see above."""
    connection.execute(
        update(C).where(C.c.workspace == workspace, C.c.id == conversation_id).values(columns(seen))
    )
    save_rows(connection, workspace, conversation_id, before, seen)
    spell(connection, workspace, "channel", seen.channel)
