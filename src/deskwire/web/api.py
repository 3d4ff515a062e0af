"""The internal API: conversations as a list and one by one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from msgspec import Meta, Struct
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from deskwire.core.document import Json, document
from deskwire.core.instants import from_micros, parse_instant, rfc3339, to_micros
from deskwire.core.model import Status
from deskwire.core.view import view
from deskwire.pipeline.hub import Hub
from deskwire.store import agents, conversations, listing
from deskwire.store.db import Connection
from deskwire.store.listing import Listed, Place, Wanted
from deskwire.web.cursors import from_cursor, to_cursor
from deskwire.web.documents import Document, Page
from deskwire.web.errors import HttpError, answers

_Micros = Annotated[int, Meta(ge=-(1 << 62), le=1 << 62)]


class _Cursor(Struct, array_like=True):
    started_at: _Micros
    created_at: _Micros
    id: Annotated[str, Meta(max_length=36)]

    @property
    def place(self) -> Place:
        return self.started_at, self.created_at, self.id


Word = Annotated[str, Field(min_length=1, max_length=255)]
Workspace = Annotated[str, Field(min_length=1, max_length=64)]


Moment = Annotated[datetime, BeforeValidator(parse_instant, json_schema_input_type=str)]


class Filters(BaseModel):
    """Which conversations, and how many at once. A name that is not here is an error."""

    model_config = ConfigDict(extra="forbid")
    workspace: Workspace = "main"
    provider: Word | None = None
    source: Word | None = None
    channel: Word | None = Field(None, description="In any case")
    status: Status | None = None
    agent: Word | None = Field(
        None,
        description="Who had a part of it: a number or id of the hub's, an e-mail address in any "
        "case, or a provider's id; the first of these that is anybody's",
    )
    customer: Word | None = Field(
        None, description="A provider's id, an e-mail address in any case, or a whole name"
    )
    since: Moment | None = Field(
        None, description="ISO 8601, UTC where no zone is told; started then or later"
    )
    until: Moment | None = Field(None, description="The same; started before")
    q: Word | None = Field(None, description="Words that one of its messages has, all of them")
    cursor: Annotated[str, Field(max_length=500)] | None = Field(
        None, description="`next_cursor` of the page before"
    )
    limit: int = Field(50, ge=1, le=500)

    def wanted(self) -> Wanted:
        """The same for the store."""
        told = {name: getattr(self, name) for name in Wanted.__struct_fields__}
        for name in ("since", "until"):
            told[name] = told[name] and to_micros(told[name])
        return Wanted(**told)


def router(hub: Hub) -> APIRouter:
    """The routes."""
    made = APIRouter(prefix="/internal/conversations", tags=["conversations"])

    @made.get("", summary="List conversations", responses=answers(422, 503), response_model=Page)
    async def list_conversations(filters: Annotated[Filters, Query()]) -> Json:
        """Newest first, by the time when they started."""
        after = None if filters.cursor is None else from_cursor(filters.cursor, _Cursor).place
        wanted, limit = filters.wanted(), filters.limit
        found = await hub.read(
            lambda c: listing.page(c, filters.workspace, wanted, after, limit + 1)
        )
        more = to_cursor(found[limit - 1].place) if found[limit:] else None
        return {"items": [_item(one) for one in found[:limit]], "next_cursor": more}

    @made.get(
        "/{conversation_id}",
        summary="Show a conversation",
        responses=answers(404, 422, 503),
        response_model=Document,
    )
    async def show_conversation(
        conversation_id: UUID, workspace: Annotated[Workspace, Query()] = "main"
    ) -> Json:
        """All that is known of it."""
        found = await hub.read(lambda c: _document(c, workspace, str(conversation_id)))
        if found is None:
            raise HttpError(404, "not_found", "Conversation not found")
        return found

    return made


def _item(one: Listed) -> Json:
    last = one.last_message_at
    return {
        "id": one.id,
        "provider": one.provider,
        "external_id": one.external_id,
        "created_at": rfc3339(from_micros(one.started_at)),
        "updated_at": rfc3339(from_micros(one.updated_at)),
        "participant_count": one.participant_count,
        "message_count": one.message_count,
        "last_message_at": None if last is None else rfc3339(from_micros(last)),
        "last_message_preview": one.preview,
    }


def _document(connection: Connection, workspace: str, conversation_id: str) -> Json | None:
    stored = conversations.load(connection, workspace, conversation_id)
    if stored is None:
        return None
    named = stored.facts.agents()
    people = agents.load(connection, workspace, stored.origin.account, named)
    return document(view(stored.facts, stored.origin, people), conversation_id)
