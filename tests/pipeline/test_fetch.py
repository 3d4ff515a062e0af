"""Fetching what a page only hints at, from a BigChat that does not always know it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from deskwire.pipeline.intake import accept, new_record
from deskwire.pipeline.normalise import apply, read
from deskwire.store import work
from tests.stage import FAST, Stage, event, page, running, until

UNKNOWN = "SELECT 1 FROM work WHERE kind = 'fetch' AND last_error LIKE '%does not know it%'"
HELLO = page(event(7, "MESSAGE", 5, message="Hello"))


@pytest.mark.parametrize("fetched", ["detail", "person"])
def test_what_is_unknown_once_is_asked_about_once_more(fetched: str, tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.bigchat.script.append(HELLO)
    known = stage.bigchat.advisors_by_id.pop(1)
    if fetched == "person":
        stage.chat(7)

    async def run() -> None:
        timing = msgspec.structs.replace(FAST, ask_again=0.5)
        async with stage.open(), running(stage.hub(timing)):
            await until(lambda: stage.rows(UNKNOWN) != [])
            stage.bigchat.advisors_by_id[1] = known
            stage.chat(7)
            await stage.quiet()

    asyncio.run(run())

    [chat] = stage.our_api.chats.values()
    assert chat.started_at == "2026-01-01T10:00:00"
    assert [one.email for one in stage.our_api.agents.values()] == [known.email_address]


def test_what_is_unknown_twice_is_concluded(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.bigchat.script.append(HELLO)

    async def run() -> None:
        async with stage.open():
            await stage.drain()

    asyncio.run(run())

    assert stage.said(7) == ["Hello"]
    assert stage.rows("SELECT 1 FROM work WHERE kind = 'fetch'") == []


def test_a_delivery_waits_no_longer_for_what_is_asked_once_more(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.bigchat.script.append(HELLO)

    async def run() -> None:
        timing = msgspec.structs.replace(FAST, ask_again=300.0, fetch_wait=0.2)
        async with stage.open(), running(stage.hub(timing)):
            await until(lambda: stage.said(7) == ["Hello"])

    asyncio.run(run())

    assert stage.rows(UNKNOWN) == [(1,)]


def test_a_detail_that_is_wanted_while_it_is_fetched_is_fetched_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.configure_nowhere()
    hub = stage.hub()
    source = hub.sources["bigchat"]
    row = (source.workspace, "fetch", source.name, "detail:7")
    hub.database.write(lambda c: work.ensure(c, hub.now(), *row))
    [claim] = hub.database.write(lambda c: work.claim(c, hub.now(), "fetch", "bigchat", 1, 10**9))
    record = new_record(source, "page", "a test", HELLO, hub.now())

    hub.database.write(lambda c: accept(c, hub.now(), source, record))
    hub.database.write(lambda c: apply(c, hub.now(), source, record, read(source, record)))

    assert hub.database.write(lambda c: work.finish(c, hub.now(), claim)) is False
    hub.database.close()
