import asyncio
from typing import Any

import aiohttp
import pytest

from deskwire.sandbox.ourapi import OurAPI
from deskwire.sandbox.run import serve

ANA = {"name": "Ana", "email": "ana@example.org"}
CHAT = {"external_id": "1", "started_at": "2026-01-01T10:00:00Z"}
MESSAGE = {"sent_at": 1_767_261_600, "text": "Hello"}

Call = tuple[str, str, object]  # method, path, JSON body; "{chat}" in a path is the first chat's id
Answer = tuple[int, Any]


def answers(api: OurAPI, *calls: Call) -> list[Answer]:
    """Status and body of each call, made one after the other."""

    async def run() -> list[Answer]:
        async with serve(api.app()) as url, aiohttp.ClientSession(url) as client:
            return [await answer(client, api, call) for call in calls]

    return asyncio.run(run())


async def answer(client: aiohttp.ClientSession, api: OurAPI, call: Call) -> Answer:
    method, path, body = call
    path = path.format(chat=next(iter(api.chats), ""), agent=next(iter(api.agents), ""))
    async with client.request(method, path, json=body) as got:
        is_json = got.content_type == "application/json"
        return got.status, await got.json() if is_json else await got.text()


def last(*calls: Call) -> Answer:
    return answers(OurAPI(), *calls)[-1]


def test_a_new_agent_is_trimmed_and_located() -> None:
    api = OurAPI()

    [(status, agent)] = answers(api, ("POST", "/agents", {"name": " Ana ", "email": "a@b "}))

    assert (status, agent["name"], agent["email"]) == (201, "Ana", "a@b")
    assert list(api.agents) == [agent["agent_id"]]


@pytest.mark.parametrize(
    "second",
    [
        {"name": "Ana", "email": "other@example.org"},
        {"name": "Other", "email": "ana@example.org"},
        {"name": "Other", "email": "ANA@example.org"},
    ],
)
def test_a_taken_name_or_email_answers_500_in_plain_text(second: dict[str, str]) -> None:
    assert last(("POST", "/agents", ANA), ("POST", "/agents", second)) == (
        500,
        "Internal Server Error",
    )


@pytest.mark.parametrize(
    ("query", "count"), [("", 1), ("?name=Ana", 1), ("?name=ana", 0), ("?email=ANA@example.org", 0)]
)
def test_the_filters_are_exact(query: str, count: int) -> None:
    _, agents = last(("POST", "/agents", ANA), ("GET", f"/agents{query}", None))

    assert len(agents) == count


def test_a_taken_external_id_answers_404() -> None:
    detail = "A chat with that external ID already exists."

    assert last(("POST", "/chats", CHAT), ("POST", "/chats", CHAT)) == (404, {"detail": detail})


@pytest.mark.parametrize(
    ("path", "detail"), [("/agents/x", "Agent not found"), ("/chats/x", "Chat not found")]
)
def test_the_unknown_answers_404(path: str, detail: str) -> None:
    assert last(("GET", path, None)) == (404, {"detail": detail})


@pytest.mark.parametrize(
    "call",
    [
        ("POST", "/chats", CHAT | {"external_id": "2", "agent_id": "x"}),
        ("PATCH", "/chats/{chat}", {"agent_id": "x"}),
        ("POST", "/chats/{chat}/messages", MESSAGE | {"agent_id": "x"}),
    ],
)
def test_an_unknown_agent_answers_400(call: Call) -> None:
    assert last(("POST", "/chats", CHAT), call) == (400, {"detail": "That agent does not exist."})


@pytest.mark.parametrize(
    "moment",
    [
        "2026-01-01T10:00:00",
        "2026-01-01T10:00:00Z",
        "2026-01-01T11:00:00+01:00",
        1_767_261_600,
    ],
)
def test_an_instant_comes_back_in_utc_without_a_zone(moment: str | int) -> None:
    _, chat = last(("POST", "/chats", CHAT | {"started_at": moment}))

    assert chat["started_at"] == "2026-01-01T10:00:00"


def test_a_patch_changes_only_what_was_sent() -> None:
    api = OurAPI()
    patch = {"ended_at": 1_767_261_660, "unknown": 1}

    (_, before), patched, (_, after) = answers(
        api,
        ("POST", "/chats", CHAT),
        ("PATCH", "/chats/{chat}", patch),
        ("GET", "/chats/{chat}", None),
    )

    assert patched == (204, "")
    assert after == before | {"ended_at": "2026-01-01T10:01:00"}


