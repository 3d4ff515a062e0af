"""The worker: claims due work and runs it, keeps its leases alive, and stops cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import aiohttp
import msgspec

from deskwire.core.errors import DeskwireError, GiveUp, LeaseLost
from deskwire.core.exchange import authorization
from deskwire.pipeline.breaker import opening
from deskwire.pipeline.deliver import deliver
from deskwire.pipeline.fetch import fetch
from deskwire.pipeline.gate import Gate
from deskwire.pipeline.http import Caller
from deskwire.pipeline.hub import MICROS, Hub, log
from deskwire.pipeline.normalise import normalise
from deskwire.pipeline.poll import poll
from deskwire.pipeline.reconcile import WATCH, reconcile
from deskwire.store import health, upkeep, work
from deskwire.store.db import Connection
from deskwire.store.work import Claim

Lane = tuple[str, str]  # kind of work, and the source or destination it is for

#: How many pieces of a lane's work one process takes at once.
AT_ONCE = {"poll": 1, "normalise": 4, "fetch": 4, "deliver": 100, "reconcile": 1}
#: Kinds of work that come again by themselves, and so are never given up.
STANDING = frozenset({"poll", "reconcile"})
#: Kinds of work that call a destination, and so need one of its slots.
CALLS_DESTINATION = frozenset({"deliver", "reconcile"})


@contextlib.asynccontextmanager
async def calling(hub: Hub) -> AsyncIterator[None]:
    """Give the hub its HTTP callers for as long as this lasts."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for source in hub.sources.values():
            authorise = source.provider.authorise
            headers = authorise(source.access) if authorise is not None else {}
            seconds = source.timeout_seconds
            hub.http[source.name] = Caller(session, source.base_url, headers, seconds)
        for outlet in hub.outlets.values():
            headers = {**outlet.headers, **authorization(outlet.user, outlet.token)}
            seconds = outlet.timeout_seconds
            caller = Caller(session, outlet.base_url, headers, seconds)
            hub.http[outlet.name], hub.patience[outlet.name] = caller, caller.patience
        yield


