"""Many deliveries wait for few turns: what must hold of those that wait."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from deskwire.core.exchange import Answer, Http, Request
from deskwire.pipeline.hub import Hub
from deskwire.sandbox.ourapi import Message, OurAPI
from tests.faults.oracle import Verdict, judge
from tests.stage import FAST, T0, Stage, event, page, running, until

KNOWN = """
SELECT c.external_id, m.sent_at / 1000000, m.text
FROM messages m JOIN conversations c ON c.id = m.conversation_id
"""

Said = tuple[str, int, str]  # conversation, Unix seconds, text


class Timed(OurAPI):
    """Notes when it was called, and when it said "too many"."""

    def app(self) -> web.Application:
        self.called_at: list[float] = []
        self.throttled_at: list[float] = []
        app = super().app()
        app.middlewares.insert(0, self._note)
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.called_at.append(time.monotonic())
        answer = await handler(request)
        if answer.status == 429:
            self.throttled_at.append(time.monotonic())
        return answer


class Watched(dict[str, Http]):
    """The hub's callers; before each message goes out, what was committed when its turn began.

    The turns are one after another, so whatever is there when one call ends is there when the
    next one's turn begins.
    """

    def __init__(self, stage: Stage, hub: Hub) -> None:
        super().__init__()
        self._stage, self._known = stage, set[Said]()
        self.known_before: list[set[Said]] = []
        hub.http = self

    def __setitem__(self, name: str, http: Http) -> None:
        async def watched(request: Request) -> Answer:
            if request.method == "POST" and request.path.endswith("/messages"):
                self.known_before.append(self._known)
            answer = await http(request)
            if name == "our-api":
                self._known = set(self._stage.rows(KNOWN))
            return answer

        super().__setitem__(name, watched)


def stage_of(folder: Path, chats: int, our_api: OurAPI) -> Stage:
    stage = Stage(folder, our_api=our_api)
    for number in range(chats):
        stage.chat(number)
    return stage


async def know_the_agent(stage: Stage) -> None:
    """Have OurAPI know the advisor, so that not each delivery begins with a look for them."""
    seconds, stage.our_api.service_seconds = stage.our_api.service_seconds, 0.0
    stage.chat(99)
    stage.bigchat.script.append(page(event(99, "START", 0)))
    await until(lambda: len(stage.our_api.chats) == 1)
    stage.our_api.service_seconds = seconds


def round_of(chats: int, at: int, text: str, *further: object) -> bytes:
    said = [event(number, "MESSAGE", at, message=text) for number in range(chats)]
    return page(*further, *said)


def starts(chats: int) -> list[object]:
    return [event(number, "START", 0) for number in range(chats)]


def posted(api: OurAPI) -> list[Said]:
    """The messages, in the order of their arrival."""
    names = {one.chat_id: one.external_id for one in api.chats.values()}
    stored = [effect.stored for effect in api.log if isinstance(effect.stored, Message)]
    ats = {0: T0, 40: T0 + 40, 50: T0 + 50, 100: T0 + 100}
    by_text = {"Later": ats[100], "Earlier": ats[50], "First": ats[40]}
    return [(names[one.chat_id], by_text[one.text], one.text) for one in stored]


def test_what_came_while_a_message_waited_for_its_turn_goes_before_it(tmp_path: Path) -> None:
    api = OurAPI(1, service_seconds=0.1)  # a busy machine takes seconds to read a page
    stage = stage_of(tmp_path, 30, api)

    async def run() -> list[set[Said]]:
        async with stage.open():
            hub = stage.hub()
            watched = Watched(stage, hub)
            async with running(hub):
                await know_the_agent(stage)
                stage.bigchat.script.append(round_of(30, 100, "Later", *starts(30)))
                await until(lambda: len(api.chats) == 31)
                stage.bigchat.script.append(round_of(30, 50, "Earlier"))
                await until(lambda: len(posted(api)) >= 15)
                stage.bigchat.script.append(round_of(30, 40, "First"))
                await stage.quiet()
            return watched.known_before

    known_before = asyncio.run(run())
    arrived = posted(api)
    assert len(arrived) == len(known_before) == 90
    overtaken = [
        (sent, other)
        for number, (sent, known) in enumerate(zip(arrived, known_before, strict=True))
        for other in known - set(arrived[:number])
        if other[0] == sent[0] and other[1] < sent[1]
    ]
    assert overtaken == []
    in_order = [number for number in range(30) if stage.said(number)[-1] == "Later"]
    assert len(in_order) >= 10  # they waited with another message than the one that went
    assert judge(stage.file, api) == Verdict()


def test_a_stop_with_many_under_way_leaves_no_lease_and_no_waiting_intent(tmp_path: Path) -> None:
    api = OurAPI(1, service_seconds=0.2)
    stage = stage_of(tmp_path, 50, api)
    settle_seconds = 30.0

    async def run() -> float:
        async with stage.open(settle_seconds=settle_seconds):
            async with running(stage.hub()):
                await know_the_agent(stage)
                stage.bigchat.script.append(round_of(50, 1, "Hello", *starts(50)))
                await until(lambda: len(api.chats) > 3)
            assert stage.rows("SELECT kind, key FROM work WHERE lease_id IS NOT NULL") == []
            slots = stage.rows("SELECT 1 FROM work WHERE kind = 'slot'")
            intents = "SELECT conversation_id FROM deliveries WHERE intent IS NOT NULL"
            assert len(stage.rows(intents)) <= len(slots) == 1
            assert len(api.chats) < 51
            api.service_seconds = 0.0
            began = time.monotonic()
            async with running(stage.hub()):
                await until(lambda: sum(map(len, api.messages.values())) >= 50 - len(slots))
                took = time.monotonic() - began
                await stage.quiet()
            return took

    assert asyncio.run(run()) < settle_seconds / 2
    assert judge(stage.file, api) == Verdict()


def test_nobody_calls_before_the_time_that_a_429_named(tmp_path: Path) -> None:
    api = Timed(1, service_seconds=0.02)
    stage = stage_of(tmp_path, 30, api)
    api.faults.kinds, api.faults.retry_after_seconds = ("throttle",), 2

    async def run() -> None:
        async with stage.open(), running(stage.hub()):
            stage.bigchat.script.append(round_of(30, 1, "Hello", *starts(30)))
            await until(lambda: len(api.chats) >= 5)
            api.faults.probability = 1.0
            await until(lambda: bool(api.throttled_at))
            api.faults.probability = 0.0
            await stage.quiet()

    asyncio.run(run())
    named = api.throttled_at[0]
    assert [round(at - named, 2) for at in api.called_at if named < at < named + 1.9] == []
    assert judge(stage.file, api) == Verdict()


def test_behind_a_breaker_that_opened_they_are_not_tried_one_after_another(tmp_path: Path) -> None:
    api = Timed(1)
    stage = stage_of(tmp_path, 30, api)
    api.faults.kinds, api.faults.delay_seconds = ("delay_before",), 20.0
    timing = msgspec.structs.replace(FAST, breaker_first=1.5, breaker_most=1.5)

    async def run() -> tuple[float, float]:
        async with stage.open(timeout_seconds=0.2):
            hub = stage.hub(timing)
            stage.bigchat.script.append(round_of(30, 1, "Hello", *starts(30)))
            async with running(hub):
                await until(lambda: len(api.chats) >= 5)
                # As after many failures; each one that is waited for doubles the patience.
                hub.database.write(
                    lambda c: c.exec_driver_sql(
                        "UPDATE destinations SET failures = 9, not_before = 0"
                    )
                )
                api.faults.probability = 1.0
                await until(lambda: hub.not_before.get("our-api", 0) > hub.now())
                opened_at = time.monotonic()
                await asyncio.sleep(4.0)
                until_at = time.monotonic()
                api.faults.probability = 0.0
                await stage.quiet()
                return opened_at, until_at

    opened_at, until_at = asyncio.run(run())
    calls = [at for at in api.called_at if opened_at < at < until_at]
    # One that had its turn before, and a probe each 1.5 s.
    assert len(calls) <= 4, [at - opened_at for at in calls]
    assert judge(stage.file, api) == Verdict()
