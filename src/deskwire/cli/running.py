"""run, demo, sandbox: what goes on until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
import uvloop

from deskwire import settings
from deskwire.cli.common import Config, configure_logs, console, open_hub
from deskwire.core.errors import Misconfigured
from deskwire.pipeline.hub import Hub, log
from deskwire.sandbox.run import PORTS, run_sandbox
from deskwire.web.app import create_app
from deskwire.worker import Worker

ROLES = frozenset({"web", "worker"})


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(run)
    app.command()(demo)
    app.command()(sandbox)


def run(
    config: Config = settings.DEFAULT_FILE,
    roles: Annotated[str, typer.Option(help="What this process does: web, worker.")] = "web,worker",
    host: Annotated[str | None, typer.Option(help="Where the web role listens.")] = None,
    port: Annotated[int | None, typer.Option(help="Its port; 0 takes any free one.")] = None,
) -> None:
    """Run the hub until SIGTERM or Ctrl-C, which stop it cleanly within 10 s.

    Example: deskwire run --config deskwire.toml
    """
    wanted = {role.strip() for role in roles.split(",")}
    if not wanted or wanted - ROLES:
        raise Misconfigured(f"--roles {roles}: there are {', '.join(sorted(ROLES))}")
    configure_logs(logging.INFO)
    server = settings.load(config).server
    told = {"host": host or server.host, "port": server.port if port is None else port}
    with open_hub(config) as hub:
        uvloop.run(work(hub, wanted, server.model_copy(update=told)))


class Server(uvicorn.Server):
    """uvicorn that leaves the signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield


async def work(hub: Hub, roles: set[str], server: settings.ServerSettings) -> None:
    """Run the roles until a signal, or until one of them fails."""

    def stop() -> None:
        hub.stopping.set()
        hub.wake.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    tasks = []
    if "web" in roles:
        listening = listen(server.host, server.port)
        tasks.append(asyncio.create_task(serve_web(hub, listening, server.max_body_mib)))
    if "worker" in roles:
        tasks.append(asyncio.create_task(Worker(hub).run()))
    log.info("started", roles=sorted(roles), sources=[*hub.sources], destinations=[*hub.outlets])
    await asyncio.wait(
        [*tasks, asyncio.create_task(hub.stopping.wait())], return_when=asyncio.FIRST_COMPLETED
    )
    stop()
    await asyncio.gather(*tasks)
    log.info("stopped")


def listen(host: str, port: int) -> socket.socket:
    """The socket to answer on; Misconfigured when the address is not to be had."""
    if not settings.is_loopback(host):
        message = f"host {host}: without API keys the hub answers on a loopback address only"
        raise Misconfigured(message)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Misconfigured(f"cannot listen on {host}:{port}: {error.strerror}") from error


async def serve_web(hub: Hub, listening: socket.socket, max_body_mib: int = 8) -> None:
    """Answer HTTP until the hub stops."""
    config = uvicorn.Config(
        create_app(hub, max_body_mib),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await asyncio.wait(
        [serving, asyncio.create_task(hub.stopping.wait())],
        return_when=asyncio.FIRST_COMPLETED,
    )
    server.should_exit = True
    await serving


def sandbox(
    name: Annotated[str, typer.Argument(help="bigchat or ourapi")],
    port: Annotated[int | None, typer.Option(help="Default: 8267 and 8266.")] = None,
    faults: Annotated[float, typer.Option(min=0, max=1, help="Share of calls that fail.")] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed, the same population.")] = 0,
) -> None:
    """Run one sandbox service, with the real one's quirks, until it is stopped.

    Example: deskwire sandbox bigchat --faults 0.36
    """
    if name not in PORTS:
        raise Misconfigured(f"there is no sandbox {name!r}; there are: {', '.join(PORTS)}")
    run_sandbox(name, PORTS[name] if port is None else port, faults, seed)


def demo(
    port: Annotated[int, typer.Option(help="Of the hub.")] = 8000,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the demo's database is kept.")
    ] = Path("deskwire-demo"),
    seconds: Annotated[float, typer.Option(help="Stop by itself after so long; 0: never.")] = 0,
) -> None:
    """Show the main job: live chats of a sandbox BigChat kept in step in a sandbox OurAPI.

    Example: deskwire demo
    """
    from deskwire.cli.demo import show_demo

    directory.mkdir(parents=True, exist_ok=True)
    console.print(f"deskwire demo: BigChat → hub → OurAPI; data and log are in {directory}/")
    with (directory / "deskwire.log").open("a", buffering=1, encoding="utf-8") as file:
        configure_logs(logging.INFO, file)
        uvloop.run(show_demo(directory, port, seconds))
    console.print("stopped; run it again and it continues from what is on disk")
