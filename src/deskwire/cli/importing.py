"""import: conversations of the past, from files."""

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


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(name="import")(import_command)


def import_command(
    files: Annotated[list[str], typer.Argument(help="JSON or NDJSON, packed with gzip or not.")],
    provider: Annotated[str, typer.Option(help="Whose conversations they hold.")],
    config: Config = settings.DEFAULT_FILE,
    source: Annotated[str | None, typer.Option(help="The source that they belong to.")] = None,
    workspace: Annotated[str | None, typer.Option(help="Only sources of this one.")] = None,
    deliver: Annotated[bool, typer.Option("--deliver", help="Send them, too.")] = False,
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
        plan = Plan(source=chosen, deliver=deliver, dry_run=dry_run)
        with Progress(console=warnings, transient=True, disable=not is_shown) as bar:
            task = bar.add_task("importing", total=_bytes(files))
            imported = import_files(hub, plan, files, lambda count: bar.advance(task, count))
    if as_json:
        counts = msgspec.structs.asdict(imported)
        print_json({key: told for key, told in counts.items() if told != []})
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
