"""A system that messages are posted to, on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import aiohttp
from aiohttp import web

from deskwire.core.destination import Learned, Ledger
from deskwire.core.exchange import Http
from deskwire.pipeline.http import Caller
from deskwire.sandbox.run import serve

TIMEOUT_SECONDS = 2.0


class Got(NamedTuple):
    """A call as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers with its status; it takes the call first. 0: it hangs up instead."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.status, self.headers = status, headers or {}
        self.got: list[Got] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(Got(request.method, request.path_qs, headers, await request.read()))
        if self.status == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=self.status or 500, text="So\nbe it", headers=self.headers)


def play(
    receiver: Receiver, scene: Callable[[Http], Awaitable[object]], path: str = "/chats"
) -> None:
    """A scene in which the receiver is called at its URL."""

    async def run() -> None:
        async with serve(receiver.app()) as url, aiohttp.ClientSession() as session:
            await scene(Caller(session, f"{url}{path}", {}, TIMEOUT_SECONDS))

    asyncio.run(run())


def learned(ledger: Ledger, outcome: object) -> Ledger:
    """The ledger with what an outcome tells."""
    assert isinstance(outcome, Learned)
    known = {**ledger, **outcome.changes}
    return {key: sent for key, sent in known.items() if sent is not None}
