"""The desk API: OurAPI's contract served by us, and the routes of who handles chats."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.web.serving import Client, served

Story = Callable[[Client], Awaitable[None]]
NOBODY = "00000000-0000-4000-8000-000000000000"


def tell(folder: Path, story: Story) -> None:
    async def run() -> None:
        async with served(folder) as client:
            await story(client)

    asyncio.run(run())


async def agent(client: Client, name: str = "Ana Sá", email: str = "ana@example.org") -> str:
    status, added = await client.ask("/desk/agents", body(name=name, email=email))
    assert status == 201
    return str(added["agent_id"])


async def chat(client: Client, external_id: str = "c-1", **further: object) -> dict[str, Any]:
    told = {"external_id": external_id, "started_at": "2026-01-01T10:00:00Z", **further}
    status, added = await client.ask("/desk/chats", body(**told))
    assert status == 201, added
    return dict(added)


def body(**told: object) -> bytes:
    return msgspec.json.encode(told)


def test_an_agent_is_added_listed_and_shown(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        agent_id = await agent(client)
        ana = {"agent_id": agent_id, "name": "Ana Sá", "email": "ana@example.org"}

        assert await client.ask("/desk/agents") == (200, [ana])
        assert await client.ask("/desk/agents?email=ana@example.org") == (200, [ana])
        assert await client.ask("/desk/agents?email=ANA@example.org") == (200, [])
        assert await client.ask("/desk/agents?name=Ana") == (200, [])
        assert await client.ask(f"/desk/agents/{agent_id}") == (200, ana)
        assert await client.ask(f"/users/{agent_id}") == (200, {"userId": 1, "name": "Ana Sá"})
        assert (await client.ask(f"/desk/agents/{NOBODY}"))[0] == 404

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("name", "email"), [("Ana Sá", "other@example.org"), ("Other", "ANA@example.org")]
)
def test_a_taken_name_or_address_is_a_conflict(tmp_path: Path, name: str, email: str) -> None:
    async def story(client: Client) -> None:
        await agent(client)

        status, answer = await client.ask("/desk/agents", body(name=name, email=email))

        assert status == 409
        assert answer == {
            "error_code": "conflict",
            "message": "An agent with that name or email already exists.",
            "details": None,
            "detail": "An agent with that name or email already exists.",
        }

    tell(tmp_path, story)


@pytest.mark.parametrize("user", [True, 1.0, [1]])
def test_what_is_no_id_of_a_user_is_not_taken_for_one(tmp_path: Path, user: object) -> None:
    async def story(client: Client) -> None:
        told = await chat(client, agent_id=await agent(client))

        said = body(text="Hello", user_id=user)
        status, _ = await client.ask(f"/chats/{told['number']}/messages", said)

        assert status == 422

    tell(tmp_path, story)


def test_what_is_changed_of_a_chat_that_is_over_does_not_open_it(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        told = await chat(client, agent_id=await agent(client))
        assert (await client.ask(f"/chats/{told['number']}/end", b"{}"))[0] == 200

        path = f"/desk/chats/{told['chat_id']}"
        assert (await client.ask(path, body(customer_name="Zoe"), "PATCH"))[0] == 204

        _, shown = await client.ask(f"/internal/conversations/{told['chat_id']}")
        assert shown["status"] == "closed"

    tell(tmp_path, story)


def test_of_ten_clients_with_one_external_id_one_has_it(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        told = body(external_id="c-1", started_at=1_767_261_600)
        asked = [client.ask("/desk/chats", told) for _ in range(10)]

        assert sorted(status for status, _ in await asyncio.gather(*asked)) == [201, *[409] * 9]

    tell(tmp_path, story)


def test_a_chat_posted_with_an_agent_is_handled_from_its_start(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        agent_id = await agent(client)
        added = await chat(client, agent_id=agent_id, customer_name="Zoë")

        assert added == {
            "chat_id": added["chat_id"],
            "external_id": "c-1",
            "started_at": "2026-01-01T10:00:00",
            "ended_at": None,
            "agent_id": agent_id,
            "number": 1,
            "customer_name": "Zoë",
            "created": "2026-01-01T10:00:00",
            "handle_start": "2026-01-01T10:00:00",
        }
        assert await client.ask(f"/desk/chats/{added['chat_id']}") == (200, added)
        assert await client.ask("/desk/chats/1") == (200, added)
        assert await client.ask("/desk/chats?external_id=c-1") == (200, [added])
        assert await client.ask("/desk/chats?external_id=c-2") == (200, [])

    tell(tmp_path, story)


def test_only_the_fields_that_are_sent_change(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        before = await chat(client, agent_id=await agent(client), created="2026-01-01T09:00:00Z")
        path = f"/desk/chats/{before['chat_id']}"

        sent = body(ended_at="2026-01-01T12:00:00+01:00")
        assert (await client.ask(path, sent, method="PATCH"))[0] == 204
        after = {**before, "ended_at": "2026-01-01T11:00:00"}
        assert await client.ask(path) == (200, after)

        sent = body(started_at="2026-01-01T10:30:00Z")
        assert (await client.ask(path, sent, method="PATCH"))[0] == 204
        moved = "2026-01-01T10:30:00"
        assert await client.ask(path) == (
            200,
            {**after, "started_at": moved, "handle_start": moved},
        )

        assert (await client.ask(path, body(ended_at=None), method="PATCH"))[0] == 204
        assert (await client.ask(path))[1]["ended_at"] is None
        assert (await client.ask(path, body(agent_id=NOBODY), method="PATCH"))[0] == 400

    tell(tmp_path, story)


def test_the_first_agent_of_a_queuing_chat_begins_to_handle_it_now(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        before = await chat(client)
        path = f"/desk/chats/{before['chat_id']}"
        assert before["handle_start"] is None
        document = f"/internal/conversations/{before['chat_id']}"
        assert (await client.ask(document))[1]["status"] == "queued"

        agent_id = await agent(client)
        assert (await client.ask(path, body(agent_id=agent_id), method="PATCH"))[0] == 204

        after = (await client.ask(path))[1]
        assert after["handle_start"] > "2026-11"
        assert after == {**before, "agent_id": agent_id, "handle_start": after["handle_start"]}
        assert (await client.ask(document))[1]["status"] == "open"

    tell(tmp_path, story)


def test_a_chat_that_is_over_was_handled_from_its_start(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        await chat(client, ended_at="2026-01-01T10:05:00Z")

        told = body(agent_id=await agent(client))
        assert (await client.ask("/desk/chats/1", told, method="PATCH"))[0] == 204

        assert (await client.ask("/desk/chats/1"))[1]["handle_start"] == "2026-01-01T10:00:00"
        performance = [
            {"userId": 1, "name": "Ana Sá", "chatsHandled": 1, "averageHandlingSeconds": 300.0}
        ]
        assert await client.ask("/users/performance") == (200, performance)

    tell(tmp_path, story)


def test_messages_come_back_in_the_order_of_time(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        agent_id = await agent(client)
        added = await chat(client, agent_id=agent_id)
        path = f"/desk/chats/{added['chat_id']}/messages"
        later = body(sent_at="2026-01-01T10:02:00", text="  Hi, \nZoë ", agent_id=agent_id)
        assert await client.ask(path, later) == (200, added)
        earlier = body(sent_at=1_767_261_660, text="Hello?", agent_id="")
        assert await client.ask(path, earlier) == (200, added)

        status, messages = await client.ask(path)

        assert status == 200
        told = [(one["sent_at"], one["text"], one["agent_id"]) for one in messages]
        assert told == [
            ("2026-01-01T10:01:00", "Hello?", None),
            ("2026-01-01T10:02:00", "Hi, \nZoë", agent_id),
        ]
        assert {one["chat_id"] for one in messages} == {added["chat_id"]}
        assert (await client.ask(path, body(sent_at=1, text=" k ")))[0] == 422
        stranger = body(sent_at=1, text="Hello", agent_id=NOBODY)
        status, answer = await client.ask(path, stranger)
        assert (status, answer["detail"]) == (400, "That agent does not exist.")
        assert (await client.ask("/desk/chats/7/messages"))[0] == 404
        assert (await client.ask("/desk/chats/7/messages", earlier))[0] == 404

    tell(tmp_path, story)


def test_ending_twice_keeps_the_first_end(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        await chat(client, agent_id=await agent(client))

        assert await client.ask("/chats/1/end", b"") == (200, None)
        first = (await client.ask("/desk/chats/1"))[1]["ended_at"]
        assert first > "2026-11"
        assert await client.ask("/chats/1/end", b"") == (200, None)
        assert (await client.ask("/desk/chats/1"))[1]["ended_at"] == first

    tell(tmp_path, story)


def test_only_a_chat_that_is_handled_can_be_ended(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        await chat(client)

        assert (await client.ask("/chats/1/end", b""))[0] == 409
        assert (await client.ask("/chats/2/end", b""))[0] == 404
        assert (await client.ask(f"/chats/{NOBODY}/end", b""))[0] == 404
        assert (await client.ask(f"/chats/{'9' * 30}/end", b""))[0] == 404

    tell(tmp_path, story)


def test_who_handles_a_chat_and_its_customer_write_in_it(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        agent_id = await agent(client)
        added = await chat(client, agent_id=agent_id)
        number = await client.ask("/chats/1/messages", body(text="My card is 4111 1111 1111 1111"))
        by_number = await client.ask("/chats/1/messages", body(text="Thank you", user_id=1))
        by_id = await client.ask(
            f"/chats/{added['chat_id']}/messages", body(text="Bye", user_id=agent_id)
        )

        told = [
            (status, one["chat_id"], one["user_id"], one["text"])
            for status, one in (number, by_number, by_id)
        ]
        assert told == [
            (201, 1, None, "My card is **** **** **** ****"),
            (201, 1, 1, "Thank you"),
            (201, 1, 1, "Bye"),
        ]
        assert (await client.ask("/chats/7/messages", body(text="Hello")))[0] == 404

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("state", "told", "why"),
    [
        ("queuing", {"text": "Hello"}, "The chat has not started to be handled."),
        ("ended", {"text": "Hello"}, "The chat has ended."),
        ("handled", {"text": "Hello", "user_id": 2}, "That user is not handling this chat."),
        ("handled", {"text": "Hello", "user_id": 9}, "That user is not handling this chat."),
        ("handled", {"text": "x" * 501}, "A message has 1 to 500 characters; this has 501."),
        ("handled", {"text": "  "}, "A message has 1 to 500 characters; this has 2."),
    ],
)
def test_what_may_not_be_written_is_said_with_the_reason(
    tmp_path: Path, state: str, told: dict[str, object], why: str
) -> None:
    async def story(client: Client) -> None:
        ana = await agent(client)
        await agent(client, "Bo", "bo@example.org")
        await chat(client, **({} if state == "queuing" else {"agent_id": ana}))
        if state == "ended":
            await client.ask("/chats/1/end", b"")

        status, answer = await client.ask("/chats/1/messages", body(**told))

        assert (status, answer["message"]) == (400, why)
        assert await client.ask("/desk/chats/1/messages") == (200, [])

    tell(tmp_path, story)


def test_a_message_of_500_characters_is_taken(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        await chat(client, agent_id=await agent(client))

        assert (await client.ask("/chats/1/messages", body(text="é" * 500)))[0] == 201

    tell(tmp_path, story)


def test_what_was_written_survives_and_is_a_conversation_like_any_other(tmp_path: Path) -> None:
    async def write(client: Client) -> None:
        await chat(client, agent_id=await agent(client), customer_name="Zoë")
        await client.ask("/chats/1/messages", body(text="Hello"))
        await client.ask("/chats/1/end", b"")

    async def read(client: Client) -> None:
        status, found = await client.ask("/internal/conversations?customer=Zoë&agent=1&q=hello")
        assert status == 200
        assert [(one["provider"], one["external_id"]) for one in found["items"]] == [
            ("desk", "c-1")
        ]

    tell(tmp_path, write)
    tell(tmp_path, read)


def test_performance_counts_a_transferred_chat_for_both(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        ana, bo = await agent(client), await agent(client, "Bo", "bo@example.org")
        await agent(client, "Cy", "cy@example.org")
        await chat(client, agent_id=ana)
        await client.ask("/desk/chats/1", body(agent_id=bo), method="PATCH")
        await client.ask("/chats/1/end", b"")
        await chat(client, "c-2", agent_id=ana)

        _, found = await client.ask("/users/performance")

        assert [(one["name"], one["chatsHandled"]) for one in found] == [
            ("Ana Sá", 1),
            ("Bo", 1),
            ("Cy", 0),
        ]
        assert found[2]["averageHandlingSeconds"] is None

    tell(tmp_path, story)


def test_a_chat_that_was_opened_again_counts_as_reopened(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        agent_id = await agent(client)
        for name in ("c-1", "c-2"):
            await chat(client, name, agent_id=agent_id)
        for told in ({"ended_at": "2026-01-01T11:00:00Z"}, {"ended_at": None}):
            await client.ask("/desk/chats/1", body(**told), method="PATCH")
        for number in (1, 2):
            await client.ask(f"/chats/{number}/end", b"")

        status, report = await client.ask("/api/v1/reports/times")

        assert status == 200
        figures = report["totals"]["figures"]
        assert (figures["reopen_rate/n"], figures["reopen_rate/percent"]) == (2, 50.0)

    tell(tmp_path, story)
