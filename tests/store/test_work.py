"""Rows with leases: nothing swallowed, nothing done twice."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deskwire.core.errors import LeaseLost
from deskwire.store import schema, upkeep, work
from deskwire.store.db import Database
from deskwire.store.work import Claim

LEASE = 1000


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    schema.upgrade(database)
    return database


def mark(database: Database, key: str = "a", now: int = 10) -> None:
    database.write(lambda c: work.mark(c, now, "main", "deliver", "api", key))


def claim(database: Database, now: int, limit: int = 1) -> list[Claim]:
    return database.write(lambda c: work.claim(c, now, "deliver", "api", limit, LEASE))


def test_what_is_marked_while_it_is_done_is_due_again(database: Database) -> None:
    mark(database)
    [held] = claim(database, 20)
    mark(database, now=30)

    assert not database.write(lambda c: work.finish(c, 40, held))

    [again] = claim(database, 40)
    assert (again.key, again.seq) == ("a", 2)
    database.close()


def test_what_is_finished_is_no_row_any_more(database: Database) -> None:
    mark(database)
    [held] = claim(database, 20)

    assert database.write(lambda c: work.finish(c, 40, held))

    assert claim(database, 50) == []
    database.close()


def test_work_is_claimed_by_one_of_many(database: Database) -> None:
    for number in range(200):
        mark(database, f"{number:03}")

    with ThreadPoolExecutor(16) as pool:
        batches = list(pool.map(lambda _: claim(database, 20, 7), range(40)))

    counts = Counter(one.key for batch in batches for one in batch)
    assert (len(counts), set(counts.values())) == (200, {1})
    assert {len(batch) for batch in batches} <= {0, 4, 7}
    database.close()


def test_a_lease_that_ended_moves_the_work_on_and_fences_the_first(database: Database) -> None:
    mark(database)
    [first] = claim(database, 20)
    assert claim(database, 20 + LEASE - 1) == []
    [second] = claim(database, 20 + LEASE)

    for late in (
        lambda c: work.finish(c, 2000, first),
        lambda c: work.release(c, first, None),
        lambda c: work.bury(c, 2000, first, "late"),
    ):
        with pytest.raises(LeaseLost):
            database.write(late)
    assert database.write(lambda c: work.renew(c, [first.lease_id], 5000)) == set()
    assert database.write(lambda c: work.finish(c, 2000, second))
    database.close()


def test_a_renewed_lease_keeps_the_work(database: Database) -> None:
    mark(database)
    [held] = claim(database, 20)

    kept = database.write(lambda c: work.renew(c, [held.lease_id, "other"], 9000))

    assert kept == {held.lease_id}
    assert claim(database, 8999) == []
    database.close()


def test_leases_of_the_dead_are_void_and_those_of_the_living_are_not(database: Database) -> None:
    mark(database)
    claim(database, 20)
    me = os.getpid()
    assert database.read(upkeep.holders) == [me]

    assert database.write(lambda c: upkeep.void_dead_leases(c, {me: True})) == 0
    assert claim(database, 21) == []
    assert database.write(lambda c: upkeep.void_dead_leases(c, {me: False})) == 1
    assert [one.key for one in claim(database, 22)] == ["a"]
    database.close()


@pytest.mark.parametrize(("now", "due_next"), [(100, 110), (105, 110), (137, 147)])
def test_standing_work_keeps_its_rhythm_and_skips_what_it_missed(
    now: int, due_next: int, database: Database
) -> None:
    database.write(lambda c: work.ensure(c, 100, "main", "poll", "desk", "desk"))

    def poll(now: int) -> list[Claim]:
        return database.write(lambda c: work.claim(c, now, "poll", "desk", 1, LEASE, 10))

    [held] = poll(now)
    database.write(lambda c: work.release(c, held, None))

    assert poll(due_next - 1) == []
    assert [one.key for one in poll(due_next)] == ["desk"]
    database.close()


def test_news_do_not_hasten_what_waits_after_a_failure(database: Database) -> None:
    mark(database)
    [held] = claim(database, 20)
    database.write(lambda c: work.release(c, held, 500, error="down", failed_at=20))

    mark(database, now=30)

    assert claim(database, 499) == []
    assert [one.attempts for one in claim(database, 500)] == [1]
    database.close()


def test_a_change_revives_a_dead_letter(database: Database) -> None:
    mark(database)
    [held] = claim(database, 20)
    database.write(lambda c: work.bury(c, 20, held, "refused"))
    assert claim(database, 30) == []

    mark(database, now=40)

    assert [one.attempts for one in claim(database, 40)] == [0]
    database.close()


def test_what_changed_while_it_was_given_up_is_not_dead(database: Database) -> None:
    mark(database)
    [held] = claim(database, 20)
    mark(database, now=25)

    database.write(lambda c: work.bury(c, 30, held, "refused"))

    assert [one.key for one in claim(database, 30)] == ["a"]
    database.close()
