"""Delivering: what should be there is compared with what was sent, and the difference is sent.

Exactly once to an API that is not idempotent: the intent is committed before the call; a call
whose end is not known is followed, once it must have settled, by a look at what is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
from msgspec import Struct

from deskwire.core.destination import Learned, Ledger, Outcome, Refused, Step, Target, Unclear
from deskwire.core.errors import GiveUp, NoAnswer, RetryLater
from deskwire.core.exchange import Http
from deskwire.core.model import Conversation
from deskwire.core.view import view
from deskwire.pipeline.breaker import failed, succeeded
from deskwire.pipeline.gate import Gate
from deskwire.pipeline.hub import MICROS, Hub, Outlet, log
from deskwire.pipeline.normalise import DETAIL, PERSON
from deskwire.pipeline.outcome import detail, lost, shows, word
from deskwire.store import agents, conversations, deliveries, work
from deskwire.store.db import Connection
from deskwire.store.deliveries import Attempt, Delivery
from deskwire.store.work import Claim

T = TypeVar("T")

MOST_LOSSES = 3  # in one go; then it is left alone for a while
VERIFY_ALL = "all"  #: key of the reconcile work that has every delivery read back


class State(Struct, kw_only=True):
    """What a delivery knows while it goes on; `seq` tells whether the view is still the newest."""

    view: Conversation
    ledger: Ledger
    target: Target
    delivery: Delivery
    seq: int
    waits_until: int | None  #: µs; an open fetch may still tell more until then
    has_progress: bool = False
    losses: int = 0  #: how often something confirmed was found gone


async def deliver(hub: Hub, outlet: Outlet, claim: Claim, gate: Gate) -> None:
    """Bring one conversation up to date at one destination."""
    await Courier(hub, outlet, claim, gate).run()


def load(connection: Connection, hub: Hub, outlet: Outlet, conversation_id: str) -> State | None:
    """All that a delivery needs to know; None when there is no such conversation."""
    stored = conversations.load(connection, outlet.workspace, conversation_id)
    if stored is None:
        return None
    account = stored.origin.account
    named = [one.value.agent for one in stored.facts.assignments.values() if one.value.agent]
    people = agents.load(connection, outlet.workspace, account, named)
    keys = [f"{DETAIL}{stored.origin.external_id}"]
    keys += [f"{PERSON}{agent}" for agent in named if agent not in people]
    fetches = work.open_keys(connection, outlet.workspace, "fetch", stored.source, keys)
    patience = int(hub.timing.fetch_wait * MICROS)
    return State(
        view=view(stored.facts, stored.origin, people),
        ledger=deliveries.ledger(connection, outlet.workspace, outlet.name, conversation_id),
        target=Target(
            name=outlet.name,
            source=stored.source,
            external_id_prefix=outlet.external_id_prefix.get(stored.source, ""),
            with_notes=outlet.with_notes,
            options=outlet.options,
        ),
        delivery=deliveries.load(connection, outlet.workspace, outlet.name, conversation_id),
        seq=work.seq(connection, outlet.workspace, "deliver", outlet.name, conversation_id),
        waits_until=max((at + patience for at in fetches.values()), default=None),
    )


class Courier:
    """One delivery under one lease."""

    def __init__(self, hub: Hub, outlet: Outlet, claim: Claim, gate: Gate) -> None:
        self.hub, self.outlet, self.claim, self.gate = hub, outlet, claim, gate
        self.destination = outlet.destination
        self._call_began = 0.0  # monotonic seconds; the wait for a turn is not the call's
        self.log = log.bind(conversation=claim.key, destination=outlet.name)

    async def run(self) -> None:
        """Until nothing is missing, something fails, or somebody else has the work."""
        state = await self._load()
        if state is None:
            await self._write(lambda c: work.finish(c, self.hub.now(), self.claim))
            return
        if (due_at := self._not_before(state)) is not None:
            await self._postpone(state, due_at)
            return
        step = await self._begin(state)
        while step is not None or self._must_look(state):
            is_early = self._is_early(state)
            outcome, attempt = await self._attempt(state, step)
            if isinstance(outcome, RetryLater | Unclear | GiveUp):
                await self._fail(state, step, outcome, attempt)
                return
            if is_early and not shows(outcome, step):
                await self._let_settle(state, attempt)
                return
            step = await self._confirm(state, outcome, attempt)
            if state.losses > MOST_LOSSES:
                await self._fail(state, None, RetryLater("it keeps losing things"), attempt)
                return
            if self.hub.stopping.is_set():
                await self._write(lambda c: self._release(c, state, self.hub.now()))
                return
        await self._finish(state)

    async def _load(self) -> State | None:
        return await self.hub.read(lambda c: load(c, self.hub, self.outlet, self.claim.key))

    def _not_before(self, state: State) -> int | None:
        """µs until which an open fetch may still tell more; None: go on."""
        waits = state.waits_until is not None and self.hub.now() < state.waits_until
        return state.waits_until if waits and state.delivery.intent is None else None

    async def _postpone(self, state: State, due_at: int) -> None:
        def postpone(connection: Connection) -> None:
            work.release(connection, self.claim, due_at)
            if work.seq(connection, *self._row()) != state.seq:
                # It was marked since: it is looked at again at once, and waits anew if it must.
                work.hasten(connection, self.hub.now(), *self._row())

        await self._write(postpone)

    async def _let_settle(self, state: State, attempt: Attempt) -> None:
        """It is not there, but it may still come: look again when it must have settled."""
        attempt = msgspec.structs.replace(attempt, outcome="not there yet")

        def record(connection: Connection) -> None:
            deliveries.log_attempt(connection, *self._row_of_delivery(), attempt)
            work.release(connection, self.claim, state.delivery.settle_until)

        await self._write(record)

    def _is_early(self, state: State) -> bool:
        """Whether what is not there now may still come: only what is there is sure."""
        settle_until = state.delivery.settle_until
        return settle_until is not None and self.hub.now() < settle_until

    def _must_look(self, state: State) -> bool:
        return state.delivery.verify or (
            state.delivery.intent is not None and state.delivery.settle_until is not None
        )

    async def _begin(self, state: State) -> Step | None:
        """Commit the first intent; None when there is nothing to send, or to look at first."""
        delivery = state.delivery
        if delivery.intent is not None and delivery.settle_until is None:
            # Found after a crash: its call may have been the last thing the process did, and may
            # take as long as one that is waited for.
            longest = self.outlet.timeout_seconds + self.outlet.settle_seconds
            settle_until = self.hub.after(longest)
            state.delivery = msgspec.structs.replace(delivery, settle_until=settle_until)
            await self._write(lambda c: self._fenced_save(c, state.delivery))
        if self._must_look(state):
            return delivery.intent
        if self._plan(state) is None:
            return None
        return await self._write(lambda c: self._intend(c, state, goes_on=True))

    def _plan(self, state: State) -> Step | None:
        return self.destination.plan(state.view, state.ledger, state.target)

    def _intend(self, connection: Connection, state: State, *, goes_on: bool) -> Step | None:
        """Commit what will be done next, by the newest that is known of the conversation."""
        seq = work.fence(connection, self.claim)
        if seq != state.seq:
            newest = load(connection, self.hub, self.outlet, self.claim.key)
            assert newest is not None
            state.view, state.ledger, state.seq = newest.view, newest.ledger, newest.seq
        step = self._plan(state) if goes_on else None
        state.delivery = Delivery(intent=step, verify=state.delivery.verify)
        self._save(connection, state.delivery)
        return step

    async def _attempt(
        self, state: State, step: Step | None
    ) -> tuple[Outcome | RetryLater | GiveUp, Attempt]:
        """One call, or one look; a call for which there is no answer is Unclear."""
        looks = self._must_look(state)
        action = "read_back" if looks else step.action if step else "nothing"
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
            action=action,
            key=step.key if step is not None else "",
            outcome=word(outcome),
            detail=detail(outcome),
            milliseconds=round((time.monotonic() - self._call_began) * 1000),
        )
        return outcome, attempt

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self.gate.one_call(self.hub, self.claim):
            self._call_began = time.monotonic()
            yield

    @property
    def _http(self) -> Http:
        return self.hub.http[self.outlet.name]

    async def _perform(self, state: State, step: Step | None) -> Outcome:
        assert step is not None
        async with self._turn():
            return await self.destination.perform(step, state.target, self._http)

    async def _look(self, state: State) -> Learned:
        """What is there. A loss is believed only when a second look shows it too."""
        look = self.destination.read_back
        if look is None:
            return Learned(changes={})
        intent = state.delivery.intent  # None: all of it is verified
        for second in (False, True):
            async with self._turn():
                learned = await look(state.view, state.ledger, state.target, intent, self._http)
            if second or self._is_early(state) or not lost(state.ledger, learned):
                return learned
            await asyncio.sleep(self.hub.timing.doubt)
        raise AssertionError

    async def _confirm(
        self, state: State, outcome: Learned | Refused, attempt: Attempt
    ) -> Step | None:
        """Store what is known now, and in the same commit what will be done next."""
        intent = state.delivery.intent
        was_verifying = state.delivery.verify and intent is None
        must_verify = state.delivery.verify and intent is not None  # first what was begun, then all
        if isinstance(outcome, Refused):
            assert intent is not None
            refused = msgspec.structs.replace(intent.sent, refused=outcome.reason)
            outcome = Learned(changes={intent.key: refused})
        gone = lost(state.ledger, outcome)
        self._tell(outcome, attempt, gone)
        changes = outcome.changes
        known = {**state.ledger, **changes}
        state.ledger = {key: one for key, one in known.items() if one is not None}
        state.has_progress = True
        state.losses += bool(gone)
        goes_on = not self.hub.stopping.is_set() and not must_verify

        def commit(connection: Connection) -> Step | None:
            now = self.hub.now()
            work.fence(connection, self.claim)
            deliveries.learn(connection, now, *self._row_of_delivery(), changes)
            deliveries.log_attempt(connection, *self._row_of_delivery(), attempt)
            succeeded(connection, self.hub, self.outlet)
            if gone and not was_verifying:
                row = (self.outlet.workspace, "reconcile", self.outlet.name, VERIFY_ALL)
                work.mark(connection, now, *row)
            state.delivery = Delivery(verify=must_verify)
            return self._intend(connection, state, goes_on=goes_on)

        step = await self._write(commit)
        if gone:
            self.hub.wake.set()
        return step

    async def _fail(
        self,
        state: State,
        step: Step | None,
        outcome: RetryLater | Unclear | GiveUp,
        attempt: Attempt,
    ) -> None:
        """Back off; what may have been done is looked at once it must have settled."""
        wish = outcome.retry_after_seconds if isinstance(outcome, RetryLater) else None
        attempts = 0 if state.has_progress else self.claim.attempts
        due_at = self.hub.after(max(self.hub.backoff(attempts), wish or 0.0))
        delivery = state.delivery
        if isinstance(outcome, Unclear):
            wait = self.outlet.settle_seconds if outcome.may_be_done else 0.0
            settle_until = self.hub.after(wait)
            delivery = Delivery(intent=step, settle_until=settle_until, verify=delivery.verify)
        elif not self._must_look(state):
            delivery = Delivery(verify=delivery.verify)  # certainly not done
        reason = attempt.detail or attempt.outcome
        self.log.warning(
            "not delivered",
            action=attempt.action,
            key=attempt.key,
            why=attempt.outcome,
            error=reason,
        )

        is_over = isinstance(outcome, GiveUp) or self._is_too_old(state)
        if is_over:
            self.log.error("dead letter", error=reason)

        def record(connection: Connection) -> None:
            work.fence(connection, self.claim)
            self._save(connection, delivery)
            deliveries.log_attempt(connection, *self._row_of_delivery(), attempt)
            if is_over:
                work.bury(connection, self.hub.now(), self.claim, reason)
                return
            failed(connection, self.hub, self.outlet, reason, wish)
            self._release(connection, state, due_at, reason, is_failure=True)

        await self._write(record)

    def _is_too_old(self, state: State) -> bool:
        since = None if state.has_progress else self.claim.failing_since
        return since is not None and self.hub.now() - since > self.hub.timing.give_up * MICROS

    async def _finish(self, state: State) -> None:
        refused = [key for key, sent in state.ledger.items() if sent.refused is not None]
        differs = self.destination.differs
        found = differs(state.view, state.ledger, state.target) if differs is not None else []
        claim = msgspec.structs.replace(self.claim, seq=state.seq)

        def finish(connection: Connection) -> bool:
            now = self.hub.now()
            work.fence(connection, claim)
            deliveries.save(
                connection, *self._row_of_delivery(), Delivery(), differs=found, delivered_at=now
            )
            if refused:
                work.bury(connection, now, claim, f"refused: {', '.join(refused)}")
                return True
            return work.finish(connection, now, claim)

        is_done = await self._write(finish)
        if refused:
            self.log.error("dead letter", refused=refused)
        elif is_done:
            self.log.debug("up to date")
        else:
            self.hub.wake.set()

    def _release(
        self,
        connection: Connection,
        state: State,
        due_at: int,
        error: str | None = None,
        *,
        is_failure: bool = False,
    ) -> None:
        work.release(
            connection,
            self.claim,
            due_at,
            error=error,
            failed_at=self.hub.now() if is_failure else None,
            has_progress=state.has_progress,
        )

    def _save(self, connection: Connection, delivery: Delivery) -> None:
        deliveries.save(connection, *self._row_of_delivery(), delivery)

    def _fenced_save(self, connection: Connection, delivery: Delivery) -> None:
        work.fence(connection, self.claim)
        self._save(connection, delivery)

    def _row_of_delivery(self) -> tuple[str, str, str]:
        return self.outlet.workspace, self.outlet.name, self.claim.key

    def _row(self) -> tuple[str, str, str, str]:
        return self.outlet.workspace, "deliver", self.outlet.name, self.claim.key

    async def _write(self, function: Callable[[Connection], T]) -> T:
        return await self.hub.write(function)

    def _tell(self, outcome: Learned, attempt: Attempt, gone: list[str]) -> None:
        self.log.info(
            "looked" if attempt.action == "read_back" else "delivered",
            action=attempt.action,
            key=attempt.key,
            milliseconds=attempt.milliseconds,
            found=[key for key, one in outcome.changes.items() if one is not None][:5],
        )
        if outcome.warning is not None:
            self.log.warning("look at this", warning=outcome.warning)
        if gone:
            self.log.warning("the destination forgot", lost=gone[:5], lines=len(gone))
