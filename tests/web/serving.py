"""A hub that is served on a real socket, on a real file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
from fastapi import FastAPI

from deskwire import settings
from deskwire.cli.running import Server, listen, serve_web
from deskwire.pipeline.hub import Hub
from deskwire.store import schema
from tests.stage import FAST


@dataclass
class Client:
    """Asks whatever answers on a port."""

    port: int
    session: aiohttp.ClientSession

    async def ask(
        self, path: str, body: bytes | None = None, method: str = "", **headers: str
    ) -> tuple[int, Any]:
        """The status and the JSON of an answer; underscores in header names are hyphens.

        With a body it is a POST of JSON unless told otherwise; an empty answer is None.
        """
        method = method or ("GET" if body is None else "POST")
        named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        if body is not None:
            named.setdefault("content-type", "application/json")
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, url, data=body, headers=named) as answer:
            if not await answer.read():
                return answer.status, None
            assert answer.content_type == "application/json", await answer.text()
            return answer.status, await answer.json()


@dataclass
class Served(Client):
    """Asks a hub."""

    hub: Hub


@asynccontextmanager
async def answering(app: FastAPI) -> AsyncIterator[Client]:
    """An application on a free port."""
    listening = listen("127.0.0.1", 0)
    server = Server(uvicorn.Config(app, log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(listening.getsockname()[1], session)
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def served(folder: Path, config: str = "", max_body_mib: int = 8) -> AsyncIterator[Served]:
    """A hub as `deskwire.toml` has it, answering on a free port."""
    file = folder / "deskwire.toml"
    file.write_text(config)
    hub = settings.open_hub(settings.load(file), FAST)
    schema.upgrade(hub.database)
    listening = listen("127.0.0.1", 0)
    serving = asyncio.create_task(serve_web(hub, listening, max_body_mib))
    try:
        async with aiohttp.ClientSession() as session:
            yield Served(listening.getsockname()[1], session, hub)
    finally:
        hub.stopping.set()
        await serving
        hub.database.close()


def error(code: str, message: str, *details: tuple[str, str, str]) -> dict[str, Any]:
    """The body of an error; `details` are (field, issue, message)."""
    names = ("field", "issue", "message")
    listed = [dict(zip(names, one, strict=True)) for one in details]
    return {"error_code": code, "message": message, "details": listed or None}


def invalid(*details: tuple[str, str, str]) -> tuple[int, dict[str, Any]]:
    """The answer to something that is not as published."""
    return 422, error("validation_error", "Payload validation failed", *details)


NOT_JSON = (400, error("invalid_json", "Malformed JSON body"))
