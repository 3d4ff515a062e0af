"""The contract of a destination: what its system's API means.

The pipeline owns everything else: intents, the ledger, order, retries, leases.

A destination is one folder, `destinations/<kind>/`, whose `destination.py` has a `destination`
of this type.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from deskwire.core.exchange import Http, Request
from deskwire.core.model import Conversation
from deskwire.core.provider import NoOptions

Payload = dict[str, str | None]


class Sent(Struct, frozen=True, kw_only=True):
    """One thing that the other system holds, as it was sent: the ledger's line."""

    payload: Payload
    remote_id: str | None = None  #: its id over there
    note: str | None = None  #: how it differs from what we know, for people
    refused: str | None = None  #: why the other system will never take it; then it holds nothing
    is_shared: bool = False  #: of the whole destination (an agent), not of one conversation


Ledger = Mapping[str, Sent]


class Step(Struct, frozen=True, kw_only=True):
    """The next thing to send. It is stored as the intent before it is performed."""

    action: str  #: the destination's own word for the call
    key: str  #: the ledger's line that it will make or change
    sent: Sent  #: that line, if it succeeds, but for a remote id that only the answer tells
    remote_id: str | None = None  #: of the thing that it changes or adds to
    changes: Payload = {}  #: what to send where that is not the whole line
    uses: str | None = None  #: key of another line that it relies on
    #: Name of a counter of this destination whose next number the step takes. The pipeline puts
    #: it into the intent; nobody gets the next one before this step is confirmed, and then with
    #: the number that it took at last as the line's `remote_id`.
    counter: str | None = None
    number: int = 0  #: the counter's, from 1; 0: none


class Blocked(Struct, frozen=True, kw_only=True):
    """Something is missing there and cannot be sent now."""

    reason: str
    needs_person: bool  #: False: it goes on by itself when more is known of the conversation


class Learned(Struct, frozen=True, kw_only=True):
    """What the other system is now known to hold; None: it does not hold that (any more)."""

    changes: dict[str, Sent | None]
    warning: str | None = None  #: something a person should look at


class Refused(Struct, frozen=True, kw_only=True):
    """It will never take this as it is; certainly not done.

    Of a new thing the ledger keeps the refusal under its key; of a change to a confirmed one under
    `<key>#refused`, with the changes as its payload.
    """

    reason: str


class Unclear(Struct, frozen=True, kw_only=True):
    """It may or may not have been done: look before doing anything else."""

    reason: str
    may_be_done: bool = True  #: False: certainly not, but what we believe to be there is not so


#: NotSent, raised, says "certainly not done, try again"; NoAnswer is the same as Unclear.
Outcome = Learned | Refused | Unclear


class Target(Struct, frozen=True, kw_only=True):
    """How a destination is configured, as far as its module needs it."""

    name: str  #: of the destination
    source: str  #: where the conversation comes from
    conversation_id: str = ""  #: ours
    external_id_prefix: str = ""
    with_notes: bool = False
    #: When the conversation ended, as it was known when the trigger "ended" fired; it stays the
    #: same whatever is learned later. None: it has not fired.
    closing: datetime | None = None
    directory: str = ""  #: where files are written; absolute
    again: bool = False  #: the trigger "ended" fires at every closing, not only at the first
    options: object = None  #: the keys that only this kind knows, as its `options`


class Destination(Struct, frozen=True, kw_only=True):
    """One kind of system that conversations are delivered to."""

    #: "change": at every change. "ended": once, when a conversation is over and quiet.
    trigger: Literal["change", "ended"]
    #: The next thing that the ledger lacks; None: all is there. Pure.
    plan: Callable[[Conversation, Ledger, Target], Step | Blocked | None]
    #: Do it, once.
    perform: Callable[[Step, Target, Http], Awaitable[Outcome]]
    #: Look what is there, for the conversation and an intent whose end is unknown (None: for all
    #: of it). None where the system cannot be read: then an intent whose end is unknown is
    #: performed again exactly as it was, or waits for a person (`on_unknown`).
    read_back: (
        Callable[[Conversation, Ledger, Target, Step | None, Http], Awaitable[Learned]] | None
    ) = None
    #: What was sent and cannot be made to say what is known now, a line of text each. Pure.
    differs: Callable[[Conversation, Ledger, Target], list[str]] | None = None
    #: Whether one thing that was confirmed is still there; asked now and then, to notice a
    #: system that forgot everything. None where the system cannot be read.
    remembers: Callable[[str, Sent, Http], Awaitable[bool]] | None = None
    #: Key of the ledger's line that `remembers` is asked about.
    sentinel_key: str | None = None
    #: A harmless call that shows whether the system can be reached and lets us in: any 2xx or 404.
    probe: Request | None = None
    #: The configuration key that says where the system is.
    address: Literal["base_url", "url", "directory"] = "base_url"
    #: Seconds between attempts where a standard has it; after the last the work is given up.
    schedule: tuple[float, ...] = ()
    #: The configuration keys that only this kind has, with their types and defaults. A ValueError
    #: of its `__post_init__` is a fault of the configuration.
    options: type[Struct] = NoOptions
