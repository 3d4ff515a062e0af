"""Serve OurAPI from memory: agents, chats and messages, with its odd answers."""

import asyncio
import re
from collections import Counter
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import UNSET, Struct, UnsetType

from deskwire.sandbox.answers import as_json, crash, invalid, refusal
from deskwire.sandbox.faults import Faults

CRASHES = 0.3  # of the requests that overlap another
READS_NOTHING = 0.3  # of the requests that overlap another
SHORTEST = 2  # characters
FINDS_NOTHING = web.RequestKey("finds_nothing", bool)

Moment = datetime | int | float
Body = TypeVar("Body")


class NewAgent(Struct):
    """Body of `POST /agents`."""

    name: str
    email: str


class NewChat(Struct):
    """Body of `POST /chats`."""

    external_id: str
    started_at: Moment
    ended_at: Moment | None = None
    agent_id: str | None = None


class ChatPatch(Struct):
    """Body of `PATCH /chats/{chat_id}`; a field that was not sent is UNSET."""

    agent_id: str | UnsetType | None = UNSET
    started_at: Moment | UnsetType = UNSET
    ended_at: Moment | UnsetType | None = UNSET


class NewMessage(Struct):
    """Body of `POST /chats/{chat_id}/messages`."""

    sent_at: Moment
    text: str
    agent_id: str | None = None


class Agent(Struct, frozen=True):
    """As answered."""

    agent_id: str
    name: str
    email: str


class Chat(Struct, frozen=True, kw_only=True):
    """As answered."""

    chat_id: str
    external_id: str
    started_at: str  #: ISO 8601 without a zone, UTC; so are the other instants
    ended_at: str | None
    agent_id: str | None


class Message(Struct, frozen=True, kw_only=True):
    """As answered."""

    message_id: str
    chat_id: str
    agent_id: str | None  #: None: the customer wrote it
    sent_at: str
    text: str


class Effect(NamedTuple):
    """One change of the database."""

    method: str
    route: str
    stored: Agent | Chat | Message  #: as it is after the change


class RefusedError(Exception):
    """Carries the answer to a request that has no effect."""

    def __init__(self, answer: web.Response) -> None:
        super().__init__(answer.text)
        self.answer = answer


