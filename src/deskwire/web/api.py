"""The internal API: conversations as a list and one by one."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from msgspec import Meta, Struct
from pydantic import Field

from deskwire.core.document import Json, document
from deskwire.core.instants import from_micros, parse_instant, rfc3339, to_micros
from deskwire.core.model import Status
from deskwire.core.view import view
from deskwire.pipeline.hub import Hub
from deskwire.reports import Question, Report, ask
from deskwire.reports import conversations as behind
from deskwire.reports.buckets import UNITS
from deskwire.store import agents, conversations, listing
from deskwire.store.db import Connection
from deskwire.store.listing import Listed, Place, Wanted
from deskwire.web.cursors import from_cursor, to_cursor
from deskwire.web.documents import Document, Page
from deskwire.web.errors import Detail, HttpError, answers, invalid
from deskwire.web.reports import Asked, DimensionValue, Moment, Word, Workspace, report_named

_Micros = Annotated[int, Meta(ge=-(1 << 62), le=1 << 62)]


class _Cursor(Struct, array_like=True):
    started_at: _Micros
    created_at: _Micros
    id: Annotated[str, Meta(max_length=36)]

    @property
    def place(self) -> Place:
        return self.started_at, self.created_at, self.id


class Filters(Asked):
    """Which conversations, and how many at once."""

    provider: Word | None = None
    status: Status | None = None
    agent: DimensionValue | None = Field(
        None,
        description="Who had a part of it: a number or id of the hub's, an e-mail address in any "
        "case, or a provider's id; the first of these that is anybody's",
    )
    customer: DimensionValue | None = Field(
        None, description="A provider's id, an e-mail address in any case, or a whole name"
    )
    since: Moment | None = Field(
        None, description="ISO 8601, UTC where no zone is told; started then or later"
    )
    until: Moment | None = Field(None, description="The same; started before")
    q: Word | None = Field(None, description="Words that one of its messages has, all of them")
    report: Word | None = Field(
        None,
        description="Name of a report: the conversations behind a figure of it, as its links name "
        "them. The filters mean what they mean to the report.",
    )
    metric: Word | None = Field(None, description="Which figure of the report")
    hour: Word | None = Field(None, description="Value of a report's dimension")
    day: Word | None = Field(None, description="The same")
    week: Word | None = Field(None, description="The same")
    month: Word | None = Field(None, description="The same")
    weekday_hour: Word | None = Field(None, description="The same")
    cursor: Annotated[str, Field(max_length=500)] | None = Field(
        None, description="`next_cursor` of the page before"
    )
    limit: int = Field(50, ge=1, le=500)

    def wanted(self) -> Wanted:
        """The same for the store; of a report's conversations what the report does not know."""
        if self.report is not None:
            return Wanted(provider=self.provider, status=self.status, q=self.q)
        given = [name for name in OF_REPORTS if getattr(self, name) is not None]
        if given:
            message = "only together with report and metric"
            raise invalid(
                [Detail(field=f"query.{one}", issue="invalid", message=message) for one in given]
            )
        told = {name: getattr(self, name) for name in Wanted.__struct_fields__}
        for name in ("since", "until"):
            told[name] = told[name] and to_micros(parse_instant(told[name]))
        return Wanted(**{**told, "channel": tuple(self.channel) or None})

    def asked(self, hub: Hub) -> tuple[Report, str, Question] | None:
        """The figure whose conversations are meant; None: any."""
        if self.report is None:
            return None
        times: dict[str, tuple[str, ...]] = {
            one: (value,) for one in UNITS if (value := getattr(self, one)) is not None
        }
        question = ask(
            hub.calendar,
            self.workspace,
            since=self.since,
            until=self.until,
            zone=self.zone,
            filters=self.filters() | times,
        )
        return report_named(self.report), self.metric or "", question


#: Filters that only make sense of a report.
OF_REPORTS = ("metric", "zone", "account", "team", "topic", "customer_type", *UNITS)


def router(hub: Hub) -> APIRouter:
    """The routes."""
    made = APIRouter(prefix="/internal/conversations", tags=["conversations"])

    @made.get(
        "", summary="List conversations", responses=answers(404, 422, 503), response_model=Page
    )
    async def list_conversations(filters: Annotated[Filters, Query()]) -> Json:
        """Newest first, by the time when they started."""
        after = None if filters.cursor is None else from_cursor(filters.cursor, _Cursor).place
        wanted, limit, asked = filters.wanted(), filters.limit, filters.asked(hub)

        def read(connection: Connection) -> list[Listed]:
            among = None if asked is None else behind(connection, *asked)
            return listing.page(connection, filters.workspace, wanted, after, limit + 1, among)

        found = await hub.read(read)
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
