"""Transcripts under kill -9 and faults: each chat's once, files without gaps, none in halves."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from deskwire.sandbox.faults import ALL, Faults
from deskwire.sandbox.run import serve
from tests.receiver import Receiver
from tests.stage import until

CLIENTS = 8
CONFIG = """
[server]
port = {port}
[[source]]
name = "desk"
provider = "desk"
destinations = ["files", "post"]
[[destination]]
name = "files"
kind = "transcript_files"
directory = "output"
footer = "This chat took {{handling_seconds}} seconds to handle."
[[destination]]
name = "post"
kind = "transcript_post"
url = "{url}/chats"
timeout_seconds = 0.5
"""
WHOLE = re.compile(
    r"Chat on \d\d \w{3} \d{4} \d\d:\d\d:\n\n\[\d\d:\d\d, Customer\]: I am (?P<chat>\d+-\d+)\n"
    r"This chat took \d+ seconds to handle\."
)


class Person:
    """A client of the desk who insists: what failed is looked at, and done again."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self.session, self.base_url = session, base_url

    async def ask(self, method: str, path: str, told: object = None) -> tuple[int, Any]:
        """The answer, however often the hub dies meanwhile."""
        while True:
            with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
                url = f"{self.base_url}{path}"
                async with self.session.request(method, url, json=told) as answer:
                    if answer.status < 500:
                        empty = not await answer.read()
                        return answer.status, None if empty else await answer.json()
            await asyncio.sleep(0.05)

    async def agent(self) -> str:
        ana = {"name": "Ana", "email": "ana@example.org"}
        await self.ask("POST", "/desk/agents", ana)
        return str((await self.ask("GET", "/desk/agents"))[1][0]["agent_id"])

    async def live_through_a_chat(self, name: str, agent: str) -> None:
        told = {"external_id": name, "customer_name": "One & Only", "agent_id": agent}
        await self.ask("POST", "/desk/chats", {**told, "started_at": "2026-01-01T10:00:00Z"})
        (chat,) = (await self.ask("GET", f"/desk/chats?external_id={name}"))[1]
        path = f"/desk/chats/{chat['chat_id']}/messages"
        while not (await self.ask("GET", path))[1]:
            with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
                said = {"text": f"I am {name}", "sent_at": "2026-01-01T10:01:00Z"}
                async with self.session.post(f"{self.base_url}{path}", json=said):
                    pass
        assert (await self.ask("POST", f"/chats/{chat['number']}/end"))[0] == 200


@asynccontextmanager
async def hub(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A hub that is killed in the end."""
    with (folder / "hub.log").open("ab") as log:
        words = ("-m", "deskwire.cli", "run", "--config", str(folder / "deskwire.toml"))
        running = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdout=log, stderr=log
        )
    try:
        yield running
    finally:
        running.kill()
        await running.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


async def live(base_url: str, chats_each: int) -> None:
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        person = Person(session, base_url)
        agent = await person.agent()

        async def one(number: int) -> None:
            for chat in range(chats_each):
                await person.live_through_a_chat(f"{number}-{chat}", agent)

        await asyncio.gather(*(one(number) for number in range(CLIENTS)))


def killed(folder: Path, seed: int, chats_each: int) -> None:
    """8 clients end chats of one customer while the hub dies again and again."""
    # Any 2xx is success: a proxy that answers 200 in the client's place cannot be seen through.
    kinds = [kind for kind in ALL if kind != "garbage"]
    random = Random(seed)
    receiver = Receiver(Faults(0.3, seed, delay_seconds=0.8, kinds=kinds))
    count, output = CLIENTS * chats_each, folder / "output" / "one-only"

    async def run() -> None:
        async with serve(receiver.app()) as url:
            port = free_port()
            (folder / "deskwire.toml").write_text(CONFIG.format(port=port, url=url))
            living = asyncio.create_task(live(f"http://127.0.0.1:{port}", chats_each))
            kills = 0
            while not living.done():
                kills += 1
                async with hub(folder):
                    await asyncio.wait([living], timeout=random.uniform(1.0, 3.0))
            await living
            assert kills > 1  # a quick machine is done soon
            receiver.faults.probability = 0.0
            async with hub(folder):
                await until(
                    lambda: (
                        len(list(output.glob("*.txt"))) >= count
                        and len(set(receiver.contents)) >= count
                    )
                )
                await asyncio.sleep(1.0)  # one too many would come now

    asyncio.run(run())
    check_files(output, count)
    check_posts(receiver, count)


def check_files(output: Path, count: int) -> None:
    whole = [WHOLE.fullmatch((output / f"{n + 1}.txt").read_text()) for n in range(count)]
    assert len({found["chat"] for found in whole if found is not None}) == count
    assert len(list(output.glob("*.txt"))) == count


def check_posts(receiver: Receiver, count: int) -> None:
    posted = set(receiver.posted)
    assert len(posted) == count
    assert Counter(content for _, content in posted).most_common(1)[0][1] == 1
    assert len({key for key, _ in posted}) == count


@pytest.mark.timeout(300)
def test_transcripts_of_one_customer_survive_kills_and_faults(tmp_path: Path) -> None:
    killed(tmp_path, 1, 5)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2, 5))
def test_many_transcripts_of_one_customer_survive_kills_and_faults(
    tmp_path: Path, seed: int
) -> None:
    killed(tmp_path, seed, 60)
