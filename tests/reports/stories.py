"""Conversations around clock changes, in a real store: arbitrary ones, as a view and as rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import UNSET
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from deskwire.core.facts import (
    AssignmentFacts,
    ConversationFacts,
    Customer,
    Entry,
    Facts,
    Head,
    Item,
    MessageFacts,
    ParticipantFacts,
    Stamp,
)
from deskwire.core.instants import to_micros
from deskwire.core.merge import lift
from deskwire.core.model import Conversation, Rating
from deskwire.core.view import Origin, view
from deskwire.store import agents, conversations, customers, numbers, tables

STAMP = Stamp(1, 1, "r", 0)
MICROSECOND = timedelta(microseconds=1)
#: 29 March has 23 hours in London; 5 April has 25 in Auckland, and 4 April in Santiago, where the
#: clock goes back at midnight.
ROUND = [
    datetime(2026, 3, 29, 0, tzinfo=UTC),  # midnight in London
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # 02:00 there, a second after 00:59:59
    datetime(2026, 3, 29, 23, tzinfo=UTC),  # midnight there, after 23 hours
    datetime(2026, 4, 4, 11, tzinfo=UTC),  # midnight in Auckland
    datetime(2026, 4, 4, 13, 30, tzinfo=UTC),  # 02:30 there
    datetime(2026, 4, 4, 14, 30, tzinfo=UTC),  # 02:30 again
    datetime(2026, 4, 5, 12, tzinfo=UTC),  # midnight there, after 25 hours
    datetime(2026, 4, 5, 3, tzinfo=UTC),  # 23:00 in Santiago for the second time
    datetime(2026, 4, 5, 4, tzinfo=UTC),  # midnight there
]
CHANGES = [*ROUND, *(one - MICROSECOND for one in ROUND)]
ZONES = ["UTC", "Europe/London", "Pacific/Auckland", "America/Santiago"]
ACCOUNTS = ["desk", "hotel"]
PEOPLE = ["a", "b", "c"]
NAMES = {"a": "Ana", "b": "Bo"}  # nobody knows c
TYPES = ["Red", "red ", "Blue"]

instants = st.sampled_from(CHANGES)


def said(*values: object) -> SearchStrategy[object]:
    return st.sampled_from([UNSET, *values])


ratings = st.builds(
    Rating,
    value=st.sampled_from([0.0, 1.0, 2.0, 5.0, 6.0, 1e308]),
    scale_min=st.sampled_from([0.0, 1.0, -1e308]),
    scale_max=st.sampled_from([1.0, 5.0, 1e308]),
    rated_at=st.none() | instants,
)
heads = st.builds(
    Head,
    channel=said("chat", "Chat ", "e-mail", ""),
    started_at=st.just(UNSET) | instants,
    handle_started_at=st.sampled_from([UNSET, None]) | instants,
    ended_at=st.sampled_from([UNSET, None]) | instants | instants,
    customer=said(None, "k1", "k2"),
    rating=said(None) | ratings,
    topic=said(None, "", "Sand", "x" * 500),
    reopens=said(0, 1, 2),
    withdrawn=st.sampled_from([UNSET] * 8 + [True]),
)
messages = st.builds(
    MessageFacts,
    author=st.sampled_from(["k1", "a", "b", "c", "bot"]),
    sent_at=instants,
    kind=said("public", "note"),
)
assignments = st.builds(
    AssignmentFacts,
    agent=st.sampled_from([None, *PEOPLE]),
    previous_agent=said(*PEOPLE),
    team=said("", "East", "West"),
    from_at=st.just(UNSET) | instants,
    initial=st.booleans(),
)
ROLES = {
    **{one: ParticipantFacts(role="agent") for one in PEOPLE},
    "k1": ParticipantFacts(role="customer", name="Kim"),
    "bot": ParticipantFacts(role="bot"),
}
keys = st.sampled_from(["1", "2", "3", "4"])
statements = st.builds(
    ConversationFacts,
    at=st.just(""),
    external_id=st.just("7"),
    as_of=instants,
    head=heads,
    participants=st.just(ROLES),
    messages=st.dictionaries(keys, messages, max_size=4),
    assignments=st.dictionaries(keys, assignments, max_size=3),
    erased=st.sampled_from([False] * 8 + [True]),
)
facts: SearchStrategy[Facts] = st.builds(lift, statements, st.just(1), st.just("r"), st.just(1))


@dataclass(frozen=True)
class Story:
    """Everything that a report is made of."""

    conversations: list[tuple[str, Facts]]  # account, facts
    topics: list[tuple[datetime, datetime, str | None]]
    types: dict[tuple[str, str], str]  # by account and customer


stories = st.builds(
    Story,
    st.lists(st.tuples(st.sampled_from(ACCOUNTS), facts), max_size=6),
    st.lists(
        st.tuples(instants, instants, st.sampled_from([None, "Sand", "Salt"])),
        max_size=2,
        unique_by=lambda one: one[0],
    ),
    st.dictionaries(
        st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(["k1", "k2"])),
        st.sampled_from(TYPES),
    ),
)


@dataclass(frozen=True)
class Kept:
    """A conversation that is in the store."""

    id: str
    source: str
    seen: Conversation


@contextmanager
def stored(story: Story) -> Iterator[tuple[Connection, list[Kept]]]:
    """A store with the story. Agent a of both accounts is one person, c was never named."""
    with _ENGINE.connect() as connection, connection.begin() as transaction:
        for account in ACCOUNTS:
            for one, name in NAMES.items():
                email = "ana@shop.example" if one == "a" else UNSET
                person = ParticipantFacts(role="agent", name=f"{name} of {account}", email=email)
                agents.save(connection, "main", account, one, Item(value=person, stamp=STAMP))
        for (account, one), kind in story.types.items():
            customer = Customer(
                said=Item(value=ParticipantFacts(), stamp=STAMP),
                attributes={"type": Item(value=Entry(value=kind), stamp=STAMP)},
            )
            customers.save(connection, "main", account, one, customer)
        for from_at, to_at, topic in story.topics:
            stretch = (to_micros(from_at), to_micros(to_at))
            customers.set_topic(connection, "main", stretch, (1, 1), topic)
        yield connection, [_keep(connection, i, *one) for i, one in enumerate(story.conversations)]
        transaction.rollback()


def _keep(connection: Connection, number: int, account: str, told: Facts) -> Kept:
    origin = Origin(provider="desk", account=account, external_id=str(number))
    source = f"source of {account}"
    seen = view(told, origin, {})
    for one in told.agents():
        if one != "c":
            numbers.meet(connection, "main", account, one)
    made = conversations.create(connection, "main", 1, source, origin, told, seen)
    assert made is not None
    return Kept(made, source, seen)


_ENGINE = create_engine("sqlite://", poolclass=StaticPool)
tables.metadata.create_all(_ENGINE)