@dataclass(eq=False)
class OurAPI:
    """The service and its database, for tests."""

    seed: int = 0
    faults: Faults = field(default_factory=Faults)
    _: KW_ONLY
    service_seconds: float = 0.0
    fragile: bool = True  #: requests that overlap may answer 500 or find an empty database
    agents: dict[str, Agent] = field(default_factory=dict, init=False)
    chats: dict[str, Chat] = field(default_factory=dict, init=False)
    #: by chat_id, in the order of arrival
    messages: dict[str, list[Message]] = field(default_factory=dict, init=False)
    #: by method and route, those that met a fault too
    calls: Counter[tuple[str, str]] = field(default_factory=Counter, init=False)
    #: in the order they happened; survives `forget`
    log: list[Effect] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._open_requests = 0

    def app(self) -> web.Application:
        """Give a new application over the same state, as after a restart."""
        app = web.Application(middlewares=[self._count, self.faults.middleware(), self._gate])
        app.router.add_post("/agents", self._post_agent)
        app.router.add_get("/agents", self._get_agents)
        app.router.add_get("/agents/{agent_id}", self._get_agent)
        app.router.add_post("/chats", self._post_chat)
        app.router.add_get("/chats", self._get_chats)
        app.router.add_get("/chats/{chat_id}", self._get_chat)
        app.router.add_patch("/chats/{chat_id}", self._patch_chat)
        app.router.add_post("/chats/{chat_id}/messages", self._post_message)
        app.router.add_get("/chats/{chat_id}/messages", self._get_messages)
        return app

    def forget(self) -> None:
        """Lose the database, as a restart may."""
        self.agents.clear()
        self.chats.clear()
        self.messages.clear()

    @web.middleware
    async def _count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.calls[request.method, _route(request)] += 1
        return await handler(request)

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        draw = self._random.random() if self.fragile and self._open_requests else 1.0
        self._open_requests += 1
        try:
            await asyncio.sleep(self.service_seconds)
            if draw < CRASHES:
                return crash()
            request[FINDS_NOTHING] = draw < CRASHES + READS_NOTHING
            return await handler(request)
        except RefusedError as refused:
            return refused.answer
        finally:
            self._open_requests -= 1

    def _store(self, request: web.Request, stored: Agent | Chat | Message) -> None:
        match stored:
            case Agent():
                self.agents[stored.agent_id] = stored
            case Chat():
                self.chats[stored.chat_id] = stored
            case Message():
                self.messages.setdefault(stored.chat_id, []).append(stored)
        self.log.append(Effect(request.method, _route(request), stored))

    def _new_id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def _agents(self, request: web.Request) -> dict[str, Agent]:
        return {} if request[FINDS_NOTHING] else self.agents

    def _chat(self, request: web.Request) -> Chat:
        chat = None if request[FINDS_NOTHING] else self.chats.get(request.match_info["chat_id"])
        if chat is None:
            raise RefusedError(refusal(404, "Chat not found"))
        return chat

    def _check_agent(self, request: web.Request, agent_id: str | UnsetType | None) -> None:
        if agent_id and agent_id not in self._agents(request):
            raise RefusedError(refusal(400, "That agent does not exist."))

    async def _post_agent(self, request: web.Request) -> web.Response:
        body = await _body(request, NewAgent)
        agent = Agent(self._new_id(), _trimmed("name", body.name), _trimmed("email", body.email))
        for other in self.agents.values():
            if other.name == agent.name or other.email.casefold() == agent.email.casefold():
                return crash()
        self._store(request, agent)
        return as_json(agent, 201, {"Location": f"/agents/{agent.agent_id}"})

    async def _get_agents(self, request: web.Request) -> web.Response:
        name, email = request.query.get("name"), request.query.get("email")
        agents = self._agents(request).values()
        return as_json(
            [
                agent
                for agent in agents
                if name in {None, agent.name} and email in {None, agent.email}
            ]
        )

    async def _get_agent(self, request: web.Request) -> web.Response:
        agent = self._agents(request).get(request.match_info["agent_id"])
        return refusal(404, "Agent not found") if agent is None else as_json(agent)

    async def _post_chat(self, request: web.Request) -> web.Response:
        body = await _body(request, NewChat)
        self._check_agent(request, body.agent_id)
        if any(chat.external_id == body.external_id for chat in self.chats.values()):
            return refusal(404, "A chat with that external ID already exists.")
        chat = Chat(
            chat_id=self._new_id(),
            external_id=body.external_id,
            started_at=_zoneless(body.started_at),
            ended_at=None if body.ended_at is None else _zoneless(body.ended_at),
            agent_id=body.agent_id or None,
        )
        self._store(request, chat)
        return as_json(chat, 201, {"Location": f"/chats/{chat.chat_id}"})

    async def _get_chats(self, request: web.Request) -> web.Response:
        external_id = request.query.get("external_id")
        chats = [] if request[FINDS_NOTHING] else self.chats.values()
        return as_json([chat for chat in chats if external_id in {None, chat.external_id}])

    async def _get_chat(self, request: web.Request) -> web.Response:
        return as_json(self._chat(request))

    async def _patch_chat(self, request: web.Request) -> web.Response:
        body = await _body(request, ChatPatch)
        chat = self._chat(request)
        self._check_agent(request, body.agent_id)
        if body.agent_id is not UNSET:
            chat = msgspec.structs.replace(chat, agent_id=body.agent_id or None)
        if body.started_at is not UNSET:
            chat = msgspec.structs.replace(chat, started_at=_zoneless(body.started_at))
        if body.ended_at is not UNSET:
            ended_at = None if body.ended_at is None else _zoneless(body.ended_at)
            chat = msgspec.structs.replace(chat, ended_at=ended_at)
        self._store(request, chat)
        return web.Response(status=204)

    async def _post_message(self, request: web.Request) -> web.Response:
        body = await _body(request, NewMessage)
        text = _trimmed("text", body.text)
        chat = self._chat(request)
        self._check_agent(request, body.agent_id)
        message = Message(
            message_id=self._new_id(),
            chat_id=chat.chat_id,
            agent_id=body.agent_id or None,
            sent_at=_zoneless(body.sent_at),
            text=text,
        )
        self._store(request, message)
        return as_json(chat)

    async def _get_messages(self, request: web.Request) -> web.Response:
        return as_json(self.messages.get(self._chat(request).chat_id, []))


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return request.path if resource is None else resource.canonical


async def _body(request: web.Request, shape: type[Body]) -> Body:
    try:
        return msgspec.json.decode(await request.read(), type=shape)
    except msgspec.ValidationError as error:
        found = re.search(r"required field `(\w+)`|`\$\.(\w+)", str(error))
        name = found and (found[1] or found[2])
        kind = "missing" if found and found[1] else "value_error"
        raise RefusedError(invalid("body", name, str(error), kind)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedError(invalid("body", None, "JSON decode error", "json_invalid")) from error


def _trimmed(name: str, text: str) -> str:
    trimmed = text.strip()
    if len(trimmed) < SHORTEST:
        message = f"String should have at least {SHORTEST} characters"
        raise RefusedError(invalid("body", name, message, "string_too_short"))
    return trimmed


def _zoneless(moment: Moment) -> str:
    """In UTC, without saying so; an instant without a zone is taken as UTC."""
    if not isinstance(moment, datetime):
        moment = datetime.fromtimestamp(moment, UTC)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).replace(tzinfo=None).isoformat()
