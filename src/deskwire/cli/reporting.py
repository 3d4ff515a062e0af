"""report: figures for people and for spreadsheets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deskwire import settings
from deskwire.cli.common import Config, console, open_hub, print_json, span
from deskwire.core.errors import Misconfigured
from deskwire.reports import REPORTS, Answer, Report, answer, ask
from deskwire.reports.export import as_csv, as_xlsx, identity, ids, meaning
from deskwire.reports.figures import Number
from deskwire.reports.report import Told

Filter = Annotated[str | None, typer.Option(help="Only of this one; '' for none.")]


WIDEST = 10_000  # columns of a terminal that is never too narrow


class Format(StrEnum):
    """How it is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="report")(report)


def report(
    name: Annotated[str | None, typer.Argument(help="Without it: which there are.")] = None,
    since: Annotated[str | None, typer.Option(help="Then or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Before it.")] = None,
    zone: Annotated[str | None, typer.Option(help="In which days begin.")] = None,
    by: Annotated[
        str | None, typer.Option(help="Group by these, as in channel,day; '' for all in one.")
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="Only of this one; may be there several times.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Only of this one: number or id.")] = None,
    source: Filter = None,
    account: Filter = None,
    team: Filter = None,
    topic: Filter = None,
    customer_type: Filter = None,
    customer: Filter = None,
    hours: Annotated[
        str | None, typer.Option(help="Only time inside this schedule counts.")
    ] = None,
    workspace: Annotated[str, typer.Option(help="Whose conversations.")] = "main",
    form: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.TABLE,
    output: Annotated[Path | None, typer.Option(help="The file to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As --format json.")] = False,
    config: Config = settings.DEFAULT_FILE,
) -> None:
    """Figures of conversations, and what each one counts.

    Example: deskwire report volume --by channel,day --since 2026-11-01 --until 2026-12-01
    """
    if name is None:
        _list(as_json=as_json or form is Format.JSON)
        return
    wanted = _named(name)
    single = {
        "agent": agent,
        "source": source,
        "account": account,
        "team": team,
        "topic": topic,
        "customer_type": customer_type,
        "customer": customer,
    }
    filters = {key: (value,) for key, value in single.items() if value is not None}
    with open_hub(config) as hub:
        question = ask(
            hub.calendar,
            workspace,
            since=since,
            until=until,
            zone=zone,
            by=() if by is None else [by],
            hours=hours,
            filters=filters | ({"channel": tuple(channel)} if channel else {}),
        )
        found = hub.database.read(lambda c: answer(c, wanted, question))
    _write(found, Format.JSON if as_json else form, output)


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json([{"name": one.name, "summary": one.summary} for one in REPORTS.values()])
        return
    table = Table("report", "what it says", "by default by")
    for one in REPORTS.values():
        table.add_row(one.name, one.summary, ", ".join(one.by) or "nothing: all in one")
    console.print(table)


def _named(name: str) -> Report:
    if name not in REPORTS:
        raise Misconfigured(f"there is no report {name!r}; there are: {', '.join(REPORTS)}")
    return REPORTS[name]


def _write(found: Answer, form: Format, output: Path | None) -> None:
    if form is Format.XLSX and output is None and sys.stdout.isatty():
        raise Misconfigured("a workbook is nothing for a terminal; name a file: --output FILE")
    if form in {Format.CSV, Format.XLSX}:
        body = as_csv(found) if form is Format.CSV else as_xlsx(found)
        if output is None:
            sys.stdout.buffer.write(body)
            sys.stdout.flush()
        else:
            _save(output, body)
        return
    if output is not None:
        raise Misconfigured("--output is for --format csv and xlsx")
    if form is Format.JSON:
        print_json(found)
    else:
        print_table(found, console)


def _save(file: Path, body: bytes) -> None:
    try:
        file.write_bytes(body)
    except OSError as error:
        raise Misconfigured(f"{file} cannot be written: {error.strerror}") from error


def print_table(found: Answer, where: Console) -> None:
    """What it counts, and the figures: side by side, or a table for each measure if too wide."""
    for word, text in meaning(found):
        where.print(Text.assemble((f"{word}: ", "bold"), _shown(text)), soft_wrap=True)
    whole = _table(found, found.measures)
    width = where.measure(whole, options=where.options.update(width=WIDEST)).maximum
    for table in [whole] if width <= where.width else _of_each(found):
        where.print(table)
    if not any(found.totals.figures.values()):
        where.print(
            "Nothing is counted here: widen the period, drop a filter, or look with "
            "'deskwire status' whether conversations come in."
        )


def _of_each(found: Answer) -> Iterator[Table]:
    for one in found.measures:
        table = _table(found, [one])
        table.title, table.title_justify = one.title, "left"
        yield table


def _table(found: Answer, measures: list[Told]) -> Table:
    table = Table(*ids(found), show_footer=bool(found.dimensions))
    for column in table.columns:
        column.footer = "all"
    for one in measures:
        for stat in one.stats:
            name = one.title if not one.stats[1:] else stat
            if measures[1:] and one.stats[1:]:
                name = f"{one.title}: {stat}"
            table.add_column(name, _figure(one, stat, found.totals.figures), justify="right")
    for row in found.rows:
        labels = [Text(_shown(str(cell))) for cell in identity(row)]
        figures = [_figure(one, stat, row.figures) for one in measures for stat in one.stats]
        table.add_row(*labels, *figures)
    return table


def _figure(measure: Told, stat: str, figures: dict[str, Number]) -> str:
    value = figures[f"{measure.name}/{stat}"]
    if value is None:
        return "–"
    if isinstance(value, int):
        return str(value)
    return span(value) if measure.unit == "seconds" else f"{value:.1f}"


def _shown(text: str) -> str:
    """The text without what would steer the terminal."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)
