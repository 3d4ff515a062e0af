"""Full text: which conversations have a message with all of some words. SQLite's, so far."""

from __future__ import annotations

from sqlalchemy import Select, bindparam, column, literal_column, select, table

from deskwire.core.text import storable

#: FTS5's own, made by the migration: an index without texts, and the messages that its rows are.
_INDEX = table("search", column("rowid"))
_ROWS = table("search_rows", column("id"), column("conversation_id"))


def having(text: str) -> Select[tuple[str]]:
    """Ids of the conversations with a message that has all the words, in any order and case.

    Of all workspaces: asked for one, SQLite would go through all of its messages.
    """
    # In quotes nothing is syntax. A word without a letter or digit counts for nothing.
    words = [f'"{word}"' for word in storable(text).replace('"', " ").split()]
    match = literal_column("search").op("MATCH")(bindparam("words", " ".join(words) or '""'))
    return select(_ROWS.c.conversation_id).where(
        _ROWS.c.id.in_(select(_INDEX.c.rowid).where(match))
    )
