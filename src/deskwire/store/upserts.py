"""INSERT … ON CONFLICT as both databases read it."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Connection, Table

# PostgreSQL's construct compiles for SQLite too; SQLite's does not for PostgreSQL.
from sqlalchemy.dialects.postgresql import Insert, insert


def upsert(connection: Connection, table: Table, rows: list[dict[str, object]]) -> None:
    """Insert rows, or replace the given columns of those whose key is taken."""
    if rows:
        connection.execute(_statement(table, tuple(rows[0])), rows)


@lru_cache(maxsize=100)
def _statement(table: Table, names: tuple[str, ...]) -> Insert:
    keys = {column.name for column in table.primary_key}
    statement = insert(table)
    replaced = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=sorted(keys), set_=replaced)


__all__ = ["Insert", "insert", "upsert"]
