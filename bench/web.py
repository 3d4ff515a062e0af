"""Processes that answer HTTP, and a client that keeps some connections busy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import aiohttp
import uvloop
from msgspec import Struct

from bench import hub
from bench.figure import Figure, of_rounds, percentile

#: Every hub has the sources `desk` and `intercom`.
CONFIGURATION = '[store]\nurl = "sqlite:///deskwire.db"\n'

#: Method, path, body.
Call = tuple[str, str, bytes | None]


class Load(Struct, frozen=True, kw_only=True):
    """How some calls went."""

    per_second: float
    delays: list[float]  #: milliseconds


@contextlib.contextmanager
def deskwire(place: Path) -> Iterator[str]:
    """The URL of `deskwire run --roles web` on a folder, until this ends."""
    config = configure(place)
    command = [sys.executable, "-m", "deskwire.cli", "run", "--config", str(config)]
    with serving(place, [*command, "--roles", "web", "--port"]) as url:
        yield url


def configure(place: Path) -> Path:
    """Write deskwire.toml: nothing is polled, and nothing delivered."""
    config = place / "deskwire.toml"
    config.write_text(CONFIGURATION)
    return config


@contextlib.contextmanager
def serving(place: Path, command: list[str]) -> Iterator[str]:
    """The URL of a command that takes a port as its last argument, until this ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (place / "server.log").open("ab") as log:
        process = subprocess.Popen([*command, str(port)], stdout=log, stderr=log)
        try:
            hub.wait(process, lambda: _answers(f"{url}/health"))
            yield url
        except (RuntimeError, TimeoutError):
            sys.stderr.write((place / "server.log").read_text()[-2000:])
            raise
        finally:
            process.terminate()
            process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:  # noqa: S310 - of our own process
            return bool(answer.status == 200)
    except OSError:
        return False


def load(url: str, calls: Iterable[Call], connections: int, status: int) -> Load:
    """Make the calls over so many connections, each as soon as the one before it is answered.

    RuntimeError when one is answered with another status.
    """
    return uvloop.run(_load(url, iter(calls), connections, status))


async def _load(url: str, calls: Iterator[Call], connections: int, status: int) -> Load:
    delays: list[float] = []

    async def connection(session: aiohttp.ClientSession) -> None:
        for method, path, body in calls:
            began = time.perf_counter()
            async with session.request(method, path, data=body) as answer:
                told = await answer.read()
            delays.append((time.perf_counter() - began) * 1000)
            if answer.status != status:
                raise RuntimeError(f"{method} {path} was answered {answer.status}: {told[:500]!r}")

    connector = aiohttp.TCPConnector(limit=connections)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(url, connector=connector, headers=headers) as session:
        began = time.perf_counter()
        await asyncio.gather(*(connection(session) for _ in range(connections)))
        return Load(per_second=len(delays) / (time.perf_counter() - began), delays=delays)


def delays(name: str, rounds: Sequence[tuple[Load, Load]], peer_name: str) -> list[Figure]:
    """How long the calls took, beside those to a peer."""
    found = []
    for percent in (50, 99):
        values = [
            (percentile(one.delays, percent), percentile(peer.delays, percent))
            for one, peer in rounds
        ]
        found.append(of_rounds(f"{name}: p{percent}", "ms", values, peer_name))
    return found
