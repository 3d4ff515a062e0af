"""The sandbox services, each in a process of its own: they must not take the hub's CPU time."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

import msgspec
import uvloop

from deskwire.sandbox.bigchat import BigChat
from deskwire.sandbox.chatter import Conversation
from deskwire.sandbox.ourapi import OurAPI
from deskwire.sandbox.run import serve

S = TypeVar("S", BigChat, OurAPI)
T = TypeVar("T")
R = TypeVar("R")


class Remote(Generic[S]):
    """A service in another process."""

    def __init__(self, url: str, pipe: Connection) -> None:
        self.url = url
        self._pipe = pipe

    def ask(self, function: Callable[[S], R]) -> R:
        """What a function, importable by name, says of the service; it may change it too."""
        self._pipe.send(function)
        answer: R = self._pipe.recv()
        return answer


@contextlib.contextmanager
def running(make: Callable[[], S]) -> Iterator[Remote[S]]:
    """Run what `make` makes for as long as this lasts."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_serve, args=(its, make), daemon=True)
    process.start()
    its.close()
    try:
        yield Remote(mine.recv(), mine)
    finally:
        mine.close()
        process.join()


def _serve(pipe: Connection, make: Callable[[], BigChat | OurAPI]) -> None:
    uvloop.run(_answer(pipe, make()))


async def _answer(pipe: Connection, service: BigChat | OurAPI) -> None:
    """Serve until the other end is closed."""
    async with serve(service.app()) as url:
        pipe.send(url)
        with contextlib.suppress(EOFError):
            while True:
                function: Callable[[Any], Any] = await asyncio.to_thread(pipe.recv)
                await asyncio.to_thread(pipe.send, function(service))


def big_chat(events_per_second: float = 0.0) -> partial[BigChat]:
    """Make a BigChat without faults."""
    return partial(BigChat, 1, events_per_second=events_per_second, error_rate=0.0, senders=True)


def our_api(service_seconds: float = 0.0) -> partial[OurAPI]:
    """Make an OurAPI without faults; overlapping requests break it as they do the real one."""
    return partial(OurAPI, 1, service_seconds=service_seconds)


def calls(service: OurAPI) -> int:
    """How many requests it got."""
    return service.calls.total()


def say_no_more(service: BigChat) -> None:
    """Have BigChat say nothing new from now on."""
    service.events_per_second = 0.0


def is_all_said(service: BigChat) -> bool:
    """Whether the whole script was answered."""
    return not service.script


def say(pages: list[bytes], first_advisors: dict[int, int], at: int, service: BigChat) -> None:
    """Have BigChat answer these pages next, and know the conversations when it is asked."""
    for number, advisor in first_advisors.items():
        service.conversations[number] = Conversation(
            conversation_id=number,
            started_at=at,
            first_advisor_id=advisor,
            advisor_id=advisor,
            seen_at=at,
        )
    service.script.extend(pages)


def page(events: list[dict[str, object]], next_page: str | None = None) -> bytes:
    """A body of BigChat's `/events`."""
    return msgspec.json.encode({"nextPageUrl": next_page, "events": events})


def event(conversation: int, name: str, at: int, **more: object) -> dict[str, object]:
    """As BigChat answers it; `at` is in Unix seconds, `more` its data."""
    return {
        "conversation_id": conversation,
        "event_name": name,
        "event_at": at,
        "data": more or None,
    }
