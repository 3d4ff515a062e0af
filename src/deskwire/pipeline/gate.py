"""The gate: how many calls to a destination are under way at once, over all processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deskwire.core.errors import NoAnswer
from deskwire.pipeline.hub import Hub
from deskwire.store.work import Claim


class Gate:
    """How many calls to a destination this process may have under way: as many as it holds slots.

    `lease` guards the slots: without them nothing is sent.
    """

    def __init__(self, slots: list[Claim], silence_seconds: float) -> None:
        self.slots = slots
        self._free = asyncio.Semaphore(len(slots))
        self._silence = silence_seconds

    @asynccontextmanager
    async def one_call(self, hub: Hub, claim: Claim) -> AsyncIterator[None]:
        """Wait for a turn; both leases are checked right before the call."""
        async with self._free:
            hub.check_lease(claim)
            hub.check_lease(self.slots[0])
            try:
                yield
            except NoAnswer:
                # It may still be going on over there; the next call must not meet it.
                await asyncio.sleep(self._silence)
                raise
