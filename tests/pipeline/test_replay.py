"""Replays after a mapping that really changed, on records that an older one stored."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from deskwire import providers
from deskwire.core.facts import (
    ConversationFacts,
    ParticipantFacts,
    PersonFacts,
    Said,
    SetAside,
)
from deskwire.core.provider import Provider, Record, RecordKind
from deskwire.pipeline.hub import Hub, Source
from deskwire.pipeline.intake import new_record
from deskwire.pipeline.normalise import apply, read
from deskwire.pipeline.rebuild import Difference
from deskwire.pipeline.replay import Replayed, replay
from deskwire.store import agents, conversations, records
from deskwire.store.db import Connection
from tests.faults.oracle import Verdict, judge
from tests.stage import Stage, event, page, running

BIGCHAT = providers.load("bigchat")
TALK = page(
    event(7, "START", 0),
    event(7, "MESSAGE", 1, message="Hello"),
    event(7, "MESSAGE", 2, message="Bye"),
    event(8, "MESSAGE", 3, message="Anybody?"),
)


def old(record: Record) -> Iterator[Said]:
    """As a first version might have been: no names, no farewells, nothing of conversation 8."""
    for one in BIGCHAT.normalise(record):
        match one:
            case PersonFacts(said=said):
                nameless = ParticipantFacts(role="agent", email=said.email)
                yield msgspec.structs.replace(one, said=nameless)
            case ConversationFacts() if one.external_id == "8" or "Bye" in texts(one):
                yield SetAside(at=one.at, reason="cannot read it", external_id=one.external_id)
            case _:
                yield one


def texts(said: ConversationFacts) -> list[object]:
    return [one.text for one in said.messages.values()]


OLD = msgspec.structs.replace(BIGCHAT, normalise=old)


def read_by(hub: Hub, provider: Provider) -> Source:
    """Have the hub's source read by this provider."""
    source = msgspec.structs.replace(hub.sources["bigchat"], provider=provider)
    hub.sources["bigchat"] = source
    return source


def replayed(stage: Stage, *, dry_run: bool = False) -> Replayed:
    """By the code of today."""
    hub = stage.hub()
    try:
        return replay(hub, hub.sources["bigchat"], dry_run=dry_run)
    finally:
        hub.database.close()


def dump(stage: Stage) -> list[str]:
    with closing(sqlite3.connect(stage.file)) as connection:
        return list(connection.iterdump())


@pytest.fixture
def grown(tmp_path: Path) -> Stage:
    """A hub's surroundings after the old version read a page."""
    stage = Stage(tmp_path)
    stage.chat(7, advisor=1)
    stage.chat(8, advisor=2, started_at=-60)
    stage.bigchat.script.append(TALK)

    async def run() -> None:
        async with stage.open():
            hub = stage.hub()
            read_by(hub, OLD)
            async with running(hub):
                await stage.quiet()

    asyncio.run(run())
    return stage


def test_a_replay_heals_conversations_people_and_what_was_set_aside(grown: Stage) -> None:
    [(page_id,)] = grown.rows("SELECT id FROM records WHERE kind = 'page'")

    told = replayed(grown)

    assert told == Replayed(
        records=3,
        conversations=2,
        people=1,
        differences=[
            Difference(kind="record", external_id=page_id, is_new=False, fields=["set_aside"]),
            Difference(kind="person", external_id="1", is_new=False, fields=["name"]),
            *sorted(told.differences[2:], key=lambda one: one.external_id),
        ],
    )
    assert {one.external_id: one.fields for one in told.differences[2:]} == {
        "7": ["updated_at", "messages"],
        "8": ["all of it"],
    }
    assert grown.rows("SELECT * FROM set_aside") == []
    assert grown.rows("SELECT name FROM agents") == [(grown.bigchat.advisors_by_id[1].name,)]


def test_a_dry_run_shows_the_same_and_writes_nothing(grown: Stage) -> None:
    before = dump(grown)

    shown = replayed(grown, dry_run=True)

    assert dump(grown) == before
    assert shown == replayed(grown)


def test_a_second_replay_changes_nothing(grown: Stage) -> None:
    replayed(grown)
    before = dump(grown)

    assert replayed(grown).differences == []
    assert dump(grown) == before


def test_a_replay_with_the_same_mapping_changes_nothing(grown: Stage) -> None:
    before = dump(grown)
    hub = grown.hub()

    told = replay(hub, read_by(hub, OLD))

    hub.database.close()
    assert (told.records, told.differences) == (3, [])
    assert dump(grown) == before


def test_what_a_replay_finds_is_fetched_and_delivered(grown: Stage) -> None:
    replayed(grown)

    async def run() -> None:
        async with grown.open():
            await grown.drain()

    asyncio.run(run())

    assert (grown.said(7), grown.said(8)) == (["Hello", "Bye"], ["Anybody?"])
    assert judge(grown.file, grown.our_api) == Verdict()
    chat = next(one for one in grown.our_api.chats.values() if one.external_id == "8")
    assert chat.started_at == "2026-01-01T09:59:00"
    assert chat.agent_id is not None


