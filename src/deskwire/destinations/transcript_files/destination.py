"""The transcript of a chat that is over, as a numbered file among its customer's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

import msgspec

from deskwire.core.destination import Destination, Learned, Ledger, Outcome, Step, Target
from deskwire.core.errors import NoAnswer
from deskwire.core.exchange import Http
from deskwire.core.model import Conversation
from deskwire.core.transcript import differs, due, key_of
from deskwire.destinations.transcript_files.files import publish
from deskwire.destinations.transcript_files.layout import NUMBER, Options, numbered

T = TypeVar("T")

LONGEST_WRITE = 30.0  # seconds
#: Threads of one directory. A network file system that hangs holds these, and no others.
WRITERS = 4


def plan(view: Conversation, ledger: Ledger, target: Target) -> Step | None:
    """One file for each closing that is to be told."""
    line = due(view, ledger, target)
    if line is None:
        return None
    return Step(action="write", key=key_of(target), sent=line, counter=numbered(view, target))


async def perform(step: Step, target: Target, http: Http) -> Outcome:
    """The file; its number is the line's `remote_id`."""
    path, payload = step.counter, step.sent.payload
    assert path is not None
    content = (payload["content"] or "").encode()
    write = partial(publish, target.directory, path, step.number, content)
    number = str(await in_time(target.directory, write, LONGEST_WRITE))
    payload = {**payload, "file": path.replace(NUMBER, number)}
    line = msgspec.structs.replace(step.sent, payload=payload, remote_id=number)
    return Learned(changes={step.key: line})


async def in_time(directory: str, write: Callable[[], T], longest_seconds: float) -> T:
    """What the write comes to; NoAnswer when it takes longer: it may go on."""
    loop = asyncio.get_running_loop()
    try:
        written = loop.run_in_executor(_writers(directory), write)
        return await asyncio.wait_for(written, longest_seconds)
    except TimeoutError as error:
        message = f"{directory} takes nothing in {longest_seconds:g} s; look at its file system"
        raise NoAnswer(message) from error


@cache
def _writers(directory: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WRITERS, thread_name_prefix="transcripts")


destination = Destination(
    trigger="ended",
    plan=plan,
    perform=perform,
    differs=differs,
    address="directory",
    options=Options,
)
