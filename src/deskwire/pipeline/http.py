"""The calls: time-outs, bounded bodies, and what a failed call means."""

from __future__ import annotations

import time

import aiohttp
from yarl import URL

from deskwire.core.errors import GiveUp, NoAnswer, NotSent
from deskwire.core.exchange import Answer, Request, encode

#: No answer that a desk or a destination gives in its contract comes near this.
LARGEST_ANSWER = 64 * 1024 * 1024
CONNECT_SECONDS = 3.0
LONGEST_TIMEOUT = 60.0  # seconds, for a system that times out again and again


class Patience:
    """Seconds for one call: doubled by each time-out until answers come quickly again.

    So a slow system gets its time, and a call that is lost costs little.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._least, self._most = seconds, max(LONGEST_TIMEOUT, seconds)

    def grow(self) -> None:
        """A call timed out."""
        self.seconds = min(self.seconds * 2, self._most)

    def shrink(self) -> None:
        """An answer came in a fraction of the time."""
        self.seconds = max(self.seconds / 2, self._least)


class Caller:
    """Calls one system. Every failure is NotSent or NoAnswer, by what it says of the effect."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        headers: dict[str, str],
        timeout_seconds: float,
    ) -> None:
        self._session = session
        self._exact = URL(base_url, encoded=True)
        self._base_url = URL(base_url.rstrip("/"), encoded=True)
        self._headers = headers
        self.patience = Patience(timeout_seconds)

    async def __call__(self, request: Request) -> Answer:
        """The answer, whatever its status."""
        began, patience = time.monotonic(), self.patience.seconds
        url = self._url(request)
        sent = request.body if request.json is None else encode(request.json).encode()
        headers = {**self._headers, **request.headers}
        if sent is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self._session.request(
                request.method,
                url,
                data=sent,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=patience, sock_connect=CONNECT_SECONDS),
                allow_redirects=False,
            ) as response:
                body = await (_bounded if request.needs_body else _glimpse)(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(f"cannot connect to {self._base_url}: {_why(error)}") from error
        except aiohttp.InvalidURL as error:
            raise GiveUp(f"cannot be asked: {error}") from error
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, TimeoutError):
                self.patience.grow()
            raise NoAnswer(f"no whole answer from {self._base_url}: {_why(error)}") from error
        if (time.monotonic() - began) * 4 < patience:
            self.patience.shrink()
        return Answer(
            status=response.status,
            body=body,
            headers={name.lower(): value for name, value in response.headers.items()},
        )

    def _url(self, request: Request) -> URL:
        path = request.path
        if not path:
            return self._exact.update_query(request.params) if request.params else self._exact
        prefix = self._base_url.raw_path.rstrip("/")
        if prefix and path.startswith(f"{prefix}/"):
            path = path[len(prefix) :]  # a path that the other side told us has it already
        url = URL(f"{str(self._base_url).rstrip('/')}{path}", encoded=True)
        return url.update_query(request.params) if request.params else url


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise NoAnswer(f"an answer of more than {LARGEST_ANSWER >> 20} MiB")
        chunks.append(chunk)
    return b"".join(chunks)


async def _glimpse(response: aiohttp.ClientResponse) -> bytes:
    """The body, or nothing where it does not come as a whole."""
    try:
        return await _bounded(response)
    except (NoAnswer, TimeoutError, aiohttp.ClientError, OSError, ValueError):
        return b""


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return str(error) or type(error).__name__
