"""Intercom's objects, and a reader that sets aside what is not in shape.

What is required is typed; the rest is `Raw` and read on its own, so that one bad field is only one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, TypeVar

from msgspec import Meta, Raw, Struct

from deskwire.core.codec import decode
from deskwire.core.facts import SetAside
from deskwire.core.text import storable

T = TypeVar("T")

NULL = Raw(b"null")
LAST_SECOND = 253_402_300_799  # 31 December 9999
#: In characters, as RFC 5321 has it.
LONGEST_EMAIL = 254

#: Unix seconds.
Seconds = Annotated[int, Meta(ge=0, le=LAST_SECOND)]
#: Strings, but some versions of the API have numbers.
Id = str | int


class Conversation(Struct, frozen=True):
    """One conversation, in the old shape or the modern one."""

    id: Annotated[str, Meta(min_length=1)]
    created_at: Seconds
    conversation_message: Raw = NULL  #: the first message; older versions
    source: Raw = NULL  #: the same; modern versions
    updated_at: Raw = NULL
    title: Raw = NULL
    state: Raw = NULL
    open: Raw = NULL
    statistics: Raw = NULL
    contacts: Raw = NULL
    customers: Raw = NULL
    user: Raw = NULL
    assignee: Raw = NULL
    admin_assignee_id: Raw = NULL
    conversation_rating: Raw = NULL
    tags: Raw = NULL
    conversation_parts: Raw = NULL


class Author(Struct, frozen=True):
    """Whoever wrote or did something; also a contact."""

    id: Id | None = None  #: None where the contact was deleted
    type: Raw = NULL
    name: Raw = NULL
    email: Raw = NULL


class FirstMessage(Struct, frozen=True):
    """What the conversation began with; it is not among the parts."""

    body: str
    author: Author
    id: Raw = NULL
    type: Raw = NULL
    subject: Raw = NULL
    attachments: Raw = NULL
    redacted: Raw = NULL

    def __post_init__(self) -> None:
        if id_of(self.author.id) is None:
            raise ValueError("its author has no id")


class Parts(Struct, frozen=True):
    """The list within `conversation_parts`."""

    conversation_parts: list[Raw] | None = None


class Part(Struct, frozen=True):
    """A message, or anything else that happened."""

    created_at: Seconds
    updated_at: Raw = NULL
    id: Raw = NULL
    part_type: Raw = NULL
    body: Raw = NULL
    author: Raw = NULL
    attachments: Raw = NULL
    assigned_to: Raw = NULL
    redacted: Raw = NULL


class Upload(Struct, frozen=True):
    """An attachment."""

    name: str | None = None
    url: str | None = None
    content_type: str | None = None
    filesize: Annotated[int, Meta(ge=0, le=2**53)] | None = None  #: bytes


class Assignee(Struct, frozen=True):
    """An admin, a team, nobody."""

    type: str | None = None
    id: Id | None = None


class Contacts(Struct, frozen=True):
    """The list within `contacts`."""

    contacts: list[Raw] | None = None


class Tags(Struct, frozen=True):
    """The list within `tags`."""

    tags: list[Raw] | None = None


class Tag(Struct, frozen=True):
    """A tag of a conversation."""

    name: str


class Statistics(Struct, frozen=True):
    """Of the many figures those that nothing else tells."""

    last_close_at: Raw = NULL
    count_reopens: Raw = NULL


class Opinion(Struct, frozen=True):
    """What `conversation_rating` holds; all of it is null until the customer answers."""

    rating: float | None = None
    remark: Raw = NULL
    created_at: Raw = NULL  #: when it was asked for
    updated_at: Raw = NULL


class Reader:
    """Reads the optional parts of one conversation; `asides` is what was not in shape."""

    def __init__(self, external_id: str) -> None:
        self.external_id = external_id
        self.asides: list[SetAside] = []

    def set_aside(self, at: str, reason: str) -> None:
        self.asides.append(SetAside(at=at, reason=reason, external_id=self.external_id))

    def read(self, raw: Raw, at: str, kind: type[T]) -> T | None:
        """None: it is null, or was set aside."""
        return None if bytes(raw) == b"null" else self.read_item(raw, at, kind)

    def read_item(self, raw: Raw, at: str, kind: type[T]) -> T | None:
        """The same where null is no value, as in a list."""
        try:
            return decode(raw, kind)
        except (ValueError, RecursionError) as error:
            self.set_aside(at, str(error))
            return None

    def text(self, raw: Raw, at: str) -> str | None:
        """Without the space around it; None: there is none."""
        return storable(self.read(raw, at, str) or "").strip() or None

    def instant(self, raw: Raw, at: str) -> datetime | None:
        """Of Unix seconds."""
        seconds = self.read(raw, at, int)
        if seconds is None:
            return None
        if not 0 <= seconds <= LAST_SECOND:
            self.set_aside(at, "it is no time in Unix seconds between 1970 and 9999")
            return None
        return instant_of(seconds)

    def id(self, raw: Raw, at: str) -> str | None:
        """An id as text; None: there is none."""
        told = self.read(raw, at, object)
        if told is None or isinstance(told, str) or type(told) is int:
            return id_of(told)
        self.set_aside(at, "an id is a string or a whole number")
        return None


def id_of(told: Id | None) -> str | None:
    """An id as text; None: there is none. An empty one is none."""
    return storable(str(told)) or None if told is not None else None


def instant_of(seconds: int) -> datetime:
    """The aware UTC instant of Unix seconds."""
    return datetime.fromtimestamp(seconds, UTC)
