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
from tests.stage import FAST, PATIENCE_SECONDS, Stage, event, page, running

TIMING = msgspec.structs.replace(FAST, lease=0.3, renew=0.1)
SAMPLES = 40
ENDLESS = 1 << 30  #: operations; no life has so many


class Crash(BaseException):
    """The process died here."""


class Fuse:
    """Counts operations; from the n-th on each of them fails: the dead do nothing more."""

    def __init__(self, crash_at: int) -> None:
        self._left = crash_at
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """Operations until it blows."""
        return self._left

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
    stage = Stage(folder, has_transcripts=True)
    stage.chat(7, advisor=1)
    stage.chat(8, advisor=2, started_at=-60)
    stage.bigchat.script.extend(
        [
            page(
                event(7, "MESSAGE", 3, message="Twice", sender="agent"),
                event(7, "START", 2),
                event(7, "MESSAGE", 3, message="Twice"),
                event(7, "TRANSFER", 4, old_advisor_id=1, new_advisor_id=3),
                next_page="http://elsewhere.example/events?page=2",
            ),
            page(
                event(8, "MESSAGE", 4, message="Hello", sender="customer"),
                event(7, "MESSAGE", 3, message="Twice"),
            ),
            page(
                event(7, "END", 9),
                event(7, "END", 8),
                event(8, "MESSAGE", 8, message="k"),
                event(8, "MESSAGE", 7, message="Bye", sender="agent"),
                event(7, "MESSAGE", 5, message="It is mine now", sender="agent"),
                event(8, "END", 9),
            ),
        ]
    )
    return stage


async def live(stage: Stage, fuse: Fuse) -> None:
    """Until the crash; where nothing is left to do before it, the polls go on until it comes."""
    hub = stage.hub(TIMING)
    fuse.guard(hub)
    (end,) = await asyncio.wait_for(
        asyncio.gather(Worker(hub).run(), return_exceptions=True), PATIENCE_SECONDS
    )
    hub.database.close()
    if not fuse.has_blown:
        raise AssertionError("it ended by itself") from end


async def measure(stage: Stage) -> int:
    """The operations of a life in which nothing goes wrong, until nothing is left to do."""
    hub, fuse = stage.hub(TIMING), Fuse(ENDLESS)
    fuse.guard(hub)
    async with running(hub):
        await stage.quiet()
        return ENDLESS - fuse.left


def died(folder: Path, crashes_at: list[int]) -> bool:
    """Whether it died as often as it should; the last life goes to the end and is judged."""
    stage = short_stage(folder)

    async def run() -> list[bool]:
        async with stage.open(timeout_seconds=0.2):
            fuses = [Fuse(crash_at) for crash_at in crashes_at]
            for fuse in fuses:
                await live(stage, fuse)
            await stage.drain(TIMING)
            return [fuse.has_blown for fuse in fuses]

    have_died = asyncio.run(run())
    assert judge(stage.file, stage.our_api) == Verdict()
    check_transcripts(stage)
    return all(have_died)


def check_transcripts(stage: Stage) -> None:
    """Each chat that is known to be over has its file; a page that nobody stored is nobody's."""
    over = stage.rows("SELECT external_id FROM conversations WHERE ended_at IS NOT NULL")
    files = list((stage.folder / "output").rglob("*.*"))
    assert {file.name for file in files} == {f"{n + 1}.txt" for n in range(len(over))}
    headers = {file.read_text().partition("\n")[0] for file in files}
    assert len(headers) == len(over)


def length_of_a_run(folder: Path) -> int:
    async def run() -> int:
        stage = short_stage(folder)
        async with stage.open(timeout_seconds=0.2):
            return await measure(stage)

    return asyncio.run(run())


@pytest.fixture(scope="session")
def length(tmp_path_factory: pytest.TempPathFactory) -> int:
    """The fewest of some runs: a busy machine polls more often before the work is done."""
    return min(length_of_a_run(tmp_path_factory.mktemp("whole")) for _ in range(3))


@pytest.mark.parametrize("sample", range(SAMPLES))
def test_whatever_it_dies_at_the_next_life_mends_it(
    sample: int, length: int, tmp_path: Path
) -> None:
    random = Random(sample)
    crash_at = 1 + int((sample + random.random()) / SAMPLES * (length - 1))

    assert died(tmp_path, [crash_at])


@pytest.mark.parametrize("seed", range(8))
def test_dying_again_and_again_is_mended_too(seed: int, length: int, tmp_path: Path) -> None:
    random = Random(seed)
    lives = [random.randrange(1, length // 2) for _ in range(4)]

    assert died(tmp_path, lives)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_single_operation_may_be_the_last(length: int, tmp_path: Path) -> None:
    for crash_at in range(1, length * 5 // 4):  # the polls of a busy machine are more or fewer
        folder = tmp_path / str(crash_at)
        folder.mkdir()
        assert died(folder, [crash_at])
