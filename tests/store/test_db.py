"""The one writer: what it acknowledges is durable, and whom a failure hurts."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from deskwire.core.errors import RetryLater
from deskwire.store.db import Connection, Database


def opened(folder: Path) -> Database:
    database = Database(f"sqlite:///{folder / 'x.db'}")
    database.write(lambda c: c.execute(text("CREATE TABLE t (x)")))
    return database


def adding(value: object) -> Callable[[Connection], object]:
    def add(connection: Connection) -> object:
        connection.execute(text("INSERT INTO t VALUES (:x)"), {"x": value})
        return value

    return add


def values(folder: Path) -> list[object]:
    with closing(sqlite3.connect(folder / "x.db")) as connection:
        return [row[0] for row in connection.execute("SELECT x FROM t")]


def blocked(database: Database) -> threading.Event:
    """Keep the writer busy, so that what follows is one group; set it to go on."""
    go_on = threading.Event()
    started = threading.Event()

    def wait(_: Connection) -> None:
        started.set()
        assert go_on.wait(30)

    database.submit(wait)
    assert started.wait(30)
    return go_on


@pytest.mark.parametrize("pragma", [("journal_mode", "wal"), ("synchronous", 2)])
def test_what_is_written_is_synced(pragma: tuple[str, object], tmp_path: Path) -> None:
    database = opened(tmp_path)

    found = database.read(lambda c: c.execute(text(f"PRAGMA {pragma[0]}")).scalar())

    assert found == pragma[1]
    database.close()


def test_foreign_keys_are_kept(tmp_path: Path) -> None:
    database = opened(tmp_path)

    assert database.read(lambda c: c.execute(text("PRAGMA foreign_keys")).scalar()) == 1
    database.close()


def test_a_function_that_fails_harms_none_of_its_neighbours(tmp_path: Path) -> None:
    database = opened(tmp_path)

    def fail(connection: Connection) -> None:
        adding("half")(connection)
        raise KeyError("mine")

    go_on = blocked(database)
    before, bad, after = (database.submit(one) for one in (adding(1), fail, adding(2)))
    go_on.set()

    assert (before.result(), after.result()) == (1, 2)
    with pytest.raises(KeyError, match="mine"):
        bad.result()
    assert values(tmp_path) == [1, 2]
    database.close()


def test_a_result_is_handed_out_only_when_it_is_durable(tmp_path: Path) -> None:
    database = opened(tmp_path)
    seen: list[list[object]] = []
    results = [database.submit(adding(number)) for number in range(200)]
    for number, result in enumerate(results):
        result.add_done_callback(lambda _, number=number: seen.append([number, values(tmp_path)]))  # type: ignore[misc]
    for result in results:
        result.result()
    database.close()

    assert len(seen) == 200
    assert all(number in there for number, there in seen)  # type: ignore[operator]


def test_what_was_submitted_before_closing_is_written(tmp_path: Path) -> None:
    database = opened(tmp_path)

    results = [database.submit(adding(number)) for number in range(50)]
    database.close()

    assert [one.result() for one in results] == list(range(50)) == values(tmp_path)


def test_a_full_disk_fails_the_group_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    database = opened(tmp_path)
    database.write(adding("acknowledged"))

    def shrink(connection: Connection) -> None:
        pages = connection.execute(text("PRAGMA page_count")).scalar()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))

    database.write(shrink)
    go_on = blocked(database)
    results = [database.submit(adding(one)) for one in ("small", "x" * 100_000, "last")]
    go_on.set()
    outcomes = [one.exception() for one in results]
    acknowledged = [one.result() for one in results if one.exception() is None]
    database.close()

    assert isinstance(outcomes[1], RetryLater)
    assert values(tmp_path) == ["acknowledged", *acknowledged]


def test_a_writer_that_cannot_even_begin_tells_its_caller(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}")  # a folder is no database

    with pytest.raises(RetryLater):
        database.submit(adding(1)).result(timeout=30)
    database.close()


def test_a_caller_that_goes_away_does_not_stop_the_writer(tmp_path: Path) -> None:
    database = opened(tmp_path)

    go_on = blocked(database)
    gone, stays = database.submit(adding("gone")), database.submit(adding("stays"))
    assert gone.cancel()
    go_on.set()

    assert stays.result(timeout=30) == "stays"
    assert database.submit(adding("next")).result(timeout=30) == "next"
    assert values(tmp_path) == ["stays", "next"]
    database.close()


def test_what_has_begun_cannot_be_cancelled(tmp_path: Path) -> None:
    database = opened(tmp_path)
    go_on, started = threading.Event(), threading.Event()

    def wait(connection: Connection) -> object:
        started.set()
        assert go_on.wait(30)
        return adding("begun")(connection)

    begun = database.submit(wait)
    assert started.wait(30)
    assert not begun.cancel()
    go_on.set()

    assert begun.result(timeout=30) == "begun"
    assert database.submit(adding("next")).result(timeout=30) == "next"
    database.close()
