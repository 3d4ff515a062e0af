"""The desk: first-party chats, as its own API says them and as exports of such desks have them.

Both say the same, in one shape: users, chats and messages, see doc.md. An export says all of a
chat; a call only what it changes, already weighed against what was known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from deskwire.core.codec import decode
from deskwire.core.errors import Unreadable
from deskwire.core.facts import (
    AssignmentFacts,
    ConversationFacts,
    Entry,
    Head,
    MessageFacts,
    ParticipantFacts,
    PersonFacts,
    Said,
    SetAside,
)
from deskwire.core.instants import parse_instant, rfc3339
from deskwire.core.model import Status
from deskwire.core.provider import Provider, Record
from deskwire.core.text import storable, storable_json

T = TypeVar("T")

#: The desk knows its customers by the chats that they are in.
CUSTOMER = "customer"
#: Columns of numbers are so large.
LARGEST_NUMBER = 2**31
#: The attribute of a chat whose `started_at` is not when its customer came.
STARTED_AT = "started_at"


class Document(Struct, frozen=True):
    """An export, or a call; each part is read on its own, so that one bad one is only one."""

    users: list[msgspec.Raw] = []
    chats: list[msgspec.Raw] = []
    messages: list[msgspec.Raw] = []


class User(Struct, frozen=True):
    """An agent. A number as `user_id` is also their small number."""

    user_id: int | str
    name: str | None = None
    email: str | None = None
    number: int | None = None


class Chat(Struct, frozen=True):
    """A chat, or what changed of it; instants are ISO 8601, without a zone UTC."""

    chat_id: int | None = None  #: its small number
    external_id: str | None = None  #: None: the number
    customer_name: str | UnsetType | None = UNSET
    created: str | UnsetType = UNSET  #: the customer entered the queue
    started_at: str | UnsetType = UNSET  #: where that is another instant
    handle_start: str | UnsetType | None = UNSET
    handle_end: str | UnsetType | None = UNSET  #: null: it goes on
    user_id: int | str | UnsetType | None = UNSET  #: who has it; null: nobody yet
    previous_user_id: int | str | UnsetType | None = UNSET  #: it is handed over from them,
    assigned_at: str | UnsetType = UNSET  #: at this instant
    reopens: Annotated[int, Meta(ge=0, lt=LARGEST_NUMBER)] | UnsetType = UNSET


class Message(Struct, frozen=True):
    """A message; the customer's when it has no `user_id`."""

    message_id: int | str
    text: str
    sent_at: str
    chat_id: int | None = None  #: the chat's number, or
    external_id: str | None = None  #: its external id
    user_id: int | str | None = None


def normalise(record: Record) -> Iterator[Said]:
    """What an export or a call says."""
    try:
        document = decode(storable_json(record.body), Document)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not users, chats and messages of a desk: {error}") from error
    known = dict(_ids(document))
    said = [
        *_each(document.users, "/users", User, record, _user),
        *_each(document.chats, "/chats", Chat, record, _chat),
        *(
            _message(raw, f"/messages/{position}", record, known)
            for position, raw in enumerate(document.messages)
        ),
    ]
    yield from said
    yield from _unnamed(said, record)


def _unnamed(said: list[Said], record: Record) -> Iterator[PersonFacts]:
    """Agents that chats name before a file with the users came: their ids are their numbers."""
    told = {one.external_id for one in said if isinstance(one, PersonFacts)}
    for one in said:
        named = one.participants.items() if isinstance(one, ConversationFacts) else ()
        for key, who in named:
            if who.role != "agent" or key in told or not key.isdigit() or record.kind != "file":
                continue
            told.add(key)
            number = int(key) if 0 < int(key) < LARGEST_NUMBER else None
            yield PersonFacts(
                at=one.at,
                external_id=key,
                as_of=record.received_at,
                number=number,
                said=ParticipantFacts(role="agent"),
            )


def _ids(document: Document) -> Iterator[tuple[int, str]]:
    """The external ids of the chats of a document, by their numbers."""
    for raw in document.chats:
        try:
            chat = decode(raw, Chat)
        except (ValueError, RecursionError):
            continue  # `_chat` says what is wrong with it
        if chat.chat_id is not None:
            yield chat.chat_id, _external_id(chat)


def _external_id(chat: Chat) -> str:
    if chat.external_id is None and chat.chat_id is None:
        raise ValueError("it has neither chat_id nor external_id")
    return _numbered(chat.chat_id) if chat.external_id is None else chat.external_id


def _numbered(chat_id: int | None) -> str:
    """No client's own id: a chat that is told by its number only must not meet theirs."""
    return f"chat:{chat_id}"


def _each(
    raws: list[msgspec.Raw],
    place: str,
    kind: type[T],
    record: Record,
    say: Callable[[T, str, Record], Said],
) -> Iterator[Said]:
    for position, raw in enumerate(raws):
        at = f"{place}/{position}"
        try:
            yield say(decode(raw, kind), at, record)
        except (ValueError, RecursionError) as error:
            yield SetAside(at=at, reason=str(error))


