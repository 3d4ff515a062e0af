"""The web application, over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from deskwire.cli.running import listen, serve_web
from deskwire.pipeline.hub import Hub
from deskwire.store import schema
from deskwire.store.db import Database


def test_a_hub_says_that_it_is_well_and_ready(tmp_path: Path) -> None:
    assert asyncio.run(ask(tmp_path, "/health", "/ready")) == [
        (200, {"status": "ok"}),
        (200, {"status": "ready"}),
    ]


def test_a_page_that_calls_us_by_another_name_is_refused(tmp_path: Path) -> None:
    error = {
        "error_code": "invalid_host",
        "message": "this hub answers to localhost only",
        "details": None,
    }
    assert asyncio.run(ask(tmp_path, "/health", host="evil.example")) == [(400, error)]


def test_an_unknown_route_is_an_error_of_the_usual_shape(tmp_path: Path) -> None:
    error = {"error_code": "not_found", "message": "Not Found", "details": None}
    assert asyncio.run(ask(tmp_path, "/nowhere")) == [(404, error)]


async def ask(folder: Path, *paths: str, host: str = "localhost") -> list[tuple[int, object]]:
    """What a hub on a free port answers."""
    database = Database(f"sqlite:///{folder}/deskwire.db")
    schema.upgrade(database)
    hub = Hub(database, [], [])
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    serving = asyncio.create_task(serve_web(hub, listening))
    answers = []
    async with aiohttp.ClientSession() as session:
        for path in paths:
            url = f"http://127.0.0.1:{port}{path}"
            async with session.get(url, headers={"Host": host}) as answer:
                is_json = answer.content_type == "application/json"
                answers.append((answer.status, await answer.json() if is_json else None))
    hub.stopping.set()
    await serving
    database.close()
    return answers
