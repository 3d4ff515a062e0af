"""The gate: how many calls to a destination are under way at once, over all processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deskwire.core.errors import NoAnswer, NotSent
from deskwire.pipeline.hub import Hub
from deskwire.store.work import Claim


class NotNowError(Exception):
    """The turn came and must not be used: nothing was sent. `due_at` (µs): when to try again."""

    def __init__(self, due_at: int) -> None:
        super().__init__(due_at)
        self.due_at = due_at


class Gate:
    """Turns to call a destination: as many at once as this process holds slots of it."""

    def __init__(self, slots: list[Claim], silence_seconds: float) -> None:
        self.slots = slots
        self._free = asyncio.Semaphore(len(slots))
        self._silence = silence_seconds

    @asynccontextmanager
    async def one_call(self, hub: Hub, claim: Claim) -> AsyncIterator[None]:
        """Wait for a turn; NotNowError when the hub stops or the destination must be left alone.

        Both leases, the work's and the slot's, are checked right before the call.
        """
        async with self._free:
            hub.check_lease(claim)
            hub.check_lease(self.slots[0])
            now = hub.now()
            not_before = now if hub.stopping.is_set() else hub.not_before.get(claim.target, 0)
            if hub.stopping.is_set() or not_before > now:
                raise NotNowError(not_before)
            try:
                yield
            except NotSent as error:
                # Known before the next turn begins; the commit of it comes after.
                if error.retry_after_seconds:
                    hub.not_before[claim.target] = hub.after(error.retry_after_seconds)
                raise
            except NoAnswer:
                # It may still be going on over there; the next call must not meet it.
                await asyncio.sleep(self._silence)
                raise
