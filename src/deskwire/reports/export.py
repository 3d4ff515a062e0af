"""Answers as CSV and XLSX; nothing in them is run by whoever opens them."""

from __future__ import annotations

import csv
import io

import xlsxwriter  # type: ignore[import-untyped]  # it has no types

from deskwire.reports.figures import Number
from deskwire.reports.report import Answer, Row, Told, Value

Cell = str | Number

#: A spreadsheet takes a text that begins with one of these for a formula.
RUN = ("=", "+", "-", "@", "\t", "\r")
LONGEST_TEXT = 32_000  #: Excel's cells hold 32,767 characters; longer ones would be left out
#: Dimensions whose label does not say which one it is, and how their values are headed.
IDS = {"agent": "Agent number", "customer": "Customer id"}


def as_csv(answer: Answer) -> bytes:
    """RFC 4180, UTF-8 with the mark without which Excel takes it for another encoding."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header(answer))
    for row in cells(answer):
        writer.writerow(["" if one is None else _harmless(one) for one in row])
    return text.getvalue().encode("utf-8-sig")


def as_xlsx(answer: Answer) -> bytes:
    """The figures on one sheet, what they mean on another."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    bold = book.add_format({"bold": True})
    sheet = book.add_worksheet("Report")
    about = book.add_worksheet("What it counts")
    for column, name in enumerate(header(answer)):
        sheet.write_string(0, column, name, bold)
    for line, row in enumerate([*cells(answer), total(answer)], start=1):
        for column, one in enumerate(row):
            match _harmless(one):
                case str() as text:
                    sheet.write_string(line, column, text)
                case None:
                    pass
                case number:
                    sheet.write_number(line, column, number)
    sheet.freeze_panes(1, len(ids(answer)))
    for line, (name, text) in enumerate(meaning(answer)):
        about.write_string(line, 0, name, bold)
        about.write_string(line, 1, text)
    book.close()
    return file.getvalue()


def header(answer: Answer) -> list[str]:
    """The names of the columns; those of durations say the unit."""
    figures = [heading(one, stat, answer.hours) for one in answer.measures for stat in one.stats]
    return [*ids(answer), *figures]


def heading(measure: Told, stat: str, hours: str | None = None) -> str:
    """The name of a figure's column."""
    if measure.unit in {stat, "transfers"}:
        return measure.title
    if stat in {"n", "count", "conversations"} or measure.unit == stat:
        return f"{measure.title}: {stat}"
    within = f" within {hours}" if hours is not None and measure.unit == "seconds" else ""
    return f"{measure.title}: {stat} ({measure.unit}{within})"


def cells(answer: Answer) -> list[list[Cell]]:
    """The rows, as the header has their columns."""
    return [[*identity(row), *row.figures.values()] for row in answer.rows]


def identity(row: Row) -> list[Cell]:
    """What tells a row apart from the others."""
    return [cell for name, one in row.values.items() for cell in _of_value(name, one)]


def total(answer: Answer) -> list[Cell]:
    """The row below all others; its texts say so."""
    return [*(["all"] * len(ids(answer))), *answer.totals.figures.values()]


def meaning(answer: Answer) -> list[tuple[str, str]]:
    """What the figures mean: (word, text)."""
    since = f"from {answer.since}" if answer.since else ""
    until = f"before {answer.until}" if answer.until else ""
    return [
        ("Report", answer.title),
        ("Period", ", ".join(filter(None, (since, until))) or "all time"),
        ("Time zone", answer.zone),
        *([("Business hours", answer.hours)] if answer.hours else []),
        *((one.title, f"{one.definition}; counted at {one.clock}") for one in answer.measures),
    ]


def ids(answer: Answer) -> list[str]:
    """The names of the columns that tell rows apart."""
    return [
        name
        for one in answer.dimensions
        for name in ([IDS[one.name], one.title] if one.name in IDS else [one.title])
    ]


def _of_value(name: str, one: Value) -> list[Cell]:
    if name not in IDS:
        return [one.label]
    is_number = name == "agent" and one.value is not None and one.value.isdigit()
    return [int(one.value or 0) if is_number else one.value or "", one.label]


def _harmless(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    return f"'{cell[:LONGEST_TEXT]}" if cell.startswith(RUN) else cell[:LONGEST_TEXT]
