"""A hub to measure: its configuration, its process, and what its file says."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

#: Only so that a run which would never end does end.
PATIENCE_SECONDS = 300.0
LOOK_EVERY_SECONDS = 0.1
MICROS = 1_000_000

CONFIGURATION = """\
[store]
url = "sqlite:///deskwire.db"

[[source]]
name = "bigchat"
provider = "bigchat"
base_url = "{bigchat}"
poll_every_seconds = {poll_every_seconds}
destinations = ["our-api"]

[[destination]]
name = "our-api"
kind = "our_api"
base_url = "{our_api}"
paused = {paused}
"""

# In one snapshot: a page and the work that follows from it are committed together.
QUIET = """
SELECT EXISTS (SELECT 1 FROM sources WHERE polled_at > ?),
    (SELECT count(*) FROM work
     WHERE dead_at IS NULL AND kind NOT IN ('poll', 'slot') AND key != 'watch')
"""


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for one run. Set TMPDIR to a real disk: where fsync is free, nothing is measured."""
    with tempfile.TemporaryDirectory(prefix="deskwire-bench-") as name:
        yield Path(name)


def configure(
    place: Path,
    bigchat: str,
    our_api: str,
    poll_every_seconds: float = 1.0,
    *,
    is_paused: bool = False,
) -> Path:
    """Write deskwire.toml."""
    config = place / "deskwire.toml"
    config.write_text(
        CONFIGURATION.format(
            bigchat=bigchat,
            our_api=our_api,
            poll_every_seconds=poll_every_seconds,
            paused=str(is_paused).lower(),
        )
    )
    return config


@contextmanager
def running(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`deskwire run` as its users run it, until this ends."""
    command = [sys.executable, "-m", "deskwire.cli", "run", "--config", str(config), "--port", "0"]
    with (config.parent / "deskwire.log").open("ab") as log:
        process = subprocess.Popen(command, stderr=log)
        try:
            yield process
        except (RuntimeError, TimeoutError):
            sys.stderr.write((config.parent / "deskwire.log").read_text()[-2000:])
            raise
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def rows(place: Path, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What a query finds in the hub's file."""
    with closing(sqlite3.connect(place / "deskwire.db", timeout=30)) as connection:
        return connection.execute(query, parameters).fetchall()


def wait_until_quiet(process: subprocess.Popen[bytes], place: Path) -> None:
    """Wait until all that is said by now was polled, and only standing work is left."""
    said_at = time.time() * MICROS
    wait(process, lambda: rows(place, QUIET, said_at) == [(1, 0)])


def wait(process: subprocess.Popen[bytes], is_true: Callable[[], bool]) -> None:
    """Wait for something that a running hub makes true."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        if process.poll() is not None:
            raise RuntimeError(f"deskwire run ended with {process.returncode}")
        if time.monotonic() > end:
            raise TimeoutError(f"still not so after {PATIENCE_SECONDS:g} s")
        time.sleep(LOOK_EVERY_SECONDS)
