"""BigChat: live chats, polled as events of a window.

Facts from BigChat's contract as read in November 2026, see doc.md. Its events have no ids and no
window is ever served twice, so an event's identity is its place: the record and the position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import UNSET, Struct, UnsetType

from deskwire.core.codec import decode, decode_body
from deskwire.core.errors import Unreadable
from deskwire.core.exchange import Request, authorization, encode
from deskwire.core.facts import (
    AssignmentFacts,
    ConversationFacts,
    Head,
    MessageFacts,
    ParticipantFacts,
    PersonFacts,
    Said,
    SetAside,
)
from deskwire.core.instants import rfc3339
from deskwire.core.provider import Account, Lookup, Next, Poll, Provider, Record
from deskwire.core.text import storable

T = TypeVar("T")

#: An event that is dated later than this after its receipt is a mistake, not a clock's drift.
FARTHEST_AHEAD = timedelta(days=1)
#: BigChat does not say who the customer is: every conversation's customer bears this id.
CUSTOMER = "customer"
#: In characters, as RFC 5321 has it. An address is an agent's key wherever it is delivered.
LONGEST_EMAIL = 254
#: What stays as it is in a path and query that are percent-encoded already.
URL_SIGNS = "%/?:@!$&'()*+,;=[]-._~"


class Window(Struct, frozen=True, kw_only=True):
    """The cursor: the window that is being read, and its next page (None: all were read)."""

    start_at: datetime
    end_at: datetime
    next_page: str | None = None


class Page(Struct, frozen=True):
    """An answer of `/events`; each part is read on its own, so that one bad one is only one."""

    events: list[msgspec.Raw]
    nextPageUrl: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815 - BigChat's spelling


class Event(Struct, frozen=True):
    """One thing that happened; `event_at` is in Unix seconds."""

    conversation_id: int
    event_name: str
    event_at: int
    data: msgspec.Raw = msgspec.Raw(b"null")


class MessageData(Struct, frozen=True):
    """What a MESSAGE carries; most deployments have no sender."""

    message: str
    sender: str | None = None


class TransferData(Struct, frozen=True):
    """What a TRANSFER carries; the two may be equal."""

    old_advisor_id: int
    new_advisor_id: int


class Detail(Struct, frozen=True):
    """An answer of `/conversations/{id}`: the START and the advisor at the start, no more."""

    conversation_id: int
    advisor_id: int | None = None
    events: list[msgspec.Raw] = []


class Advisor(Struct, frozen=True):
    """An answer of `/advisors/{id}`."""

    advisor_id: int
    name: str | None = None
    email_address: str | None = None


def authorise(account: Account) -> dict[str, str]:
    """BigChat has no keys of its own; this is for a proxy in front of it."""
    return authorization(account.user, account.token)


def poll(cursor: str | None, now: datetime, account: Account) -> Poll:
    """One page; the first of a window that begins where the last whole one ended."""
    window = _window(cursor, now, account)
    if window.next_page is None:
        params = {"start_at": rfc3339(window.start_at), "end_at": rfc3339(window.end_at)}
        answer = yield Request(method="GET", path="/events", params=params)
    else:
        answer = yield Request(method="GET", path=window.next_page)
    if not answer.is_success and window.next_page is None:
        raise Unreadable(f"answered {answer.status}: {answer.excerpt()}")
    if not answer.is_success:
        # The rest of the window is not to be had any more: the window is asked for anew.
        anew = Window(start_at=window.start_at, end_at=window.start_at)
        return Next(cursor=encode(anew), has_more=False, is_empty=True)
    page = decode_body(answer.body, Page)
    try:
        next_page, is_broken = _next_page(page), False
    except (ValueError, RecursionError):  # the window ends here; `normalise` says why
        next_page, is_broken = None, True
    return Next(
        cursor=encode(msgspec.structs.replace(window, next_page=next_page)),
        has_more=next_page is not None,
        is_empty=not page.events and not is_broken,
    )


def _window(cursor: str | None, now: datetime, account: Account) -> Window:
    every = timedelta(seconds=account.poll_every_seconds)
    if cursor is None:
        return Window(start_at=now - every, end_at=now)
    last = decode(cursor, Window)
    if last.next_page is not None:
        return last
    # A last window that ends in the future was asked for before the host's clock went back.
    start_at = last.end_at if last.end_at <= now else now - every
    return Window(start_at=start_at, end_at=now)


def _next_page(page: Page) -> str | None:
    """Path and query of the next page; None: this is the last. ValueError: it cannot be told.

    A next-page URL contributes no host: the credentials go to the base URL only.
    """
    url = "" if bytes(page.nextPageUrl) == b"null" else decode(page.nextPageUrl, str)
    if not url:
        return None
    parts = urlsplit(url)
    # Without its slash a path would go on with the base URL's host: `@elsewhere`, `.elsewhere`.
    return quote(f"/{parts.path.lstrip('/')}?{parts.query}", safe=URL_SIGNS)


def detail(external_id: str) -> Lookup:
    """The call that tells a conversation's start and its first advisor."""
    yield Request(method="GET", path=f"/conversations/{external_id}")


def people(external_id: str) -> Lookup:
    """The call that tells an advisor's name and e-mail address."""
    yield Request(method="GET", path=f"/advisors/{external_id}")


