"""A database of an older version is brought up to date with all that is derived."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config

from deskwire.store import schema
from deskwire.store.db import Connection, Database
from tests.store.chats import check_index, facts, keep, meet, message, opened

TOLD = {
    "conversations": "*",
    "segments": "*",
    "agents": "*",
    "agent_numbers": "workspace, account, external_id, number",
    "agent_redirects": "*",
    "search": "text",
    "search_rows": "workspace, conversation_id, external_id",
}


def fill(connection: Connection) -> None:
    meet(connection, "hotel", "9", "ana@x.example")
    meet(connection, "shop", "1", "bo@x.example")
    meet(connection, "shop", "2", "Ana@X.example")
    for number in range(45):  # more than are derived in one go
        told = facts(str(number), 0, a=message("Hello"), b=message("gone", deleted=True))
        keep(connection, str(number), told)


def contents(file: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(file)) as connection:
        return {
            table: sorted(str(row) for row in connection.execute(f"SELECT {columns} FROM {table}"))  # noqa: S608 - of this file
            for table, columns in TOLD.items()
        }


def migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")


def as_the_first_version_had_it(newer: Path, older: Path) -> Database:
    """A database of the first schema, with all of the newer one that it had room for."""
    database = Database(f"sqlite:///{older}")
    database.write(migrate)
    with closing(sqlite3.connect(older)) as connection:
        connection.execute("ATTACH ? AS newer", (str(newer),))
        names = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")
        for (table,) in names.fetchall():
            if table == "alembic_version":
                continue
            known = connection.execute("SELECT name FROM pragma_table_info(?, 'main')", (table,))
            columns = ", ".join(f'"{name}"' for (name,) in known)
            copy = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM newer.{table}"  # noqa: S608 - as SQLite tells them
            connection.execute(copy)
        connection.commit()
    return database


def test_an_older_database_becomes_what_it_would_have_been(tmp_path: Path) -> None:
    newer, older = tmp_path / "newer.db", tmp_path / "older.db"
    with opened(newer) as database:
        database.write(fill)
    database = as_the_first_version_had_it(newer, older)

    assert schema.upgrade(database) == ("0001", schema.newest())

    database.write(check_index)
    database.close()
    assert contents(older) == contents(newer)
