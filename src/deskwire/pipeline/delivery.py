"""What a delivery knows: the conversation, what was sent of it, and where it stands."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from deskwire.core.destination import Blocked, Ledger, Step, Target
from deskwire.core.instants import from_micros
from deskwire.core.model import Conversation
from deskwire.core.view import view
from deskwire.pipeline.hub import MICROS, Hub, Outlet
from deskwire.pipeline.normalise import DETAIL, PERSON
from deskwire.store import agents, conversations, deliveries, work
from deskwire.store.db import Connection
from deskwire.store.deliveries import Delivery


class State(Struct, kw_only=True):
    """A delivery under way; `seq` tells whether the view is still the newest."""

    seq: int
    view: Conversation
    ledger: Ledger
    target: Target
    delivery: Delivery
    waits_until: int | None  #: µs; an open fetch may still tell more until then
    blocked: Blocked | None = None  #: why something is missing that cannot be sent now
    can_look: bool = True  #: the destination can be asked what it holds
    repeats: bool = False  #: the intent was begun before, and is performed again as it was
    has_progress: bool = False
    losses: int = 0  #: how often something confirmed was found gone

    def has_fired(self) -> bool:
        """Whether "ended" fired, and the conversation was not opened again since."""
        return self.delivery.closing is not None and self.view.ended_at is not None

    def is_begun(self) -> bool:
        """Whether anything of the conversation was sent."""
        return any(not one.is_shared for one in self.ledger.values())

    def must_look(self) -> bool:
        """Whether to look what is there before anything else is sent."""
        begun = self.delivery.intent is not None and self.delivery.settle_until is not None
        return self.can_look and (begun or self.delivery.verify)


def load(connection: Connection, hub: Hub, outlet: Outlet, conversation_id: str) -> State | None:
    """All that a delivery needs to know; None when there is no such conversation."""
    workspace, name = outlet.workspace, outlet.name
    # First, so that a change which comes while the rest is read is seen as one.
    seq = work.seq(connection, workspace, "deliver", name, conversation_id)
    stored = conversations.load(connection, workspace, conversation_id)
    if stored is None:
        return None
    named = stored.facts.agents()
    people = agents.load(connection, workspace, stored.origin.account, stored.facts.people())
    keys = [f"{DETAIL}{stored.origin.external_id}"]
    keys += [f"{PERSON}{agent}" for agent in named if agent not in people]
    fetches = work.open_keys(connection, workspace, "fetch", stored.source, keys)
    patience = int(hub.timing.fetch_wait * MICROS)
    delivery = deliveries.load(connection, workspace, name, conversation_id)
    can_look = outlet.destination.read_back is not None
    if not can_look:
        delivery = msgspec.structs.replace(delivery, verify=False)
    return State(
        seq=seq,
        view=view(stored.facts, stored.origin, people),
        ledger=deliveries.ledger(connection, workspace, name, conversation_id),
        target=Target(
            name=name,
            source=stored.source,
            conversation_id=conversation_id,
            external_id_prefix=outlet.external_id_prefix.get(stored.source, ""),
            with_notes=outlet.with_notes,
            closing=None if delivery.closing is None else from_micros(delivery.closing),
            directory=outlet.directory,
            again=outlet.again,
            options=outlet.options,
        ),
        delivery=delivery,
        can_look=can_look,
        waits_until=max((at + patience for at in fetches.values()), default=None),
    )


def plan(outlet: Outlet, state: State) -> Step | Blocked | None:
    """What is to be sent next; None: nothing, or nothing of this conversation leaves."""
    if outlet.destination.trigger == "ended" and not state.has_fired():
        return None
    if not state.is_begun() and not _leaves(outlet, state.view):
        return None
    return outlet.destination.plan(state.view, state.ledger, state.target)


def _leaves(outlet: Outlet, seen: Conversation) -> bool:
    """Whether `only` lets a conversation out."""
    values: dict[str, set[str | None]] = {"channel": {seen.channel}, "tag": set(seen.tags)}
    return all(wanted & values[key] for key, wanted in outlet.only.items())
