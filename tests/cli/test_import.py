"""`deskwire import` as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LINE = b'{"id":"%d","created_at":1,"source":{"body":"Hi","author":{"type":"user","id":"u1"}}}\n'


def deskwire(folder: Path, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "deskwire.cli", *words],
        cwd=folder,
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )


def imported(folder: Path, *words: str, given: bytes = b"") -> tuple[int, Any, str]:
    """How it ended, what it printed as JSON, and its errors."""
    result = deskwire(folder, "import", *words, "--provider", "intercom", "--json", given=given)
    return result.returncode, json.loads(result.stdout), result.stderr.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deskwire.toml").write_text("")
    return tmp_path


def test_it_counts_what_it_took_from_files_and_from_standard_input(folder: Path) -> None:
    (folder / "one.ndjson").write_bytes(LINE % 1 + b"bad\n" + LINE % 2)

    result = imported(folder, "one.ndjson", "-", given=LINE % 2 + LINE % 3)

    counts = {"read": 5, "new": 3, "changed": 0, "unchanged": 1, "set_aside": 1}
    assert result == (0, counts, "")


def test_it_says_what_it_would_do(folder: Path) -> None:
    (folder / "one.json").write_bytes(LINE % 1)

    result = deskwire(folder, "import", "one.json", "--provider", "intercom", "--dry-run")

    assert result.stdout == (
        b"1 values read: 1 conversations would be new, 0 would be changed, 0 unchanged, "
        b"0 places would be set aside\n"
    )


def test_a_broken_file_is_an_error_and_what_came_before_is_kept(folder: Path) -> None:
    (folder / "one.json").write_bytes(b"[" + LINE % 1 + b", {")

    code, told, errors = imported(folder, "one.json")

    [error] = told["errors"]
    assert (code, told["new"], errors) == (1, 1, error + "\n")
    assert error.startswith("one.json: its JSON breaks off at byte ")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere.json", "--provider", "intercom"], "nowhere.json is not there\n"),
        (["-", "--provider", "nobody"], "provider 'nobody' is unknown; there are: "),
        (["-"], "Usage: "),
    ],
)
def test_wrong_usage_is_told_in_a_line(folder: Path, words: list[str], line: str) -> None:
    result = deskwire(folder, "import", *words)

    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.decode().startswith(line)
