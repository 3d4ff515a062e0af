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


def test_a_spreadsheet_comes_with_a_report_on_its_rows(folder: Path) -> None:
    rows = b"".join(b"0%d/01/2020 10:00,call,1\n" % day for day in range(1, 5))
    told = b"Date Start,Interaction,Customers\n01/01/2020 09:00,Call,1\nsoon,Call,1\n" + rows
    (folder / "calls.csv").write_bytes(told)
    (folder / "later.csv").write_bytes(told.replace(b"02/01/2020 10", b"02/01/2020 11"))
    words = ["--provider", "spreadsheet"]

    first = deskwire(folder, "import", "calls.csv", *words)
    later = deskwire(folder, "import", "later.csv", *words, "--replace", "--dry-run")

    noted = "".join(f'calls, row {row}: "call" read as "Call"\n' for row in range(4, 8))
    aside = 'set aside: "soon" is no date: write 31/12/2020 16:05\n'
    assert first.stdout.decode() == (
        "6 rows read: 5 new, 0 changed, 0 unchanged, 1 set aside, 0 taken out\n"
        f"calls, row 3: {aside}{noted}"
    )
    assert later.stdout.decode() == (
        "6 rows read: 1 would be new, 0 would be changed, 4 unchanged, 1 would be set aside, "
        "1 would be taken out\n"
        "would be taken out: 2020-01-02 10:00, customer 1, Call\n"
        f"later, row 3: {aside}{noted.replace('calls', 'later')}"
    )


def test_a_long_report_is_cut_and_whole_as_json(folder: Path) -> None:
    rows = [f"{number},Jedi," for number in range(60)]
    (folder / "customers.csv").write_text("\n".join(["Customer_Id,Occupation,Type", *rows]))
    words = ["import", "customers.csv", "--provider", "spreadsheet"]

    lines = deskwire(folder, *words).stdout.decode().splitlines()
    told = json.loads(deskwire(folder, *words, "--json").stdout)

    assert lines[-2:] == [
        "customers, row 51: customer 49 has no type",
        "… and 10 more; --json has them all",
    ]
    notes = [
        {
            "file": "customers.csv",
            "sheet": "customers",
            "row": number + 2,
            "text": f"customer {number} has no type",
        }
        for number in range(60)
    ]
    assert told == {
        "read": 60,
        "new": 0,
        "changed": 0,
        "unchanged": 60,
        "set_aside": 0,
        "withdrawn": 0,
        "withdrawn_rows": [],
        "notes": notes,
        "set_aside_rows": [],
    }


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere.json", "--provider", "intercom"], "nowhere.json is not there\n"),
        (["-", "--provider", "nobody"], "provider 'nobody' is unknown; there are: "),
        (["-"], "Usage: "),
        (["-", "--provider", "intercom", "--replace"], "--replace is for spreadsheets: "),
    ],
)
def test_wrong_usage_is_told_in_a_line(folder: Path, words: list[str], line: str) -> None:
    result = deskwire(folder, "import", *words)

    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.decode().startswith(line)
