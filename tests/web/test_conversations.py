"""The internal API: lists, filters, pages and single conversations, over HTTP."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import msgspec
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from deskwire.core.provider import RecordKind
from deskwire.pipeline import intake, normalise
from deskwire.pipeline.hub import Hub
from deskwire.store import numbers, records
from deskwire.store.db import Connection
from tests.stage import event, page
from tests.web.serving import Served, error, invalid, served

CONFIG = """
[[source]]
name = "shop"
provider = "bigchat"
base_url = "http://127.0.0.1:9"
[[source]]
name = "hotel"
provider = "bigchat"
base_url = "http://127.0.0.1:9"
[[source]]
name = "elsewhere"
provider = "bigchat"
base_url = "http://127.0.0.1:9"
workspace = "other"
"""
LIST = "/internal/conversations"


async def receive(hub: Hub, source: str, kind: RecordKind, body: bytes) -> None:
    """Take in what a provider says, as a poll or fetch does."""
    one, now = hub.sources[source], hub.now()
    record = intake.new_record(one, kind, "a test", body, now)
    said = normalise.read(one, record)

    def keep(connection: Connection) -> None:
        records.keep(connection, one.workspace, record)
        normalise.apply(connection, now, one, record, said)

    await hub.write(keep)


def advisor(number: int, name: str, email: str) -> bytes:
    return msgspec.json.encode({"advisor_id": number, "name": name, "email_address": email})


def said(number: int, at: int, text: str, sender: str = "customer") -> dict[str, object]:
    return event(number, "MESSAGE", at, message=text, sender=sender)


@asynccontextmanager
async def told(folder: Path) -> AsyncIterator[Served]:
    """A hub that heard of four conversations: 1, 2 and 3 of the shop, 3 of the hotel."""
    async with served(folder, CONFIG) as client:
        await receive(client.hub, "shop", "person", advisor(71, "Ana", "Ana@Shop.example"))
        await receive(client.hub, "shop", "person", advisor(72, "Bo", "bo@shop.example"))
        await receive(client.hub, "hotel", "person", advisor(5, "Ana", "ana@shop.EXAMPLE"))
        await receive(
            client.hub,
            "shop",
            "page",
            page(
                event(1, "START", 0),
                said(1, 10, "Where is my café order?"),
                event(1, "TRANSFER", 20, old_advisor_id=71, new_advisor_id=72),
                said(1, 30, "On its way", "agent"),
                event(1, "END", 40),
                event(2, "START", 60),
                said(2, 61, "x" * 121),
                event(3, "START", 120),
                event(3, "TRANSFER", 121, old_advisor_id=72, new_advisor_id=73),
            ),
        )
        await receive(
            client.hub,
            "hotel",
            "page",
            page(
                event(3, "START", 120),
                said(3, 125, "Is my order lost? order AND lost"),
                event(3, "TRANSFER", 130, old_advisor_id=40, new_advisor_id=5),
            ),
        )
        await receive(client.hub, "elsewhere", "page", page(event(9, "START", 9)))
        yield client


def tell(folder: Path, story: Callable[[Served], Coroutine[Any, Any, None]]) -> None:
    async def all_of_it() -> None:
        async with told(folder) as client:
            await story(client)

    uvloop.run(all_of_it())


def found(answer: tuple[int, Any]) -> list[str]:
    """The external ids of a page."""
    assert answer[0] == 200, answer
    return [one["external_id"] for one in answer[1]["items"]]


def test_conversations_are_listed_with_the_newest_first(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        status, answer = await client.ask(LIST)
        ids = [one.pop("id") for one in answer["items"]]
        base = {"provider": "bigchat"}

        assert (status, len(set(ids))) == (200, 4)
        assert answer == {
            "items": [
                base
                | {
                    "external_id": "3",
                    "created_at": "2026-01-01T10:02:00Z",
                    "updated_at": "2026-01-01T10:02:10Z",
                    "participant_count": 1,
                    "message_count": 1,
                    "last_message_at": "2026-01-01T10:02:05Z",
                    "last_message_preview": "Is my order lost? order AND lost",
                },
                base
                | {
                    "external_id": "3",
                    "created_at": "2026-01-01T10:02:00Z",
                    "updated_at": "2026-01-01T10:02:01Z",
                    "participant_count": 0,
                    "message_count": 0,
                    "last_message_at": None,
                    "last_message_preview": None,
                },
                base
                | {
                    "external_id": "2",
                    "created_at": "2026-01-01T10:01:00Z",
                    "updated_at": "2026-01-01T10:01:01Z",
                    "participant_count": 1,
                    "message_count": 1,
                    "last_message_at": "2026-01-01T10:01:01Z",
                    "last_message_preview": "x" * 120,
                },
                base
                | {
                    "external_id": "1",
                    "created_at": "2026-01-01T10:00:00Z",
                    "updated_at": "2026-01-01T10:00:40Z",
                    "participant_count": 2,
                    "message_count": 2,
                    "last_message_at": "2026-01-01T10:00:30Z",
                    "last_message_preview": "On its way",
                },
            ],
            "next_cursor": None,
        }

    tell(tmp_path, story)


def test_filters_are_told_apart(tmp_path: Path) -> None:
    """Each with the external ids that it leaves, the newest first."""
    expected = {
        "provider=bigchat": ["3", "3", "2", "1"],
        "provider=zendesk": [],
        "source=hotel": ["3"],
        "channel=Chat": ["3", "3", "2", "1"],
        "channel=email": [],
        "status=closed": ["1"],
        "status=open&source=shop": ["3", "2"],
        "since=2026-01-01T10:01:00": ["3", "3", "2"],
        "since=2026-01-01T11:01:00%2B01:00": ["3", "3", "2"],
        "until=2026-01-01T10:01:00Z": ["1"],
        "since=2026-01-01&until=2026-01-02": ["3", "3", "2", "1"],
        "since=2026-01-02": [],
        "customer=customer": ["3", "2", "1"],
        "customer=nobody": [],
        "q=order": ["3", "1"],
        "q=CAFE+order": ["1"],
        "q=order+lost": ["3"],
        "q=order+way": [],
        "q=order+%3F": ["3", "1"],
        "workspace=other": ["9"],
        "workspace=none": [],
    }

    async def story(client: Served) -> None:
        got = {query: found(await client.ask(f"{LIST}?{query}")) for query in expected}

        assert got == expected

    tell(tmp_path, story)


def test_an_agent_is_known_by_number_id_address_and_the_providers_id(tmp_path: Path) -> None:
    """Ana is 71 in the shop and 5 in the hotel; Bo is the second person, 72."""
    expected = {
        "1": ["3", "1"],
        "2": ["3", "1"],
        "ana@shop.example": ["3", "1"],
        "BO@shop.example": ["3", "1"],
        "71": ["1"],
        "73": ["3"],
        "40": ["3"],
        "404": [],
        "nobody@shop.example": [],
        str(uuid4()): [],
    }

    async def story(client: Served) -> None:
        got = {
            agent: found(await client.ask(f"{LIST}?{urlencode({'agent': agent})}"))
            for agent in expected
        }
        ids = await client.hub.read(
            lambda c: [one.id for name in "12" for one in numbers.find(c, "main", name)]
        )
        by_id = [found(await client.ask(f"{LIST}?agent={one}")) for one in ids]

        assert got == expected
        assert by_id == [["3", "1"]] * 3  # Ana has two ids

    tell(tmp_path, story)


def test_pages_have_every_conversation_once(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        _, whole = await client.ask(LIST)
        for limit in (1, 2, 3, 4):
            pages = [(await client.ask(f"{LIST}?limit={limit}"))[1]]
            while (cursor := pages[-1]["next_cursor"]) is not None:
                pages.append((await client.ask(f"{LIST}?limit={limit}&cursor={cursor}"))[1])

            assert [one for page in pages for one in page["items"]] == whole["items"]
            assert len(pages) == math.ceil(4 / limit)

    tell(tmp_path, story)


def test_conversations_that_come_meanwhile_do_not_move_a_page(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        _, first = await client.ask(f"{LIST}?limit=3")
        await receive(client.hub, "shop", "page", page(event(4, "START", 500)))
        answer = await client.ask(f"{LIST}?limit=3&cursor={first['next_cursor']}")

        assert found(answer) == ["1"]

    tell(tmp_path, story)


def test_a_filter_that_makes_no_sense_is_told(tmp_path: Path) -> None:
    no_number = "Input should be a valid integer, unable to parse string as an integer"
    no_status = "Input should be 'queued', 'open', 'pending' or 'closed'"
    too_late = "Value error, 9999-12-31T23:59:59-01:00 cannot be told in UTC"
    no_cursor = ("query.cursor", "invalid", "this is no cursor of ours; begin without one")
    expected = {
        "limit=0": ("query.limit", "invalid", "Input should be greater than or equal to 1"),
        "limit=501": ("query.limit", "invalid", "Input should be less than or equal to 500"),
        "limit=x": ("query.limit", "type_error", no_number),
        "status=done": ("query.status", "invalid", no_status),
        "since=May": ("query.since", "invalid", "Value error, Invalid isoformat string: 'May'"),
        "until=9999-12-31T23:59:59-01:00": ("query.until", "invalid", too_late),
        "custmer=7": ("query.custmer", "invalid", "Extra inputs are not permitted"),
        "q=": ("query.q", "invalid", "String should have at least 1 character"),
        "cursor=": no_cursor,
        "cursor=bnVsbA": no_cursor,  # null
        "cursor=WzFlOTk5LDAsIiJd": no_cursor,  # [1e999,0,""]
        "cursor=WzE4NDQ2NzQ0MDczNzA5NTUxNjE1LDAsIiJd": no_cursor,  # [2 ** 64 - 1,0,""]
        "cursor=%F0%9F%92%A9": no_cursor,
    }

    async def story() -> None:
        async with served(tmp_path) as client:
            got = {query: await client.ask(f"{LIST}?{query}") for query in expected}

            assert got == {query: invalid(fault) for query, fault in expected.items()}

    uvloop.run(story())


def test_no_text_is_the_syntax_of_a_search(tmp_path: Path) -> None:
    """Whatever is looked for, it is words or nothing; never an error."""

    async def story(client: Served) -> None:
        signs = ['"', "NEAR(", "a* OR", "text:order", "-order", "^", "\x00order", "'--", "{a}", "+"]
        for text in [*signs, "order " * 40]:
            status, _ = await client.ask(f"{LIST}?q={quote(text)}")
            assert status == 200, text

    tell(tmp_path, story)


@given(texts=st.lists(st.text(min_size=1, max_size=20), max_size=100))
@settings(max_examples=2)
def test_any_text_can_be_looked_for(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    async def story() -> None:
        async with served(tmp_path_factory.mktemp("hub")) as client:
            for text in texts:
                for name in ("q", "agent", "customer"):
                    query = urlencode({name: text}, errors="replace")
                    status, _ = await client.ask(f"{LIST}?{query}")
                    assert status == 200, (name, text)

    uvloop.run(story())


def test_a_conversation_is_shown_whole(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        _, listed = await client.ask(f"{LIST}?status=closed")
        ours = listed["items"][0]["id"]
        status, answer = await client.ask(f"{LIST}/{ours.upper()}")
        people = {one["id"]: one for one in answer["participants"]}
        spoken = [
            (people[one["author_participant_id"]]["name"], one["sent_at"], one["content"])
            for one in answer["messages"]
        ]

        assert status == 200
        assert {name: answer[name] for name in ("id", "external_id", "status", "ended_at")} == {
            "id": ours,
            "external_id": "1",
            "status": "closed",
            "ended_at": "2026-01-01T10:00:40Z",
        }
        assert spoken == [
            (None, "2026-01-01T10:00:10Z", "Where is my café order?"),
            ("Bo", "2026-01-01T10:00:30Z", "On its way"),
        ]
        assert [one["agent"] for one in answer["assignments"]] == [
            {"external_id": "71", "name": "Ana"},
            {"external_id": "72", "name": "Bo"},
        ]

    tell(tmp_path, story)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    missing = (404, error("not_found", "Conversation not found"))

    async def story(client: Served) -> None:
        _, listed = await client.ask(LIST)
        ours = listed["items"][0]["id"]

        assert await client.ask(f"{LIST}/{uuid4()}") == missing
        assert await client.ask(f"{LIST}/{ours}?workspace=other") == missing
        status, answer = await client.ask(f"{LIST}/7")
        assert (status, answer["details"][0]["field"]) == (422, "path.conversation_id")

    tell(tmp_path, story)
