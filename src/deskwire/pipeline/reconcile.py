"""Reconciling: noticing a destination that forgot everything, and looking at all that it holds."""

from __future__ import annotations

import asyncio
from functools import partial

from deskwire.core.errors import RetryLater
from deskwire.pipeline.deliver import VERIFY_ALL
from deskwire.pipeline.gate import Gate, NotNowError
from deskwire.pipeline.hub import Hub, Outlet, log
from deskwire.store import deliveries, work
from deskwire.store.db import Connection
from deskwire.store.work import Claim

WATCH = "watch"  #: key of the standing work that asks for the oldest thing that was confirmed
PAGE = 500


async def reconcile(hub: Hub, outlet: Outlet, claim: Claim, gate: Gate) -> None:
    """Watch a destination, or have every one of its deliveries read back."""
    if claim.key == WATCH:
        await _watch(hub, outlet, claim, gate)
    else:
        await verify_all(hub, outlet)
        await hub.write(lambda c: work.finish(c, hub.now(), claim))
    hub.wake.set()


async def verify_all(hub: Hub, outlet: Outlet) -> int:
    """Have every delivery looked at before anything else is sent; how many.

    None where the destination cannot be asked what it holds: what was sent there stays sent.
    """
    if outlet.destination.read_back is None:
        return 0
    await hub.write(lambda c: deliveries.forget_shared(c, outlet.workspace, outlet.name))
    after, count = "", 0
    while True:
        page = await hub.write(partial(_verify_page, hub, outlet, after))
        count += len(page)
        if len(page) < PAGE:
            log.info("reconciling", destination=outlet.name, conversations=count)
            return count
        after = page[-1]


def _verify_page(hub: Hub, outlet: Outlet, after: str, connection: Connection) -> list[str]:
    workspace, name = outlet.workspace, outlet.name
    page = deliveries.conversation_ids(connection, workspace, name, after, PAGE)
    deliveries.demand_verification(connection, workspace, name, page)
    for conversation_id in page:
        work.mark(connection, hub.now(), workspace, "deliver", name, conversation_id)
    return page


async def _watch(hub: Hub, outlet: Outlet, claim: Claim, gate: Gate) -> None:
    """Ask for the oldest line; its loss means that everything from before may be lost."""
    is_there = await _remembers(hub, outlet, claim, gate)

    def conclude(connection: Connection) -> None:
        if not is_there:
            row = (outlet.workspace, "reconcile", outlet.name, VERIFY_ALL)
            work.mark(connection, hub.now(), *row)
        work.release(connection, claim, None, has_progress=True)

    if not is_there:
        log.warning("the destination forgot what it confirmed", destination=outlet.name)
    await hub.write(conclude)


async def _remembers(hub: Hub, outlet: Outlet, claim: Claim, gate: Gate) -> bool:
    destination = outlet.destination
    key, ask = destination.sentinel_key, destination.remembers
    if key is None or ask is None:
        return True
    sentinel = hub.sentinels.get(outlet.name) or await hub.read(
        lambda c: deliveries.oldest(c, outlet.workspace, outlet.name, key)
    )
    if sentinel is None:
        return True
    try:
        for _ in range(2):  # a loss is believed only when it is seen twice
            async with gate.one_call(hub, claim):
                if await ask(key, sentinel, hub.http[outlet.name]):
                    hub.sentinels[outlet.name] = sentinel
                    return True
            await asyncio.sleep(hub.timing.doubt)
    except (RetryLater, NotNowError) as error:
        log.debug("cannot be asked", destination=outlet.name, error=str(error))
        return True
    hub.sentinels.pop(outlet.name, None)
    return False
