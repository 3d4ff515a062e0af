"""HTTP as values: providers and destinations describe calls, the pipeline makes them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Protocol

import msgspec
from msgspec import Struct

#: Seconds; nobody is left alone for longer, whatever it wishes.
LONGEST_RETRY_AFTER = 3600.0


class Request(Struct, frozen=True, kw_only=True):
    """One call on a system's base URL."""

    method: str
    #: Below the base URL; percent-encoded, with the query when it is not in `params`. Empty: the
    #: configured URL exactly.
    path: str
    params: dict[str, str] = {}
    headers: dict[str, str] = {}
    json: object = None  #: sent as JSON when not None
    body: bytes | None = None  #: sent as it is, as JSON, where the bytes are signed
    needs_body: bool = True  #: False: the status is the answer, whatever becomes of its body


class Answer(Struct, frozen=True, kw_only=True):
    """A whole answer: its body arrived to the last byte, unless the request did not need it."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}  #: names in lower case

    @property
    def is_success(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300

    def excerpt(self) -> str:
        """The beginning of the body, on one line, for messages to people."""
        return " ".join(self.body[:200].decode("utf-8", "replace").split())

    def retry_after_seconds(self) -> float | None:
        """`Retry-After` where it is a number of seconds, an hour at most; None otherwise."""
        value = self.headers.get("retry-after", "")
        is_number = value.isascii() and value.isdigit()
        return min(float(value[:9]), LONGEST_RETRY_AFTER) if is_number else None


class Http(Protocol):
    """Makes a call; raises NotSent or NoAnswer when no whole answer came."""

    async def __call__(self, request: Request) -> Answer:
        """The answer, whatever its status."""
        ...


def authorization(user: str | None, token: str | None) -> dict[str, str]:
    """The header that proves who asks: basic with a user, bearer with a token alone."""
    if token is None:
        return {}
    if user is None:
        return {"Authorization": f"Bearer {token}"}
    return {"Authorization": f"Basic {b64encode(f'{user}:{token}'.encode()).decode()}"}


def encode(value: object) -> str:
    """A value as JSON text, for columns and cursors."""
    return msgspec.json.encode(value).decode()
