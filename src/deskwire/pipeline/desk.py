"""The desk: chats that clients write straight into the hub, and what may be done to one when.

Every function runs in the transaction that it is given: what was decided by a chat's state is
stored, as a record like any other, before anybody else can change it.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from deskwire.core.errors import DeskwireError
from deskwire.core.exchange import encode
from deskwire.core.facts import Facts
from deskwire.core.instants import from_micros, parse_instant, rfc3339
from deskwire.core.model import Conversation, Message
from deskwire.core.view import view
from deskwire.pipeline.hub import Hub, Source
from deskwire.pipeline.intake import new_record
from deskwire.pipeline.marking import News
from deskwire.pipeline.normalise import apply, read
from deskwire.store import agents, conversations, numbers, records
from deskwire.store.conversations import Stored
from deskwire.store.db import Connection
from deskwire.store.numbers import Numbered

STARTED_AT = "started_at"  #: the attribute of a chat that started later than its customer came
LONGEST_TEXT = 500  # characters of a message that an agent's client writes


class NotThere(DeskwireError):
    """There is no such thing."""


class Conflict(DeskwireError):
    """Another one has it, or the chat is not so far."""


class NotAllowed(DeskwireError):
    """The chat's state, or what was said, does not allow it."""


class Agent(Struct, frozen=True, kw_only=True):
    """An agent of the desk."""

    id: str
    number: int
    external_id: str
    name: str
    email: str


class Chat(Struct, frozen=True, kw_only=True):
    """A chat of the desk; instants are aware UTC."""

    id: str
    number: int | None
    external_id: str
    customer_name: str | None
    created: datetime  #: the customer entered the queue
    started_at: datetime
    handle_start: datetime | None  #: None: it is still queuing
    ended_at: datetime | None
    reopens: int
    agent: str | None  #: external id of who has it now

    @property
    def is_queuing(self) -> bool:
        """Whether nobody has handled it yet."""
        return self.handle_start is None


class Changes(Struct, frozen=True, kw_only=True):
    """What a client wants of a chat to be another; UNSET: that stays."""

    agent: str | UnsetType | None = UNSET  #: external id; None: nobody has it any more
    started_at: datetime | UnsetType = UNSET
    ended_at: datetime | UnsetType | None = UNSET  #: None: it goes on
    customer_name: str | UnsetType | None = UNSET
    created: datetime | UnsetType = UNSET
    handle_start: datetime | UnsetType | None = UNSET


Statement = dict[str, object]


