"""One hub delivers into another's desk, whose transcripts are complete and sent once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from deskwire.sandbox.faults import Faults
from deskwire.sandbox.run import serve
from deskwire.worker import Worker
from tests.receiver import Receiver
from tests.stage import Stage, event, page, running, until
from tests.web.serving import Served, served

SECOND = """
[[source]]
name = "desk"
provider = "desk"
destinations = ["post"]
[[destination]]
name = "post"
kind = "transcript_post"
url = "{url}/chats"
quiet_seconds = 6
"""
CHATS, MESSAGES = 3, 8
#: Faults that do not hold up what follows for longer than the second hub waits for it.
QUICK = ("error_before", "error_after", "cut_before", "cut_after", "half", "garbage_after")


@asynccontextmanager
async def second_hub(folder: Path, url: str) -> AsyncIterator[Served]:
    async with served(folder, SECOND.format(url=url)) as client:
        worker = asyncio.create_task(Worker(client.hub).run())
        try:
            yield client
        finally:
            client.hub.stopping.set()
            client.hub.wake.set()
            await worker


@asynccontextmanager
async def between(port: int, faults: Faults) -> AsyncIterator[str]:
    """The network between the two hubs, which fails now and then."""
    async with aiohttp.ClientSession() as session:

        async def pass_on(request: web.Request) -> web.Response:
            url = f"http://127.0.0.1:{port}{request.rel_url}"
            kind = {"Content-Type": request.content_type}
            body = await request.read()
            async with session.request(request.method, url, data=body, headers=kind) as answer:
                return web.Response(
                    status=answer.status,
                    body=await answer.read(),
                    content_type=answer.content_type,
                )

        app = web.Application(middlewares=[faults.middleware()])
        app.router.add_route("*", "/{rest:.*}", pass_on)
        async with serve(app) as url:
            yield url


def told(number: int) -> bytes:
    """A chat as BigChat tells it when it is over: the first hub learns its end with its start."""
    texts = [
        event(
            number,
            "MESSAGE",
            10 + at,
            message=f"{number} says {at}",
            sender="agent" if at % 2 else "customer",
        )
        for at in range(MESSAGES)
    ]
    transfer = event(number, "TRANSFER", 14, old_advisor_id=1, new_advisor_id=2)
    return page(event(number, "START", 0), *texts, transfer, event(number, "END", 60))


def expected(number: int) -> str:
    sides = ["Agent" if at % 2 else "Customer" for at in range(MESSAGES)]
    lines = [f"[10:00, {side}]: {number} says {at}" for at, side in enumerate(sides)]
    return "\n".join(["Chat on 01 Jan 2026 10:00:", "", *lines])


def test_the_second_hubs_transcripts_are_complete_and_sent_once(tmp_path: Path) -> None:
    receiver, stage = Receiver(), Stage(tmp_path)
    (tmp_path / "second").mkdir()
    faults = Faults(0.25, 3, kinds=QUICK)

    async def run() -> None:
        async with (
            serve(receiver.app()) as url,
            second_hub(tmp_path / "second", url) as second,
            between(second.port, faults) as network,
            stage.open(),
        ):
            stage.our_api_url = f"{network}/desk"
            stage.configure(settle_seconds=0.05)
            for number in range(1, CHATS + 1):
                stage.chat(number)
                stage.bigchat.script.append(told(number))
            async with running(stage.hub()):
                await until(lambda: len(receiver.posted) >= CHATS)
                await stage.quiet()
            await asyncio.sleep(6.5)  # one too many would come now
            status, performance = await second.ask("/users/performance")
            assert status == 200
            assert max(one["chatsHandled"] for one in performance) == CHATS

    asyncio.run(run())
    assert sorted(receiver.contents) == [expected(number) for number in range(1, CHATS + 1)]
    assert sum(faults.injected.values()) > 5