def test_the_conversations_of_a_person_who_changed_are_looked_at_again(grown: Stage) -> None:
    def better_at_people(record: Record) -> Iterator[Said]:
        yield from (BIGCHAT.normalise if record.kind == "person" else old)(record)

    hub = grown.hub()
    source = read_by(hub, msgspec.structs.replace(BIGCHAT, normalise=better_at_people))

    told = replay(hub, source)

    hub.database.close()
    assert [(one.kind, one.fields) for one in told.differences] == [("person", ["name"])]
    marked = grown.rows("SELECT key FROM work WHERE kind = 'deliver'")
    assert marked == grown.rows("SELECT id FROM conversations WHERE external_id = '7'")


class Desk:
    """Records that are read at once, without a network."""

    def __init__(self, folder: Path) -> None:
        self.stage = Stage(folder)
        self.stage.configure_nowhere()
        self.hub = self.stage.hub()
        self.source = read_by(self.hub, OLD)

    def hear(self, kind: RecordKind, body: bytes) -> Record:
        now = self.hub.now()
        record = new_record(self.source, kind, "a test", body, now)

        def commit(connection: Connection) -> None:
            records.keep(connection, self.source.workspace, record)
            apply(connection, now, self.source, record, read(self.source, record))

        self.hub.database.write(commit)
        return record

    def person(self, **said: str) -> Record:
        return self.hear("person", msgspec.json.encode({"advisor_id": 1, **said}))

    def replay(
        self, since: int = 0, normalise: Callable[[Record], Iterator[Said]] | None = None
    ) -> Replayed:
        provider = msgspec.structs.replace(BIGCHAT, normalise=normalise or BIGCHAT.normalise)
        return replay(self.hub, read_by(self.hub, provider), since)

    def agent(self) -> ParticipantFacts:
        known = self.hub.database.read(lambda c: agents.load(c, "main", "bigchat", ["1"]))
        return known["1"].value

    def texts(self, external_id: str) -> set[object]:
        def load(connection: Connection) -> set[object]:
            found = conversations.find_id(connection, "main", "bigchat", external_id)
            stored = conversations.load(connection, "main", str(found))
            assert stored is not None
            return {one.value.text for one in stored.facts.messages.values()}

        return self.hub.database.read(load)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.hub.database.close()


def test_a_person_is_built_from_all_records_and_not_only_from_the_newest(desk: Desk) -> None:
    desk.person(name="Ana", email_address="ana@example.org")
    newest = desk.person(name="Ana Maria")

    desk.replay(since=int(newest.received_at.timestamp() * 1_000_000) - 1)

    assert desk.agent() == ParticipantFacts(role="agent", name="Ana Maria", email="ana@example.org")


def test_a_person_whom_the_provider_did_not_know_stays_nameless(desk: Desk) -> None:
    desk.person(name="Ana")
    desk.hub.database.write(
        lambda c: c.exec_driver_sql("UPDATE agents SET as_of = 0, record = '', role = 'agent'")
    )

    desk.replay()

    assert desk.agent() == ParticipantFacts(role="agent", name="Ana")


def test_a_conversation_that_changes_while_it_is_replayed_loses_nothing(desk: Desk) -> None:
    desk.hear("page", TALK)
    desk.source = read_by(desk.hub, BIGCHAT)
    late = page(event(7, "MESSAGE", 9, message="Late"), event(8, "MESSAGE", 9, message="Late"))
    reads: list[str] = []

    def interrupted(record: Record) -> Iterator[Said]:
        reads.append(record.id)
        if len(reads) == 2:  # the first is the survey's
            desk.hear("page", late)
        yield from BIGCHAT.normalise(record)

    desk.replay(normalise=interrupted)

    assert desk.texts("7") == {"Hello", "Bye", "Late"}
    assert desk.texts("8") == {"Anybody?", "Late"}


def test_a_page_is_read_once_for_all_of_its_conversations(desk: Desk) -> None:
    desk.hear("page", page(*(event(number, "START", 0) for number in range(50))))
    reads: list[str] = []

    def counted(record: Record) -> Iterator[Said]:
        reads.append(record.id)
        yield from BIGCHAT.normalise(record)

    desk.replay(normalise=counted)

    assert len(reads) == 2  # to see of whom it speaks, and to build them


def test_a_conversation_that_an_event_no_longer_speaks_of_is_built_without_it(desk: Desk) -> None:
    desk.hear("page", page(event(7, "MESSAGE", 1, message="Hello")))
    desk.hear("page", page(event(7, "MESSAGE", 2, message="Wrong")))

    def better(record: Record) -> Iterator[Said]:
        for one in BIGCHAT.normalise(record):
            is_wrong = isinstance(one, ConversationFacts) and "Wrong" in texts(one)
            yield SetAside(at=one.at, reason="mended", external_id="7") if is_wrong else one

    desk.replay(normalise=better)

    assert desk.texts("7") == {"Hello"}
    assert len(desk.stage.rows("SELECT 1 FROM record_conversations")) == 1
