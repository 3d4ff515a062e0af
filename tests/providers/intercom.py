"""Conversations as Intercom has them, and what the provider says of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from deskwire import providers
from deskwire.core.facts import (
    ConversationFacts,
    Said,
    SetAside,
)
from deskwire.core.provider import Record, RecordKind

INTERCOM = providers.load("intercom")
T0 = 1_734_537_243
CUSTOMER = {"type": "user", "id": "c1", "name": "Customer One", "email": "one@example.com"}
ALPHA = {"type": "admin", "id": "a1", "name": "Agent Alpha", "email": "alpha@example.com"}
PARTS = "/conversation_parts/conversation_parts"

Json = dict[str, Any]


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(T0 + seconds, UTC)


def first(**fields: object) -> Json:
    return {"id": "1", "body": "<p>Hello</p>", "author": CUSTOMER, **fields}


def part(seconds: int, **fields: object) -> Json:
    return {"id": f"p{seconds}", "created_at": T0 + seconds, **fields}


def conversation(*parts: object, **fields: object) -> Json:
    """A conversation of a minute, in the modern shape."""
    told = {"id": "7", "created_at": T0, "updated_at": T0 + 60, "source": first()}
    if parts:
        told["conversation_parts"] = {"conversation_parts": list(parts)}
    return {**told, **fields}


def said(told: object, kind: RecordKind = "file") -> list[Said]:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    record = Record(
        id="r1",
        source="intercom",
        account="intercom",
        kind=kind,
        origin="a test",
        received_at=at(100),
        body=body,
    )
    return list(INTERCOM.normalise(record))


def whole(told: object) -> ConversationFacts:
    """What is said of the conversation itself."""
    facts = said(told)[0]
    assert isinstance(facts, ConversationFacts)
    return facts


def of_parts(told: object) -> list[ConversationFacts]:
    return [one for one in said(told)[1:] if isinstance(one, ConversationFacts)]


def asides(told: object) -> dict[str, str]:
    return {one.at: one.reason for one in said(told) if isinstance(one, SetAside)}
