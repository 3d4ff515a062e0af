"""The desk API: OurAPI's contract served by us under /desk, and the routes of who handles chats."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Response

from deskwire.core.instants import rfc3339
from deskwire.core.model import Message
from deskwire.core.text import storable
from deskwire.pipeline.desk import Agent, Chat, Conflict, Desk, NotAllowed, NotThere
from deskwire.pipeline.hub import Hub
from deskwire.reports import handled
from deskwire.store import numbers
from deskwire.store.db import Connection
from deskwire.web.desk_bodies import (
    AgentAnswer,
    ChatAnswer,
    ChatChanges,
    DeskError,
    DeskErrorAnswer,
    MessageAnswer,
    NewAgent,
    NewChat,
    NewMessage,
    PerformanceAnswer,
    Reference,
    Said,
    SaidAnswer,
    UserAnswer,
)
from deskwire.web.errors import ErrorAnswer, answers

T = TypeVar("T")
MOST_LISTED = 500


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        **answers(*statuses, 422, 503),
        **{status: {"model": DeskErrorAnswer} for status in statuses},
        400: {"model": DeskErrorAnswer | ErrorAnswer},  # of the desk, or of any route
    }


async def _done(hub: Hub, what: Callable[[Desk], T], *, writes: bool = False) -> T:
    """Do it within one transaction; what the desk refuses becomes its answer."""

    def run(connection: Connection) -> T:
        return what(Desk(hub, connection))

    try:
        if not writes:
            return await hub.read(run)
        done = await hub.write(run)
    except NotThere as error:
        raise DeskError(404, "not_found", str(error)) from error
    except Conflict as error:
        raise DeskError(409, "conflict", str(error)) from error
    except NotAllowed as error:
        raise DeskError(400, "not_allowed", str(error)) from error
    hub.wake.set()
    return done


def _naive(instant: datetime | None) -> str | None:
    return None if instant is None else instant.replace(tzinfo=None).isoformat()


def _chat(desk: Desk, chat: Chat) -> ChatAnswer:
    agent = None if chat.agent is None else desk.numbered(chat.agent)
    return ChatAnswer(
        chat_id=chat.id,
        external_id=chat.external_id,
        started_at=_naive(chat.started_at) or "",
        ended_at=_naive(chat.ended_at),
        agent_id=None if agent is None else agent.id,
        number=chat.number,
        customer_name=chat.customer_name,
        created=_naive(chat.created) or "",
        handle_start=_naive(chat.handle_start),
    )


def _agent(agent: Agent) -> AgentAnswer:
    return AgentAnswer(agent_id=agent.id, name=agent.name, email=agent.email)


def _known(desk: Desk, agent_id: UUID | None) -> str | None:
    """External id of an agent who is named in a body."""
    if agent_id is None:
        return None
    agent = desk.agent(str(agent_id))
    if agent is None:
        raise NotAllowed("That agent does not exist.")
    return agent.external_id


def router(hub: Hub) -> APIRouter:
    """The routes."""
    made = APIRouter()
    made.include_router(_agents(hub))
    made.include_router(_chats(hub))
    made.include_router(_messages(hub))
    made.include_router(_handling(hub))
    return made


def _agents(hub: Hub) -> APIRouter:
    made = APIRouter(prefix="/desk/agents", tags=["desk"])

    @made.post("", status_code=201, summary="Add an agent", responses=_errors(409))
    async def add_agent(new: NewAgent, response: Response) -> AgentAnswer:
        agent = await _done(hub, lambda desk: desk.add_agent(new.name, new.email), writes=True)
        response.headers["Location"] = f"/desk/agents/{agent.id}"
        return _agent(agent)

    @made.get("", summary="List agents", responses=_errors())
    async def list_agents(name: str | None = None, email: str | None = None) -> list[AgentAnswer]:
        """All, or those with exactly this name or address."""
        found = await _done(hub, lambda desk: desk.agents())
        return [
            _agent(one) for one in found if name in {None, one.name} and email in {None, one.email}
        ]

    @made.get("/{agent_id}", summary="Show an agent", responses=_errors(404))
    async def show_agent(agent_id: Reference) -> AgentAnswer:
        def show(desk: Desk) -> AgentAnswer:
            agent = desk.agent(agent_id.lower())
            if agent is None:
                raise NotThere("Agent not found")
            return _agent(agent)

        return await _done(hub, show)

    return made


def _chats(hub: Hub) -> APIRouter:
    made = APIRouter(prefix="/desk/chats", tags=["desk"])

    @made.post("", status_code=201, summary="Add a chat", responses=_errors(400, 409))
    async def add_chat(new: NewChat, response: Response) -> ChatAnswer:
        def add(desk: Desk) -> ChatAnswer:
            changes = new.changes(_known(desk, new.agent_id))
            return _chat(desk, desk.add_chat(storable(new.external_id), new.started_at, changes))

        chat = await _done(hub, add, writes=True)
        response.headers["Location"] = f"/desk/chats/{chat.chat_id}"
        return chat

    @made.get("", summary="List chats", responses=_errors())
    async def list_chats(
        external_id: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = MOST_LISTED,
    ) -> list[ChatAnswer]:
        """The one with exactly this external id, or the newest."""

        def show(desk: Desk) -> list[ChatAnswer]:
            return [_chat(desk, one) for one in desk.chats(external_id, limit)]

        return await _done(hub, show)

    @made.get("/{chat_id}", summary="Show a chat", responses=_errors(404))
    async def show_chat(chat_id: Reference) -> ChatAnswer:
        return await _done(hub, lambda desk: _chat(desk, desk.chat(chat_id.lower())))

    @made.patch("/{chat_id}", status_code=204, summary="Change a chat", responses=_errors(400, 404))
    async def change_chat(chat_id: Reference, changes: ChatChanges) -> None:
        def change(desk: Desk) -> None:
            told = changes.changes(_known(desk, changes.agent_id))
            desk.change_chat(chat_id.lower(), told)

        await _done(hub, change, writes=True)

    return made


def _messages(hub: Hub) -> APIRouter:
    made = APIRouter(prefix="/desk/chats", tags=["desk"])

    @made.post("/{chat_id}/messages", summary="Add a message", responses=_errors(400, 404))
    async def add_message(chat_id: Reference, new: NewMessage) -> ChatAnswer:
        """Written elsewhere, at any time; the answer is the chat."""

        def add(desk: Desk) -> ChatAnswer:
            agent = _known(desk, new.agent_id)
            return _chat(desk, desk.add_message(chat_id.lower(), new.text, new.sent_at, agent))

        return await _done(hub, add, writes=True)

    @made.get("/{chat_id}/messages", summary="List messages", responses=_errors(404))
    async def list_messages(chat_id: Reference) -> list[MessageAnswer]:
        def show(desk: Desk) -> list[MessageAnswer]:
            chat = desk.chat(chat_id.lower())
            return [_message(desk, chat, one) for one in desk.messages(chat.id)]

        return await _done(hub, show)

    return made


def _message(desk: Desk, chat: Chat, message: Message) -> MessageAnswer:
    author = message.author
    agent = desk.numbered(author.external_id) if author and author.role == "agent" else None
    return MessageAnswer(
        message_id=message.external_id,
        chat_id=chat.id,
        agent_id=None if agent is None else agent.id,
        sent_at=_naive(message.sent_at) or "",
        text=message.text,
    )


def _handling(hub: Hub) -> APIRouter:
    made = APIRouter(tags=["handling"])
    workspace = hub.sources["desk"].workspace

    @made.get("/users/performance", summary="What every agent handled", responses=answers(503))
    async def show_performance() -> list[PerformanceAnswer]:
        """Distinct chats that they had a part of, and the mean of the stretches they had one."""
        found = await hub.read(lambda c: handled(c, workspace))
        return [
            PerformanceAnswer(
                userId=one.number,
                name=one.name,
                chatsHandled=one.conversations,
                averageHandlingSeconds=one.average_seconds,
            )
            for one in found
        ]

    @made.get("/users/{user_id}", summary="Show an agent", responses=_errors(404))
    async def show_user(user_id: Reference) -> UserAnswer:
        def show(connection: Connection) -> UserAnswer:
            found = numbers.find(connection, workspace, user_id.lower())
            if not found:
                raise DeskError(404, "not_found", "User not found")
            number = found[0].number
            return UserAnswer(
                userId=number, name=numbers.names(connection, workspace, number)[number]
            )

        return await hub.read(show)

    @made.post(
        "/chats/{chat_id}/end",
        summary="End a chat",
        response_class=Response,
        responses=_errors(404, 409),
    )
    async def end_chat(chat_id: Reference) -> Response:
        """It is over now, and its transcripts are delivered; a second time changes nothing."""
        await _done(hub, lambda desk: desk.end(chat_id.lower()), writes=True)
        return Response()

    @made.post(
        "/chats/{chat_id}/messages",
        status_code=201,
        summary="Write in a chat",
        responses=_errors(400, 404),
    )
    async def write(chat_id: Reference, said: Said) -> SaidAnswer:
        """Only while it is being handled, by whom it is handled by, or the customer."""

        def write_in(desk: Desk) -> SaidAnswer:
            user = None if said.user_id is None else str(said.user_id).lower()
            chat, message = desk.write(chat_id.lower(), said.text, user)
            author = message.author
            agent = desk.numbered(author.external_id) if author and user is not None else None
            return SaidAnswer(
                message_id=message.external_id,
                chat_id=chat.id if chat.number is None else chat.number,
                user_id=None if agent is None else agent.number,
                text=message.text,
                sent_at=rfc3339(message.sent_at),
            )

        return await _done(hub, write_in, writes=True)

    return made
