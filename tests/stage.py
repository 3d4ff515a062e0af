"""The stage for a hub: sandbox services on real sockets, a real file, and what to wait for."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import structlog

from deskwire import settings
from deskwire.pipeline.hub import Hub, Timing
from deskwire.sandbox.bigchat import BigChat
from deskwire.sandbox.chatter import Conversation
from deskwire.sandbox.ourapi import OurAPI
from deskwire.sandbox.run import serve
from deskwire.store import schema
from deskwire.worker import Worker
from tests.faults.oracle import observe

# Crashes are common here, and rich's picture of one takes longer than the test.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ]
)

#: Only so that a test which would never end does end.
PATIENCE_SECONDS = 60.0
MICROS = 1_000_000
T0 = 1_767_261_600  #: 1 January 2026, 10:00 UTC, in Unix seconds

# In one snapshot: a page and the work that follows from it are committed together.
QUIET = """
SELECT EXISTS (SELECT 1 FROM sources WHERE polled_at > ?),
    (SELECT count(*) FROM work
     WHERE dead_at IS NULL AND kind NOT IN ('poll', 'slot') AND key != 'watch')
"""

RUN = ("-m", "deskwire.cli", "run", "--port", "0", "--config")

#: So short that nothing waits.
FAST = Timing(
    lease=3.0,
    renew=0.5,
    look=0.01,
    silence=0.01,
    doubt=0.02,
    backoff_first=0.01,
    backoff_most=0.1,
    fetch_wait=30.0,
    ask_again=0.05,
    breaker_first=0.05,
    breaker_most=0.1,
    watch=0.2,
    stop=3.0,
)


def event(conversation: object, name: str, at: int, **data: object) -> dict[str, object]:
    """As BigChat answers it; `at` counts from T0."""
    return {
        "conversation_id": conversation,
        "event_name": name,
        "event_at": T0 + at,
        "data": data or None,
    }


def page(*events: object, next_page: str | None = None) -> bytes:
    """A body of BigChat's `/events`."""
    return msgspec.json.encode({"nextPageUrl": next_page, "events": events})


@dataclass
class Stage:
    """One hub's surroundings. BigChat says only what its script says unless told otherwise."""

    folder: Path
    bigchat: BigChat = field(
        default_factory=lambda: BigChat(1, events_per_second=0.0, error_rate=0.0)
    )
    our_api: OurAPI = field(default_factory=lambda: OurAPI(1))
    bigchat_url: str = ""
    our_api_url: str = ""
    further: list[tuple[str, str]] = field(default_factory=list)  #: destinations: (name, URL)
    has_transcripts: bool = False  #: chats that end are written to files, too

    @property
    def file(self) -> Path:
        return self.folder / "deskwire.db"

    @property
    def config(self) -> Path:
        return self.folder / "deskwire.toml"

    @asynccontextmanager
    async def open(self, **options: float) -> AsyncIterator[None]:
        """Serve both sandbox services and write the configuration; `options`: see `configure`."""
        async with serve(self.bigchat.app()) as bigchat, serve(self.our_api.app()) as our_api:
            self.bigchat_url, self.our_api_url = bigchat, our_api
            self.configure(**options)
            yield

    def configure(
        self,
        poll_every_seconds: float = 0.1,
        settle_seconds: float = 0.05,
        timeout_seconds: float = 1.0,
    ) -> None:
        """Write deskwire.toml."""
        outlets = [("our-api", self.our_api_url), *self.further]
        names = [name for name, _ in outlets] + ["files"] * self.has_transcripts
        lines = [
            f'[store]\nurl = "sqlite:///{self.file.name}"',
            '[[source]]\nname = "bigchat"\nprovider = "bigchat"',
            f'base_url = "{self.bigchat_url}"\ntimeout_seconds = {timeout_seconds}',
            f"poll_every_seconds = {poll_every_seconds}",
            f"destinations = {names}",
        ]
        for name, url in outlets:
            lines += [
                f'[[destination]]\nname = "{name}"\nkind = "our_api"\nbase_url = "{url}"',
                f"timeout_seconds = {timeout_seconds}\nsettle_seconds = {settle_seconds}",
            ]
        if self.has_transcripts:
            lines.append('[[destination]]\nname = "files"\nkind = "transcript_files"')
            lines.append('directory = "output"\nquiet_seconds = 0')
        self.config.write_text("\n".join(lines) + "\n")

    def configure_nowhere(self) -> None:
        """Write deskwire.toml for services that are not there: nothing is called."""
        self.bigchat_url = self.our_api_url = "http://127.0.0.1:9"
        self.configure()

    def chat(self, number: int, advisor: int = 1, started_at: int = 0) -> None:
        """Let BigChat know a conversation, when it is asked for it."""
        self.bigchat.conversations[number] = Conversation(
            conversation_id=number,
            started_at=T0 + started_at,
            first_advisor_id=advisor,
            advisor_id=advisor,
            seen_at=T0,
        )

    def hub(self, timing: Timing = FAST) -> Hub:
        """A hub on the file; whoever opens it closes its database."""
        hub = settings.open_hub(settings.load(self.config), timing)
        schema.upgrade(hub.database)
        observe(self.file)
        return hub

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What a query finds in the hub's file."""
        with closing(sqlite3.connect(self.file, timeout=30)) as connection:
            return connection.execute(query, parameters).fetchall()

    def said(self, number: int) -> list[str]:
        """The texts that OurAPI holds of a conversation, in their order."""
        ids = [one.chat_id for one in self.our_api.chats.values() if one.external_id == str(number)]
        return [one.text for chat_id in ids for one in self.our_api.messages.get(chat_id, [])]

    async def quiet(self) -> None:
        """Wait until all that BigChat has to say was polled, and only standing work is left."""
        await until(lambda: not self.bigchat.script)
        said_at = time.time() * MICROS
        await until(lambda: self.rows(QUIET, said_at) == [(1, 0)])

    async def drain(self, timing: Timing = FAST) -> None:
        """Run a hub until everything is quiet."""
        async with running(self.hub(timing)):
            await self.quiet()


@asynccontextmanager
async def running(hub: Hub) -> AsyncIterator[Hub]:
    """Have a worker run meanwhile; then stop it as SIGTERM does, and close the file."""
    worker = asyncio.create_task(Worker(hub).run())
    try:
        yield hub
    finally:
        hub.stopping.set()
        hub.wake.set()
        await worker
        hub.database.close()


@asynccontextmanager
async def process(stage: Stage) -> AsyncIterator[asyncio.subprocess.Process]:
    """The hub as a process of its own, which ends with a kill at the latest."""
    with (stage.folder / "hub.log").open("ab") as log:
        hub = await asyncio.create_subprocess_exec(
            sys.executable, *RUN, str(stage.config), stdout=log, stderr=log
        )
    try:
        yield hub
    finally:
        if hub.returncode is None:
            hub.kill()
        await hub.wait()


async def until(is_true: Callable[[], bool], patience: float = PATIENCE_SECONDS) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(patience):
        while not is_true():  # noqa: ASYNC110 - it waits for another process, or a service's state
            await asyncio.sleep(0.02)
