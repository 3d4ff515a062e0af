"""Intercom: whole conversations, as they are posted to us or exported.

Facts from Intercom's published API descriptions (2.14 to 2.16), see doc.md. Both shapes of the
first message are read: `conversation_message` of older versions, and `source`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec
from msgspec import UNSET, Raw, UnsetType

from deskwire.core.codec import decode_body
from deskwire.core.errors import Unreadable
from deskwire.core.facts import (
    AssignmentFacts,
    ConversationFacts,
    Entry,
    Head,
    MessageFacts,
    ParticipantFacts,
    Said,
)
from deskwire.core.model import Rating, Status
from deskwire.core.provider import Provider, Record
from deskwire.core.text import storable
from deskwire.providers.intercom.parts import Told, hand_over, message, parts_of, plain
from deskwire.providers.intercom.people import People
from deskwire.providers.intercom.shapes import (
    Author,
    Contacts,
    Conversation,
    FirstMessage,
    Opinion,
    Reader,
    Statistics,
    Tag,
    Tags,
    instant_of,
)

KINDS = frozenset({"call", "file", "detail"})
STATES: dict[str, Status] = {"open": "open", "closed": "closed", "snoozed": "pending"}
#: Where the first message is; where both are, they are the same.
FIRST = ("conversation_message", "source")
MOST_REOPENS = 1_000_000  # what is more is no count
NAMELESS = "source"  #: the key of a first message that came without an id
RATING_MIN, RATING_MAX = 1, 5


def normalise(record: Record) -> Iterator[Said]:
    """What a conversation says: of itself, in its parts, and of the admins in it."""
    if record.kind not in KINDS:
        raise Unreadable(f"Intercom has no {record.kind} records")
    told = decode_body(record.body, Conversation)
    reader = Reader(storable(told.id))
    people = People(reader)
    place, first = _first_message(told, reader)
    parts = list(parts_of(told.conversation_parts, people, reader))
    yield _conversation(told, place, first, parts, people, reader)
    for one in parts:
        if one.said.participants or one.said.messages or one.said.assignments:
            yield one.said
    yield from people.agents
    yield from reader.asides


def _first_message(told: Conversation, reader: Reader) -> tuple[str, FirstMessage]:
    """Its key, and the message; Unreadable when there is none."""
    for key in FIRST:
        first = reader.read(getattr(told, key), f"/{key}", FirstMessage)
        if first is not None:
            return key, first
    why = "; ".join(f"{one.at}: {one.reason}" for one in reader.asides)
    raise Unreadable(f"not a conversation: {why or f'it has neither {FIRST[0]} nor {FIRST[1]}'}")


def _conversation(
    told: Conversation,
    place: str,
    first: FirstMessage,
    parts: list[Told],
    people: People,
    reader: Reader,
) -> ConversationFacts:
    """What is said of the whole as of its last change; the first message is part of that."""
    at = f"/{place}"
    started_at = instant_of(told.created_at)
    as_of = reader.instant(told.updated_at, "/updated_at") or started_at
    status = _status(told, reader)
    statistics = reader.read(told.statistics, "/statistics", Statistics) or Statistics()
    author = people.meet(first.author, f"{at}/author", as_of)
    customer = author if _is_customer(author) else _contact(told, as_of, people, reader)
    key = reader.id(first.id, f"{at}/id")
    said = msgspec.structs.replace(
        message(first, first.body, at, reader), author=next(iter(author)), sent_at=started_at
    )
    return ConversationFacts(
        at="",
        external_id=reader.external_id,
        as_of=as_of,
        head=Head(
            channel=reader.text(first.type, f"{at}/type") or UNSET,
            subject=_subject(told, first, at, reader),
            status=UNSET if status is None else status,
            started_at=started_at,
            ended_at=_ended_at(statistics, status, parts, as_of, reader),
            customer=next(iter(customer), UNSET),
            reopens=_reopens(statistics, reader),
            rating=_rating(told.conversation_rating, "/conversation_rating", reader),
        ),
        participants=customer | author,
        messages=_first(key, said),
        assignments=_initial(told, parts, reader),
        tags=_tags(told.tags, reader),
    )


def _first(key: str | None, said: MessageFacts) -> dict[str, MessageFacts]:
    """The first message. What another payload says of it without its id is no second one."""
    if key is None:
        return {NAMELESS: said}
    return {f"source:{key}": said, NAMELESS: MessageFacts(deleted=True)}


def _status(told: Conversation, reader: Reader) -> Status | None:
    """None: the payload does not say."""
    word = reader.text(told.state, "/state")
    if word in STATES:
        return STATES[word]
    if word is not None:
        reader.set_aside("/state", f"unknown state {word!r:.50}")
    match reader.read(told.open, "/open", bool):
        case None:
            return None
        case is_open:
            return "open" if is_open else "closed"


def _ended_at(
    statistics: Statistics,
    status: Status | None,
    parts: list[Told],
    as_of: datetime,
    reader: Reader,
) -> datetime | UnsetType | None:
    if status is None:
        return UNSET
    if status != "closed":
        return None  # it may have been reopened
    closed_at = reader.instant(statistics.last_close_at, "/statistics/last_close_at")
    closes = [one.closed_at for one in parts if one.closed_at is not None]
    return closed_at or max(closes, default=as_of)


def _reopens(statistics: Statistics, reader: Reader) -> int | UnsetType:
    counted = reader.read(statistics.count_reopens, "/statistics/count_reopens", int)
    return UNSET if counted is None or not 0 <= counted < MOST_REOPENS else counted


def _subject(told: Conversation, first: FirstMessage, at: str, reader: Reader) -> str | UnsetType:
    for raw, place in ((told.title, "/title"), (first.subject, f"{at}/subject")):
        if line := " ".join(plain(reader.text(raw, place)).split()):
            return line
    return UNSET


def _is_customer(author: dict[str, ParticipantFacts]) -> bool:
    return any(one.role == "customer" for one in author.values())


def _contact(
    told: Conversation, as_of: datetime, people: People, reader: Reader
) -> dict[str, ParticipantFacts]:
    """The first contact that it names, as the customer; empty: nobody is named."""
    for raw, at in _contacts(told, reader):
        contact = people.meet(reader.read_item(raw, at, Author), at, as_of)
        for key, said in contact.items():
            return {key: msgspec.structs.replace(said, role="customer")}
    return {}


def _contacts(told: Conversation, reader: Reader) -> Iterator[tuple[Raw, str]]:
    listing = reader.read(told.contacts, "/contacts", Contacts)
    for position, one in enumerate((listing and listing.contacts) or []):
        yield one, f"/contacts/contacts/{position}"
    for position, one in enumerate(reader.read(told.customers, "/customers", list[Raw]) or []):
        yield one, f"/customers/{position}"
    if bytes(told.user) != b"null":
        yield told.user, "/user"


def _initial(told: Conversation, parts: list[Told], reader: Reader) -> dict[str, AssignmentFacts]:
    """Who has it, where no part tells since when."""
    if any(one.said.assignments for one in parts):
        return {}
    for raw, at in (
        (told.admin_assignee_id, "/admin_assignee_id"),
        (told.assignee, "/assignee"),
    ):
        handed = hand_over(raw, at, reader)
        if handed is not None and handed.agent is not None:
            return {"initial": AssignmentFacts(agent=handed.agent, initial=True)}
    return {}


def _rating(raw: Raw, at: str, reader: Reader) -> Rating | UnsetType:
    told = reader.read(raw, at, Opinion)
    if told is None or told.rating is None:
        return UNSET
    if not RATING_MIN <= told.rating <= RATING_MAX:
        reader.set_aside(f"{at}/rating", f"no rating from {RATING_MIN} to {RATING_MAX}")
        return UNSET
    return Rating(
        value=told.rating,
        scale_min=RATING_MIN,
        scale_max=RATING_MAX,
        comment=reader.text(told.remark, f"{at}/remark"),
        rated_at=reader.instant(told.updated_at, f"{at}/updated_at")
        or reader.instant(told.created_at, f"{at}/created_at"),
    )


def _tags(raw: Raw, reader: Reader) -> dict[str, Entry]:
    listing = reader.read(raw, "/tags", Tags)
    found = [
        reader.read_item(one, f"/tags/tags/{position}", Tag)
        for position, one in enumerate((listing and listing.tags) or [])
    ]
    names = [storable(one.name).strip() for one in found if one is not None]
    return {name: Entry(value=name) for name in names if name}


provider = Provider(
    normalise=normalise,
    text_fields=frozenset({"remark"}),
    html_fields=frozenset({"body", "subject", "title"}),
    files="values",
    listed_under=frozenset({"conversations"}),
)
