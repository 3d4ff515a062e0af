"""What is derived from a conversation's facts, to be listed, searched and counted by."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from deskwire.core.document import preview, took_part
from deskwire.core.exchange import encode
from deskwire.core.instants import to_micros
from deskwire.core.model import Conversation
from deskwire.store import tables
from deskwire.store.upserts import insert

C, S = tables.conversations, tables.segments
_ADD = insert(S)

#: Raised with every change of `columns`: rows that an older version wrote are derived again.
DERIVED_BY = 1


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
        "segments": encode(_segments(seen)),
        "derived_by": DERIVED_BY,
    }


def _micros(instant: datetime | None) -> int | None:
    return None if instant is None else to_micros(instant)


def _segments(seen: Conversation) -> list[dict[str, object]]:
    is_handled = seen.handle_started_at is not None and seen.ended_at is not None
    return [
        {
            "position": position,
            "account": seen.account,
            "agent": one.agent and one.agent.external_id,
            "team": one.team,
            "from_at": to_micros(one.from_at),
            "to_at": _micros(one.to_at),
            "is_handled": is_handled,
        }
        for position, one in enumerate(seen.assignments)
    ]


def save_segments(
    connection: Connection, workspace: str, conversation_id: str, before: str, seen: Conversation
) -> None:
    """Replace the rows of who had it when, unless they are as `before` (their JSON)."""
    rows = _segments(seen)
    if encode(rows) == before:
        return
    if before != "[]":
        connection.execute(
            S.delete().where(S.c.workspace == workspace, S.c.conversation_id == conversation_id)
        )
    key = {"workspace": workspace, "conversation_id": conversation_id}
    if rows:
        connection.execute(_ADD, [key | row for row in rows])


def outdated(connection: Connection, limit: int) -> list[tuple[str, str]]:
    """(workspace, id) of conversations whose derived columns are an older version's."""
    rows = connection.execute(
        select(C.c.workspace, C.c.id).where(C.c.derived_by < DERIVED_BY).limit(limit)
    )
    return [(row.workspace, row.id) for row in rows]


def derive(
    connection: Connection, workspace: str, conversation_id: str, before: str, seen: Conversation
) -> None:
    """Write what is derived anew; what is known does not change. `before`: see above."""
    connection.execute(
        update(C).where(C.c.workspace == workspace, C.c.id == conversation_id).values(columns(seen))
    )
    save_segments(connection, workspace, conversation_id, before, seen)
