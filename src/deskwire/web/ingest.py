"""Intercom conversations that are posted to the hub: durable and merged when they are answered."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Literal, NoReturn

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from msgspec import Meta, Struct
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.routing import Route

from deskwire.core.codec import decode
from deskwire.core.facts import ConversationFacts, Said, SetAside
from deskwire.core.provider import Record
from deskwire.core.text import storable
from deskwire.pipeline import intake, normalise
from deskwire.pipeline.hub import Hub, Source
from deskwire.pipeline.noting import Change
from deskwire.store import conversations, records
from deskwire.store.db import Connection
from deskwire.web.errors import Detail, answers, details_of, invalid, not_json

PATH = "/integrations/intercom/conversations"
ORIGIN = f"POST {PATH}"
#: Bytes; what is larger is read in a thread, so that others are answered meanwhile.
QUICK = 1 << 16
LATEST = 253_402_300_799  # the last second of the year 9999

_Id = Annotated[str, Meta(min_length=1, max_length=normalise.LONGEST_KEY)]


class _Author(Struct):
    id: _Id


class _Opening(Struct):
    body: str
    author: _Author


class _Payload(Struct):
    """What a payload must have, as it is decoded; all the rest is the provider's to read."""

    id: _Id
    created_at: Annotated[int, Meta(ge=0, le=LATEST)]
    conversation_message: _Opening | None = None
    source: msgspec.Raw = msgspec.Raw(b"null")


class Author(BaseModel):
    """Who wrote it."""

    model_config = ConfigDict(strict=True)
    id: str = Field(min_length=1, max_length=normalise.LONGEST_KEY)


class Opening(BaseModel):
    """The first message."""

    model_config = ConfigDict(strict=True)
    body: str
    author: Author


class _Conversation(BaseModel):
    model_config = ConfigDict(strict=True)
    id: str = Field(min_length=1, max_length=normalise.LONGEST_KEY)
    created_at: int = Field(ge=0, le=LATEST, description="Unix seconds")


class WithMessage(_Conversation):
    """A conversation as Intercom's older versions have it. Further fields are welcome."""

    conversation_message: Opening


class WithSource(_Conversation):
    """A conversation as Intercom's newer versions have it. Further fields are welcome."""

    source: Opening


class Taken(BaseModel):
    """The conversation is stored."""

    model_config = ConfigDict(extra="forbid")
    id: str = Field(json_schema_extra={"format": "uuid"}, description="The hub's")
    provider: Literal["intercom"]
    external_id: str
    deduplicated: bool = Field(description="Whether it was there before")


def add_to(app: FastAPI, hub: Hub) -> None:
    """Add the route, in two halves.

    FastAPI's own work takes longer than all of this, so a plain route answers; the second one is
    never reached and says in the schema what the first one does.
    """

    async def take(request: Request) -> Response:
        return await _take(hub, await request.body())

    app.router.routes.append(Route(PATH, take, methods=["POST"]))
    router = APIRouter(tags=["ingest"])
    router.add_api_route(
        PATH,
        _described,
        methods=["POST"],
        name="take_intercom_conversation",
        summary="Take an Intercom conversation",
        status_code=201,
        response_description="It is new",
        responses={
            200: {"model": Taken, "description": "It was there; what is new was merged in"},
            **answers(422, 503),
        },
    )
    app.include_router(router)


def _described(payload: WithMessage | WithSource) -> Taken:
    raise NotImplementedError


async def _take(hub: Hub, body: bytes) -> Response:
    source, now = hub.sources["intercom"], hub.now()
    if len(body) > QUICK:
        record, said = await asyncio.to_thread(_read, source, body, now)
    else:
        record, said = _read(source, body, now)
    change, is_kept = await hub.write(lambda c: _keep(c, now, source, record, said))
    if is_kept:
        hub.wake.set()
        normalise.tell(source, record, said, [change])
    answer = {
        "id": change.conversation,
        "provider": source.provider_name,
        "external_id": change.external_id,
        "deduplicated": not change.is_new,
    }
    status = 201 if change.is_new else 200
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


def _keep(
    connection: Connection, now: int, source: Source, record: Record, said: list[Said]
) -> tuple[Change, bool]:
    """Store a payload and what it says, unless it is the very same as one before."""
    key = f"body:{hashlib.sha256(record.body).hexdigest()}"
    if not records.keep(connection, source.workspace, record, dedupe_key=key):
        external_id = next(_told(said)).external_id
        found = conversations.find_id(connection, source.workspace, source.account, external_id)
        if found is not None:
            same = Change(conversation=found, external_id=external_id, messages=0)
            return same, False
        # Only a replay, or a person, can have taken the conversation away.
        records.keep(connection, source.workspace, record)
    return normalise.apply(connection, now, source, record, said)[0], True


def _read(source: Source, body: bytes, now: int) -> tuple[Record, list[Said]]:
    """A payload and what it says; HttpError when it is not as published, or says nothing."""
    _check(body)
    record = intake.new_record(source, "call", ORIGIN, body, now)
    said = normalise.read(source, record)
    if next(_told(said), None) is None:
        asides = [one for one in said if isinstance(one, SetAside)]
        raise invalid([_aside(one) for one in asides] or [_fault("it says nothing")])
    return record, said


def _told(said: list[Said]) -> Iterator[ConversationFacts]:
    return (one for one in said if isinstance(one, ConversationFacts))


def _aside(one: SetAside) -> Detail:
    field = one.at.strip("/").replace("/", ".") or "body"
    return Detail(field=storable(field), issue="invalid", message=storable(one.reason))


def _fault(message: str) -> Detail:
    return Detail(field="body", issue="invalid", message=message)


def _check(body: bytes) -> None:
    try:
        _decode(body.decode())
    except (ValueError, RecursionError):
        _check_again(body)


def _decode(text: str) -> None:
    payload = decode(text, _Payload)
    if payload.conversation_message is None:
        decode(payload.source, _Opening)


def _check_again(body: bytes) -> None:
    """HttpError with all that is wrong, unless it is only half an emoji."""
    try:
        value = json.loads(body.decode(), parse_constant=_no_number)
        text = storable(json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError) as error:
        raise not_json() from error
    try:
        _decode(text)
    except (ValueError, RecursionError) as error:
        raise invalid(_faults(text) or [_fault(str(error))]) from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _faults(text: str) -> list[Detail]:
    value = json.loads(text)
    is_modern = (
        isinstance(value, dict)
        and value.get("conversation_message") is None
        and value.get("source") is not None
    )
    published = WithSource if is_modern else WithMessage
    try:
        published.model_validate(value)
    except ValidationError as error:
        return details_of(error.errors(include_url=False), ("body",))
    return []
