"""The parts of a conversation: messages, hand-overs, and whatever else happened."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from deskwire.core.cards import mask_cards
from deskwire.core.facts import AssignmentFacts, ConversationFacts, MessageFacts
from deskwire.core.model import Attachment
from deskwire.core.text import from_html, storable, storable_json
from deskwire.providers.intercom.people import People
from deskwire.providers.intercom.shapes import (
    Assignee,
    Author,
    FirstMessage,
    Part,
    Parts,
    Reader,
    Upload,
    id_of,
    instant_of,
)


class Told(Struct, frozen=True, kw_only=True):
    """What one part says."""

    said: ConversationFacts
    closed_at: datetime | None  #: None: it did not close the conversation


def parts_of(raw: Raw, people: People, reader: Reader) -> Iterator[Told]:
    """What each part of `conversation_parts` says."""
    listing = reader.read(raw, "/conversation_parts", Parts)
    taken: Counter[str] = Counter()
    for position, one in enumerate((listing and listing.conversation_parts) or []):
        at = f"/conversation_parts/conversation_parts/{position}"
        part = reader.read_item(one, at, Part)
        if part is not None:
            key = reader.id(part.id, f"{at}/id") or _id_of_content(one, taken)
            yield _part(part, key, at, people, reader)


def _id_of_content(raw: Raw, taken: Counter[str]) -> str:
    """The same for the same part, however its JSON is written; equal ones are counted."""
    try:
        written = storable_json(bytes(raw))
    except ValueError:  # a number that only strict readers skip over
        written = bytes(raw)
    digest = hashlib.sha256(written).hexdigest()
    taken[digest] += 1
    return digest if taken[digest] == 1 else f"{digest}:{taken[digest]}"


def _part(part: Part, key: str, at: str, people: People, reader: Reader) -> Told:
    created_at = instant_of(part.created_at)
    as_of = reader.instant(part.updated_at, f"{at}/updated_at") or created_at
    kind = reader.text(part.part_type, f"{at}/part_type") or ""
    author = reader.read(part.author, f"{at}/author", Author)
    participants = people.meet(author, f"{at}/author", as_of)
    content = message(part, reader.read(part.body, f"{at}/body", str), at, reader)
    is_message = content.text or content.attachments or content.redacted
    said = msgspec.structs.replace(
        content,
        author=next(iter(participants), UNSET),
        sent_at=created_at,
        kind="note" if kind.startswith("note") else "public",
    )
    handed = hand_over(part.assigned_to, f"{at}/assigned_to", reader)
    return Told(
        said=ConversationFacts(
            at=at,
            external_id=reader.external_id,
            as_of=as_of,
            participants=participants,
            messages={key: said} if is_message else {},
            assignments={key: msgspec.structs.replace(handed, from_at=created_at)}
            if handed
            else {},
        ),
        closed_at=created_at if kind == "close" else None,
    )


def message(told: Part | FirstMessage, body: str | None, at: str, reader: Reader) -> MessageFacts:
    """What was written; not by whom and when."""
    is_redacted = reader.read(told.redacted, f"{at}/redacted", bool)
    return MessageFacts(
        text=plain(body),
        attachments=_attachments(told.attachments, f"{at}/attachments", reader),
        redacted=is_redacted or UNSET,
    )


def plain(html: str | None) -> str:
    """HTML as text."""
    return mask_cards(storable(from_html(storable(html or "")))).strip()


def _attachments(raw: Raw, at: str, reader: Reader) -> tuple[Attachment, ...] | UnsetType:
    found = reader.read(raw, at, list[Raw])
    if found is None:
        return UNSET
    files = [reader.read_item(one, f"{at}/{n}", Upload) for n, one in enumerate(found)]
    return tuple(
        Attachment(
            name=storable(one.name or "") or "attachment",
            type=storable(one.content_type or "") or None,
            size=one.filesize,
            url=storable(one.url or "") or None,
        )
        for one in files
        if one is not None
    )


def hand_over(raw: Raw, at: str, reader: Reader) -> AssignmentFacts | None:
    """To whom; None: to nobody new. Older versions have only the admin's id."""
    if not bytes(raw).startswith(b"{"):
        admin = reader.id(raw, at)
        return AssignmentFacts(agent=admin) if admin is not None and admin != "0" else None
    told = reader.read(raw, at, Assignee) or Assignee()
    key = id_of(told.id)
    match told.type:
        case "admin" if key is not None:
            return AssignmentFacts(agent=key)
        case "team" if key is not None:
            return AssignmentFacts(team=key)
        case "nobody_admin" | "bot":
            return AssignmentFacts(agent=None)
        case None | "admin" | "team":  # whoever it was is deleted
            pass
        case unknown:
            reader.set_aside(at, f"unknown type of assignee {unknown!r:.50}")
    return None
