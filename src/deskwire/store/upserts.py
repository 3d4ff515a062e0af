"""INSERT … ON CONFLICT as both databases read it."""

from __future__ import annotations

from sqlalchemy import Connection, Table

# PostgreSQL's construct compiles for SQLite too; SQLite's does not for PostgreSQL.
from sqlalchemy.dialects.postgresql import insert


def upsert(connection: Connection, table: Table, rows: list[dict[str, object]]) -> None:
    """Insert rows, or replace the given columns of those whose key is taken."""
    if not rows:
        return
    keys = {column.name for column in table.primary_key}
    statement = insert(table)
    replaced = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(
        statement.on_conflict_do_update(index_elements=sorted(keys), set_=replaced), rows
    )


__all__ = ["insert", "upsert"]