class Worker:
    """One process's share of the work. `run` goes on until `hub.stopping` is set."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._running: dict[asyncio.Task[None], Claim] = {}
        self._busy: Counter[Lane] = Counter()
        self._gates: dict[str, Gate] = {}
        self._due = work.due(_lanes(hub))
        self._ahead = hub.now() / MICROS - time.monotonic()  # the host's clock before the other one

    async def run(self) -> None:
        """Work until told to stop; then let what is under way end."""
        await self.hub.write(self._prepare)
        async with calling(self.hub):
            heart = asyncio.create_task(self._keep_leases())
            try:
                while not self.hub.stopping.is_set():
                    try:
                        await self._look()
                    except DeskwireError as error:  # the database is away, locked or full
                        log.error("cannot take work", error=str(error))
                        await asyncio.sleep(self.hub.timing.look * 4)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.hub.wake.wait(), self.hub.timing.look)
                    self.hub.wake.clear()
            finally:
                await self._end_tasks()
                heart.cancel()
                await asyncio.gather(heart, return_exceptions=True)
        await self._release_slots()

    def _prepare(self, connection: Connection) -> None:
        pids = upkeep.holders(connection)
        mine = os.getpid()
        freed = upkeep.void_dead_leases(
            connection, {pid: pid != mine and _is_alive(pid) for pid in pids}
        )
        if freed:
            log.info("work of dead processes is free again", rows=freed)
        now = self.hub.now()
        for source in self.hub.sources.values():
            if source.provider.poll is not None:
                work.ensure(connection, now, source.workspace, "poll", source.name, source.name)
        for outlet in self.hub.outlets.values():
            workspace = outlet.workspace
            work.ensure(connection, now, workspace, "reconcile", outlet.name, WATCH)
            upkeep.hasten(connection, now, workspace, "reconcile", outlet.name, WATCH)
            upkeep.keep_slots(connection, now, workspace, outlet.name, outlet.concurrency)

    async def _look(self) -> None:
        """Claim what is due, lane by lane, as far as there is room."""
        for lane in self.hub.database.peek(lambda c: self._due(c, self.hub.now())):
            room = AT_ONCE[lane[0]] - self._busy[lane]
            if room > 0:
                await self._take(lane, room)
        await self._release_slots()

    async def _take(self, lane: Lane, room: int) -> None:
        target = lane[1]
        asked_at = time.monotonic()
        claims, slots = await self.hub.write(lambda c: self._claim(c, lane, room))
        until = asked_at + self.hub.timing.lease
        for claim in [*claims, *slots]:
            self.hub.leases[claim.lease_id] = until
        if slots:
            self._gates[target] = Gate(slots, self.hub.timing.silence)
        for claim in claims:
            task = asyncio.create_task(self._do(claim))
            self._running[task] = claim
            self._busy[lane] += 1
            task.add_done_callback(self._done)

    def _claim(
        self, connection: Connection, lane: Lane, room: int
    ) -> tuple[list[Claim], list[Claim]]:
        kind, target = lane
        now, lease = self.hub.now(), int(self.hub.timing.lease * MICROS)
        slots: list[Claim] = []
        if kind in CALLS_DESTINATION:
            outlet = self.hub.outlets[target]
            opens = opening(connection, self.hub, outlet)
            if opens == 0:
                return [], []
            room = min(room, opens) if opens > 0 else room
            gate = self._gates.get(target)
            if gate is not None and not self.hub.holds(gate.slots[0]):
                return [], []  # its leases ended; new slots when what is under way has ended, too
            if gate is None:
                slots = work.claim(connection, now, "slot", target, outlet.concurrency, lease)
                if not slots:
                    return [], []  # another process has them all
        every = None
        if kind == "poll":
            every = int(self.hub.sources[target].access.poll_every_seconds * MICROS)
        elif kind == "reconcile":
            every = int(self.hub.timing.watch * MICROS)
        return work.claim(connection, now, kind, target, room, lease, every), slots

    async def _do(self, claim: Claim) -> None:
        try:
            await self._handler(claim)()
        except LeaseLost as error:
            log.warning("somebody else has it now", work=str(error))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - one piece of work never stops the worker
            await self._failed(claim, error)

    def _handler(self, claim: Claim) -> Callable[[], Awaitable[None]]:
        hub, target = self.hub, claim.target
        match claim.kind:
            case "poll":
                return lambda: poll(hub, hub.sources[target], claim)
            case "normalise":
                return lambda: normalise(hub, hub.sources[target], claim)
            case "fetch":
                return lambda: fetch(hub, hub.sources[target], claim)
            case "deliver":
                return lambda: deliver(hub, hub.outlets[target], claim, self._gates[target])
            case _:
                return lambda: reconcile(hub, hub.outlets[target], claim, self._gates[target])

    async def _failed(self, claim: Claim, error: Exception) -> None:
        """Retry with growing pauses; give up what is useless to try, or was tried for days."""
        hub = self.hub
        is_expected = isinstance(error, DeskwireError)
        since = claim.failing_since
        is_old = since is not None and hub.now() - since > hub.timing.give_up * MICROS
        text = str(error) if is_expected else repr(error)
        log.log(
            30 if is_expected else 40,
            "work failed",
            kind=claim.kind,
            target=claim.target,
            key=claim.key,
            error=text,
            exc_info=None if is_expected else error,
        )
        due_at = hub.after(
            max(hub.backoff(claim.attempts), getattr(error, "retry_after_seconds", None) or 0.0)
        )

        def record(connection: Connection) -> None:
            if claim.kind in STANDING:
                work.release(connection, claim, None, error=text, failed_at=hub.now())
            elif isinstance(error, GiveUp) or is_old:
                work.bury(connection, hub.now(), claim, text)
            else:
                work.release(connection, claim, due_at, error=text, failed_at=hub.now())

        with contextlib.suppress(DeskwireError):  # it ends with its lease then
            await hub.write(record)

    def _done(self, task: asyncio.Task[None]) -> None:
        claim = self._running.pop(task)
        self._busy[claim.kind, claim.target] -= 1
        if not any(one.lease_id == claim.lease_id for one in self._running.values()):
            self.hub.leases.pop(claim.lease_id, None)
        if not self._busy[claim.kind, claim.target]:
            self.hub.wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("work failed", exc_info=error)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self.hub.timing.renew)
            try:
                await self._renew_leases()
                if self._has_gone_back():
                    log.warning("the clock went back")
                    await self.hub.write(self._recall)
            except Exception as error:  # noqa: BLE001 - without a heart everything would be lost
                log.warning("leases not renewed", error=str(error))

    async def _renew_leases(self) -> None:
        hub = self.hub
        mine = list(hub.leases)
        if not mine:
            return
        asked_at = time.monotonic()
        kept = await hub.write(partial(_renew, mine, hub.after(hub.timing.lease)))
        for lease_id in mine:
            if lease_id in kept and lease_id in hub.leases:
                hub.leases[lease_id] = asked_at + hub.timing.lease
            else:
                hub.leases.pop(lease_id, None)

    def _has_gone_back(self) -> bool:
        """Whether the host's clock went back since this was asked last."""
        ahead = self.hub.now() / MICROS - time.monotonic()
        before, self._ahead = self._ahead, ahead
        return ahead < before - 1.0

    def _recall(self, connection: Connection) -> None:
        """After the host's clock went back, nothing waits for the time that it took back."""
        hub, now = self.hub, self.hub.now()
        sources, outlets = list(hub.sources), list(hub.outlets)
        for kind in ("poll", "normalise", "fetch"):
            upkeep.recall(connection, now, kind, sources)
        for kind in ("slot", "deliver", "reconcile"):
            upkeep.recall(connection, now, kind, outlets)
        for outlet in hub.outlets.values():
            fares = health.destination(connection, outlet.workspace, outlet.name)
            fares = msgspec.structs.replace(fares, not_before=0)
            health.save_destination(connection, outlet.workspace, fares)
        hub.not_before.clear()

    async def _release_slots(self) -> None:
        """Give back the slots of destinations for which nothing is under way."""
        idle = [
            name
            for name in self._gates
            if not any(self._busy[kind, name] for kind in CALLS_DESTINATION)
        ]
        for name in idle:
            slots = self._gates.pop(name).slots
            for slot in slots:  # first: what cannot be given back now ends by itself
                self.hub.leases.pop(slot.lease_id, None)
            with contextlib.suppress(LeaseLost):
                await self.hub.write(partial(_release_all, slots))

    async def _end_tasks(self) -> None:
        if self._running:
            log.info("stopping", under_way=len(self._running))
            await asyncio.wait(self._running, timeout=self.hub.timing.stop)
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _lanes(hub: Hub) -> list[Lane]:
    """What this configuration has work for; what is paused is left alone."""
    sources = [one.name for one in hub.sources.values() if not one.is_paused]
    outlets = [one.name for one in hub.outlets.values() if not one.is_paused]
    return [
        *((kind, name) for kind in ("poll", "fetch") for name in sources),
        *(("normalise", name) for name in hub.sources),
        *((kind, name) for kind in ("deliver", "reconcile") for name in outlets),
    ]


def _renew(lease_ids: list[str], until: int, connection: Connection) -> set[str]:
    return work.renew(connection, lease_ids, until)


def _release_all(slots: list[Claim], connection: Connection) -> None:
    for slot in slots:
        work.release(connection, slot, None)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
