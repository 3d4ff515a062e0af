"""Conversations as they are answered: the schema of `core.document` and of lists."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from deskwire.core.document import LONGEST_PREVIEW
from deskwire.core.model import Kind, Role, Status

Id = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="UTC")]
Count = Annotated[int, Field(ge=0)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Item(_Answer):
    """A conversation in a list."""

    id: Id
    provider: str
    external_id: str
    created_at: Instant = Field(description="When it started, by the provider's clock; UTC")
    updated_at: Instant
    participant_count: Count
    message_count: Count
    last_message_at: Instant | None
    last_message_preview: str | None = Field(max_length=LONGEST_PREVIEW)


class Page(_Answer):
    """The newest first."""

    items: list[Item]
    next_cursor: str | None = Field(description="For the next page; null: this is the last")


class Participant(_Answer):
    """Someone who wrote, or whose conversation it is."""

    id: Id
    external_id: str
    role: Role
    name: str | None
    email: str | None


class Attachment(_Answer):
    """A file, which stays with the provider."""

    name: str
    type: str | None
    size: int | None
    url: str | None


class Message(_Answer):
    """One utterance."""

    id: Id
    external_id: str
    author_participant_id: Id | None
    sent_at: Instant
    content: str
    kind: Kind
    is_redacted: bool
    attachments: list[Attachment]


class Assignee(_Answer):
    """An agent, as the provider knows them."""

    external_id: str
    name: str | None


class Assignment(_Answer):
    """A stretch during which one agent or team had it."""

    agent: Assignee | None
    team: str | None
    from_at: Instant
    to_at: Instant | None


class Rating(_Answer):
    """What the customer thought of it."""

    value: float
    scale_min: float
    scale_max: float
    comment: str | None
    rated_at: Instant | None


class Document(_Answer):
    """All of a conversation."""

    id: Id
    provider: str
    account: str
    external_id: str
    created_at: Instant
    updated_at: Instant
    channel: str | None
    subject: str | None
    status: Status
    handle_started_at: Instant | None
    ended_at: Instant | None
    participants: list[Participant]
    messages: list[Message]
    assignments: list[Assignment]
    tags: list[str]
    topic: str | None
    rating: Rating | None
    attributes: dict[str, str]
