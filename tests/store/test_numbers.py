"""Numbers of agents: one per person, over all accounts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deskwire.core.facts import Item, ParticipantFacts, Stamp
from deskwire.store import agents, numbers, schema
from deskwire.store.db import Database


class People:
    """Agents of the accounts "a" and "b", as they are heard of one after another."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._said = 0

    def say(self, account: str, external_id: str, email: str) -> None:
        """What is known of an agent is this from now on."""
        self._said += 1
        item = Item(
            value=ParticipantFacts(role="agent", email=email),
            stamp=Stamp(self._said, self._said, "r1", 0),
        )
        key = ("main", account, external_id)
        before = self._database.read(lambda c: agents.load(c, *key[:2], [external_id]))
        known = before.get(external_id)
        self._database.write(lambda c: agents.save(c, *key, item, before=known))

    def number(self, account: str, external_id: str) -> int | None:
        found = self._database.read(lambda c: numbers.get(c, "main", account, external_id))
        return None if found is None else found.number


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    schema.upgrade(database)
    yield People(database)
    database.close()


def test_agents_are_counted_as_they_are_heard_of(people: People) -> None:
    people.say("a", "x", "x@example.com")
    people.say("b", "y", "y@example.com")
    people.say("a", "x", "x@example.com")

    assert (people.number("a", "x"), people.number("b", "y")) == (1, 2)


def test_who_bears_one_address_in_any_case_is_one_person(people: People) -> None:
    people.say("a", "x", "ana@example.com")
    people.say("b", "y", "Ana@Example.com ")

    assert (people.number("a", "x"), people.number("b", "y")) == (1, 1)


def test_who_turns_out_to_bear_the_address_of_another_is_the_same_person(people: People) -> None:
    people.say("a", "x", "ana@example.com")
    people.say("b", "y", "y@example.com")
    people.say("b", "y", "ana@example.com")

    assert (people.number("a", "x"), people.number("b", "y")) == (1, 1)
    assert people.number("b", "z") is None
