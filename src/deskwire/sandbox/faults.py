"""Break a service's answers on purpose, in a repeatable way."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from deskwire.sandbox.answers import crash

#: before or after: the effect; late: the effect comes after the cut; garbage alone: no effect
ALL = (
    "error_before",
    "error_after",
    "cut_before",
    "cut_after",
    "cut_late",
    "delay_before",
    "delay_after",
    "throttle",
    "half",
    "garbage",
    "garbage_after",
)
#: What a proxy answers in the service's place, with a status that says all is well.
GARBAGE = "<!doctype html><title>Please wait</title><p>The service will be back soon.</p>"


@dataclass
class Faults:
    """What goes wrong, and how often; every field may be changed while the service runs."""

    probability: float = 0.0  #: of a fault, for each request
    seed: int = 0  #: read once
    delay_seconds: float = 5.0  #: past the hub's time-out, and an effect before it has settled
    late_seconds: float = 0.3  #: the longest time from the cut to the effect in `cut_late`
    kinds: Sequence[str] = ALL
    retry_after_seconds: int = 1
    injected: Counter[str] = field(default_factory=Counter)  #: how often, per kind

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._late: set[asyncio.Task[None]] = set()

    def middleware(self) -> Middleware:
        """Put it first: a fault hides everything the service does.

        The server must not cancel handlers when a client leaves (aiohttp does not by default):
        the effect of a request that was heard happens.
        """

        @web.middleware
        async def inject(request: web.Request, handler: Handler) -> web.StreamResponse:
            # A body that was not read yet is gone once the client leaves.
            await request.read()
            if self._random.random() >= self.probability:
                return await handler(request)
            kind = self._random.choice(self.kinds)
            self.injected[kind] += 1
            return await self._inject(kind, request, handler)

        return inject

    async def _inject(
        self, kind: str, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        what, _, when = kind.partition("_")
        answer = await handler(request) if when == "after" or what == "half" else None
        match what:
            case "error":
                return crash()
            case "garbage":
                return web.Response(text=GARBAGE, content_type="text/html")
            case "delay":
                await asyncio.sleep(self.delay_seconds)
                return await handler(request) if answer is None else answer
            case "throttle":
                headers = {"Retry-After": str(self.retry_after_seconds)}
                return web.Response(text="Too Many Requests", status=429, headers=headers)
            case "half" if isinstance(answer, web.Response) and isinstance(answer.body, bytes):
                return await _half(request, answer, answer.body)
        if when == "late":
            self._happen_late(request, handler)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()  # never sent: there is no connection any more

    def _happen_late(self, request: web.Request, handler: Handler) -> None:
        seconds = self._random.uniform(0, self.late_seconds)
        task = asyncio.create_task(_effect_after(seconds, request, handler))
        self._late.add(task)  # the loop itself keeps only weak references
        task.add_done_callback(self._late.discard)


async def _effect_after(seconds: float, request: web.Request, handler: Handler) -> None:
    await asyncio.sleep(seconds)
    with suppress(web.HTTPException):
        await handler(request)


async def _half(request: web.Request, whole: web.Response, body: bytes) -> web.StreamResponse:
    answer = web.StreamResponse(status=whole.status, headers=whole.headers)
    answer.content_length = len(body)
    await answer.prepare(request)
    await answer.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()  # abort() would drop the half that is still in the buffer
    return answer