def _user(user: User, at: str, record: Record) -> PersonFacts:
    return PersonFacts(
        at=at,
        external_id=str(user.user_id),
        as_of=record.received_at,
        number=_number(user.user_id) if isinstance(user.user_id, int) else user.number,
        said=ParticipantFacts(
            role="agent",
            name=storable((user.name or "").strip()) or UNSET,
            email=storable((user.email or "").strip()) or UNSET,
        ),
    )


def _number(told: int) -> int:
    if 0 < told < LARGEST_NUMBER:
        return told
    raise ValueError(f"{str(told)[:20]} is no number of a user or chat")


def _chat(chat: Chat, at: str, record: Record) -> ConversationFacts:
    created, handle_start, ended_at = map(
        _instant, (chat.created, chat.handle_start, chat.handle_end)
    )
    stated = [one for one in (created, handle_start, ended_at) if isinstance(one, datetime)]
    agent = _id(chat.user_id)
    return ConversationFacts(
        at=at,
        external_id=_external_id(chat),
        as_of=_as_of(max(stated, default=record.received_at), record),
        number=None if chat.chat_id is None else _number(chat.chat_id),
        head=Head(
            channel="chat",
            status=_status(handle_start, ended_at),
            started_at=UNSET if created is None else created,
            handle_started_at=handle_start,
            ended_at=ended_at,
            customer=UNSET if chat.customer_name is UNSET else CUSTOMER,
            reopens=chat.reopens,
        ),
        participants=_participants(chat, agent),
        assignments=_assignments(chat, agent, f"{record.id}{at}"),
        attributes=_attributes(chat, created),
    )


def _as_of(last: datetime, record: Record) -> datetime:
    """An export does not say when it was made: it is as of the last instant that it tells.

    But not of one to come, or nothing that is said now would count beside it.
    """
    return min(last, record.received_at) if record.kind == "file" else record.received_at


def _instant(told: str | UnsetType | None) -> datetime | UnsetType | None:
    return parse_instant(told) if isinstance(told, str) else told


def _id(told: int | str | UnsetType | None) -> str | UnsetType | None:
    return str(told) if isinstance(told, int | str) else told


def _status(
    handle_start: datetime | UnsetType | None, ended_at: datetime | UnsetType | None
) -> Status | UnsetType:
    """As far as the statement says it; one that says nothing of either leaves it as it was."""
    if isinstance(ended_at, datetime):
        return "closed"
    if isinstance(handle_start, datetime):
        return "open"
    return "queued" if handle_start is None else UNSET


def _participants(chat: Chat, agent: str | UnsetType | None) -> dict[str, ParticipantFacts]:
    found = {}
    if chat.customer_name is not UNSET:
        name = storable((chat.customer_name or "").strip())
        found[CUSTOMER] = ParticipantFacts(role="customer", name=name or UNSET)
    if isinstance(agent, str):
        found[agent] = ParticipantFacts(role="agent")
    return found


def _assignments(chat: Chat, agent: str | UnsetType | None, key: str) -> dict[str, AssignmentFacts]:
    """Who has it: since it was handled first, or handed over at an instant."""
    if agent is UNSET:
        return {}
    if isinstance(chat.assigned_at, str):
        handed = AssignmentFacts(
            agent=agent,
            previous_agent=_id(chat.previous_user_id) or UNSET,
            from_at=parse_instant(chat.assigned_at),
        )
        return {key: handed}
    return {} if agent is None else {"initial": AssignmentFacts(agent=agent, initial=True)}


def _attributes(chat: Chat, created: datetime | UnsetType | None) -> dict[str, Entry]:
    if not isinstance(chat.started_at, str):
        return {}
    started_at = parse_instant(chat.started_at)
    return {STARTED_AT: Entry(value=None if started_at == created else rfc3339(started_at))}


def _message(raw: msgspec.Raw, at: str, record: Record, known: dict[int, str]) -> Said:
    external_id = None
    try:
        message = decode(raw, Message)
        external_id = _chat_of(message, known)
        sent_at = parse_instant(message.sent_at)
    except (ValueError, RecursionError) as error:
        return SetAside(at=at, reason=str(error), external_id=external_id)
    agent = _id(message.user_id)
    author = agent if isinstance(agent, str) else CUSTOMER
    return ConversationFacts(
        at=at,
        external_id=external_id,
        as_of=_as_of(sent_at, record),
        head=Head(channel="chat", customer=CUSTOMER if author == CUSTOMER else UNSET),
        participants={author: ParticipantFacts(role="customer" if author == CUSTOMER else "agent")},
        messages={
            str(message.message_id): MessageFacts(
                author=author, sent_at=sent_at, text=storable(message.text)
            )
        },
    )


def _chat_of(message: Message, known: dict[int, str]) -> str:
    if message.external_id is not None:
        return message.external_id
    if message.chat_id is None:
        raise ValueError("it has neither chat_id nor external_id")
    return known.get(message.chat_id, _numbered(message.chat_id))


provider = Provider(normalise=normalise, text_fields=frozenset({"text"}), files="whole")
