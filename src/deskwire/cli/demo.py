"""The demo: both sandbox services and the hub in one process, and the flow on the screen."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from deskwire import settings
from deskwire.cli.common import ago, console, span
from deskwire.cli.running import work
from deskwire.pipeline.hub import Hub
from deskwire.pipeline.status import Status, status
from deskwire.sandbox.bigchat import BigChat
from deskwire.sandbox.ourapi import OurAPI
from deskwire.sandbox.run import PORTS, serve
from deskwire.store import schema

CONFIGURATION = """\
# Written by 'deskwire demo' at every start: its services may have found other ports.
[store]
url = "sqlite:///deskwire.db"

[[source]]
name = "bigchat"
provider = "bigchat"
base_url = "{bigchat}"
poll_every_seconds = 2                    # 10 in real life
destinations = ["our-api"]

[[destination]]
name = "our-api"
kind = "our_api"
base_url = "{ourapi}"
"""
LINES_EVERY_SECONDS = 5.0


async def show_demo(directory: Path, port: int, seconds: float) -> None:
    """Run until it is stopped, or for so many seconds (0: no end)."""
    now = int(time.time())
    # New ids at every start: a conversation of an earlier run is never confused with a new one.
    bigchat = BigChat(seed=now, first_id=now, events_per_second=3.0, senders=True)
    ourapi = OurAPI(seed=now)
    async with _serve(bigchat.app(), "bigchat") as source, _serve(ourapi.app(), "ourapi") as target:
        config = directory / "deskwire.toml"
        config.write_text(CONFIGURATION.format(bigchat=source, ourapi=target))
        hub = settings.open_hub(settings.load(config))
        schema.upgrade(hub.database)
        console.print(
            f"BigChat {source}   OurAPI {target}   hub http://127.0.0.1:{port}/health",
            soft_wrap=True,
        )
        console.print(f"look closer: deskwire status --config {config}", soft_wrap=True)
        try:
            screen = asyncio.create_task(_show(hub, ourapi, seconds))
            await work(hub, {"web", "worker"}, settings.ServerSettings(port=port))
            await screen
        finally:
            hub.database.close()


@contextlib.asynccontextmanager
async def _serve(app: web.Application, name: str) -> AsyncIterator[str]:
    """On its usual port, or on any other when that is taken."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(serve(app, PORTS[name]))
        except OSError:
            url = await stack.enter_async_context(serve(app, 0))
        yield url


async def _show(hub: Hub, ourapi: OurAPI, seconds: float) -> None:
    """Draw the flow every half second on a terminal, write a line every five elsewhere."""
    began = time.monotonic()
    errors: Counter[str] = Counter()
    is_terminal = console.is_terminal
    live = Live(console=console, auto_refresh=False) if is_terminal else contextlib.nullcontext()
    with live:
        while not hub.stopping.is_set():
            now = await hub.read(lambda c: status(c, hub))
            for name, error in _errors(now):
                errors[f"{name}: {error}"] += 1
            if isinstance(live, Live):
                live.update(_table(now, ourapi, errors), refresh=True)
            else:
                console.print(_line(now, ourapi), soft_wrap=True)
            if seconds and time.monotonic() - began > seconds:
                hub.stopping.set()
                hub.wake.set()
            with contextlib.suppress(TimeoutError):
                pause = 0.5 if is_terminal else LINES_EVERY_SECONDS
                await asyncio.wait_for(hub.stopping.wait(), min(pause, seconds or pause))


def _errors(now: Status) -> list[tuple[str, str]]:
    told = [(one.name, one.last_error) for one in now.sources]
    told += [(one.name, one.last_error) for one in now.destinations]
    return [(name, error) for name, error in told if error is not None]


def _numbers(now: Status, ourapi: OurAPI) -> dict[str, str]:
    source, outlet = now.sources[0], now.destinations[0]
    arrived = sum(len(messages) for messages in ourapi.messages.values())
    return {
        "chats open": str(source.conversations_open),
        "chats ended": str(source.conversations_closed),
        "messages in": str(source.messages),
        "messages in OurAPI": str(arrived),
        "chats in OurAPI": str(len(ourapi.chats)),
        "waiting": str(outlet.waiting),
        "lag": span(outlet.oldest_waiting_seconds or 0.0),
        "last poll": ago(source.polled_seconds_ago),
    }


def _line(now: Status, ourapi: OurAPI) -> str:
    return "   ".join(f"{name} {value}" for name, value in _numbers(now, ourapi).items())


def _table(now: Status, ourapi: OurAPI, errors: Counter[str]) -> Table:
    table = Table(title="BigChat → deskwire → OurAPI", min_width=50)
    table.add_column("what")
    table.add_column("now", justify="right")
    for name, value in _numbers(now, ourapi).items():
        table.add_row(name, value)
    for error in list(errors)[-3:]:
        table.add_row("[yellow]got over[/]", escape(error[:60]))
    for problem in now.problems:
        table.add_row("[red]needs you[/]", escape(problem))
    return table
