"""Who may ask, and how much at once: asked of the headers, before anything is read."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deskwire.web.errors import HttpError

_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_SCHEME = re.compile("https?://", re.IGNORECASE)


class Limits:
    """Lets through what comes by our own name, from no other web page, and is not too large."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._most = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or go on with a body that ends at the limit."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif (error := self._refusal(Headers(scope=scope))) is not None:
            await error.response()(scope, receive, send)
        else:
            await self._app(scope, self._bounded(receive), send)

    def _refusal(self, headers: Headers) -> HttpError | None:
        hosts = headers.getlist("host")
        # A web page that resolves its own name to 127.0.0.1 must not read a local hub.
        if len(hosts) != 1 or not _LOOPBACK.fullmatch(hosts[0]):
            return HttpError(400, "invalid_host", "this hub answers to localhost only")
        # A browser sends some POSTs for any page without asking first, but says whose page it is.
        for origin in headers.getlist("origin"):
            if _SCHEME.sub("", origin, count=1).lower() != hosts[0].lower():
                message = f"pages of {origin} may not call this hub"
                return HttpError(403, "forbidden_origin", message)
        length = headers.get("content-length", "0")
        is_number = length.isascii() and length.isdigit()
        # The server took it as a number, so what is longer than any memory is too large, too.
        return self._too_large() if is_number and int(length[:19]) > self._most else None

    def _bounded(self, receive: Receive) -> Receive:
        """The same body, or HttpError where it goes beyond the limit."""
        taken = 0

        async def receive_some() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most:
                raise self._too_large()
            return message

        return receive_some

    def _too_large(self) -> HttpError:
        message = f"a body may have {self._most >> 20} MiB, as max_body_mib says"
        return HttpError(413, "payload_too_large", message, headers={"Connection": "close"})
