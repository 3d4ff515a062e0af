"""Signed webhooks through the whole engine: order, one at a time, the same bytes again."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from aiohttp import web
from standardwebhooks import Webhook

from deskwire.sandbox.faults import Faults
from deskwire.sandbox.run import serve
from deskwire.store import backlogs
from tests.stage import Stage, event, page, running

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
CONFIG = """
[[source]]
name = "bigchat"
provider = "bigchat"
base_url = "{bigchat}"
poll_every_seconds = 0.1
destinations = ["hooks"]
[[destination]]
name = "hooks"
kind = "webhook"
url = "{url}/hook"
secret = "{secret}"
timeout_seconds = 0.5
"""


@dataclass
class Listener:
    """Hears webhooks, and believes only what is signed."""

    faults: Faults = field(default_factory=Faults)
    status: int = 204
    heard: list[tuple[str, bytes]] = field(default_factory=list)  #: id and body, each time

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.faults.middleware()])
        app.router.add_post("/hook", self._hear)
        return app

    async def _hear(self, request: web.Request) -> web.Response:
        body = await request.read()
        Webhook(SECRET).verify(body, dict(request.headers))
        self.heard.append((request.headers["webhook-id"], body))
        return web.Response(status=self.status)

    def stories(self) -> dict[str, list[dict[str, Any]]]:
        """By conversation, what was told of it, repetitions left out."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for body in dict(self.heard).values():
            told = json.loads(body)
            found[told["data"]["external_id"]].append(told)
        return dict(found)


def configured(stage: Stage, url: str) -> None:
    text = CONFIG.format(bigchat=stage.bigchat_url, url=url, secret=SECRET)
    stage.config.write_text(f'[store]\nurl = "sqlite:///{stage.file.name}"\n{text}')


def chats(stage: Stage, count: int) -> None:
    random = Random(1)
    events = []
    for number in range(1, count + 1):
        stage.chat(number)
        told = [event(number, "START", 0)]
        told += [event(number, "MESSAGE", 1 + at, message=f"text {at}") for at in range(5)]
        told.append(event(number, "END", 60))
        events.append(told)
    while any(events):
        batch = [told.pop(0) for told in events if told and random.random() < 0.7]
        stage.bigchat.script.append(page(*batch))


def run(stage: Stage, listener: Listener, count: int) -> None:
    async def story() -> None:
        async with stage.open(), serve(listener.app()) as url:
            configured(stage, url)
            chats(stage, count)
            hub = stage.hub()
            # A schedule of days is for the world; its order is what is looked at here.
            outlet = hub.outlets["hooks"]
            quick = msgspec.structs.replace(outlet.destination, schedule=(0.05,) * 9)
            hub.outlets["hooks"] = msgspec.structs.replace(outlet, destination=quick)
            async with running(hub):
                await stage.quiet()

    asyncio.run(story())


def test_each_conversation_is_told_in_order_from_created_to_ended(tmp_path: Path) -> None:
    stage, listener = Stage(tmp_path), Listener()

    run(stage, listener, 5)

    stories = listener.stories()
    assert len(stories) == 5
    for told in stories.values():
        events = [one["type"] for one in told]
        assert events[0] == "conversation.created"
        assert events.count("conversation.created") == events.count("conversation.ended") == 1
        counts = [len(one["data"]["messages"]) for one in told]
        assert counts == sorted(counts)
        assert counts[-1] == 5
        assert told[-1]["data"]["status"] == "closed"
    assert len(listener.heard) == len(dict(listener.heard))


def test_under_faults_nothing_is_skipped_and_repetitions_are_the_same_bytes(
    tmp_path: Path,
) -> None:
    kinds = ("error_before", "error_after", "cut_before", "cut_after", "half", "delay_after")
    faults = Faults(0.3, 7, kinds=kinds, delay_seconds=0.7)
    stage, listener = Stage(tmp_path), Listener(faults)

    run(stage, listener, 4)

    assert len(set(listener.heard)) == len(dict(listener.heard)) < len(listener.heard)
    for told in listener.stories().values():
        counts = [len(one["data"]["messages"]) for one in told]
        assert (counts, counts[-1]) == (sorted(counts), 5)
        assert "conversation.ended" in [one["type"] for one in told]


def test_a_receiver_that_is_gone_is_a_dead_letter_and_asked_no_more(tmp_path: Path) -> None:
    stage, listener = Stage(tmp_path), Listener(status=410)

    run(stage, listener, 1)

    hub = stage.hub()
    letters = hub.database.read(lambda c: backlogs.dead_letters(c, "main", None))
    hub.database.close()
    assert len(listener.heard) == 1
    assert [one.target for one in letters] == ["hooks"]
