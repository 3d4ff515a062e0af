"""A conversation as everything outside the merge sees it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

Status = Literal["queued", "open", "pending", "closed"]
Role = Literal["customer", "agent", "bot", "system", "unknown"]
Kind = Literal["public", "note"]


class Attachment(Struct, frozen=True, kw_only=True):
    """A file that came with a message; its bytes stay with the provider."""

    name: str
    type: str | None = None  #: media type
    size: int | None = None  #: bytes
    url: str | None = None


class Participant(Struct, frozen=True, kw_only=True):
    """Someone in a conversation."""

    external_id: str
    role: Role = "unknown"
    name: str | None = None
    email: str | None = None
    is_known: bool = True  #: False while the provider has not yet been asked who this is


class Message(Struct, frozen=True, kw_only=True):
    """One utterance, as the provider reported it."""

    external_id: str  #: unique within one conversation
    author: Participant | None  #: None: the provider does not say
    sent_at: datetime  #: aware, UTC; the provider's clock, not ours
    text: str  #: plain text, HTML already removed; `[no text]` when there is none
    kind: Kind = "public"
    attachments: tuple[Attachment, ...] = ()
    is_redacted: bool = False


class Assignment(Struct, frozen=True, kw_only=True):
    """A stretch of a conversation during which one agent or team had it."""

    agent: Participant | None  #: None: unassigned, or only a team
    team: str | None
    from_at: datetime
    to_at: datetime | None  #: never before `from_at`; None while it lasts


class Rating(Struct, frozen=True, kw_only=True):
    """What the customer thought of it, on the provider's scale."""

    value: float
    scale_min: float
    scale_max: float
    comment: str | None = None
    rated_at: datetime | None = None


class Conversation(Struct, frozen=True, kw_only=True):
    """All that is known of one conversation, in order; instants are aware UTC."""

    provider: str
    account: str
    external_id: str
    channel: str | None
    subject: str | None
    status: Status
    started_at: datetime  #: as stated, else the earliest instant known of it
    handle_started_at: datetime | None  #: None: it waits for its first agent
    ended_at: datetime | None  #: None while it is open
    updated_at: datetime
    customer: Participant | None
    participants: tuple[Participant, ...]
    messages: tuple[Message, ...]  #: by (sent_at, stamp)
    assignments: tuple[Assignment, ...]  #: the initial one first, then the transfers
    tags: tuple[str, ...]
    topic: str | None
    rating: Rating | None
    attributes: dict[str, str]
    merged_into: str | None  #: external id of the conversation that goes on in its place
    reopens: int | None = None  #: how often it was opened again; None: the provider does not say
    is_withdrawn: bool = False  #: its source does not hold it any more
    is_erased: bool = False

    @property
    def agent(self) -> Participant | None:
        """Who has it now, or had it last."""
        return self.assignments[-1].agent if self.assignments else None


def handling_time(started_at: datetime | None, ended_at: datetime | None) -> timedelta | None:
    """Time an agent spent on a conversation; None while it is open.

    Zero when the ends are reversed: providers' clocks are whole seconds.
    """
    if started_at is None or ended_at is None:
        return None
    return max(ended_at - started_at, timedelta())
