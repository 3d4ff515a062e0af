"""What a reconcile would send, without sending it."""

from __future__ import annotations

from functools import partial

import msgspec
from msgspec import Struct

from deskwire.core.destination import Step
from deskwire.core.errors import RetryLater
from deskwire.pipeline.delivery import State, load, plan
from deskwire.pipeline.hub import MICROS, Hub, Outlet
from deskwire.store import deliveries, work
from deskwire.store.db import Connection
from deskwire.store.work import Claim


class Missing(Struct, frozen=True, kw_only=True):
    """What a destination lacks."""

    looked_at: int
    steps: dict[str, list[str]]  #: by conversation, ours: action and key of each step


async def missing(hub: Hub, outlet: Outlet) -> Missing:
    """Read back everything and plan; RetryLater while a hub is calling the destination."""
    lease = int(hub.timing.lease * MICROS)
    slots = await hub.write(
        lambda c: work.claim(c, hub.now(), "slot", outlet.name, outlet.concurrency, lease)
    )
    if len(slots) < outlet.concurrency:
        await hub.write(lambda c: _release(c, slots))
        raise RetryLater(f"{outlet.name} is being delivered to right now; try again in a moment")
    try:
        return await _look(hub, outlet, slots)
    finally:
        await hub.write(lambda c: _release(c, slots))


def _release(connection: Connection, slots: list[Claim]) -> None:
    for slot in slots:
        work.release(connection, slot, None)


async def _look(hub: Hub, outlet: Outlet, slots: list[Claim]) -> Missing:
    found: dict[str, list[str]] = {}
    after, count = "", 0
    while page := await hub.read(partial(_page, outlet, after)):
        for conversation_id in page:
            await hub.write(partial(_renew, hub, slots))
            state = await hub.read(partial(_load, hub, outlet, conversation_id))
            if state is not None and (steps := await _steps(hub, outlet, state)):
                found[conversation_id] = steps
            count += 1
        after = page[-1]
    return Missing(looked_at=count, steps=found)


def _page(outlet: Outlet, after: str, connection: Connection) -> list[str]:
    return deliveries.conversation_ids(connection, outlet.workspace, outlet.name, after)


def _renew(hub: Hub, slots: list[Claim], connection: Connection) -> None:
    lease_ids = {one.lease_id for one in slots}
    if work.renew(connection, list(lease_ids), hub.after(hub.timing.lease)) != lease_ids:
        raise RetryLater("it took too long, and the destination is being delivered to again")


def _load(hub: Hub, outlet: Outlet, conversation_id: str, connection: Connection) -> State | None:
    return load(connection, hub, outlet, conversation_id)


async def _steps(hub: Hub, outlet: Outlet, state: State) -> list[str]:
    look = outlet.destination.read_back
    ledger = dict(state.ledger)
    if look is not None:
        learned = await look(state.view, ledger, state.target, None, hub.http[outlet.name])
        for key, sent in learned.changes.items():
            if sent is None:
                ledger.pop(key, None)
            else:
                ledger[key] = sent
    steps = []
    state.ledger = ledger
    while isinstance(step := plan(outlet, state), Step):
        steps.append(f"{step.action} {step.key}")
        ledger[step.key] = msgspec.structs.replace(
            step.sent, remote_id=step.sent.remote_id or step.remote_id or "new"
        )
    return steps
