"""What the desk API is sent and answers: bodies, and the error shape that OurAPI's clients know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path
from msgspec import UNSET
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
)
from starlette.responses import JSONResponse

from deskwire.core.text import storable
from deskwire.pipeline.desk import Changes
from deskwire.web.errors import ErrorAnswer, HttpError

#: Agents and chats go by an id and by a small number.
REFERENCE = r"^([0-9]{1,40}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$"


def _in_utc(instant: datetime) -> datetime:
    """Without a zone it means UTC."""
    try:
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("it cannot be told in UTC") from error


def _none_if_empty(told: object) -> object:
    return None if told == "" else told


Instant = Annotated[
    datetime,
    AfterValidator(_in_utc),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}),
]
Trimmed = StringConstraints(strip_whitespace=True, min_length=2, max_length=240)
AgentId = Annotated[UUID | None, BeforeValidator(_none_if_empty)]
Reference = Annotated[str, Path(pattern=REFERENCE)]
CustomerName = Annotated[str, StringConstraints(max_length=1000), AfterValidator(storable)]


class NewAgent(BaseModel):
    """Name and address are each unique; the address in any case."""

    name: Annotated[str, Trimmed, AfterValidator(storable)]
    email: Annotated[str, Trimmed, AfterValidator(storable)]


class ChatChanges(BaseModel):
    """Only the fields that are sent change."""

    agent_id: AgentId = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    customer_name: CustomerName | None = None
    created: Instant | None = None
    handle_start: Instant | None = None

    def changes(self, agent: str | None) -> Changes:
        """The same for the pipeline; `agent`: external id of the one that is sent."""
        told = {name: getattr(self, name) for name in self.model_fields_set & FIELDS}
        for name in REQUIRED:  # null says nothing of an instant that is always there
            if told.get(name, UNSET) is None:
                del told[name]
        if "agent_id" in self.model_fields_set:
            told["agent"] = agent
        return Changes(**told)


FIELDS = frozenset(Changes.__struct_fields__)
REQUIRED = ("started_at", "created")


class NewChat(ChatChanges):
    """A chat, which may be queuing, handled or over."""

    external_id: Annotated[str, StringConstraints(min_length=1, max_length=240)]
    started_at: Instant


class NewMessage(BaseModel):
    """A message; the customer's when it has no agent."""

    sent_at: Instant
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2)]
    agent_id: AgentId = None


class Said(BaseModel):
    """What somebody writes in a chat that is being handled; the customer without `user_id`."""

    text: str
    user_id: Annotated[StrictInt | str | None, BeforeValidator(_none_if_empty)] = None


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AgentAnswer(_Answer):
    """An agent."""

    agent_id: str
    name: str
    email: str


class ChatAnswer(_Answer):
    """A chat; instants without a zone, which are UTC."""

    chat_id: str
    external_id: str
    started_at: str
    ended_at: str | None
    agent_id: str | None
    number: int | None
    customer_name: str | None
    created: str
    handle_start: str | None


class MessageAnswer(_Answer):
    """A message."""

    message_id: str
    chat_id: str
    agent_id: str | None
    sent_at: str
    text: str


class SaidAnswer(_Answer):
    """A message as it was stored."""

    message_id: str
    chat_id: int | str
    user_id: int | None
    text: str
    sent_at: str


class UserAnswer(_Answer):
    """An agent."""

    userId: int  # noqa: N815 - the contract's spelling
    name: str


class PerformanceAnswer(UserAnswer):
    """What an agent handled."""

    chatsHandled: int  # noqa: N815 - the contract's spelling
    averageHandlingSeconds: float | None  # noqa: N815 - the contract's spelling


class DeskErrorAnswer(ErrorAnswer):
    """An error with OurAPI's own key beside the hub's."""

    detail: str


class DeskError(HttpError):
    """The same as an exception."""

    def response(self) -> JSONResponse:
        """The answer itself."""
        body = {"error_code": self.error_code, "message": self.detail, "details": None}
        return JSONResponse({**body, "detail": self.detail}, status_code=self.status_code)
