"""Full text: which conversations have a message with all of some words. SQLite's, so far."""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    column,
    exists,
    func,
    literal_column,
    select,
    table,
)

from deskwire.core.text import storable
from deskwire.store import tables

C = tables.conversations

#: FTS5's own, made by the migration: an index without texts, and the messages that its rows are.
_INDEX = table("search", column("rowid"))
_ROWS = table("search_rows", column("id"), column("workspace"), column("conversation_id"))


#: Where so many messages have the words, each conversation of a list is asked for one: to look up
#: all that have one would take seconds.
MANY = 20_000


def having(connection: Connection, text: str, many: int = MANY) -> ColumnElement[bool]:
    """Whether a conversation has a message with all the words, in any order and case.

    Of all workspaces: asked for one, SQLite would go through all of its messages.
    """
    # In quotes nothing is syntax. A word without a letter or digit counts for nothing.
    words = [f'"{word}"' for word in storable(text).replace('"', " ").split()]
    match = literal_column("search").op("MATCH")(bindparam("words", " ".join(words) or '""'))
    found = select(_INDEX.c.rowid).where(match)
    count = select(func.count()).select_from(found.limit(many).subquery())
    if connection.execute(count).scalar() != many:
        return C.c.id.in_(select(_ROWS.c.conversation_id).where(_ROWS.c.id.in_(found)))
    is_in_it = and_(_ROWS.c.workspace == C.c.workspace, _ROWS.c.conversation_id == C.c.id)
    return exists().where(is_in_it, _ROWS.c.id.in_(found))
