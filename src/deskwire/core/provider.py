"""The contract of a provider: what a kind of desk must tell us, without doing any I/O.

A provider is one folder, `providers/<name>/`, whose `provider.py` has a `provider` of this type.
What a desk cannot do is None.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from deskwire.core.exchange import Answer, Request
from deskwire.core.facts import Said

RecordKind = Literal["page", "detail", "person", "webhook", "file", "call"]


class Record(Struct, frozen=True, kw_only=True):
    """What was received, byte for byte but for card numbers; all that is known derives from it."""

    id: str  #: sorts by the time of receipt
    source: str
    account: str
    kind: RecordKind
    origin: str  #: where it came from, for people: window and page, path, file and rows
    received_at: datetime  #: aware, UTC; our clock
    body: bytes


class Next(Struct, frozen=True, kw_only=True):
    """How far a poll came; it commits together with the page that it belongs to."""

    cursor: str
    has_more: bool  #: another page waits: go on at once
    is_empty: bool  #: the page says nothing and need not be kept


class Account(Struct, frozen=True, kw_only=True):
    """How a source is configured, as far as a provider needs it."""

    poll_every_seconds: float
    user: str | None = None
    token: str | None = None
    options: object = None  #: the keys that only this provider knows, as its `options`


class NoOptions(Struct, frozen=True):
    """No keys of its own."""


class Slice(Struct, frozen=True, kw_only=True):
    """A stretch of the past that is read beside live polling; aware UTC."""

    from_at: datetime
    to_at: datetime


class Accepted(Struct, frozen=True, kw_only=True):
    """A webhook that is really from the desk."""

    body: bytes  #: what is stored; without a secret that travelled in it
    dedupe_key: str | None = None  #: the delivery's id; None: every delivery is new
    hints: tuple[str, ...] = ()  #: external ids of conversations whose detail must be fetched
    answer: bytes = b""  #: what the desk wants to hear, as in a handshake


class Refused(Struct, frozen=True, kw_only=True):
    """A webhook that is not proven to be from the desk; it is not stored."""

    reason: str


Poll = Generator[Request, Answer, Next]
Lookup = Generator[Request, Answer, None]


class Provider(Struct, frozen=True, kw_only=True):
    """One kind of desk."""

    #: What a record says. Total: what cannot be understood is a SetAside, never an exception
    #: (but Unreadable when the whole record is not what it should be).
    normalise: Callable[[Record], Iterator[Said]]
    #: One page from a cursor (None: the first ever) at an instant. Raises Unreadable for an
    #: answer that is no page, and then neither the answer's content nor the cursor counts.
    poll: Callable[[str | None, datetime, Account], Poll] | None = None
    #: The same over the past: one page of a slice from a cursor (None: its beginning).
    backfill: Callable[[str | None, Slice, Account], Poll] | None = None
    #: Verify a webhook: headers (names in lower case), the raw bytes, the secrets in force.
    receive: Callable[[Mapping[str, str], bytes, Sequence[str]], Accepted | Refused] | None = None
    #: Complete one conversation, by external id: every answer becomes a record.
    detail: Callable[[str], Lookup] | None = None
    #: Who an agent is, by external id: every answer becomes a record.
    people: Callable[[str], Lookup] | None = None
    #: Headers that prove who asks.
    authorise: Callable[[Account], dict[str, str]] | None = None
    #: A harmless call that shows whether the desk can be reached and lets us in: any 2xx or 404.
    probe: Request | None = None
    #: Names of the JSON keys whose texts people wrote: card numbers in them are masked before a
    #: record is kept.
    text_fields: frozenset[str] = frozenset()
    #: The same of those whose texts are HTML.
    html_fields: frozenset[str] = frozenset()
    #: How a JSON file that is imported becomes records: one of each value of a list (or of the
    #: list below one of `listed_under`, or of each line), or one of the whole file. "table": it is
    #: a workbook or CSV file and one record, as `core.table` has it. None: it cannot be imported.
    files: Literal["values", "whole", "table"] | None = None
    #: Keys of an object that hold the list of values, as in a page of the desk's own API.
    listed_under: frozenset[str] = frozenset()
    #: The configuration keys that only this provider has, with their types and defaults.
    options: type[Struct] = NoOptions
