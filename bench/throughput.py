"""Deliveries a second of a backlog; `deskwire run` as a process, OurAPI one call at a time.

A delivery is a confirmed line of the ledger: a message, a chat, an agent. Beside it, right before
and right after: a loop that posts messages one after the other over one connection and does
nothing else. At a service time of 0 ms our own CPU is the limit, not the connection.
"""

from __future__ import annotations

import shutil
import time
from functools import partial
from pathlib import Path
from statistics import mean, median

import aiohttp
import uvloop

from bench import hub, services
from bench.figure import Figure, Goal, figure
from bench.services import Remote, big_chat, event, our_api, page
from deskwire.sandbox.bigchat import BigChat

CONVERSATIONS, MESSAGES, ADVISORS, PAGE_SIZE = 300, 2000, 12, 100
SERVICE_MILLISECONDS = (0, 2, 5)
ROUNDS = 3

NORMALISED = "SELECT count(*) FROM work WHERE kind IN ('normalise', 'fetch')"
WAITING = "SELECT count(*) FROM work WHERE kind = 'deliver'"
#: Without the first, from which the time is counted.
PER_SECOND = "SELECT (count(*) - 1) * 1e6 / (max(at) - min(at)) FROM ledger"


def measure() -> list[Figure]:
    """At service times of 0, 2 and 5 ms; medians of the rounds."""
    with hub.folder() as place, services.running(big_chat()) as bigchat:
        backlog(place, bigchat)
        return [_at(place, bigchat.url, one) for one in SERVICE_MILLISECONDS]


def backlog(place: Path, bigchat: Remote[BigChat]) -> None:
    """Take in all conversations while the destination is paused."""
    now = int(time.time())
    events = [event(number, "START", now) for number in range(1, CONVERSATIONS + 1)]
    for number in range(MESSAGES):
        conversation = number % CONVERSATIONS + 1
        events.append(event(conversation, "MESSAGE", now, message=f"Message {number}, as they are"))
    pages = [page(events[first : first + PAGE_SIZE]) for first in range(0, len(events), PAGE_SIZE)]
    advisors = {number: number % ADVISORS + 1 for number in range(1, CONVERSATIONS + 1)}
    bigchat.ask(partial(services.say, pages, advisors, now))
    config = hub.configure(place, bigchat.url, "http://127.0.0.1:9", 0.1, is_paused=True)
    with hub.running(config) as process:
        hub.wait(process, lambda: bigchat.ask(services.is_all_said))
        hub.wait(process, lambda: hub.rows(place, NORMALISED) == [(0,)])


def _at(place: Path, bigchat: str, milliseconds: int) -> Figure:
    rounds = [_round(place, bigchat, milliseconds / 1000) for _ in range(ROUNDS)]
    return figure(
        f"deliveries a second, OurAPI takes {milliseconds} ms",
        "1/s",
        median(ours for ours, _ in rounds),
        ("one connection", median(limit for _, limit in rounds)),
        Goal(of="ratio", at_least=0.9),
        ratio=median(ours / limit for ours, limit in rounds),
    )


def _round(backlog_place: Path, bigchat: str, service_seconds: float) -> tuple[float, float]:
    """Deliveries a second: ours, and those of one connection before and after."""
    make = our_api(service_seconds)
    with services.running(make) as one, services.running(make) as other, hub.folder() as place:
        before = uvloop.run(_one_after_the_other(one.url))
        shutil.copytree(backlog_place, place, dirs_exist_ok=True)
        with hub.running(hub.configure(place, bigchat, other.url, 10.0)) as process:
            hub.wait(process, lambda: hub.rows(place, WAITING) == [(0,)])
        after = uvloop.run(_one_after_the_other(one.url))
        return float(hub.rows(place, PER_SECOND)[0][0]), mean([before, after])


async def _one_after_the_other(url: str) -> float:
    body = {"external_id": f"bench-{time.monotonic_ns()}", "started_at": time.time()}
    async with aiohttp.ClientSession(url) as session:
        async with session.post("/chats", json=body) as answer:
            path = f"/chats/{(await answer.json())['chat_id']}/messages"
        began = time.monotonic()
        for number in range(MESSAGES):
            message = {"sent_at": "2026-11-20T09:30:00Z", "text": f"Message {number}, as they are"}
            async with session.post(path, json=message) as answer:
                await answer.read()
        return MESSAGES / (time.monotonic() - began)
