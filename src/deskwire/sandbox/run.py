"""Run a sandbox service on a socket, in a test or by itself."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from deskwire.sandbox.bigchat import BigChat
from deskwire.sandbox.faults import Faults
from deskwire.sandbox.ourapi import OurAPI

SERVICES = {"bigchat": BigChat, "ourapi": OurAPI}
PORTS = {"bigchat": 8267, "ourapi": 8266}
# Open requests may be asleep in a fault. Not 0: aiohttp takes that as "wait for ever".
SHUTDOWN_SECONDS = 0.05


@asynccontextmanager
async def serve(app: web.Application, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Give the base URL of the running service; port 0 takes any free one."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, reuse_address=True).start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def run_sandbox(name: str, port: int, faults: float, seed: int) -> None:
    """Run `bigchat` or `ourapi` until SIGINT or SIGTERM; `faults` is a probability."""
    service = SERVICES[name](seed, Faults(faults, seed))
    asyncio.run(_run(name, service.app(), port))


async def _run(name: str, app: web.Application, port: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with serve(app, port) as url:
        sys.stdout.write(f"{name} at {url}\n")
        sys.stdout.flush()
        await stopped.wait()
