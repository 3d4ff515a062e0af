"""Processes that write transcripts of one customer, and are killed again and again.

`python -m tests.destinations.writers DIRECTORY SEED` ends when every step is confirmed, and says
how often it killed. A process has the numbers of its steps from the beginning, as a worker has
them in its intents, and begins again with the steps that it had not confirmed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import traceback
from random import Random

from deskwire import destinations
from deskwire.core.destination import Learned, Sent, Step, Target
from deskwire.core.exchange import Answer, Request

FILES = destinations.load("transcript_files")
WRITERS = 8
STEPS = 80  # of each process; two processes have the same: a lease that was lost, and its heir
LONGEST_LIFE = 0.006  # seconds between two kills, at most


def content(number: int) -> str:
    return f"Chat {number}\n" * 5_000


def step(number: int) -> Step:
    return Step(
        action="write",
        key="transcript",
        sent=Sent(payload={"closing": "2026-11-01T12:00:00Z", "content": content(number)}),
        counter="john/{number}.txt",
        number=number,
    )


def done(number: int) -> Learned:
    line = {**step(number).sent.payload, "file": f"john/{number}.txt"}
    return Learned(changes={"transcript": Sent(payload=line, remote_id=str(number))})


async def no_http(request: Request) -> Answer:
    raise AssertionError(request)


async def write(directory: str, numbers: list[int], confirmed: int) -> None:
    target = Target(name="files", source="desk", directory=directory)
    for number in numbers:
        assert await FILES.perform(step(number), target, no_http) == done(number)
        os.write(confirmed, b".")


class Writer:
    """A process, again and again."""

    def __init__(self, directory: str, numbers: list[int]) -> None:
        self.directory, self.numbers = directory, numbers
        self.pid = self._confirmed = 0

    def begin(self) -> None:
        self._confirmed, confirmed = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                asyncio.run(write(self.directory, self.numbers, confirmed))
                status = 0
            except AssertionError:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(confirmed)

    def kill(self) -> bool:
        """Whether it lived; what it confirmed is taken from its list."""
        os.kill(self.pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert code in {0, -signal.SIGKILL}
        self.numbers = self.numbers[len(os.read(self._confirmed, 1_000)) :]
        os.close(self._confirmed)
        return code != 0


def main(directory: str, seed: int) -> int:
    random, kills = Random(seed), 0
    writers = [
        Writer(directory, [1 + at % (WRITERS // 2) + n * (WRITERS // 2) for n in range(STEPS)])
        for at in range(WRITERS)
    ]
    for one in writers:
        one.begin()
    while writers:
        time.sleep(random.uniform(0, LONGEST_LIFE))
        one = random.choice(writers)
        kills += one.kill()
        if one.numbers:
            one.begin()
        else:
            writers.remove(one)
    return kills


if __name__ == "__main__":
    sys.stdout.write(str(main(sys.argv[1], int(sys.argv[2]))))
