"""The hub as the pipeline sees it: what is configured, the store, the clock, the leases held."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Literal, TypeVar

import structlog
from msgspec import Struct

from deskwire.core.destination import Destination, Sent
from deskwire.core.errors import LeaseLost
from deskwire.core.exchange import Http
from deskwire.core.provider import Account, Provider
from deskwire.pipeline.http import Patience
from deskwire.reports import Calendar
from deskwire.store.db import Connection, Database
from deskwire.store.work import Claim

T = TypeVar("T")
MICROS = 1_000_000

log = structlog.get_logger("deskwire")


class Timing(Struct, frozen=True, kw_only=True):
    """Every duration there is, in seconds; tests shorten them."""

    lease: float = 15.0
    renew: float = 5.0  #: how often leases are prolonged
    look: float = 0.25  #: how often the work table is looked at when nothing wakes the worker
    silence: float = 0.25  #: after a call that got no answer: it may still be going on over there
    doubt: float = 1.0  #: between two looks that must agree that something is gone
    backoff_first: float = 0.5
    backoff_most: float = 600.0
    backoff_beside: float = 10.0  #: the same while the destination takes others
    give_up: float = 75 * 3600.0
    fetch_wait: float = 30.0  #: how long a delivery waits for the open fetches of its conversation
    ask_again: float = 60.0  #: after a provider said that it does not know what was asked for
    breaker_first: float = 5.0  #: until the first probe, and twice as long until each later one
    breaker_most: float = 60.0
    watch: float = 30.0  #: how often a destination is asked whether it forgot everything
    stop: float = 8.0  #: what is under way gets this long to end when the process is told to stop


class Way(Struct, frozen=True, kw_only=True):
    """From a source to one of its destinations."""

    destination: str
    trigger: Literal["change", "ended"] = "change"
    quiet_seconds: float = 30.0  #: from the last change of an ended conversation to "ended"
    deliver_from: int = 0  #: µs; what ended before it does not fire "ended"
    again: bool = False  #: "ended" fires at every closing


class Source(Struct, frozen=True, kw_only=True):
    """A configured account of a provider."""

    name: str
    provider_name: str
    provider: Provider
    account: str  #: half of a conversation's identity
    access: Account
    base_url: str
    ways: tuple[Way, ...] = ()
    is_paused: bool = False
    is_given: bool = False  #: there without being configured
    timeout_seconds: float = 2.0  #: of one call; longer after each time-out
    workspace: str = "main"


class Outlet(Struct, frozen=True, kw_only=True):
    """A configured destination."""

    name: str
    kind: str
    destination: Destination
    base_url: str
    user: str | None = None
    token: str | None = None
    concurrency: int = 1  #: calls at once, over all processes
    is_paused: bool = False
    with_notes: bool = False
    external_id_prefix: dict[str, str] = {}  #: by source
    timeout_seconds: float = 2.0  #: of one call; longer after each time-out
    settle_seconds: float = 6.0  #: from "may have been done" to looking whether it was
    headers: dict[str, str] = {}
    only: dict[str, frozenset[str]] = {}  #: by "channel" or "tag": one of these, or nothing leaves
    on_unknown: Literal["retry", "park"] = "retry"  #: where the system cannot be read back
    again: bool = False
    directory: str = ""
    options: object = None
    workspace: str = "main"


class Hub:
    """What the pipeline's functions share; one per process."""

    def __init__(
        self,
        database: Database,
        sources: list[Source],
        outlets: list[Outlet],
        timing: Timing | None = None,
        seed: int | None = None,
        calendar: Calendar | None = None,
    ) -> None:
        self.database = database
        self.sources = {one.name: one for one in sources}
        self.outlets = {one.name: one for one in outlets}
        self.timing = timing or Timing()
        self.calendar = calendar or Calendar()  #: of reports
        self.random = random.Random(seed)  # noqa: S311 - jitter, no secret
        self.http: dict[str, Http] = {}  #: by name of a source or destination
        self.patience: dict[str, Patience] = {}  #: of these calls
        self.wake = asyncio.Event()  #: set after a commit that made something due
        self.stopping = asyncio.Event()
        self.not_before: dict[str, int] = {}  #: µs, by destination: left alone until then
        self.sentinels: dict[str, Sent] = {}  #: by destination: a thing that was seen there
        self.confirmed: dict[str, float] = {}  #: by destination: its last success, monotonic
        self.settling: dict[tuple[str, str], float] = {}  #: by destination and conversation
        self.leases: dict[str, float] = {}  #: lease id → until when it is ours, monotonic seconds

    @property
    def workspaces(self) -> list[str]:
        """Those that anything is configured for."""
        found = {one.workspace for one in self.sources.values()}
        return sorted(found | {one.workspace for one in self.outlets.values()})

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Read in a thread, so that the loop goes on."""
        return await asyncio.to_thread(self.database.read, function)

    async def write(self, function: Callable[[Connection], T], *, is_urgent: bool = False) -> T:
        """Write; durable when this returns. An urgent one goes before all that waits."""
        return await asyncio.wrap_future(self.database.submit(function, is_urgent=is_urgent))

    def now(self) -> int:
        """µs since 1970 UTC, the clock of leases and due times."""
        return self.database.now()

    def after(self, seconds: float) -> int:
        """The instant so many seconds from now, in µs."""
        return self.now() + int(seconds * MICROS)

    def holds(self, claim: Claim) -> bool:
        """Whether this work is still ours."""
        return self.leases.get(claim.lease_id, 0.0) > time.monotonic()

    def check_lease(self, claim: Claim) -> None:
        """LeaseLost when our time for this work is over; asked right before each send."""
        if not self.holds(claim):
            raise LeaseLost(f"{claim.kind} {claim.target} {claim.key}")

    def backoff(self, attempts: int, most: float | None = None) -> float:
        """Seconds until the next attempt after so many failed ones; jittered."""
        most = self.timing.backoff_most if most is None else most
        seconds = min(most, self.timing.backoff_first * 2.0 ** min(attempts, 30))
        return seconds * self.random.uniform(0.5, 1.0)
