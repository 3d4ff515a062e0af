"""dead, reconcile, replay: what a person does when something went wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated

import typer
from rich.progress import Progress

from deskwire import settings
from deskwire.cli.common import (
    Config,
    DryRun,
    Json,
    console,
    instant_of,
    moment,
    open_hub,
    outlet_named,
    print_json,
    source_named,
)
from deskwire.pipeline import preview
from deskwire.pipeline.hub import Hub, Source
from deskwire.pipeline.reconcile import verify_all
from deskwire.pipeline.replay import Replayed
from deskwire.pipeline.replay import replay as rebuild
from deskwire.store import backlogs, deliveries, work
from deskwire.store.backlogs import DeadLetter
from deskwire.store.db import Connection
from deskwire.worker import calling

Destination = Annotated[str | None, typer.Option(help="Only of this destination.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    dead = typer.Typer(no_args_is_help=True, help="Work that was given up.")
    dead.command(name="list")(dead_list)
    dead.command(name="replay")(dead_replay)
    app.add_typer(dead, name="dead")
    app.command()(reconcile)
    app.command()(replay)


def _dead(connection: Connection, hub: Hub, target: str | None) -> list[tuple[str, DeadLetter]]:
    return [
        (workspace, letter)
        for workspace in hub.workspaces
        for letter in backlogs.dead_letters(connection, workspace, target)
    ]


def dead_list(
    config: Config = settings.DEFAULT_FILE, destination: Destination = None, as_json: Json = False
) -> None:
    """What was given up, and why. Of a delivery, 'show conversation KEY --attempts' tells more.

    Example: deskwire dead list --destination our-api
    """
    with open_hub(config) as hub:
        letters = [one for _, one in hub.database.read(lambda c: _dead(c, hub, destination))]
    if as_json:
        print_json(letters)
        return
    for one in letters:
        console.print(
            f"{moment(one.dead_at)} {one.kind} {one.target} {one.key}: {one.error}",
            markup=False,
            soft_wrap=True,
        )
    console.print(f"{len(letters)} dead letters" if letters else "no dead letters")


def dead_replay(
    config: Config = settings.DEFAULT_FILE,
    destination: Destination = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only count, grouped by error.")] = False,
) -> None:
    """Try again what was given up; what is refused again is given up again.

    Example: deskwire dead replay --plan
    """
    with open_hub(config) as hub:
        letters = hub.database.read(lambda c: _dead(c, hub, destination))
        for error, count in Counter(str(one.error) for _, one in letters).most_common():
            console.print(f"{count} × {error}", markup=False, soft_wrap=True)
        if not plan:
            hub.database.write(lambda c: _revive(c, hub, letters))
    verb = "would be" if plan else "are"
    console.print(f"{len(letters)} dead letters {verb} due again")


def _revive(connection: Connection, hub: Hub, letters: list[tuple[str, DeadLetter]]) -> None:
    for workspace, one in letters:
        if one.kind == "deliver":
            deliveries.forget_refused(connection, workspace, one.target, one.key)
            deliveries.allow(connection, workspace, one.target, one.key)
        work.mark(connection, hub.now(), workspace, one.kind, one.target, one.key)


def reconcile(
    destination: Annotated[str, typer.Argument(help="Its name in the configuration.")],
    config: Config = settings.DEFAULT_FILE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Look at all that a destination holds, and send what is missing.

    Example: deskwire reconcile our-api --dry-run
    """
    with open_hub(config) as hub:
        outlet = outlet_named(hub, destination)
        if not dry_run:
            count = asyncio.run(verify_all(hub, outlet))
            if as_json:
                print_json({"conversations": count})
            else:
                console.print(f"{count} conversations will be looked at; the running hub does it")
            return

        async def look() -> preview.Missing:
            async with calling(hub):
                return await preview.missing(hub, outlet)

        missing = asyncio.run(look())
    if as_json:
        print_json(missing)
        return
    for conversation, steps in missing.steps.items():
        console.print(f"{conversation}: {', '.join(steps)}", markup=False, soft_wrap=True)
    console.print(
        f"{missing.looked_at} conversations that were begun looked at, "
        f"{len(missing.steps)} would be mended"
    )


def replay(
    config: Config = settings.DEFAULT_FILE,
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    since: Annotated[str | None, typer.Option(help="Only records received since.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Build conversations and people anew from their records, after a mapping was mended.

    Example: deskwire replay --source bigchat --since 2026-11-01 --dry-run
    """
    since_micros = 0 if since is None else instant_of(since)
    with open_hub(config) as hub:
        chosen = [source_named(hub, source)] if source is not None else list(hub.sources.values())
        results = {one.name: _replay(hub, one, since_micros, dry_run=dry_run) for one in chosen}
    if as_json:
        print_json(results)
        return
    for name, result in results.items():
        for one in result.differences:
            what = "new" if one.is_new else ", ".join(one.fields) or "stamps only"
            whose = "" if one.kind == "conversation" else f"{one.kind} "
            console.print(f"{name} {whose}{one.external_id}: {what}", markup=False)
        verb = "would change" if dry_run else "changed"
        console.print(
            f"{name}: {result.records} records, {result.conversations} conversations, "
            f"{result.people} people, {len(result.differences)} {verb}"
        )


def _replay(hub: Hub, source: Source, since: int, *, dry_run: bool) -> Replayed:
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"records of {source.name}", total=None)
        return rebuild(
            hub,
            source,
            since,
            dry_run=dry_run,
            progress=lambda count: bar.update(task, completed=count),
        )
