"""Answers as files: what a spreadsheet shows, and that it runs nothing of it."""

from __future__ import annotations

import csv
import io
from functools import cache

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from python_calamine import CalamineWorkbook

from deskwire.reports import REPORTS, Answer, Question, answer
from deskwire.reports.export import RUN, as_csv, as_xlsx
from deskwire.reports.report import Figures, Named, Row, Value
from tests.reports.stories import Story, stored

NUMBERS = {"volume/conversations": 3}


@cache
def empty() -> Answer:
    with stored(Story([], [], {})) as (connection, _):
        return answer(connection, REPORTS["volume"], Question())


def volume(*labels: str | None) -> Answer:
    """By channel, each with 3 conversations."""
    rows = [
        Row(
            values={"channel": Value(value=label, label=label or "none")},
            figures=dict(NUMBERS),
            links={},
        )
        for label in labels
    ]
    return replace(empty(), rows=rows, totals=Figures(figures=dict(NUMBERS), links={}))


def read_csv(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))


def read_sheet(body: bytes) -> list[list[object]]:
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(body)).get_sheet_by_index(0)
    return [list(row) for row in sheet.to_python()]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_no_cell_of_a_csv_is_run_and_none_is_lost(labels: list[str]) -> None:
    _, *rows = read_csv(as_csv(volume(*labels)))

    assert not any(cell.startswith(RUN) for row in rows for cell in row)
    assert [row[0].removeprefix("'") for row in rows] == [
        (label or "none").removeprefix("'") for label in labels
    ]
    assert {row[1] for row in rows} <= {"3"}


def test_a_workbook_has_numbers_as_numbers_and_formulas_as_texts() -> None:
    body = as_xlsx(volume("chat", "=1+1", "@x", None, "x" * 40_000))

    assert read_sheet(body) == [
        ["Channel", "Conversations"],
        ["chat", 3.0],
        ["'=1+1", 3.0],
        ["'@x", 3.0],
        ["none", 3.0],
        ["x" * 32_000, 3.0],
        ["all", 3.0],
    ]


def test_a_column_says_its_unit_and_an_empty_cell_is_no_zero() -> None:
    with stored(Story([], [], {})) as (connection, _):
        found = answer(connection, REPORTS["times"], Question(by=("agent",)))
    header, ana, *_ = read_sheet(as_xlsx(found))

    assert header[:6] == [
        "Agent number",
        "Agent",
        "First response time: n",
        "First response time: mean (seconds)",
        "First response time: median (seconds)",
        "First response time: p90 (seconds)",
    ]
    assert ana[:6] == [1.0, "Ana of desk", 0.0, "", "", ""]
    within = replace(found, hours="uk", dimensions=[Named(name="day", title="Day")])
    assert read_csv(as_csv(replace(within, rows=[])))[0][:3] == [
        "Day",
        "First response time: n",
        "First response time: mean (seconds within uk)",
    ]
