"""A database with chats in it, as the pipeline would keep them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deskwire.core.facts import (
    AssignmentFacts,
    ConversationFacts,
    Facts,
    Head,
    MessageFacts,
    ParticipantFacts,
    PersonFacts,
)
from deskwire.core.instants import to_micros
from deskwire.core.merge import lift, lift_person, merge
from deskwire.core.view import Origin, view
from deskwire.store import agents, conversations, numbers, schema
from deskwire.store.db import Connection, Database

TEN = datetime(2026, 1, 1, 10, tzinfo=UTC)
WORKSPACE, ACCOUNT = "main", "shop"


@contextmanager
def opened(file: Path) -> Iterator[Database]:
    """A database of the newest schema."""
    database = Database(f"sqlite:///{file}")
    try:
        schema.upgrade(database)
        yield database
    finally:
        database.close()


def facts(external_id: str, position: int = 0, **messages: MessageFacts) -> Facts:
    """A chat that two agents had and a customer wrote in; later by each position."""
    one = ConversationFacts(
        at="",
        external_id=external_id,
        as_of=TEN + timedelta(minutes=position),
        head=Head(
            channel="chat",
            started_at=TEN,
            ended_at=TEN + timedelta(hours=1),
            customer="zoe",
        ),
        participants={"zoe": ParticipantFacts(role="customer", name="Zoë", email="Zoe@x.example")},
        messages=messages,
        assignments={
            "initial": AssignmentFacts(agent="1", initial=True),
            "t": AssignmentFacts(agent="2", previous_agent="1", from_at=TEN + timedelta(minutes=9)),
        },
    )
    return lift(one, to_micros(TEN), "r", position)


def message(text: str, *, deleted: bool = False) -> MessageFacts:
    return MessageFacts(author="zoe", sent_at=TEN, text=text, deleted=deleted)


def keep(connection: Connection, external_id: str, told: Facts) -> None:
    """Merge in what is told of a chat."""
    origin = Origin(provider="bigchat", account=ACCOUNT, external_id=external_id)
    found = conversations.find_id(connection, WORKSPACE, ACCOUNT, external_id)
    if found is None:
        seen = view(told, origin, {})
        conversations.create(connection, WORKSPACE, to_micros(TEN), "shop", origin, told, seen)
    else:
        before = conversations.load(connection, WORKSPACE, found)
        assert before is not None
        after = merge(before.facts, told)
        assert conversations.save(connection, WORKSPACE, before, after, view(after, origin, {}))
    for agent in told.agents():
        numbers.meet(connection, WORKSPACE, ACCOUNT, agent)


def meet(connection: Connection, account: str, external_id: str, email: str) -> None:
    """Learn who an agent is."""
    said = PersonFacts(
        at="",
        external_id=external_id,
        as_of=TEN,
        said=ParticipantFacts(role="agent", name=f"Agent {external_id}", email=email),
    )
    item = lift_person(said, to_micros(TEN), "r", 0)
    before = agents.load(connection, WORKSPACE, account, [external_id]).get(external_id)
    agents.save(connection, WORKSPACE, account, external_id, item, before=before)


def check_index(connection: Connection) -> None:
    """DatabaseError where the index of words is not that of the texts."""
    connection.exec_driver_sql("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)")
