"""OurAPI's answers: their shapes, and what a failed one means."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from msgspec import Struct

from deskwire.core import codec
from deskwire.core.destination import Payload
from deskwire.core.errors import NoAnswer, NotSent, RetryLater
from deskwire.core.exchange import Answer, Http, Request
from deskwire.core.instants import parse_instant, rfc3339

T = TypeVar("T")


class RemoteAgent(Struct):
    """An agent as OurAPI shows it."""

    agent_id: str
    name: str = ""
    email: str = ""


class RemoteChat(Struct):
    """A chat as OurAPI shows it; instants without a zone are UTC."""

    chat_id: str
    external_id: str = ""
    agent_id: str | None = None
    started_at: str | int | None = None
    ended_at: str | int | None = None

    def payload(self) -> Payload:
        """As we would have sent it."""
        return {
            "external_id": self.external_id,
            "started_at": _instant(self.started_at),
            "ended_at": _instant(self.ended_at),
            "agent_id": self.agent_id,
        }


class RemoteMessage(Struct):
    """A message as OurAPI shows it."""

    sent_at: str | int
    text: str
    agent_id: str | None = None

    def payload(self) -> Payload:
        """As we would have sent it."""
        agent_id = self.agent_id or None
        return {"sent_at": _instant(self.sent_at), "text": self.text, "agent_id": agent_id}


def _instant(shown: str | int | None) -> str | None:
    if shown is None:
        return None
    try:
        if isinstance(shown, str):
            return rfc3339(parse_instant(shown))
        return rfc3339(datetime.fromtimestamp(shown, UTC))
    except (ValueError, OverflowError, OSError) as error:
        raise NoAnswer(f"not an instant: {shown!r}") from error


async def get(http: Http, path: str, kind: type[T]) -> T:
    """What a GET answers; RetryLater for anything but a success."""
    return read(await http(Request(method="GET", path=path)), kind)


def read(answer: Answer, kind: type[T]) -> T:
    """What a GET answered; RetryLater for anything but a success."""
    if not answer.is_success:
        raise_if_not_now(answer)
        message = f"reading back: {answer.status} {answer.excerpt()}"
        raise RetryLater(message, answer.retry_after_seconds())
    return decode(answer, kind)


def decode(answer: Answer, kind: type[T]) -> T:
    """The body of a success; NoAnswer when it is not what the contract says."""
    try:
        return codec.decode(answer.body, kind)
    except (ValueError, RecursionError) as error:
        raise NoAnswer(f"not what OurAPI answers: {answer.excerpt()} ({error})") from error


def raise_if_not_now(answer: Answer) -> None:
    """Statuses that certainly had no effect and may go away."""
    if answer.status in {401, 403, 429} or 300 <= answer.status < 400:
        what = f"{answer.status} {answer.excerpt()}"
        raise NotSent(what, answer.retry_after_seconds())
