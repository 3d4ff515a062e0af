"""`deskwire import` of NDJSON as a process: conversations a second, and the most memory it takes.

Beside it: a bare loop that reads the lines and parses them; and the memory of a tenth of the file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from bench import hub, web
from bench.figure import Figure, of_rounds
from bench.intercom import conversation

CONVERSATIONS, FEWER, ROUNDS = 20_000, 2_000, 3
KIB_PER_MIB = 1024

BARE = """
import json, sys
with open(sys.argv[1], "rb") as file:
    for line in file:
        json.loads(line)
"""


class Run(Struct, frozen=True, kw_only=True):
    """How a command went, from its start to its end."""

    seconds: float
    mib: float  #: the most resident memory it took


def measure() -> list[Figure]:
    """Medians of the rounds; each imports into an empty database."""
    rounds = []
    with hub.folder() as place:
        many, few = place / "many.ndjson", place / "few.ndjson"
        write_file(many, CONVERSATIONS)
        write_file(few, FEWER)
        for _ in range(ROUNDS):
            bare = _run([sys.executable, "-c", BARE, str(many)])
            rounds.append((_import(many), bare, _import(few)))
    found: list[tuple[str, str, str, Callable[[Run], float], int]] = [
        ("conversations", "1/s", "only parsed", lambda run: CONVERSATIONS / run.seconds, 1),
        ("memory", "MiB", "only parsed", lambda run: run.mib, 1),
        ("memory", "MiB", f"of {FEWER:,}", lambda run: run.mib, 2),
    ]
    return [
        of_rounds(
            f"import of {CONVERSATIONS:,}: {part}",
            unit,
            [(of(one[0]), of(one[peer])) for one in rounds],
            peer_name,
        )
        for part, unit, peer_name, of, peer in found
    ]


def write_file(file: Path, count: int, parts: int = 5) -> None:
    """Write so many conversations, a line each."""
    with file.open("wb") as lines:
        lines.writelines(conversation(number, parts) + b"\n" for number in range(count))


def import_file(file: Path, place: Path) -> Run:
    """Import a file into the hub of a folder."""
    config = web.configure(place)
    command = [sys.executable, "-m", "deskwire.cli", "import", str(file), "--config", str(config)]
    return _run([*command, "--provider", "intercom"])


def _import(file: Path) -> Run:
    with hub.folder() as place:
        return import_file(file, place)


def _run(command: list[str]) -> Run:
    """Run a command to its end; RuntimeError when it fails."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Run(seconds=time.monotonic() - began, mib=used.ru_maxrss / KIB_PER_MIB)
