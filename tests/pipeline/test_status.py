"""What `status` says of a store, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from deskwire.pipeline.hub import Hub
from deskwire.pipeline.status import Status, status
from deskwire.store import health, work
from deskwire.store.db import Connection
from tests.stage import MICROS, Stage

LINES = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
INSERT INTO ledger (workspace, destination, conversation_id, key, payload, note, refused, at)
SELECT 'main', 'our-api', '{conversation}', '{key}:' || i, '{{}}', {note}, {refused}, {at} + i
FROM n
"""
CONVERSATIONS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
INSERT INTO conversations (workspace, id, source, provider, account, external_id, version,
    created_at, status, started_at, updated_at, message_count, head, tags, attributes, is_erased,
    derived_by)
SELECT 'main', i, 'bigchat', 'bigchat', 'bigchat', i, 1, 0, 'open', 0, 0, 3, '', '', '', 0, 9 FROM n
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    stage = Stage(tmp_path)
    stage.configure_nowhere()
    hub = stage.hub()
    yield hub
    hub.database.close()


def fill(hub: Hub, statement: str) -> None:
    hub.database.write(lambda c: c.exec_driver_sql(statement).rowcount)


def lines(hub: Hub, count: int, key: str, at: int, conversation: str = "c", **said: str) -> None:
    texts = {name: f"'{said[name]}'" if name in said else "NULL" for name in ("note", "refused")}
    fill(hub, LINES.format(count=count, key=key, at=at, conversation=conversation, **texts))


def now(hub: Hub) -> Status:
    return hub.database.read(lambda c: status(c, hub))


def statements(hub: Hub) -> list[str]:
    """What `status` asks the database."""
    asked: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(hub.database.engine, "before_cursor_execute", note)
    now(hub)
    event.remove(hub.database.engine, "before_cursor_execute", note)
    return asked


def test_status_asks_no_more_of_a_full_store_with_many_sources(hub: Hub, tmp_path: Path) -> None:
    empty = statements(hub)
    fill(hub, CONVERSATIONS.format(count=100_000))
    lines(hub, 100_000, "message", 0, note="sent otherwise")
    many = Stage(tmp_path)
    many.configure_nowhere()
    table = '[[source]]\nname = "s{0}"\nprovider = "bigchat"\nbase_url = "http://127.0.0.1:9/{0}"\n'
    with many.config.open("a") as file:
        file.writelines(table.format(number) for number in range(20))
    other = many.hub()

    full = statements(other)

    told = now(other)
    other.database.close()
    assert full == empty
    assert len(told.sources) == 21
    assert (told.sources[0].conversations_open, told.destinations[0].sent) == (100_000, 100_000)


def test_what_is_harmless_pushes_out_nothing_that_is_not(hub: Hub) -> None:
    lines(hub, 30, "agent", 0, conversation="", note="2 agents there bear it")
    lines(hub, 25, "message:r", 100, refused="422 No")
    lines(hub, 1000, "message:k", 1000, note="sent in brackets")

    told = now(hub).warnings

    assert told[:30] == [
        f"destination our-api: agent:{n}: 2 agents there bear it" for n in range(30, 0, -1)
    ]
    assert told[30:50] == [
        f"destination our-api: message:r:{n} of c: 422 No" for n in range(25, 5, -1)
    ]
    assert told[50:] == [
        "destination our-api: 5 more things refused",
        (
            "destination our-api: 1000 texts sent otherwise than they were said, because they "
            "could not be taken; the newest:"
        ),
        *(f"destination our-api: message:k:{n} of c: sent in brackets" for n in (1000, 999, 998)),
    ]


def polled(hub: Hub, seconds_ago: float) -> None:
    at = hub.now() - int(seconds_ago * MICROS)
    fares = health.SourceHealth(name="bigchat", polled_at=at)
    hub.database.write(lambda c: health.save_source(c, "main", fares))


def test_a_clock_that_went_back_needs_a_person(hub: Hub) -> None:
    polled(hub, -3600)

    [problem] = now(hub).problems

    assert "in the future: the clock went back" in problem


@pytest.mark.parametrize("seconds_ago", [-1, 0, 30])
def test_a_poll_of_just_now_needs_nobody(seconds_ago: float, hub: Hub) -> None:
    polled(hub, seconds_ago)

    assert now(hub).problems == []


def given_up(connection: Connection, hub: Hub, kind: str, target: str, key: str, why: str) -> None:
    work.mark(connection, hub.now(), "main", kind, target, key)
    [claim] = work.claim(connection, hub.now(), kind, target, 1, MICROS)
    work.bury(connection, hub.now(), claim, why)


def failing(connection: Connection, hub: Hub, kind: str, target: str, key: str, why: str) -> None:
    work.mark(connection, hub.now(), "main", kind, target, key)
    [claim] = work.claim(connection, hub.now(), kind, target, 1, MICROS)
    work.release(connection, claim, hub.after(60), error=why, failed_at=hub.now())


def test_the_example_of_a_dead_letter_is_a_dead_ones(hub: Hub) -> None:
    polled(hub, 0)
    hub.database.write(lambda c: given_up(c, hub, "deliver", "our-api", "a", "refused: a"))
    hub.database.write(lambda c: failing(c, hub, "deliver", "our-api", "b", "zzz"))

    [problem] = now(hub).problems

    assert problem.startswith("1 dead letters (deliver our-api), for example: refused: a;")


def test_a_person_who_can_never_be_fetched_needs_a_person(hub: Hub) -> None:
    polled(hub, 0)
    hub.database.write(lambda c: given_up(c, hub, "fetch", "bigchat", "person:1", "418 teapot"))

    [problem] = now(hub).problems

    assert problem.startswith("1 dead letters (fetch bigchat), for example: 418 teapot;")