def normalise(record: Record) -> Iterator[Said]:
    """What a page, a conversation or an advisor says."""
    match record.kind:
        case "page":
            page = decode_body(record.body, Page)
            for position, raw in enumerate(page.events):
                yield _event(raw, f"/events/{position}", record)
            yield from _broken_end(page)
        case "detail":
            yield from _detail(decode_body(record.body, Detail), record)
        case "person":
            yield from _person(decode_body(record.body, Advisor), record)
        case _:
            raise Unreadable(f"BigChat has no {record.kind} records")


def _broken_end(page: Page) -> Iterator[SetAside]:
    try:
        _next_page(page)
    except (ValueError, RecursionError) as error:
        yield SetAside(at="/nextPageUrl", reason=f"the window was left here: {error}")


def _event(raw: msgspec.Raw, at: str, record: Record) -> ConversationFacts | SetAside:
    external_id = None
    try:
        event = decode(raw, Event)
        external_id = str(event.conversation_id)
        happened_at = _instant(event.event_at, record)
        said = EVENTS[event.event_name]
        return said(event, at, happened_at, record)
    except KeyError:
        return SetAside(
            at=at, external_id=external_id, reason=f"unknown event_name {event.event_name[:50]!r}"
        )
    except (ValueError, RecursionError) as error:
        return SetAside(at=at, external_id=external_id, reason=str(error))


def _instant(seconds: int, record: Record) -> datetime:
    try:
        instant = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"event_at {seconds} is no time in Unix seconds") from error
    if seconds < 0:
        raise ValueError(f"event_at is before 1970: {rfc3339(instant)}")
    if instant > record.received_at + FARTHEST_AHEAD:
        raise ValueError(f"event_at is in the future: {rfc3339(instant)}")
    return instant


def _data(event: Event, kind: type[T]) -> T:
    try:
        return decode(event.data, kind)
    except msgspec.DecodeError as error:
        raise ValueError(f"data of {event.event_name}: {error}") from error


def _start(event: Event, at: str, happened_at: datetime, _record: Record) -> ConversationFacts:
    return ConversationFacts(
        at=at,
        external_id=str(event.conversation_id),
        as_of=happened_at,
        head=Head(channel="chat", started_at=happened_at),
    )


def _end(event: Event, at: str, happened_at: datetime, _record: Record) -> ConversationFacts:
    # The stamp is the event's own time, so of several ENDs the latest is believed.
    return ConversationFacts(
        at=at,
        external_id=str(event.conversation_id),
        as_of=happened_at,
        head=Head(channel="chat", ended_at=happened_at),
    )


def _message(event: Event, at: str, happened_at: datetime, record: Record) -> ConversationFacts:
    data = _data(event, MessageData)
    by_customer = data.sender == "customer"
    customer = {CUSTOMER: ParticipantFacts(role="customer")} if by_customer else {}
    message = MessageFacts(
        author=CUSTOMER if by_customer else UNSET,
        author_role="agent" if data.sender == "agent" else UNSET,
        sent_at=happened_at,
        text=storable(data.message),
    )
    return ConversationFacts(
        at=at,
        external_id=str(event.conversation_id),
        as_of=happened_at,
        head=Head(channel="chat", customer=CUSTOMER if by_customer else UNSET),
        participants=customer,
        messages={f"{record.id}{at}": message},
    )


def _transfer(event: Event, at: str, happened_at: datetime, record: Record) -> ConversationFacts:
    data = _data(event, TransferData)
    assignment = AssignmentFacts(
        agent=str(data.new_advisor_id),
        previous_agent=str(data.old_advisor_id),
        from_at=happened_at,
    )
    return ConversationFacts(
        at=at,
        external_id=str(event.conversation_id),
        as_of=happened_at,
        head=Head(channel="chat"),
        assignments={f"{record.id}{at}": assignment},
    )


EVENTS: dict[str, Callable[[Event, str, datetime, Record], ConversationFacts]] = {
    "START": _start,
    "END": _end,
    "MESSAGE": _message,
    "TRANSFER": _transfer,
}


def _detail(told: Detail, record: Record) -> Iterator[Said]:
    started_at: datetime | UnsetType = UNSET
    for position, raw in enumerate(told.events):
        said = _event(raw, f"/events/{position}", record)
        if isinstance(said, SetAside):
            yield said
        elif said.head.started_at is not UNSET:
            # Other events that it may show were, or will be, in a window: they are not told twice.
            started_at = said.head.started_at
            yield said
    if told.advisor_id is not None:
        # Not updated on a transfer: it is the advisor at the start, whenever it is asked.
        first = AssignmentFacts(agent=str(told.advisor_id), initial=True)
        yield ConversationFacts(
            at="/advisor_id",
            external_id=str(told.conversation_id),
            as_of=record.received_at if started_at is UNSET else started_at,
            assignments={"initial": first},
        )


def _person(told: Advisor, record: Record) -> Iterator[Said]:
    email = storable((told.email_address or "").strip())
    if len(email) > LONGEST_EMAIL:
        yield SetAside(at="/email_address", reason=f"no address has {len(email)} characters")
        email = ""
    yield PersonFacts(
        at="",
        external_id=str(told.advisor_id),
        as_of=record.received_at,
        said=ParticipantFacts(
            role="agent",
            name=storable((told.name or "").strip()) or UNSET,
            email=email or UNSET,
        ),
    )


provider = Provider(
    normalise=normalise,
    poll=poll,
    detail=detail,
    people=people,
    authorise=authorise,
    probe=Request(method="GET", path="/advisors/0"),
    text_fields=frozenset({"message"}),
)
