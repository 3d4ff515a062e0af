"""A client's system that takes transcripts, and remembers every call."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from deskwire.sandbox.faults import Faults


@dataclass
class Receiver:
    """Takes what is posted to it; `faults` hide that it did, or keep it from doing so."""

    faults: Faults = field(default_factory=Faults)
    status: int = 200
    posted: list[tuple[str, str]] = field(default_factory=list)  #: (idempotency key, content)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.faults.middleware()])
        app.router.add_post("/chats", self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        content = (await request.json())["content"]
        if self.status < 400:
            self.posted.append((request.headers["Idempotency-Key"], content))
        return web.Response(status=self.status)

    @property
    def contents(self) -> list[str]:
        return [content for _, content in self.posted]
