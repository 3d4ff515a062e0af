"""import: conversations of the past, and spreadsheets, from files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import Progress

from deskwire import settings
from deskwire.cli.common import Config, DryRun, Json, console, open_hub, print_json, warnings
from deskwire.pipeline.files import STDIN
from deskwire.pipeline.importing import Imported, Plan, check_files, import_files, source_for
from deskwire.pipeline.sheets import import_sheets

#: Lines of a report; the rest is in its JSON.
MOST_LINES = 50


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(name="import")(import_command)


def import_command(
    files: Annotated[
        list[str], typer.Argument(help="JSON or NDJSON; of spreadsheets XLSX, XLS, ODS or CSV.")
    ],
    provider: Annotated[str, typer.Option(help="Whose conversations they hold.")],
    config: Config = settings.DEFAULT_FILE,
    source: Annotated[str | None, typer.Option(help="The source that they belong to.")] = None,
    workspace: Annotated[str | None, typer.Option(help="Only sources of this one.")] = None,
    deliver: Annotated[bool, typer.Option("--deliver", help="Send them, too.")] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Of spreadsheets: take out what they do not hold any more."),
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Load conversations from files; twice is once. '-' is standard input.

    Example: deskwire import conversations.json --provider intercom --dry-run
    """
    check_files(files)
    is_shown = warnings.is_terminal and not as_json
    with open_hub(config) as hub:
        chosen = source_for(hub, provider, workspace, source)
        plan = Plan(source=chosen, deliver=deliver, dry_run=dry_run, replace=replace)
        is_table = chosen.provider.files == "table"
        with Progress(console=warnings, transient=True, disable=not is_shown) as bar:
            task = bar.add_task("importing", total=_bytes(files))
            take = import_sheets if is_table else import_files
            imported = take(hub, plan, files, progress=lambda count: bar.advance(task, count))
    if as_json:
        counts = msgspec.structs.asdict(imported)
        is_told = {
            key: told is not None and (key, told) != ("errors", []) for key, told in counts.items()
        }
        print_json({key: told for key, told in counts.items() if is_told[key]})
    elif is_table:
        _print_report(imported, dry_run=dry_run)
    else:
        _print(imported, dry_run=dry_run)
    for line in imported.errors:
        warnings.print(line, markup=False, soft_wrap=True)
    if imported.errors:
        raise typer.Exit(1)


def _bytes(names: list[str]) -> int | None:
    """The size of all files together; None: standard input has none."""
    return None if STDIN in names else sum(Path(name).stat().st_size for name in names)


def _print(imported: Imported, *, dry_run: bool) -> None:
    what = "would be " if dry_run else ""
    console.print(
        f"{imported.read} values read: {imported.new} conversations {what}new, "
        f"{imported.changed} {what}changed, {imported.unchanged} unchanged, "
        f"{imported.set_aside} places {what}set aside",
        soft_wrap=True,
    )


def _print_report(imported: Imported, *, dry_run: bool) -> None:
    """The counts, then what a person should look at: what is taken out, set aside, noted."""
    what = "would be " if dry_run else ""
    counts = (
        f"{imported.read} rows read: {imported.new} {what}new, {imported.changed} {what}changed, "
        f"{imported.unchanged} unchanged, {imported.set_aside} {what}set aside, "
        f"{imported.withdrawn} {what}taken out"
    )
    lines = [counts]
    lines += [
        f"{what}taken out: {one.started_at}, customer {one.customer}, {one.channel}"
        for one in imported.withdrawn_rows or []
    ]
    told = [
        *(("set aside: ", one) for one in imported.set_aside_rows or []),
        *(("", one) for one in imported.notes or []),
    ]
    several = len({one.file for _, one in told}) > 1
    for word, one in told[:MOST_LINES]:
        where = f"{one.file}, {one.sheet}" if several and one.sheet not in one.file else one.sheet
        lines.append(f"{where}, row {one.row}: {word}{one.text}")
    if len(told) > MOST_LINES:
        lines.append(f"… and {len(told) - MOST_LINES} more; --json has them all")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
