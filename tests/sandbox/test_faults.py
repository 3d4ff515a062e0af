import asyncio
import time

import aiohttp
import pytest

from deskwire.sandbox.faults import ALL, GARBAGE, Faults
from deskwire.sandbox.ourapi import OurAPI
from deskwire.sandbox.run import serve

CHAT = {"external_id": "1", "started_at": 0}


def post_chat(kind: str, *, patience: float = 5) -> tuple[str, OurAPI]:
    """What the client got for one faulty POST, and the service after it."""
    api = OurAPI(faults=Faults(1, delay_seconds=0.2, late_seconds=0.05, kinds=(kind,)))

    async def run() -> str:
        timeout = aiohttp.ClientTimeout(total=patience)
        async with serve(api.app()) as url, aiohttp.ClientSession(url, timeout=timeout) as client:
            try:
                async with client.post("/chats", json=CHAT) as answer:
                    got = f"{answer.status}"
                    await answer.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                got = type(error).__name__
            heard = len(api.chats)
            await asyncio.sleep(0.1 if kind == "cut_late" else 0.3 if patience < 1 else 0)
            return got if kind != "cut_late" else f"{got} {heard}"

    return asyncio.run(run()), api


@pytest.mark.parametrize(
    ("kind", "got", "stored"),
    [
        ("error_before", "500", 0),
        ("error_after", "500", 1),
        ("cut_before", "ServerDisconnectedError", 0),
        ("cut_after", "ServerDisconnectedError", 1),
        ("cut_late", "ServerDisconnectedError 0", 1),
        ("delay_before", "201", 1),
        ("delay_after", "201", 1),
        ("throttle", "429", 0),
        ("half", "ClientPayloadError", 1),
        ("garbage", "200", 0),
        ("garbage_after", "200", 1),
    ],
)
def test_each_kind_does_what_it_says(kind: str, got: str, stored: int) -> None:
    answer, api = post_chat(kind)

    assert (answer, len(api.chats), api.faults.injected) == (got, stored, {kind: 1})


@pytest.mark.parametrize("kind", ["delay_before", "delay_after"])
def test_the_effect_happens_although_the_client_left(kind: str) -> None:
    answer, api = post_chat(kind, patience=0.05)

    assert (answer, len(api.chats)) == ("TimeoutError", 1)


def test_a_throttled_request_is_told_when_to_come_back() -> None:
    api = OurAPI(faults=Faults(1, kinds=("throttle",), retry_after_seconds=7))

    async def run() -> str:
        async with serve(api.app()) as url, aiohttp.ClientSession(url) as client:
            return (await client.get("/chats")).headers["Retry-After"]

    assert asyncio.run(run()) == "7"


@pytest.mark.parametrize("kind", ["garbage", "garbage_after"])
def test_garbage_is_a_page_of_a_proxy(kind: str) -> None:
    api = OurAPI(faults=Faults(1, kinds=(kind,)))

    async def run() -> tuple[int, str, str]:
        async with serve(api.app()) as url, aiohttp.ClientSession(url) as client:
            answer = await client.post("/chats", json=CHAT)
            return answer.status, answer.content_type, await answer.text()

    assert asyncio.run(run()) == (200, "text/html", GARBAGE)


def test_half_of_an_answer_arrives() -> None:
    api = OurAPI(faults=Faults(1, kinds=("half",)))

    async def run() -> bytes:
        async with serve(api.app()) as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":")[-1]))
            writer.write(b"GET /chats HTTP/1.1\r\nHost: sandbox\r\n\r\n")
            received = await reader.read()
            writer.close()
            return received

    head, body = asyncio.run(run()).split(b"\r\n\r\n")
    assert b"Content-Length: 2" in head
    assert body == b"["


def test_faults_can_be_switched_off_while_the_service_runs() -> None:
    api = OurAPI(faults=Faults(1, kinds=("error_before",)))

    async def run() -> list[int]:
        async with serve(api.app()) as url, aiohttp.ClientSession(url) as client:
            broken = (await client.get("/chats")).status
            api.faults.probability = 0
            return [broken, (await client.get("/chats")).status]

    assert asyncio.run(run()) == [500, 200]


def test_equal_seeds_inject_equal_faults() -> None:
    kinds = tuple(kind for kind in ALL if not kind.startswith("cut") and kind != "half")

    async def statuses() -> list[int]:
        api = OurAPI(faults=Faults(0.5, seed=4, delay_seconds=0, kinds=kinds))
        async with serve(api.app()) as url, aiohttp.ClientSession(url) as client:
            return [(await client.get("/chats")).status for _ in range(30)]

    first = asyncio.run(statuses())
    assert first == asyncio.run(statuses())
    assert set(first) == {200, 429, 500}


def test_stopping_does_not_wait_for_open_requests() -> None:
    api = OurAPI(faults=Faults(1, delay_seconds=30, kinds=("delay_before",)))

    async def run() -> float:
        async with aiohttp.ClientSession() as client:
            async with serve(api.app()) as url:
                call = asyncio.create_task(client.get(f"{url}/chats"))
                await asyncio.sleep(0.05)
                stopped_at = time.monotonic()
            await asyncio.gather(call, return_exceptions=True)
            return time.monotonic() - stopped_at

    assert asyncio.run(run()) < 1