class Desk:
    """The desk of a hub, within one transaction."""

    def __init__(self, hub: Hub, connection: Connection) -> None:
        self.hub, self.connection = hub, connection
        self.source: Source = hub.sources["desk"]
        self.workspace = self.source.workspace

    # Agents

    def agents(self) -> list[Agent]:
        """Every agent of the desk, by number."""
        known = numbers.of_account(self.connection, self.workspace, self.source.account)
        return self._agents(known)

    def agent(self, text: str) -> Agent | None:
        """The agent of an id or a number; None: the desk has no such agent."""
        account = self.source.account
        found = numbers.find(self.connection, self.workspace, text)
        mine = [one for one in found if one.account == account]
        exact = [one for one in mine if one.id == text]
        return next(iter(self._agents(exact or mine)), None)

    def numbered(self, external_id: str) -> Numbered | None:
        """Our id and number of whoever has or wrote something; None: nobody knows them."""
        account = self.source.account
        return numbers.get(self.connection, self.workspace, account, external_id)

    def _agents(self, known: list[Numbered]) -> list[Agent]:
        ids = [one.external_id for one in known]
        people = agents.load(self.connection, self.workspace, self.source.account, ids)
        found = []
        for one in known:
            said = people[one.external_id].value if one.external_id in people else None
            name = said.name if said is not None and isinstance(said.name, str) else None
            email = said.email if said is not None and isinstance(said.email, str) else None
            found.append(
                Agent(
                    id=one.id,
                    number=one.number,
                    external_id=one.external_id,
                    name=name or one.external_id,
                    email=email or f"{one.external_id}@{self.source.name}.invalid",
                )
            )
        return found

    def add_agent(self, name: str, email: str) -> Agent:
        """A new agent; Conflict when another one has the name, or the address in any case."""
        for one in self.agents():
            if one.name == name or one.email.casefold() == email.casefold():
                raise Conflict("An agent with that name or email already exists.")
        agent_id = str(uuid.uuid4())
        self._say(None, users=[{"user_id": agent_id, "name": name, "email": email}])
        added = self.agent(agent_id)
        assert added is not None
        return added

    # Chats

    def chat(self, text: str) -> Chat:
        """The chat of an id or a number; NotThere when there is none."""
        return self._chat(self._stored(text))

    def chats(self, external_id: str | None, limit: int) -> list[Chat]:
        """Those of an external id, or the newest."""
        account = self.source.account
        found = (
            conversations.newest(self.connection, self.workspace, account, limit)
            if external_id is None
            else [conversations.find_id(self.connection, self.workspace, account, external_id)]
        )
        stored = [self._load(one) for one in found if one is not None]
        return [self._chat(one) for one in stored if one is not None]

    def messages(self, text: str) -> list[Message]:
        """The messages of a chat, in order; NotThere when there is none."""
        return list(_view(self._stored(text)).messages)

    def add_chat(self, external_id: str, started_at: datetime, changes: Changes) -> Chat:
        """A new chat; Conflict when another one has the external id."""
        account = self.source.account
        if conversations.find_id(self.connection, self.workspace, account, external_id) is not None:
            raise Conflict("A chat with that external ID already exists.")
        handle_start = changes.handle_start
        if handle_start is UNSET:
            handle_start = started_at if isinstance(changes.agent, str) else None
        created = started_at if changes.created is UNSET else changes.created
        number = conversations.next_number(self.connection, self.workspace)
        chat: Statement = {
            "chat_id": number,
            "external_id": external_id,
            "customer_name": changes.customer_name or None,
            "created": rfc3339(created),
            "started_at": rfc3339(started_at),
            "handle_start": _shown(handle_start),
            "handle_end": _shown(changes.ended_at or None),
            "user_id": changes.agent or None,
            "reopens": 0,
        }
        self._say(None, chats=[chat])
        return self.chats(external_id, 1)[0]

    def change_chat(self, text: str, changes: Changes) -> Chat:
        """Only what is told changes; NotThere when there is no such chat."""
        stored = self._stored(text)
        before = self._chat(stored)
        chat = {**self._moved(before, changes), **self._handed_over(before, changes)}
        if changes.customer_name is not UNSET:
            chat["customer_name"] = changes.customer_name
        if changes.ended_at is not UNSET:
            chat["handle_end"] = _shown(changes.ended_at)
            if changes.ended_at is None and before.ended_at is not None:
                chat["reopens"] = before.reopens + 1
        if chat:
            # Whether it is queuing, open or over is told by its beginning and its end.
            chat.setdefault("handle_start", _shown(before.handle_start))
            chat.setdefault("handle_end", _shown(before.ended_at))
            self._say(stored, chats=[{"external_id": before.external_id, **chat}])
        return self.chat(before.id)

    @staticmethod
    def _moved(before: Chat, changes: Changes) -> Statement:
        """The instants at its beginning; those that are the start by default move with it."""
        started_at = changes.started_at or before.started_at
        chat: Statement = {}
        if changes.started_at is not UNSET or changes.created is not UNSET:
            follows = before.created == before.started_at
            created = changes.created or (started_at if follows else before.created)
            chat = {"created": rfc3339(created), "started_at": rfc3339(started_at)}
        if changes.handle_start is not UNSET:
            chat["handle_start"] = _shown(changes.handle_start)
        elif before.handle_start == before.started_at != started_at:
            chat["handle_start"] = rfc3339(started_at)
        return chat

    def _handed_over(self, before: Chat, changes: Changes) -> Statement:
        """A first agent begins to handle it now; any other takes it over now."""
        if changes.agent is UNSET or changes.agent == before.agent:
            return {}
        now = from_micros(self.hub.now())
        if changes.agent is None or not before.is_queuing:
            return {
                "user_id": changes.agent,
                "previous_user_id": before.agent,
                "assigned_at": rfc3339(now),
            }
        # One that is over was handled before its end.
        since = now if before.ended_at is None else (changes.started_at or before.started_at)
        told = changes.handle_start or since
        return {"user_id": changes.agent, "handle_start": rfc3339(told)}

    # Handling

    def end(self, text: str) -> None:
        """It is over now. One that is over keeps its end; Conflict while it queues."""
        stored = self._stored(text)
        before = self._chat(stored)
        if before.ended_at is not None:
            return
        if before.is_queuing:
            raise Conflict("The chat is still queuing: nobody has handled it yet.")
        now = rfc3339(from_micros(self.hub.now()))
        chat: Statement = {"external_id": before.external_id, "handle_end": now}
        self._say(stored, chats=[chat], news=News(is_over=True))

    def write(self, text: str, said: str, user: str | None) -> tuple[Chat, Message]:
        """A message from where it is handled; without a user it is the customer's."""
        stored = self._stored(text)
        chat = self._chat(stored)
        agent = None if user is None else self.agent(user)
        if chat.is_queuing or chat.ended_at is not None:
            how = "has ended" if chat.ended_at is not None else "has not started to be handled"
            raise NotAllowed(f"The chat {how}.")
        if user is not None and (agent is None or agent.external_id != chat.agent):
            raise NotAllowed("That user is not handling this chat.")
        if not said.strip() or len(said) > LONGEST_TEXT:
            raise NotAllowed(f"A message has 1 to {LONGEST_TEXT} characters; this has {len(said)}.")
        author = None if agent is None else agent.external_id
        return chat, self._message(stored, said, from_micros(self.hub.now()), author)

    def add_message(self, text: str, said: str, sent_at: datetime, agent: str | None) -> Chat:
        """A message that was written elsewhere, at any time; `agent`: external id."""
        stored = self._stored(text)
        self._message(stored, said, sent_at, agent)
        return self._chat(stored)

    def _message(self, stored: Stored, said: str, sent_at: datetime, agent: str | None) -> Message:
        message_id = str(uuid.uuid4())
        message: Statement = {
            "message_id": message_id,
            "external_id": stored.origin.external_id,
            "user_id": agent,
            "text": said,
            "sent_at": rfc3339(sent_at),
        }
        self._say(stored, messages=[message])
        written = self._load(stored.id)
        assert written is not None
        return next(one for one in _view(written).messages if one.external_id == message_id)

    # The store

    def _say(
        self, stored: Stored | None, news: News | None = None, **document: list[Statement]
    ) -> None:
        """Keep what was said as a record, and merge it in."""
        now = self.hub.now()
        if stored is not None:  # the host's clock may have gone back; what is said now is newer
            now = max(now, _latest(stored.facts) + 1)
        body = encode(document).encode()
        record = new_record(self.source, "call", "the desk API", body, now)
        records.keep(self.connection, self.workspace, record)
        told = read(self.source, record)
        apply(self.connection, self.hub.now(), self.source, record, told, news)

    def _stored(self, text: str) -> Stored:
        found: str | None = text
        if text.isascii() and text.isdigit() and len(text) < 10:
            found = conversations.find_number(self.connection, self.workspace, int(text))
        stored = None if found is None else self._load(found)
        if stored is None or stored.origin.account != self.source.account:
            raise NotThere("Chat not found")
        return stored

    def _load(self, conversation_id: str) -> Stored | None:
        return conversations.load(self.connection, self.workspace, conversation_id)

    @staticmethod
    def _chat(stored: Stored) -> Chat:
        seen = _view(stored)
        started_at = seen.attributes.get(STARTED_AT)
        return Chat(
            id=stored.id,
            number=stored.number,
            external_id=stored.origin.external_id,
            customer_name=None if seen.customer is None else seen.customer.name,
            created=seen.started_at,
            started_at=seen.started_at if started_at is None else parse_instant(started_at),
            handle_start=seen.handle_started_at,
            ended_at=seen.ended_at,
            reopens=seen.reopens or 0,
            agent=None if seen.agent is None else seen.agent.external_id,
        )


def _view(stored: Stored) -> Conversation:
    return view(stored.facts, stored.origin, {})


def _latest(facts: Facts) -> int:
    stamps = [facts.head.stamp.as_of]
    for items in (facts.messages, facts.assignments, facts.participants, facts.attributes):
        stamps += [one.stamp.as_of for one in items.values()]
    return max(stamps)


def _shown(instant: datetime | UnsetType | None) -> str | None:
    return rfc3339(instant) if isinstance(instant, datetime) else None
