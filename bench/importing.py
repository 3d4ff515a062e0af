"""`deskwire import` of NDJSON as a process: conversations a second, and the most memory it has.

Beside it: a bare loop that reads the lines and parses them; and the memory for a tenth of the file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from msgspec import Struct

from bench import hub, web
from bench.figure import Figure, figure, of_rounds
from bench.intercom import conversation

CONVERSATIONS, FEWER, ROUNDS = 20_000, 2_000, 3
PEER = "reading and parsing"
KIB = 1024

BARE = """
import json, sys
with open(sys.argv[1], "rb") as file:
    for line in file:
        json.loads(line)
"""


class Run(Struct, frozen=True, kw_only=True):
    """How a command went."""

    seconds: float
    mib: float  #: the most resident memory it had


def measure() -> list[Figure]:
    """Medians of the rounds; each imports into an empty database."""
    with hub.folder() as place:
        many, few = place / "many.ndjson", place / "few.ndjson"
        write_file(many, CONVERSATIONS)
        write_file(few, FEWER)
        rounds = [
            (import_file(many), _run([sys.executable, "-c", BARE, str(many)]))
            for _ in range(ROUNDS)
        ]
        ...


def write_file(file: Path, count: int, parts: int = 5) -> None:
    """Write so many conversations, a line each."""
    with file.open("wb") as lines:
        for number in range(count):
            lines.write(conversation(number, parts) + b"\n")


def import_file(file: Path, place: Path) -> Run:
    """Import a file into the hub of a folder."""
    config = web.configure(place)
    command = [sys.executable, "-m", "deskwire.cli", "import", str(file), "--provider", "intercom"]
    return _run([*command, "--config", str(config)])


def _run(command: list[str]) -> Run:
    """Run a command to its end; RuntimeError when it fails."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    ...
