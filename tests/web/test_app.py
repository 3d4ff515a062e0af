"""The web application, over HTTP."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from pathlib import Path

import aiohttp

from deskwire.cli.running import serve_web
from deskwire.pipeline.hub import Hub
from deskwire.store import schema
from deskwire.store.db import Database
from tests.stage import until


def test_a_hub_says_that_it_is_well_and_ready(tmp_path: Path) -> None:
    assert asyncio.run(ask(tmp_path, "/health", "/ready")) == [
        (200, {"status": "ok"}),
        (200, {"status": "ready"}),
    ]


def test_a_page_that_calls_us_by_another_name_is_refused(tmp_path: Path) -> None:
    answers = asyncio.run(ask(tmp_path, "/health", host="evil.example"))
    assert [status for status, _ in answers] == [400]


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def listens(port: int) -> bool:
    with closing(socket.socket()) as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


async def ask(folder: Path, *paths: str, host: str = "localhost") -> list[tuple[int, object]]:
    """What a hub on a free port answers."""
    database = Database(f"sqlite:///{folder}/deskwire.db")
    schema.upgrade(database)
    hub = Hub(database, [], [])
    port = free_port()
    serving = asyncio.create_task(serve_web(hub, "127.0.0.1", port))
    answers = []
    async with aiohttp.ClientSession() as session:
        await until(lambda: listens(port))
        for path in paths:
            url = f"http://127.0.0.1:{port}{path}"
            async with session.get(url, headers={"Host": host}) as answer:
                is_json = answer.content_type == "application/json"
                answers.append((answer.status, await answer.json() if is_json else None))
    hub.stopping.set()
    await serving
    database.close()
    return answers
