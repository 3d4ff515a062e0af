"""Durable transactions a second on SQLite with synchronous=FULL; the store in this process.

Each transaction marks a piece of work, as the pipeline does. 64 callers that wait for each result
share commits (group commit); beside it the same store with one caller, so a commit each, and the
limit of the disk for that: a plain file that is appended to and fsynced.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

import uvloop

from bench import hub
from bench.figure import Figure, figure
from deskwire.store import schema, work
from deskwire.store.db import Connection, Database

CALLERS, SECONDS, ROUNDS = 64, 2.0, 3


def measure() -> list[Figure]:
    """Medians of the rounds; each round measures all three."""
    with hub.folder() as place:
        database = Database(f"sqlite:///{place / 'deskwire.db'}")
        schema.upgrade(database)
        keys = map(str, count())
        rounds = [
            (
                uvloop.run(_write(database, CALLERS, lambda: partial(_mark, next(keys)))),
                uvloop.run(_write(database, 1, lambda: partial(_mark, next(keys)))),
                _fsyncs(place / "plain"),
            )
            for _ in range(ROUNDS)
        ]
        database.close()
    group, alone, plain = (median(values) for values in zip(*rounds, strict=True))
    over_alone = median(group / alone for group, alone, _ in rounds)
    over_plain = median(alone / plain for _, alone, plain in rounds)
    name = f"durable transactions a second, {CALLERS} callers"
    return [
        figure(name, "1/s", group, ("a commit each", alone), ratio=over_alone),
        figure(
            "durable transactions a second, 1 caller",
            "1/s",
            alone,
            ("append and fsync", plain),
            ratio=over_plain,
        ),
    ]


def _mark(key: str, connection: Connection) -> None:
    work.mark(connection, 0, "main", "normalise", "bigchat", key)


async def _write(
    database: Database, callers: int, make: Callable[[], Callable[[Connection], None]]
) -> float:
    """Transactions a second while so many callers each wait for their last one."""
    began = time.monotonic()

    async def call() -> int:
        done = 0
        while time.monotonic() - began < SECONDS:
            await asyncio.wrap_future(database.submit(make()))
            done += 1
        return done

    done = await asyncio.gather(*(call() for _ in range(callers)))
    return sum(done) / (time.monotonic() - began)


def _fsyncs(file: Path) -> float:
    done, began = 0, time.monotonic()
    with file.open("ab", buffering=0) as plain:
        while time.monotonic() - began < SECONDS:
            plain.write(bytes(4096))
            os.fsync(plain.fileno())
            done += 1
    return done / (time.monotonic() - began)