def test_a_new_message_answers_its_chat() -> None:
    created, posted, (_, [message]) = answers(
        OurAPI(),
        ("POST", "/chats", CHAT),
        ("POST", "/chats/{chat}/messages", MESSAGE | {"text": " Hello "}),
        ("GET", "/chats/{chat}/messages", None),
    )

    assert posted == (200, created[1])
    assert (message["text"], message["agent_id"]) == ("Hello", None)
    assert message["chat_id"] == created[1]["chat_id"]


def test_a_text_of_one_character_answers_422() -> None:
    status, body = last(
        ("POST", "/chats", CHAT), ("POST", "/chats/{chat}/messages", MESSAGE | {"text": " k "})
    )

    assert (status, body["detail"][0]["loc"]) == (422, ["body", "text"])
    assert body["detail"][0]["type"] == "string_too_short"


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"name": "Ana"}, ["body", "email"]),
        ({"name": 7, "email": "a@b"}, ["body", "name"]),
        ([], ["body"]),
    ],
)
def test_a_bad_body_answers_422_and_says_where(body: object, loc: list[str]) -> None:
    status, answered = last(("POST", "/agents", body))

    assert (status, answered["detail"][0]["loc"]) == (422, loc)


@pytest.mark.parametrize("body", [b"{", b"", b'{"name": "\xff"}'])
def test_a_body_that_is_not_json_answers_422(body: bytes) -> None:
    async def run() -> int:
        async with serve(OurAPI().app()) as url, aiohttp.ClientSession(url) as client:
            return (await client.post("/agents", data=body)).status

    assert asyncio.run(run()) == 422


def test_a_new_thing_says_where_it_is() -> None:
    async def run() -> list[bool]:
        async with serve(OurAPI().app()) as url, aiohttp.ClientSession(url) as client:
            agent = await client.post("/agents", json=ANA)
            chat = await client.post("/chats", json=CHAT)
            return [
                agent.headers["Location"] == f"/agents/{(await agent.json())['agent_id']}",
                chat.headers["Location"] == f"/chats/{(await chat.json())['chat_id']}",
            ]

    assert asyncio.run(run()) == [True, True]


def test_overlapping_requests_fail_or_find_nothing() -> None:
    api = OurAPI(service_seconds=0.01)

    async def run() -> set[Any]:
        async with serve(api.app()) as url, aiohttp.ClientSession(url) as client:
            await client.post("/chats", json=CHAT)
            calls = (answer(client, api, ("GET", "/chats", None)) for _ in range(30))
            return {(status, len(body)) for status, body in await asyncio.gather(*calls)}

    assert asyncio.run(run()) == {(200, 1), (200, 0), (500, len("Internal Server Error"))}


def test_overlap_is_harmless_when_not_fragile() -> None:
    api = OurAPI(service_seconds=0.01, fragile=False)

    async def run() -> set[int]:
        async with serve(api.app()) as url, aiohttp.ClientSession(url) as client:
            calls = (client.get("/chats") for _ in range(30))
            return {got.status for got in await asyncio.gather(*calls)}

    assert asyncio.run(run()) == {200}


def test_what_was_forgotten_answers_404() -> None:
    api = OurAPI()
    [(_, chat)] = answers(api, ("POST", "/chats", CHAT))

    api.forget()

    [(status, _)] = answers(api, ("GET", f"/chats/{chat['chat_id']}", None))
    assert status == 404


def test_the_log_holds_effects_in_order_and_the_calls_everything() -> None:
    api = OurAPI()

    answers(
        api, ("POST", "/agents", ANA), ("POST", "/chats", CHAT), ("POST", "/chats", CHAT),
        ("POST", "/chats/{chat}/messages", MESSAGE),
    )  # fmt: skip

    message = "/chats/{chat_id}/messages"
    assert [effect.route for effect in api.log] == ["/agents", "/chats", message]
    assert api.calls == {("POST", "/agents"): 1, ("POST", "/chats"): 2, ("POST", message): 1}


def test_equal_seeds_give_equal_ids() -> None:
    assert answers(OurAPI(7), ("POST", "/chats", CHAT)) == answers(
        OurAPI(7), ("POST", "/chats", CHAT)
    )
