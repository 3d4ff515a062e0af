"""Delivering: what should be there is compared with what was sent, and the difference is sent.

Exactly once to an API that is not idempotent: the intent is committed before the call; a call
whose end is not known is followed by a look at what is there. What is found is sure at once; what
is missing may still come until it must have settled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import msgspec

from deskwire.core.destination import Blocked, Learned, Outcome, Refused, Step, Unclear
from deskwire.core.errors import GiveUp, NoAnswer, RetryLater
from deskwire.pipeline.breaker import succeeded
from deskwire.pipeline.delivery import State, load, plan
from deskwire.pipeline.docket import Docket, ParkedError
from deskwire.pipeline.gate import Gate, NotNowError
from deskwire.pipeline.hub import MICROS, Hub, Outlet, log
from deskwire.pipeline.outcome import detail, found, lost, refusal, seen, shows, tell, word
from deskwire.store import deliveries, work
from deskwire.store.db import Connection
from deskwire.store.deliveries import Attempt
from deskwire.store.work import Claim

T = TypeVar("T")

MOST_LOSSES = 3  # in one go; then it is left alone for a while
VERIFY_ALL = "all"  #: key of the reconcile work that has every delivery read back


class _StaleError(Exception):
    """The conversation changed while its step waited for a turn."""


async def deliver(hub: Hub, outlet: Outlet, claim: Claim, gate: Gate) -> None:
    """Bring one conversation up to date at one destination."""
    await Courier(hub, outlet, claim, gate).run()


class Courier:
    """One delivery under one lease."""

    def __init__(self, hub: Hub, outlet: Outlet, claim: Claim, gate: Gate) -> None:
        self.hub, self.outlet, self.claim, self.gate = hub, outlet, claim, gate
        self.docket = Docket(hub, outlet, claim)
        self.destination = outlet.destination
        self.http = hub.http[outlet.name]
        self._call_began = 0.0  # monotonic seconds; the wait for a turn is not the call's
        self.log = log.bind(conversation=claim.key, destination=outlet.name)

    async def run(self) -> None:
        """Until nothing is missing, something fails, or somebody else has the work."""
        state = await self.hub.read(lambda c: load(c, self.hub, self.outlet, self.claim.key))
        if state is None:
            await self._write(lambda c: work.finish(c, self.hub.now(), self.claim))
            return
        waits = state.waits_until is not None and self.hub.now() < state.waits_until
        if waits and state.delivery.intent is None:
            await self._write(lambda c: self.docket.wait(c, state))
            return
        try:
            if await self._send_all(state):
                await self._finish(state)
        except NotNowError as error:
            await self._write(partial(self.docket.withdraw, state, error.due_at))
        except ParkedError:
            await self._write(partial(self.docket.park, state))

    async def _send_all(self, state: State) -> bool:
        """Step by step; False when something failed, or may still come."""
        step = await self._begin(state)
        while step is not None or state.must_look():
            is_early = self._is_early(state)
            try:
                outcome, attempt = await self._attempt(state, step)
            except _StaleError:
                step = await self._write(partial(self._fenced_intend, state, None))
                continue
            if isinstance(outcome, RetryLater | Unclear | GiveUp):
                await self._fail(state, outcome, attempt)
                return False
            if is_early and not shows(outcome, step):
                await self._let_settle(state, attempt)
                return False
            step = await self._confirm(state, outcome, attempt)
            if state.losses > MOST_LOSSES:
                error = RetryLater("it loses again and again what it confirmed")
                attempt = msgspec.structs.replace(attempt, outcome="not done", detail=str(error))
                await self._fail(state, error, attempt)
                return False
        return True

    async def _begin(self, state: State) -> Step | None:
        """Commit the first intent; None when there is nothing to send, or to look at first."""
        delivery, now = state.delivery, self.hub.now()
        if delivery.intent is not None and not state.can_look:
            begun = self.docket.begun(state, delivery.intent)
            if delivery.settle_until is not None:
                await self._write(partial(self.docket.begin_again, state))
            return begun
        # A call that was begun may take its patience, and then the time to settle.
        longest = now + delivery.patience + int(self.outlet.settle_seconds * MICROS)
        if delivery.intent is not None and (delivery.settle_until or longest + 1) > longest:
            # Found after a crash: its call may have been the last thing the process did. (Or the
            # clock went back.)
            state.delivery = msgspec.structs.replace(delivery, settle_until=longest)
            await self._write(lambda c: self.docket.fenced_save(c, state.delivery))
        if state.must_look():
            return state.delivery.intent
        planned = self._plan(state)
        return planned and await self._write(partial(self._fenced_intend, state, planned))

    def _is_early(self, state: State) -> bool:
        """Whether what is not there now may still come."""
        settle_until = state.delivery.settle_until
        if settle_until is None:
            return False
        # By both clocks: a jump of the host's does not make it settle sooner.
        settles_at = self.hub.settling.get((self.outlet.name, self.claim.key), 0.0)
        return self.hub.now() < settle_until or time.monotonic() < settles_at

    async def _let_settle(self, state: State, attempt: Attempt) -> None:
        """It is not there, but it may still come: look again when it must have settled."""
        attempt = msgspec.structs.replace(attempt, outcome="not there yet")

        def record(connection: Connection) -> None:
            deliveries.log_attempt(connection, *self.docket.delivery(), attempt)
            work.release(connection, self.claim, state.delivery.settle_until)

        await self._write(record)

    def _plan(self, state: State) -> Step | None:
        planned = plan(self.outlet, state)
        state.blocked = planned if isinstance(planned, Blocked) else None
        return planned if isinstance(planned, Step) else None

    def _fenced_intend(
        self, state: State, step: Step | None, connection: Connection
    ) -> Step | None:
        return self._intend(connection, state, step, work.fence(connection, self.claim))

    def _intend(
        self, connection: Connection, state: State, step: Step | None, seq: int
    ) -> Step | None:
        """Commit what will be done next, planned by the newest that is known."""
        if seq != state.seq:
            newest = load(connection, self.hub, self.outlet, self.claim.key)
            assert newest is not None
            state.view, state.ledger, state.seq = newest.view, newest.ledger, newest.seq
            state.target, verify = newest.target, newest.delivery.verify
            state.delivery = newest.delivery
            goes_on = not self.hub.stopping.is_set() and not verify
            step = self._plan(state) if goes_on else None
        patience = self.hub.patience.get(self.outlet.name)
        seconds = self.outlet.timeout_seconds if patience is None else patience.seconds
        state.repeats = False
        state.delivery = msgspec.structs.replace(
            state.delivery, intent=step, settle_until=None, patience=int(seconds * MICROS)
        )
        self.docket.save(connection, state.delivery)
        return step

    async def _attempt(
        self, state: State, step: Step | None
    ) -> tuple[Outcome | RetryLater | GiveUp, Attempt]:
        """One call, or one look; a call for which there is no answer is Unclear."""
        looks = state.must_look()
        self._call_began, at = time.monotonic(), self.hub.now()
        outcome: Outcome | RetryLater | GiveUp
        try:
            outcome = await (self._look(state) if looks else self._perform(state, step))
        except NoAnswer as error:
            outcome = error if looks else Unclear(reason=str(error))
        except (RetryLater, GiveUp) as error:
            outcome = error
        attempt = Attempt(
            at=at,
            action="read_back" if looks or step is None else step.action,
            key=step.key if step is not None else "",
            outcome=seen(outcome, state.delivery.intent) if looks else word(outcome),
            detail=detail(outcome),
            milliseconds=round((time.monotonic() - self._call_began) * 1000),
        )
        return outcome, attempt

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self.gate.one_call(self.hub, self.claim):
            self._call_began = time.monotonic()
            yield

    async def _perform(self, state: State, step: Step | None) -> Outcome:
        assert step is not None
        async with self._turn():
            # What came while it waited for its turn may have to be sent before it.
            seq = self.hub.database.peek(lambda c: work.seq(c, *self.docket.work()))
            if seq != state.seq and not state.repeats:
                raise _StaleError
            line = self.hub.database.peek(self.docket.shared(step))
            if line is not None:
                return Learned(changes={step.key: line})  # another conversation needed it, too
            if step.counter is not None and not step.number:
                step = await self._write(partial(self.docket.number, state, step, step.counter))
            return await self.destination.perform(step, state.target, self.http)

    async def _look(self, state: State) -> Learned:
        """What is there. A loss is believed only when a second look shows it too."""
        look = self.destination.read_back
        if look is None:
            return Learned(changes={})
        intent = state.delivery.intent  # None: all of it is verified
        for second in (False, True):
            async with self._turn():
                learned = await look(state.view, state.ledger, state.target, intent, self.http)
            if self._is_early(state):
                return found(learned)  # what is not there may still come
            if second or not lost(state.ledger, learned):
                return learned
            await asyncio.sleep(self.hub.timing.doubt)
        raise AssertionError

    async def _confirm(
        self, state: State, outcome: Learned | Refused, attempt: Attempt
    ) -> Step | None:
        """Store what is known now, and in the same commit what will be done next."""
        verified = state.delivery.verify and state.delivery.intent is None
        if isinstance(outcome, Refused):
            assert state.delivery.intent is not None
            self.log.warning("refused", key=state.delivery.intent.key, error=outcome.reason)
            outcome = refusal(state.delivery.intent, state.ledger, outcome)
        gone = lost(state.ledger, outcome)
        if attempt.outcome != "refused":
            tell(self.log, outcome, attempt, gone)
        self._believe(state, outcome, has_lost=bool(gone))
        begun, planned = state.delivery.intent, self._next(state, verified=verified)

        def commit(connection: Connection) -> Step | None:
            now = self.hub.now()
            seq = work.progress(connection, self.claim)
            deliveries.learn(connection, now, *self.docket.delivery(), outcome.changes)
            self.docket.count(connection, begun, outcome)
            deliveries.log_attempt(connection, *self.docket.delivery(), attempt)
            succeeded(connection, self.hub, self.outlet)
            if verified and seq == state.seq:
                deliveries.verified(connection, *self.docket.delivery())
            if gone and not verified:
                row = (self.outlet.workspace, "reconcile", self.outlet.name, VERIFY_ALL)
                work.mark(connection, now, *row)
            return self._intend(connection, state, planned, seq)

        step = await self._write(commit)
        self.hub.settling.pop((self.outlet.name, self.claim.key), None)
        if self.hub.stopping.is_set():
            raise NotNowError(self.hub.now())
        if gone:
            self.hub.wake.set()
        return step

    def _next(self, state: State, *, verified: bool) -> Step | None:
        """What is planned by what is known now; nothing is begun any more."""
        verify = state.delivery.verify and not verified
        state.delivery = msgspec.structs.replace(
            state.delivery, intent=None, settle_until=None, verify=verify
        )
        goes_on = not self.hub.stopping.is_set() and not verify
        return self._plan(state) if goes_on else None

    @staticmethod
    def _believe(state: State, outcome: Learned, *, has_lost: bool) -> None:
        known = {**state.ledger, **outcome.changes}
        state.ledger = {key: one for key, one in known.items() if one is not None}
        state.has_progress = True
        state.losses += has_lost

    async def _fail(
        self, state: State, outcome: RetryLater | Unclear | GiveUp, attempt: Attempt
    ) -> None:
        """Back off; what may have been done is looked at before it is done again."""
        over = await self._write(partial(self.docket.fail, state, outcome, attempt))
        self.log.warning(
            "not delivered",
            action=attempt.action,
            key=attempt.key,
            why=attempt.outcome,
            error=attempt.detail or attempt.outcome,
        )
        if over is not None:
            self.log.error("dead letter", error=over)

    async def _finish(self, state: State) -> None:
        """Nothing more can be sent; what was refused or needs a person makes a dead letter."""
        refused = [
            key
            for key, one in state.ledger.items()
            if one.refused is not None and not one.is_shared
        ]
        reason = f"refused: {', '.join(refused)}" if refused else None
        if state.blocked is not None and state.blocked.needs_person:
            reason = state.blocked.reason
        differs = self.destination.differs
        differing = differs(state.view, state.ledger, state.target) if differs is not None else []
        if state.blocked is not None:
            differing = [*differing, state.blocked.reason]
        claim = msgspec.structs.replace(self.claim, seq=state.seq)

        def finish(connection: Connection) -> bool:
            now = self.hub.now()
            is_newest = work.fence(connection, claim) == state.seq
            complete_at = now if state.blocked is None and reason is None else None
            deliveries.close(connection, *self.docket.delivery(), differing, complete_at)
            was_reopened = state.view.ended_at is None and state.delivery.closing is not None
            if was_reopened and is_newest:  # else it may have ended again
                deliveries.arm(connection, *self.docket.delivery(), None)
            if reason is not None:
                work.bury(connection, now, claim, reason)
                return True
            return work.finish(connection, now, claim)

        is_done = await self._write(finish)
        if reason is not None:
            self.log.error("dead letter", error=reason)
        elif is_done:
            self.log.debug("up to date")
        else:
            self.hub.wake.set()

    async def _write(self, function: Callable[[Connection], T]) -> T:
        return await self.hub.write(function)
