"""The index of words is that of the texts, whatever becomes of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sqlalchemy import select

from deskwire.store import search, tables
from deskwire.store.db import Connection, Database
from tests.store.chats import check_index, facts, keep, message, opened


def found(database: Database, *words: str) -> list[int]:
    """How many conversations have each word."""
    return [database.read(partial(having, word)) for word in words]


def having(text: str, connection: Connection) -> int:
    """The same, however many there are."""
    [count] = {
        len(connection.execute(select(tables.conversations.c.id).where(is_meant)).all())
        for is_meant in (search.having(connection, text), search.having(connection, text, 1))
    }
    return count


def keep_others(connection: Connection) -> None:
    for number in range(10, 60):
        keep(connection, str(number), facts(str(number), 0, a=message("other")))


def vacuum(database: Database) -> None:
    with database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.rollback()
        raw.isolation_level = None
        raw.execute("VACUUM")


def test_words_are_found_as_the_texts_are_now(tmp_path: Path) -> None:
    first = facts("7", 0, a=message("An Österreich order"), b=message("lost"), c=message("secret"))
    later = facts("7", 1, b=message("found"), c=message("secret", deleted=True))
    with opened(tmp_path / "x.db") as database:
        database.write(keep_others)
        database.write(lambda c: keep(c, "7", first))
        database.write(lambda c: c.exec_driver_sql("DELETE FROM messages WHERE text = 'other'"))
        vacuum(database)  # which moves the rows that are left
        database.write(lambda c: keep(c, "7", later))

        words = ("osterreich", "ORDER", "lost", "found", "secret", "other", "ord")
        assert found(database, *words) == [1, 1, 0, 1, 0, 0, 0]
        database.write(check_index)
