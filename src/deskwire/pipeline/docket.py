"""The docket of a delivery: what is written down about it, under the lease of its work."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from deskwire.core.destination import Learned, Sent, Step, Unclear
from deskwire.core.errors import GiveUp, RetryLater
from deskwire.pipeline.breaker import failed
from deskwire.pipeline.delivery import State
from deskwire.pipeline.gate import NotNowError
from deskwire.pipeline.hub import MICROS, Hub, Outlet
from deskwire.store import counters, deliveries, upkeep, work
from deskwire.store.db import Connection
from deskwire.store.deliveries import ALLOWED, PARKED, Attempt, Delivery
from deskwire.store.work import Claim

CONFIRMED_LATELY = 60.0  # seconds since the destination took something
MOST_BESIDE = 20  # attempts, while the destination takes others
COUNTER_SECONDS = 0.5  # until a number is asked for again that another conversation has
PARKED_REASON = (
    "nobody can look whether it arrived: ask there; 'deskwire dead replay' sends it again"
)


class ParkedError(Exception):
    """What was begun when the process died waits for a person."""


class Docket:
    """Writes about one delivery; each is fenced, so that a lost lease writes nothing."""

    def __init__(self, hub: Hub, outlet: Outlet, claim: Claim) -> None:
        self.hub, self.outlet, self.claim = hub, outlet, claim
        self.destination = outlet.destination

    def wait(self, connection: Connection, state: State) -> None:
        """Until an open fetch told more, or its time is over."""
        work.release(connection, self.claim, state.waits_until)
        if work.seq(connection, *self.work()) != state.seq:
            # It was marked since: it is looked at again at once, and waits anew if it must.
            upkeep.hasten(connection, self.hub.now(), *self.work())

    def park(self, state: State, connection: Connection) -> None:
        """Leave what was begun to a person."""
        work.fence(connection, self.claim)
        was_parked = state.delivery.settle_until == PARKED
        self.save(connection, msgspec.structs.replace(state.delivery, settle_until=PARKED))
        reason = PARKED_REASON if was_parked else f"the process died; {PARKED_REASON}"
        work.bury(connection, self.hub.now(), self.claim, reason)

    def withdraw(self, state: State, due_at: int, connection: Connection) -> None:
        """Nothing was sent of what was intended: it is given back as it was."""
        work.fence(connection, self.claim)
        if not state.must_look() and not state.repeats:
            self.save(connection, Delivery())
            self.let_go(connection, state)
        elif state.repeats:
            self.save(connection, state.delivery)
        self.release(connection, state, due_at)

    def let_go(self, connection: Connection, state: State) -> None:
        """Nothing came of the step: its number is the next one's."""
        if state.delivery.intent is not None and state.delivery.intent.counter is not None:
            counters.give_back(connection, *self.delivery())

    def count(self, connection: Connection, begun: Step | None, outcome: Learned) -> None:
        """The number that a step took at last, which is its line's remote id."""
        if begun is None or begun.counter is None:
            return
        line = outcome.changes.get(begun.key)
        if line is None or line.remote_id is None:
            counters.give_back(connection, *self.delivery())
        else:
            counters.confirm(connection, *self.delivery(), int(line.remote_id))

    def number(self, state: State, step: Step, counter: str, connection: Connection) -> Step:
        """The step with the counter's next number, committed as the intent before it is used."""
        work.fence(connection, self.claim)
        number = counters.take(connection, *self.delivery()[:2], counter, self.claim.key)
        if number is None:
            raise NotNowError(self.hub.after(COUNTER_SECONDS * self.hub.random.uniform(0.5, 1.5)))
        step = msgspec.structs.replace(step, number=number)
        state.delivery = msgspec.structs.replace(state.delivery, intent=step)
        self.save(connection, msgspec.structs.replace(state.delivery, settle_until=None))
        return step

    def begun(self, state: State, intent: Step) -> Step:
        """What was begun and cannot be looked for: as it was, or not before a person says so."""
        if self.outlet.on_unknown == "park" and state.delivery.settle_until != ALLOWED:
            raise ParkedError
        state.repeats = True
        return intent

    def begin_again(self, state: State, connection: Connection) -> None:
        """A person allowed this attempt, and no other if the process dies in it."""
        self.fenced_save(connection, msgspec.structs.replace(state.delivery, settle_until=None))

    def fail(
        self,
        state: State,
        outcome: RetryLater | Unclear | GiveUp,
        attempt: Attempt,
        connection: Connection,
    ) -> str | None:
        """Nothing more is done now: back off, or give up. Why it was given up; None: it was not."""
        work.fence(connection, self.claim)
        delivery = self._after(state, outcome)
        self.save(connection, delivery)
        if delivery.intent is None:
            self.let_go(connection, state)
        deliveries.log_attempt(connection, *self.delivery(), attempt)
        reason = attempt.detail or attempt.outcome
        is_parked = isinstance(outcome, Unclear) and delivery.settle_until == PARKED
        if is_parked:
            reason = f"{reason}; {PARKED_REASON}"
        if is_parked or isinstance(outcome, GiveUp) or self.is_too_old(state):
            work.bury(connection, self.hub.now(), self.claim, reason)
            return reason
        wish = outcome.retry_after_seconds if isinstance(outcome, RetryLater) else None
        failed(connection, self.hub, self.outlet, reason, wish)
        self.release(connection, state, self.hub.after(self.backoff(state)), reason)
        return None

    def _after(self, state: State, outcome: RetryLater | Unclear | GiveUp) -> Delivery:
        """Where the delivery stands after something failed."""
        delivery = state.delivery
        if not isinstance(outcome, Unclear):
            is_sure = not state.must_look() and not state.repeats
            return Delivery() if is_sure else delivery  # certainly not done
        if not state.can_look:
            settle_until = PARKED if self.outlet.on_unknown == "park" else None
            return msgspec.structs.replace(delivery, settle_until=settle_until)
        wait = self.outlet.settle_seconds if outcome.may_be_done else 0.0
        self.hub.settling[self.outlet.name, self.claim.key] = time.monotonic() + wait
        return msgspec.structs.replace(delivery, settle_until=self.hub.after(wait))

    def backoff(self, state: State) -> float:
        """Seconds. Long pauses are for an outage; beside others' successes it tries again soon.

        Unless it fails again and again: then it is about this conversation.
        """
        attempts = 0 if state.has_progress else self.claim.attempts
        if schedule := self.destination.schedule:
            seconds = schedule[min(attempts, len(schedule) - 1)]
            return seconds * self.hub.random.uniform(1.0, 1.1)
        since = time.monotonic() - self.hub.confirmed.get(self.outlet.name, float("-inf"))
        is_alone = since > CONFIRMED_LATELY or attempts > MOST_BESIDE
        return self.hub.backoff(attempts, None if is_alone else self.hub.timing.backoff_beside)

    def is_too_old(self, state: State) -> bool:
        if schedule := self.destination.schedule:
            return not state.has_progress and self.claim.attempts >= len(schedule)
        since = None if state.has_progress else self.claim.failing_since
        return since is not None and self.hub.now() - since > self.hub.timing.give_up * MICROS

    def release(
        self, connection: Connection, state: State, due_at: int, error: str | None = None
    ) -> None:
        work.release(
            connection,
            self.claim,
            due_at,
            error=error,
            failed_at=None if error is None else self.hub.now(),
            has_progress=state.has_progress,
        )

    def shared(self, step: Step) -> Callable[[Connection], Sent | None]:
        """What another conversation made meanwhile that this one needs, too; None: nothing."""
        workspace, name = self.outlet.workspace, self.outlet.name
        if not step.sent.is_shared:
            return lambda _connection: None
        return lambda c: deliveries.ledger(c, workspace, name, deliveries.SHARED).get(step.key)

    def save(self, connection: Connection, delivery: Delivery) -> None:
        deliveries.save(connection, *self.delivery(), delivery)

    def fenced_save(self, connection: Connection, delivery: Delivery) -> None:
        work.fence(connection, self.claim)
        self.save(connection, delivery)

    def delivery(self) -> tuple[str, str, str]:
        return self.outlet.workspace, self.outlet.name, self.claim.key

    def work(self) -> tuple[str, str, str, str]:
        return self.outlet.workspace, "deliver", self.outlet.name, self.claim.key
