"""The database that cannot be written for a while: nothing is lost, and the worker lives."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import msgspec
import pytest
from sqlalchemy import event as events

from deskwire.pipeline import reconcile
from deskwire.pipeline.hub import Hub
from deskwire.sandbox.ourapi import OurAPI
from deskwire.store.db import Database
from tests.faults.oracle import Verdict, judge
from tests.stage import FAST, Stage, event, page, running, until

BUSY_SECONDS = 0.2


def talk(number: int, *texts: str) -> bytes:
    messages = [event(number, "MESSAGE", at, message=text) for at, text in enumerate(texts, 1)]
    return page(event(number, "START", 0), *messages)


def impatient(stage: Stage) -> Hub:
    """A hub that waits for the file's lock for a moment only."""
    hub = stage.hub()
    hub.database.close()
    hub.database = Database(f"sqlite:///{stage.file}", busy_seconds=BUSY_SECONDS)
    return hub


@asynccontextmanager
async def locked(stage: Stage) -> AsyncIterator[None]:
    """Somebody else writes meanwhile."""
    other = sqlite3.connect(stage.file, timeout=30, isolation_level=None, check_same_thread=False)
    await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def pages(stage: Stage) -> int:
    return len(stage.rows("SELECT 1 FROM records WHERE kind = 'page'"))


def test_a_page_is_stored_once_when_a_lock_that_was_held_is_let_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(tmp_path)
    stage.chat(7)

    async def run() -> None:
        stage.bigchat.faults.kinds, stage.bigchat.faults.delay_seconds = ("delay_after",), 0.4
        async with stage.open(), running(impatient(stage)):
            await until(lambda: stage.rows("SELECT 1 FROM sources") != [])
            # The call is under way when the lock is taken; its answer comes under the lock.
            stage.bigchat.faults.probability = 1.0
            stage.bigchat.script.append(talk(7, "One", "Two"))
            await until(lambda: not stage.bigchat.script)
            async with locked(stage):
                stage.bigchat.faults.probability = 0.0
                await asyncio.sleep(0.4 + 5 * BUSY_SECONDS)
                assert pages(stage) == 0
            await until(lambda: stage.said(7) == ["One", "Two"])
            stage.bigchat.script.append(talk(7, "Three"))
            await stage.quiet()

    asyncio.run(run())
    assert "page not stored yet" in capsys.readouterr().out
    assert pages(stage) == 2
    assert sorted(stage.said(7)) == ["One", "Three", "Two"]
    assert judge(stage.file, stage.our_api) == Verdict()


def test_a_page_is_stored_once_when_a_full_disk_has_room_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(tmp_path)
    stage.chat(7)
    random = Random(1)
    texts = [random.randbytes(1_000).hex() for _ in range(60)]  # they cannot be packed
    limit = {"pages": 1 << 30}

    async def run() -> None:
        async with stage.open():
            hub = stage.hub()

            def bound(dbapi: sqlite3.Connection, *_: object) -> None:
                dbapi.execute(f"PRAGMA max_page_count = {limit['pages']}")

            events.listen(hub.database.engine, "checkout", bound)
            async with running(hub):
                await until(lambda: stage.rows("SELECT 1 FROM sources") != [])
                [(limit["pages"],)] = stage.rows("PRAGMA page_count")
                stage.bigchat.script.append(talk(7, *texts))
                await until(lambda: not stage.bigchat.script)
                await asyncio.sleep(0.5)
                assert stage.said(7) == []
                limit["pages"] = 1 << 30
                await until(lambda: len(stage.said(7)) == len(texts))
                await stage.quiet()

    asyncio.run(run())
    assert "page not stored yet" in capsys.readouterr().out
    assert pages(stage) == 1
    assert stage.said(7) == texts
    assert judge(stage.file, stage.our_api) == Verdict()


def test_deliveries_go_on_when_slots_could_not_be_released(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.chat(7)
    stage.chat(8)
    failed: list[str] = []
    timing = msgspec.structs.replace(FAST, lease=1.0, renew=0.2)

    async def run() -> None:
        async with stage.open():
            hub = stage.hub(timing)

            def fail(
                _connection: object, _cursor: object, sql: str, parameters: object, *_: object
            ) -> None:
                # The fence of a slot's release: neither a claim nor the heart's recall.
                is_release = "lease_id" in sql and "lease_until" not in sql
                if len(failed) < 3 and is_release and "'slot'" in str(parameters):
                    failed.append(sql)
                    raise sqlite3.OperationalError("disk I/O error")

            stage.bigchat.script.append(talk(7, "One"))
            async with running(hub):
                await until(lambda: stage.said(7) == ["One"])
                events.listen(hub.database.engine, "before_cursor_execute", fail)
                await until(lambda: len(failed) >= 3)
                stage.bigchat.script.append(talk(8, "Two"))
                await until(lambda: stage.said(8) == ["Two"], 10 * timing.lease)
                await stage.quiet()

    asyncio.run(run())
    assert judge(stage.file, stage.our_api) == Verdict()


def test_what_is_lost_while_something_is_sent_is_found_by_a_reconciliation(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path, our_api=OurAPI(1))
    stage.chat(7)
    api = stage.our_api

    async def run() -> None:
        async with stage.open():
            hub = stage.hub()
            stage.bigchat.script.append(talk(7, "One", "Two"))
            async with running(hub):
                await until(lambda: stage.said(7) == ["One", "Two"])
                await stage.quiet()
                api.service_seconds = 0.5
                calls = api.calls["POST", "/chats/{chat_id}/messages"]
                stage.bigchat.script.append(page(event(7, "MESSAGE", 9, message="Nine")))
                await until(lambda: api.calls["POST", "/chats/{chat_id}/messages"] > calls)
                [messages] = api.messages.values()
                del messages[0]
                await reconcile.verify_all(hub, hub.outlets["our-api"])
                hub.wake.set()
                assert stage.said(7) == ["Two"]  # the post is still under way
                api.service_seconds = 0.0
                await until(lambda: len(stage.said(7)) == 3)
                await stage.quiet()

    asyncio.run(run())
    assert sorted(stage.said(7)) == ["Nine", "One", "Two"]
    assert stage.rows("SELECT 1 FROM deliveries WHERE verify") == []
    assert judge(stage.file, api).lost == judge(stage.file, api).duplicated == []
