"""`deskwire report` as a person runs it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from deskwire.cli.reporting import print_table
from deskwire.reports import REPORTS, Question, answer
from deskwire.reports.report import Value
from tests.cli.test_commands import deskwire
from tests.reports.stories import Story, stored

USERS = [{"user_id": 1, "name": "Ana"}, {"user_id": 2, "name": "Bo"}]
CHATS = [
    {
        "chat_id": 1,
        "user_id": 1,
        "created": "2026-03-29 23:30:00",
        "handle_start": "2026-03-29 23:30:00",
        "handle_end": "2026-03-29 23:35:00",
    }
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub's folder with one chat, in London's zone."""
    made = tmp_path_factory.mktemp("reported")
    (made / "deskwire.toml").write_text('[reports]\nzone = "Europe/London"\n')
    (made / "chats.json").write_text(json.dumps({"users": USERS, "chats": CHATS}))
    assert deskwire(made, "import", "chats.json", "--provider", "desk").returncode == 0
    return made


def test_without_a_name_the_reports_are_listed(folder: Path) -> None:
    listed = json.loads(deskwire(folder, "report", "--json").stdout)

    assert [one["name"] for one in listed] == list(REPORTS)


def test_a_period_is_of_days_in_the_configured_zone(folder: Path) -> None:
    told = ["agents", "--since", "2026-03-30", "--until", "2026-03-31", "--by", "agent,day"]
    found = json.loads(deskwire(folder, "report", *told, "--json").stdout)

    assert (found["since"], found["until"]) == (
        "2026-03-30T00:00:00+01:00",
        "2026-03-31T00:00:00+01:00",
    )
    assert [
        (row["values"]["agent"]["label"], row["values"]["day"]["value"], row["figures"])
        for row in found["rows"]
        if row["figures"].pop("handling/mean") == 300.0
    ] == [("Ana", "2026-03-30", found["rows"][0]["figures"])]


def test_a_file_is_written_or_piped(folder: Path) -> None:
    piped = deskwire(folder, "report", "volume", "--format", "csv").stdout
    saved = deskwire(folder, "report", "volume", "--format", "xlsx", "--output", "volume.xlsx")

    assert list(csv.reader(io.StringIO(piped))) == [
        ["\ufeffChannel", "Conversations"],
        ["chat", "1"],
    ]
    assert saved.returncode == 0
    assert (folder / "volume.xlsx").read_bytes().startswith(b"PK")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x"], "there is no report 'x'; there are: agents, volume, times, interactions, products"),
        (
            ["times", "--hours", "uk"],
            "there is no schedule 'uk'; there are: none; [[schedule]] in deskwire.toml defines one",
        ),
        (["agents", "--output", "x", "--json"], "--output is for --format csv and xlsx"),
    ],
)
def test_a_wrong_question_is_a_line_and_wrong_usage(
    folder: Path, words: list[str], message: str
) -> None:
    result = deskwire(folder, "report", *words)

    assert (result.returncode, result.stderr) == (2, f"{message}\n")


def printed(width: int, label: str = "Ana", report: str = "agents") -> str:
    with stored(Story([], [], {})) as (connection, _):
        found = answer(connection, REPORTS[report], Question())
    named = [
        replace(row, values={"agent": Value(value="1", label=label)})
        for row in (found.rows if report == "agents" else [])
    ]
    screen = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    print_table(replace(found, rows=named[:1]), screen)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_a_narrow_terminal_gets_a_table_for_each_measure() -> None:
    headings = ["Handling time", "Transfers in", "First response time", "Rating"]
    lines = [line.strip() for line in printed(80).splitlines()]

    assert [one for one in headings if one in lines] == headings
    assert printed(1000).count("┏") < printed(80).count("┏")


def test_a_name_neither_steers_the_terminal_nor_is_markup() -> None:
    text = printed(1000, "[red]Bo\x1b[2J")

    assert "[red]Bo\ufffd[2J" in text
    assert "\x1b[2J" not in text


def test_an_empty_report_says_what_to_do() -> None:
    assert "Nothing is counted here: widen the period" in printed(80, report="volume")
