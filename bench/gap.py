"""The gap: from the last byte of a page that BigChat never repeats to the end of its commit.

The hub runs in this process (Hub and Worker, all kinds of work, OurAPI kept in step meanwhile), so
that both ends can be seen: a caller around the hub's own, and the future of the page's commit.
Windows have three pages. The limit: appending as many bytes to a plain file, and fsync.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from itertools import chain
from pathlib import Path
from random import Random
from typing import TypeVar

import uvloop

from bench import hub, services
from bench.figure import Figure, Goal, figure, percentile
from bench.services import big_chat, event, our_api, page
from deskwire import settings
from deskwire.cli.common import configure_logs
from deskwire.core.exchange import Answer, Http, Request
from deskwire.store import schema
from deskwire.store.db import Connection, Database
from deskwire.worker import Worker

T = TypeVar("T")

WINDOWS, PAGES = 50, 3
#: So that the day's load stays the same: small pages are frequent, large ones are rare.
SIZES = {1: 0.2, 30: 0.5, 300: 1.5}  # events of a page: seconds between two polls
LIVE = 40  # conversations that the events belong to
GOAL = Goal(at_most=20.0)
NO_EVENTS = b'"events":[]'


class Watch:
    """When pages came, and how long it took until they were durable, in milliseconds."""

    def __init__(self) -> None:
        self.widths: list[float] = []
        self.is_over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._came_at: deque[float] = deque()

    def around(self, http: Http) -> Http:
        """The same caller; notes when an answer was there to its last byte."""

        async def call(request: Request) -> Answer:
            answer = await http(request)
            if request.path.startswith("/events") and NO_EVENTS not in answer.body:
                self._came_at.append(time.perf_counter())
            return answer

        return call

    def committed(self, _result: object) -> None:
        """Note the end of a page's commit; called by the writer."""
        if self._came_at:  # the script is over: an empty page has nothing to lose
            self.widths.append((time.perf_counter() - self._came_at.popleft()) * 1000)
            if len(self.widths) == WINDOWS * PAGES:
                self._loop.call_soon_threadsafe(self.is_over.set)


class Callers(dict[str, Http]):
    """The hub's callers, with a watch around that of the source."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def __setitem__(self, name: str, http: Http) -> None:
        super().__setitem__(name, self._watch.around(http) if name == "bigchat" else http)


class WatchedDatabase(Database):
    """A database that tells the watch when a page's commit is done."""

    def __init__(self, url: str, watch: Watch) -> None:
        super().__init__(url)
        self._watch = watch

    def submit(self, function: Callable[[Connection], T], *, is_urgent: bool = False) -> Future[T]:
        """As ever."""
        result = super().submit(function, is_urgent=is_urgent)
        if function.__module__ == "deskwire.pipeline.poll" and function.__name__ == "commit":
            result.add_done_callback(self._watch.committed)
        return result


def measure() -> list[Figure]:
    """With pages of 1, 30 and 300 events."""
    return [one for size, seconds in SIZES.items() for one in _with_pages_of(size, seconds)]


def _with_pages_of(size: int, poll_every_seconds: float) -> list[Figure]:
    with (
        services.running(big_chat()) as bigchat,
        services.running(our_api()) as target,
        hub.folder() as place,
    ):
        config = hub.configure(place, bigchat.url, target.url, poll_every_seconds)
        windows, first_advisors = _windows(size)
        bigchat.ask(partial(services.say, [*chain(*windows)], first_advisors, int(time.time())))
        widths = uvloop.run(_run(config))
        limits = _fsyncs(place / "plain", zlib.compress(windows[0][0]))
    name = f"gap, pages of {size} ({len(widths)} pages)"
    parts = [
        (f"{name}: p50", percentile(widths, 50), percentile(limits, 50), None),
        (f"{name}: p99", percentile(widths, 99), percentile(limits, 99), GOAL),
        (f"{name}: max", max(widths), max(limits), None),
    ]
    return [
        figure(part, "ms", width, ("append and fsync", limit), goal)
        for part, width, limit, goal in parts
    ]


def _windows(size: int) -> tuple[list[list[bytes]], dict[int, int]]:
    """The pages of each window, and the first advisors of their conversations."""
    random, now = Random(1), int(time.time())
    windows = []
    for _ in range(WINDOWS):
        pages = []
        for number in range(1, PAGES + 1):
            events = [
                event(random.randint(1, LIVE), "MESSAGE", now, message=f"Message {place}")
                for place in range(size)
            ]
            following = f"http://bigchat/events?page={number + 1}" if number < PAGES else None
            pages.append(page(events, following))
        windows.append(pages)
    return windows, {number: number % 12 + 1 for number in range(1, LIVE + 1)}


async def _run(config: Path) -> list[float]:
    """Poll all pages while everything else goes on."""
    configure_logs(logging.INFO, (config.parent / "deskwire.log").open("a"))
    loaded, watch = settings.load(config), Watch()
    opened = settings.open_hub(loaded)
    schema.upgrade(opened.database)
    opened.database.close()
    opened.database = WatchedDatabase(loaded.store.url, watch)
    opened.http = Callers(watch)
    worker = asyncio.create_task(Worker(opened).run())
    await watch.is_over.wait()
    opened.stopping.set()
    opened.wake.set()
    await worker
    opened.database.close()
    return watch.widths


def _fsyncs(file: Path, body: bytes) -> list[float]:
    """Milliseconds of each append of a body."""
    widths = []
    with file.open("ab", buffering=0) as plain:
        for _ in range(WINDOWS * PAGES):
            began = time.perf_counter()
            plain.write(body)
            os.fsync(plain.fileno())
            widths.append((time.perf_counter() - began) * 1000)
    return widths
