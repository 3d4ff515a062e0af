"""Delivering through a real hub to a sandbox OurAPI that makes it hard."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from deskwire.sandbox.answers import invalid
from deskwire.sandbox.ourapi import OurAPI
from tests.faults.oracle import Verdict, judge
from tests.stage import FAST, Stage, event, page, process, running, until


class Choosy(OurAPI):
    """Never takes a message that says "Bad"; counts how many requests it has at once."""

    at_once = 0
    most_at_once = 0

    def app(self) -> web.Application:
        app = super().app()
        app.middlewares.insert(0, self._choose)
        return app

    @web.middleware
    async def _choose(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if b'"Bad"' in await request.read():
            return invalid("body", "text", "will not do", "value_error")
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await handler(request)
        finally:
            self.at_once -= 1


def talk(number: int, *texts: str) -> bytes:
    messages = [event(number, "MESSAGE", at, message=text) for at, text in enumerate(texts, 1)]
    return page(event(number, "START", 0), *messages)


def stage_with(folder: Path, *pages: bytes, our_api: OurAPI | None = None) -> Stage:
    stage = Stage(folder, our_api=our_api or OurAPI(1))
    for number in range(7, 20):
        stage.chat(number)
    stage.bigchat.script.extend(pages)
    return stage


def failures(stage: Stage, name: str = "our-api") -> int:
    rows = stage.rows("SELECT failures FROM destinations WHERE name = ?", name)
    return int(rows[0][0]) if rows else 0


def assert_all_is_there(stage: Stage) -> None:
    assert judge(stage.file, stage.our_api) == Verdict()


def test_a_delivery_waits_for_what_is_being_fetched(tmp_path: Path) -> None:
    stage = stage_with(tmp_path, talk(7, "Hello"))
    stage.bigchat.error_rate = 1.0  # of all but the script

    async def run() -> None:
        async with stage.open(), running(stage.hub()):
            await until(lambda: stage.rows("SELECT 1 FROM work WHERE attempts > 1") != [])
            assert stage.our_api.log == []
            stage.bigchat.error_rate = 0.0
            await stage.quiet()

    asyncio.run(run())
    assert_all_is_there(stage)
    assert [one.method for one in stage.our_api.log] == ["POST", "POST", "POST"]


def test_a_delivery_that_waited_long_goes_and_is_patched_later(tmp_path: Path) -> None:
    stage = stage_with(tmp_path, talk(7, "Hello"))
    stage.bigchat.error_rate = 1.0

    async def run() -> None:
        async with stage.open(), running(stage.hub(msgspec.structs.replace(FAST, fetch_wait=0.1))):
            await until(lambda: stage.said(7) == ["Hello"])
            stage.bigchat.error_rate = 0.0
            await stage.quiet()

    asyncio.run(run())
    assert_all_is_there(stage)
    assert [one.method for one in stage.our_api.log][-1] == "PATCH"


def test_a_wish_to_be_left_alone_holds_for_the_whole_destination(tmp_path: Path) -> None:
    stage = stage_with(tmp_path, talk(7, "Hello"), talk(8, "Hello"))
    faults = stage.our_api.faults
    faults.kinds, faults.probability, faults.retry_after_seconds = ("throttle",), 1.0, 300

    async def run() -> None:
        async with stage.open(), running(stage.hub()):
            await until(lambda: failures(stage) > 0)
            faults.probability = 0.0
            await until(lambda: len(stage.rows("SELECT 1 FROM work WHERE kind = 'deliver'")) == 2)

    asyncio.run(run())
    [(left_alone,)] = stage.rows("SELECT not_before - failed_at FROM destinations")
    assert left_alone >= 299_000_000
    assert stage.our_api.log == []


def test_the_breaker_opens_after_ten_failures_and_closes_with_all_that_waits_due(
    tmp_path: Path,
) -> None:
    stage = stage_with(tmp_path, *[talk(number, "One", "Two") for number in range(7, 12)])
    stage.our_api.faults.kinds, stage.our_api.faults.probability = ("error_before",), 1.0

    async def run() -> None:
        async with stage.open(), running(stage.hub()):
            await until(lambda: failures(stage) >= 10)
            stage.our_api.faults.probability = 0.0
            await stage.quiet()

    asyncio.run(run())
    assert_all_is_there(stage)
    assert failures(stage) == 0


def test_a_dead_destination_delays_no_other(tmp_path: Path) -> None:
    stage = stage_with(tmp_path, *[talk(number, "One", "Two") for number in range(7, 12)])
    stage.further.append(("dead", "http://127.0.0.1:9"))

    async def run() -> None:
        async with stage.open(), running(stage.hub()):
            await until(lambda: failures(stage, "dead") >= 10)
            await until(lambda: all(len(stage.said(number)) == 2 for number in range(7, 12)))

    asyncio.run(run())
    assert_all_is_there(stage)
    assert len(stage.rows("SELECT 1 FROM work WHERE target = 'dead' AND kind = 'deliver'")) == 5


def test_a_message_that_is_refused_is_a_dead_letter_and_the_others_are_delivered(
    tmp_path: Path,
) -> None:
    stage = stage_with(tmp_path, talk(7, "Good", "Bad", "Better"), our_api=Choosy(1))

    async def run() -> None:
        async with stage.open():
            await stage.drain()

    asyncio.run(run())
    assert stage.said(7) == ["Good", "Better"]
    assert stage.rows("SELECT kind, target FROM work WHERE dead_at IS NOT NULL") == [
        ("deliver", "our-api")
    ]
    assert len(judge(stage.file, stage.our_api).lost) == 1


def test_a_hub_that_is_told_to_stop_leaves_nothing_half_done(tmp_path: Path) -> None:
    texts = [f"Message {number}" for number in range(60)]
    stage = stage_with(tmp_path, talk(7, *texts), our_api=OurAPI(1, service_seconds=0.01))

    async def run() -> int:
        async with stage.open():
            async with running(stage.hub()):
                await until(lambda: len(stage.said(7)) > 5)
            sent = len(stage.said(7))
            intents = "SELECT 1 FROM deliveries WHERE intent IS NOT NULL"
            assert stage.rows(intents) == []
            assert stage.rows("SELECT 1 FROM work WHERE lease_id IS NOT NULL") == []
            await stage.drain()
            return sent

    assert asyncio.run(run()) < 60
    assert_all_is_there(stage)
    assert stage.said(7) == texts


def test_a_fragile_destination_never_has_two_requests_at_once(tmp_path: Path) -> None:
    pages = [talk(number, "One", "Two", "Three") for number in range(7, 17)]
    api = Choosy(1, service_seconds=0.01)
    stage = stage_with(tmp_path, *pages, our_api=api)

    async def run() -> None:
        async with stage.open(settle_seconds=0.3):
            stage.hub().database.close()
            async with process(stage) as one, process(stage) as other:
                await stage.quiet()
                for hub in (one, other):
                    hub.send_signal(signal.SIGTERM)
                assert [await one.wait(), await other.wait()] == [0, 0]

    asyncio.run(run())
    assert_all_is_there(stage)
    assert api.most_at_once == 1
