"""init, check, db: before anything runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import typer
from rich.markup import escape

from deskwire import settings
from deskwire.cli.common import Config, Json, console, open_hub, print_json
from deskwire.core.errors import DeskwireError, Misconfigured
from deskwire.core.exchange import Request
from deskwire.pipeline.hub import Hub, Outlet
from deskwire.store import schema
from deskwire.worker import calling

#: Where posting anything would be more than a try.
REACH = Request(method="HEAD", path="")

TEMPLATE = """\
# deskwire's configuration. Any key can be overridden by the environment, those of a source or
# destination by its name: DESKWIRE_STORE__URL=…, DESKWIRE_DESTINATION__OUR_API__BASE_URL=…
# Secrets come from the environment: token = "${BIGCHAT_TOKEN}".

[store]
url = "sqlite:///deskwire.db"             # a relative path is beside this file

[server]
host = "127.0.0.1"                        # without API keys: a loopback address
port = 8000

[[source]]
name = "bigchat"                          # unique; conversations belong to it
provider = "bigchat"
base_url = "http://127.0.0.1:8267"
poll_every_seconds = 10
destinations = ["our-api"]
# user = "deskwire"                       # basic authentication; without it, token is a bearer
# token = "${BIGCHAT_TOKEN}"
# timeout_seconds = 2                     # of one call; doubles with each time-out in a row
# account = "bigchat"                     # half of a conversation's identity; default: the name
# paused = true

[[destination]]
name = "our-api"
kind = "our_api"
base_url = "http://127.0.0.1:8266"
concurrency = 1                           # calls at once: OurAPI does not survive more
# settle_seconds = 6                      # from a call without an answer to looking what it did
# external_id_prefix = ""                 # needed when two sources deliver to one OurAPI
# notes = false                           # whether internal notes leave
# user, token, timeout_seconds, paused: as on a source

# Chats that clients write into the hub itself (/desk, see docs/how-to/use-the-desk-api.md) and
# Intercom conversations that are posted to it belong to the sources "desk" and "intercom". They
# are there by themselves; name them to say where they are delivered.
# [[source]]
# name = "desk"
# provider = "desk"
# destinations = ["savage-rentals", "absolutely-class-airlines"]

# [[destination]]
# name = "savage-rentals"
# kind = "transcript_post"                # the transcript of a finished chat, posted as JSON
# url = "https://crm.example.com/chats"
# headers = { X-Api-Key = "${SAVAGE_KEY}" }
# quiet_seconds = 30                      # after the last change of a chat that ended
# zone = "Europe/London"

# [[destination]]
# name = "absolutely-class-airlines"
# kind = "transcript_files"               # output/<customer>/1.txt, 2.txt, …
# directory = "output"
# footer = "This chat took {handling_seconds} seconds to handle."

# [[destination]]
# name = "crm"
# kind = "webhook"                        # signed as Standard Webhooks
# url = "https://crm.example.com/deskwire"
# secret = "${CRM_WEBHOOK_SECRET}"        # whsec_…
"""


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(init)
    app.command()(check)
    db = typer.Typer(no_args_is_help=True, help="The database.")
    db.command()(upgrade)
    app.add_typer(db, name="db")


def init(config: Config = settings.DEFAULT_FILE) -> None:
    """Write a commented configuration file to start from.

    Example: deskwire init
    """
    try:
        with config.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError:
        raise Misconfigured(f"{config} is there already; it was not changed") from None
    console.print(f"wrote {config}; change it, then run: deskwire check --config {config}")


def check(config: Config = settings.DEFAULT_FILE, as_json: Json = False) -> None:
    """Try every connection of the configuration; exit 1 when one does not work.

    Example: deskwire check
    """
    with open_hub(config) as hub:
        revision = hub.database.read(schema.current)
        results: dict[str, str | None] = {f"store (schema {revision})": None}
        results |= asyncio.run(_probe_all(hub))
    if as_json:
        print_json(results)
    else:
        for name, fault in results.items():
            mark = "[green]✓[/]" if fault is None else "[red]✗[/]"
            line = name if fault is None else f"{name}: {fault}"
            console.print(f"{mark} {escape(line)}", soft_wrap=True)
    if any(results.values()):
        raise typer.Exit(1)


async def _probe_all(hub: Hub) -> dict[str, str | None]:
    async with calling(hub):
        results = {}
        for source in hub.sources.values():
            if source.base_url:
                name = f"source {source.name} at {source.base_url}"
                results[name] = await _probe(hub, source.name, source.provider.probe)
        for outlet in hub.outlets.values():
            if outlet.destination.address == "directory":
                results[f"destination {outlet.name} in {outlet.directory}"] = _try_directory(outlet)
                continue
            name = f"destination {outlet.name} at {outlet.base_url}"
            is_url = outlet.destination.address == "url"
            request = REACH if is_url else outlet.destination.probe
            results[name] = await _probe(hub, outlet.name, request)
    return results


def _try_directory(outlet: Outlet) -> str | None:
    """What is wrong with writing there and what to do; None when it works."""
    directory = Path(outlet.directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".check-", dir=directory) as folder:
            file = Path(folder) / "1"
            file.write_bytes(b"")
            (Path(folder) / "2").hardlink_to(file)
    except OSError as error:
        return f"{error.strerror}; it must be writable, on a file system with hard links"
    return None


async def _probe(hub: Hub, name: str, request: Request | None) -> str | None:
    """What is wrong and what to do; None when it works."""
    if request is None:
        return None
    try:
        answer = await hub.http[name](request)
    except DeskwireError as error:
        return f"{error}; is the address right, and does it run?"
    what = f"{request.method} {request.path} answered {answer.status}"
    if answer.status in {401, 403}:
        return f"{what}; check user, token and headers"
    if answer.is_success or answer.status == 404:
        return None
    if request is REACH and (answer.status < 500 or answer.status == 501):
        return None  # it is there, and takes POSTs only
    return f"{what}: {answer.excerpt()}; is its address right?"


def upgrade(config: Config = settings.DEFAULT_FILE) -> None:
    """Bring the database's schema up to date ('run' does it, too).

    Example: deskwire db upgrade
    """
    hub = settings.open_hub(settings.load(config))
    try:
        before, after = schema.upgrade(hub.database)
    finally:
        hub.database.close()
    console.print(f"schema {after}" if before == after else f"schema {before or 'none'} → {after}")
