"""What `deskwire run` costs while nobody says anything.

It polls one source every 10 s and watches one destination. Beside it, at the same time: a bare
aiohttp loop that makes the same polls.
"""

from __future__ import annotations

import subprocess
import sys
import time

import psutil  # type: ignore[import-untyped]

from bench import hub, services
from bench.figure import Figure, Goal, figure
from bench.services import big_chat, our_api

WARM_SECONDS, SECONDS = 6.0, 20.0
POLL_EVERY_SECONDS = 10.0
MIB = 1024 * 1024

BARE = """
import asyncio, sys, aiohttp, uvloop
async def main():
    async with aiohttp.ClientSession(sys.argv[1]) as session:
        while True:
            params = {"start_at": "2026-11-20T09:30:00Z", "end_at": "2026-11-20T09:30:10Z"}
            async with session.get("/events", params=params) as answer:
                await answer.json()
            await asyncio.sleep(float(sys.argv[2]))
uvloop.run(main())
"""


def measure() -> list[Figure]:
    """The share of one CPU, and the resident memory."""
    with (
        services.running(big_chat()) as bigchat,
        services.running(our_api()) as target,
        hub.folder() as place,
        hub.running(hub.configure(place, bigchat.url, target.url, POLL_EVERY_SECONDS)) as ours,
    ):
        bare = [sys.executable, "-c", BARE, bigchat.url, str(POLL_EVERY_SECONDS)]
        with subprocess.Popen(bare) as peer:
            try:
                return _watch(psutil.Process(ours.pid), psutil.Process(peer.pid))
            finally:
                peer.kill()


def _watch(ours: psutil.Process, peer: psutil.Process) -> list[Figure]:
    time.sleep(WARM_SECONDS)
    before = _cpu_seconds(ours), _cpu_seconds(peer)
    time.sleep(SECONDS)
    share = (_cpu_seconds(ours) - before[0]) / SECONDS * 100
    peer_share = (_cpu_seconds(peer) - before[1]) / SECONDS * 100
    memory, peer_memory = (one.memory_info().rss / MIB for one in (ours, peer))
    goals = Goal(at_most=1.0), Goal(at_most=120.0)
    return [
        figure("idle: CPU", "%", share, ("a bare loop", peer_share), goals[0]),
        figure("idle: memory", "MiB", memory, ("a bare loop", peer_memory), goals[1]),
    ]


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
