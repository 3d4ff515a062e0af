"""Exports of a desk, in as many files as it likes."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from deskwire import providers
from deskwire.core.facts import ConversationFacts, ParticipantFacts, PersonFacts, Said
from deskwire.core.provider import Record

DESK = providers.load("desk")
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def said(**told: object) -> list[Said]:
    record = Record(
        id="r1",
        source="desk",
        account="desk",
        kind="file",
        origin="a test",
        received_at=NOON,
        body=msgspec.json.encode(told),
    )
    return list(DESK.normalise(record))


CHAT = {"chat_id": 7, "user_id": 3, "handle_start": "2026-11-01 10:00:00"}


def test_an_agent_keeps_the_number_also_when_chats_come_before_users() -> None:
    assert said(chats=[CHAT, {**CHAT, "chat_id": 8}])[2:] == [
        PersonFacts(
            at="/chats/0",
            external_id="3",
            as_of=NOON,
            number=3,
            said=ParticipantFacts(role="agent"),
        )
    ]


def test_an_agent_who_is_told_of_is_said_once() -> None:
    people = said(users=[{"user_id": 3, "name": "Cy"}], chats=[CHAT])

    assert [one.said.name for one in people if isinstance(one, PersonFacts)] == ["Cy"]


def test_a_chat_without_an_id_of_its_own_never_meets_one_that_bears_its_number() -> None:
    chats = [CHAT, {**CHAT, "chat_id": 8, "external_id": "7"}]

    told = [one.external_id for one in said(chats=chats) if isinstance(one, ConversationFacts)]

    assert told == ["chat:7", "7"]
