"""The host's clock jumps while the hub runs."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from deskwire.pipeline.hub import Hub
from deskwire.sandbox.ourapi import OurAPI
from deskwire.store.db import Database
from tests.faults.oracle import Verdict, judge
from tests.stage import FAST, Stage, event, page, running, until

HOUR = 3600.0
#: A heartbeat renews the leases and recalls what waits for a time that was taken back.
TIMING = msgspec.structs.replace(FAST, renew=0.3)
HEARTBEAT = TIMING.renew + 1.0  #: with what a busy machine needs


class Clock:
    """The host's, and how far it was set off."""

    off_by = 0.0

    def __call__(self) -> float:
        return time.time() + self.off_by


def hub_by(stage: Stage, clock: Clock) -> Hub:
    hub = stage.hub(TIMING)
    hub.database.close()
    hub.database = Database(f"sqlite:///{stage.file}", clock)
    return hub


def say(stage: Stage, number: int, *texts: str, at: int = 1) -> None:
    messages = [event(number, "MESSAGE", at + n, message=text) for n, text in enumerate(texts)]
    stage.bigchat.script.append(page(event(number, "START", 0), *messages))


async def rest(stage: Stage) -> None:
    """No work is left but standing work; by no clock."""
    query = "SELECT 1 FROM work WHERE kind NOT IN ('poll', 'slot') AND key != 'watch'"
    await until(lambda: not stage.bigchat.script and stage.rows(query) == [])


BACK = pytest.mark.parametrize(
    "back",
    [
        2 * HOUR,
        HOUR,
    ],
)


@BACK
def test_polls_and_deliveries_go_on_when_the_clock_goes_back(back: float, tmp_path: Path) -> None:
    stage, clock = Stage(tmp_path), Clock()
    stage.chat(7)
    stage.chat(8)

    async def run() -> None:
        async with stage.open(), running(hub_by(stage, clock)):
            say(stage, 7, "One")
            await until(lambda: stage.said(7) == ["One"])
            await rest(stage)
            clock.off_by = -back
            say(stage, 7, "Two", at=5)
            say(stage, 8, "Hello")
            await until(lambda: not stage.bigchat.script, HEARTBEAT)
            await until(lambda: stage.said(7) == ["One", "Two"], HEARTBEAT)
            await until(lambda: stage.said(8) == ["Hello"], HEARTBEAT)
            await rest(stage)

    asyncio.run(run())
    assert judge(stage.file, stage.our_api) == Verdict()


@BACK
def test_what_waits_after_failures_goes_on_when_the_clock_goes_back(
    back: float, tmp_path: Path
) -> None:
    stage, clock = Stage(tmp_path), Clock()
    for number in range(7, 20):
        stage.chat(number)
    faults = stage.our_api.faults
    faults.kinds, faults.retry_after_seconds = ("throttle",), 5

    async def run() -> None:
        async with stage.open(), running(hub_by(stage, clock)):
            faults.probability = 1.0
            for number in range(7, 20):
                say(stage, number, "One", "Two")
            await until(lambda: faults.injected["throttle"] > 0)
            await until(lambda: stage.rows("SELECT 1 FROM destinations WHERE failures") != [])
            clock.off_by, faults.probability = -back, 0.0
            wait = 5.0 + HEARTBEAT
            await until(lambda: all(stage.said(one) for one in range(7, 20)), wait)
            await rest(stage)

    asyncio.run(run())
    assert judge(stage.file, stage.our_api) == Verdict()


def test_nothing_is_doubled_when_the_clock_goes_forward_while_a_call_is_unclear(
    tmp_path: Path,
) -> None:
    api = OurAPI(1)
    stage, clock = Stage(tmp_path, our_api=api), Clock()
    stage.chat(7)
    api.faults.kinds, api.faults.late_seconds = ("cut_late",), 1.2

    async def cut_and_jump(number: int) -> None:
        api.faults.probability, cuts = 1.0, api.faults.injected["cut_late"]
        say(stage, 7, f"Further {number}", at=10 + number)
        await until(lambda: api.faults.injected["cut_late"] > cuts)
        api.faults.probability = 0.0
        clock.off_by += HOUR
        await until(lambda: f"Further {number}" in stage.said(7))
        await rest(stage)

    async def run() -> None:
        async with stage.open(settle_seconds=1.5), running(hub_by(stage, clock)):
            say(stage, 7, "One")
            await until(lambda: stage.said(7) == ["One"])
            await rest(stage)
            for number in range(3):
                await cut_and_jump(number)

    asyncio.run(run())
    assert stage.said(7) == ["One", "Further 0", "Further 1", "Further 2"]
    assert judge(stage.file, api) == Verdict()
