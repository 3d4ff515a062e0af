"""The product's promise under kill -9: 0 lost, 0 duplicated, 0 out of order."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from random import Random

import pytest

from deskwire.sandbox.bigchat import BigChat
from deskwire.sandbox.faults import Faults
from deskwire.sandbox.ourapi import OurAPI
from deskwire.sandbox.run import serve
from tests.faults.oracle import Verdict, judge
from tests.stage import MICROS, QUIET, Stage, process, until

FAULTY = 0.36  # of the calls, on both sides


def faulty_stage(folder: Path, seed: int) -> Stage:
    def faults(number: int) -> Faults:
        return Faults(FAULTY, number, delay_seconds=1.5, late_seconds=0.5)

    bigchat = BigChat(seed, faults(seed), events_per_second=6.0, senders=True)
    return Stage(folder, bigchat, OurAPI(seed, faults(seed + 1)))


async def kill_often(stage: Stage, random: Random, kills: int) -> None:
    for number in range(kills):
        async with process(stage) as hub:
            if number % 3 < 2:  # every third dies at any moment of its start, too
                await begun(stage, hub)  # on a busy machine it takes seconds
            await asyncio.sleep(random.uniform(0.1, 4.0))
            assert hub.returncode is None


async def begun(stage: Stage, hub: asyncio.subprocess.Process) -> None:
    """Until the process claims work; a start that fails is the test's own to notice."""
    held = "SELECT count(*) FROM work WHERE pid = ?"
    await until(lambda: bool(hub.returncode or stage.rows(held, hub.pid)[0][0]))


async def calm_down(stage: Stage, patience: float = 60.0) -> None:
    """No more faults, no more news: what is on the disk is brought to its end."""
    stage.bigchat.events_per_second = 0.0
    stage.bigchat.error_rate = stage.bigchat.faults.probability = 0.0
    stage.our_api.faults.probability = 0.0
    async with process(stage) as hub:
        calm_at = time.time() * MICROS
        await until(lambda: stage.rows(QUIET, calm_at) == [(1, 0)], patience)
        hub.send_signal(signal.SIGTERM)
        assert await hub.wait() == 0


def check(stage: Stage) -> None:
    verdict = judge(stage.file, stage.our_api)
    assert verdict == Verdict()
    assert verdict.messages
    assert stage.rows("SELECT kind, key, last_error FROM work WHERE dead_at IS NOT NULL") == []


def killed(stage: Stage, seed: int, kills: int) -> None:
    async def run() -> None:
        async with stage.open(poll_every_seconds=1, settle_seconds=0.7):
            stage.hub().database.close()
            await kill_often(stage, Random(seed), kills)
            await calm_down(stage, 60.0 + 10.0 * kills)

    asyncio.run(run())
    check(stage)


def test_nothing_is_lost_doubled_or_disordered_over_8_kills(tmp_path: Path) -> None:
    killed(faulty_stage(tmp_path, 1), 1, 8)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2, 5))
def test_nothing_is_lost_doubled_or_disordered_over_60_kills(seed: int, tmp_path: Path) -> None:
    killed(faulty_stage(tmp_path, seed), seed, 60)


def test_a_destination_that_forgot_everything_is_filled_again(tmp_path: Path) -> None:
    stage, random = faulty_stage(tmp_path, 5), Random(5)

    async def run() -> None:
        async with stage.open(poll_every_seconds=1, settle_seconds=0.7):
            stage.hub().database.close()
            await kill_often(stage, random, 2)
            assert stage.our_api.messages
            stage.our_api.forget()
            await kill_often(stage, random, 2)
            await calm_down(stage)

    asyncio.run(run())
    check(stage)


def test_a_destination_that_was_down_gets_all_of_it_in_order(tmp_path: Path) -> None:
    stage, random = faulty_stage(tmp_path, 6), Random(6)

    async def run() -> None:
        async with serve(stage.bigchat.app()) as stage.bigchat_url:
            async with serve(stage.our_api.app()) as stage.our_api_url:
                stage.configure(poll_every_seconds=1, settle_seconds=0.7)
                stage.hub().database.close()
                await kill_often(stage, random, 1)
            await kill_often(stage, random, 2)
            port = int(stage.our_api_url.rpartition(":")[2])
            async with serve(stage.our_api.app(), port):
                await until(lambda: bool(stage.our_api.log))
                await kill_often(stage, random, 1)
                await calm_down(stage)

    asyncio.run(run())
    check(stage)


async def kill_both_often(stage: Stage, random: Random, kills: int) -> None:
    """Two hubs on one file, each with a fate of its own."""

    async def die(seed: int) -> None:
        await kill_often(stage, Random(seed), kills)

    await asyncio.gather(die(random.randrange(1000)), die(random.randrange(1000)))


def test_two_hubs_on_one_file_that_die_are_as_good_as_one(tmp_path: Path) -> None:
    stage, random = faulty_stage(tmp_path, 7), Random(7)

    async def run() -> None:
        async with stage.open(poll_every_seconds=1, settle_seconds=0.7):
            stage.hub().database.close()
            await kill_both_often(stage, random, 4)
            await calm_down(stage, 100.0)

    asyncio.run(run())
    check(stage)
