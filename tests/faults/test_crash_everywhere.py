"""A short run that dies at its n-th operation, for every n, and the next life that mends it.

An operation is an SQL statement, a COMMIT, the moment before a call, or the moment after it.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from random import Random

import msgspec
import pytest
from sqlalchemy import event as events

from deskwire.core.exchange import Answer, Http, Request
from deskwire.pipeline.hub import Hub
from deskwire.worker import Worker
from tests.faults.oracle import Verdict, judge
from tests.stage import FAST, Stage, event, page

TIMING = msgspec.structs.replace(FAST, lease=0.3, renew=0.1)
#: About the operations of a run until nothing is left to do; the polls go on meanwhile.
LENGTH = 640
SAMPLES = 40


class Crash(BaseException):
    """The process died here."""


class Fuse:
    """Counts operations; from the n-th on each of them fails: the dead do nothing more."""

    def __init__(self, crash_at: int) -> None:
        self._left = crash_at
        self._lock = threading.Lock()

    @property
    def has_blown(self) -> bool:
        return self._left <= 0

    def tick(self) -> None:
        with self._lock:
            self._left -= 1
            if self.has_blown:
                raise Crash

    def guard(self, hub: Hub) -> None:
        """Count what this hub does."""
        events.listen(hub.database.engine, "before_cursor_execute", lambda *_: self.tick())
        events.listen(hub.database.engine, "commit", lambda _: self.tick())
        hub.http = Counted(self)


class Counted(dict[str, Http]):
    """The hub's callers, which it puts here itself."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def __setitem__(self, name: str, http: Http) -> None:
        async def counted(request: Request) -> Answer:
            self._fuse.tick()
            answer = await http(request)
            self._fuse.tick()
            return answer

        super().__setitem__(name, counted)


def short_stage(folder: Path) -> Stage:
    """Equal messages of one second, a second page, transfers, several ENDs, an unseen START."""
    stage = Stage(folder)
    stage.chat(7, advisor=1)
    stage.chat(8, advisor=2, started_at=-60)
    stage.bigchat.script.extend(
        [
            page(
                event(7, "MESSAGE", 3, message="Twice"),
                event(7, "START", 2),
                event(7, "MESSAGE", 3, message="Twice"),
                event(7, "TRANSFER", 4, old_advisor_id=1, new_advisor_id=3),
                next_page="http://elsewhere.example/events?page=2",
            ),
            page(
                event(8, "MESSAGE", 4, message="Hello"),
                event(7, "MESSAGE", 3, message="Twice"),
            ),
            page(
                event(7, "END", 9),
                event(7, "END", 8),
                event(8, "MESSAGE", 8, message="k"),
                event(8, "MESSAGE", 7, message="Bye"),
            ),
        ]
    )
    return stage


async def live(stage: Stage, fuse: Fuse) -> None:
    """Until there is nothing left to do, or the crash."""
    hub = stage.hub(TIMING)
    fuse.guard(hub)
    worker = asyncio.create_task(Worker(hub).run())
    quiet = asyncio.create_task(stage.quiet())
    await asyncio.wait({worker, quiet}, return_when=asyncio.FIRST_COMPLETED)
    quiet.cancel()
    hub.stopping.set()
    hub.wake.set()
    (end,) = await asyncio.gather(worker, return_exceptions=True)
    hub.database.close()
    if end is not None and not fuse.has_blown:
        raise end


def died(folder: Path, crashes_at: list[int]) -> bool:
    """Whether it died as often as it should; the last life goes to the end and is judged."""
    stage = short_stage(folder)

    async def run() -> bool:
        async with stage.open(timeout_seconds=0.2):
            for crash_at in crashes_at:
                fuse = Fuse(crash_at)
                await live(stage, fuse)
                if not fuse.has_blown:
                    return False
            await stage.drain(TIMING)
            return True

    has_died = asyncio.run(run())
    assert judge(stage.file, stage.our_api) == Verdict()
    return has_died


@pytest.mark.parametrize("sample", range(SAMPLES))
def test_whatever_it_dies_at_the_next_life_mends_it(sample: int, tmp_path: Path) -> None:
    random = Random(sample)
    crash_at = 1 + int((sample + random.random()) / SAMPLES * LENGTH)

    died(tmp_path, [crash_at])


@pytest.mark.parametrize("seed", range(8))
def test_dying_again_and_again_is_mended_too(seed: int, tmp_path: Path) -> None:
    random = Random(seed)

    died(tmp_path, [random.randrange(1, LENGTH // 2) for _ in range(4)])


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_single_operation_may_be_the_last(tmp_path: Path) -> None:
    crash_at, alive = 0, 0
    while alive < 3:  # the polls of a busy machine are more or fewer
        crash_at += 1
        folder = tmp_path / str(crash_at)
        folder.mkdir()
        alive = 0 if died(folder, [crash_at]) else alive + 1
