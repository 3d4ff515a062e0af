import asyncio
from collections import Counter
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from deskwire.sandbox.bigchat import BigChat
from deskwire.sandbox.run import serve

START = 1_767_261_600  # 2026-01-01T10:00:00Z
WINDOW = {"start_at": "2026-01-01T10:00:00Z", "end_at": "2026-01-01T10:00:10+00:00"}
Page = tuple[int, Any]


def window(number: int) -> dict[str, str]:
    minute, second = divmod(number * 10, 60)
    later_minute, later_second = divmod(number * 10 + 10, 60)
    return {
        "start_at": f"2026-01-01T10:{minute:02}:{second:02}+00:00",
        "end_at": f"2026-01-01T10:{later_minute:02}:{later_second:02}+00:00",
    }


async def get(client: aiohttp.ClientSession, url: str, **query: str) -> Page:
    async with client.get(url, params=query or None) as got:
        is_json = got.content_type == "application/json"
        return got.status, await got.json() if is_json else await got.text()


def one(chat: BigChat, path: str, **query: str) -> Page:
    async def run() -> Page:
        async with serve(chat.app()) as url, aiohttp.ClientSession(url) as client:
            return await get(client, path, **query)

    return asyncio.run(run())


async def pages(client: aiohttp.ClientSession, url: str, query: dict[str, str]) -> list[Any]:
    """The events of each page of one window."""
    found = []
    _, body = await get(client, f"{url}/events", **query)
    found.append(body["events"])
    while body["nextPageUrl"]:
        _, body = await get(client, body["nextPageUrl"])
        found.append(body["events"])
    return found


def polled(chat: BigChat, windows: int) -> list[list[Any]]:
    """The pages of each window, polled one after the other."""

    async def run() -> list[list[Any]]:
        async with serve(chat.app()) as url, aiohttp.ClientSession() as client:
            return [await pages(client, url, window(number)) for number in range(windows)]

    return asyncio.run(run())


def calm(seed: int = 0, **settings: Any) -> BigChat:  # noqa: ANN401
    return BigChat(seed, error_rate=0, **settings)


def test_what_was_served_is_what_arrived() -> None:
    chat = calm()

    arrived = [event for found in polled(chat, 20) for page in found for event in page]

    assert arrived == msgspec.to_builtins([event for _, event in chat.served])


def test_every_event_lies_in_its_window() -> None:
    for number, found in enumerate(polled(calm(), 20)):
        first = START + number * 10
        seconds = [event["event_at"] for page in found for event in page]
        assert set(seconds) <= set(range(first, first + 11))


def test_windows_have_one_to_three_pages_and_some_have_no_events() -> None:
    found = polled(calm(), 60)

    assert {len(of_window) for of_window in found} == {1, 2, 3}
    assert [[]] in found


def test_a_window_asked_again_gives_other_events() -> None:
    chat = calm()

    assert one(chat, "/events", **WINDOW) != one(chat, "/events", **WINDOW)


def test_equal_seeds_repeat() -> None:
    assert polled(calm(5), 10) == polled(calm(5), 10)


def test_conversations_do_what_real_ones_do() -> None:
    chat = calm()
    polled(chat, 120)

    seen: dict[int, list[Any]] = {}
    for _, event in chat.served:
        seen.setdefault(event.conversation_id, []).append(event)
    stories = Counter(name for events in seen.values() for name in story(events))

    assert set(stories) == {
        "no START", "early message", "early END", "END twice", "MESSAGE after END",
        "TRANSFER after END", "TRANSFER to the same",
    }  # fmt: skip
    assert stories["no START"] < len(seen) / 8


def story(events: list[Any]) -> set[str]:
    starts, ends, messages, transfers = (
        [event for event in events if event.event_name == name]
        for name in ("START", "END", "MESSAGE", "TRANSFER")
    )
    start_at = starts[0].event_at if starts else 0
    end_at = min((event.event_at for event in ends), default=float("inf"))
    same = [event for event in transfers if len(set(event.data.values())) == 1]
    claims = {
        "no START": not starts,
        "early message": any(event.event_at < start_at for event in messages),
        "early END": end_at < start_at,
        "END twice": len(ends) > 1,
        "MESSAGE after END": any(event.event_at > end_at for event in messages),
        "TRANSFER after END": any(event.event_at > end_at for event in transfers),
        "TRANSFER to the same": bool(same),
    }
    return {name for name, is_true in claims.items() if is_true}


def test_equal_texts_come_in_one_page_across_pages_and_across_polls() -> None:
    chat = calm()
    polled(chat, 120)

    places: dict[Any, list[Any]] = {}
    for key, event in chat.served:
        if event.data and "message" in event.data:
            said = event.conversation_id, event.event_at, event.data["message"]
            places.setdefault(said, []).append(key)
    repeated = [keys for keys in places.values() if len(keys) > 1]

    assert any(keys[0] == keys[1] for keys in repeated)
    assert any(keys[0][:2] == keys[1][:2] and keys[0] != keys[1] for keys in repeated)
    assert any(keys[0][:2] != keys[1][:2] for keys in repeated)


def test_transfers_follow_one_another() -> None:
    chat = calm()
    polled(chat, 60)
    advisors = {number: each.first_advisor_id for number, each in chat.conversations.items()}

    # Pages are shuffled: in one page only the set of steps is known.
    steps = {number: Counter({first: 1}) for number, first in advisors.items()}
    for _, event in chat.served:
        if event.event_name == "TRANSFER":
            steps[event.conversation_id][event.data["new_advisor_id"]] += 1  # type: ignore[index]
            steps[event.conversation_id][event.data["old_advisor_id"]] -= 1  # type: ignore[index]

    left = {number: [*(+count).elements()] for number, count in steps.items()}
    assert left == {number: [each.advisor_id] for number, each in chat.conversations.items()}


def test_a_conversation_shows_its_start_and_first_advisor_only() -> None:
    chat = calm()
    polled(chat, 20)
    truth = next(each for each in chat.conversations.values() if each.started_at < START)
    number, begun = truth.conversation_id, truth.started_at

    start = {"conversation_id": number, "event_name": "START", "event_at": begun, "data": None}
    assert one(chat, f"/conversations/{number}") == (
        200,
        {"conversation_id": number, "advisor_id": truth.first_advisor_id, "events": [start]},
    )


def test_two_advisors_bear_one_name() -> None:
    chat = calm()
    first, third = one(chat, "/advisors/1")[1], one(chat, "/advisors/3")[1]

    assert first["name"] == third["name"]
    assert first["email_address"] != third["email_address"]


@pytest.mark.parametrize("path", ["/conversations/1", "/conversations/x", "/advisors/99"])
def test_the_unknown_answers_404(path: str) -> None:
    assert one(calm(), path)[0] == 404


@pytest.mark.parametrize(
    "query",
    [{}, {"start_at": "yesterday"}, WINDOW | {"end_at": "1"}, WINDOW | {"page": "0"}],
)
def test_a_bad_query_answers_422(query: dict[str, str]) -> None:
    assert one(calm(), "/events", **query)[0] == 422


def test_its_natural_errors_are_500_and_502() -> None:
    chat = BigChat(error_rate=1)

    async def run() -> set[Any]:
        async with serve(chat.app()) as url, aiohttp.ClientSession(url) as client:
            return {str(await get(client, "/advisors/1")) for _ in range(40)}

    assert asyncio.run(run()) == {
        "(500, 'Internal Server Error')",
        "(502, {'detail': 'Bad Gateway'})",
    }


def test_the_next_page_is_found_behind_a_base_path() -> None:
    chat, outer = calm(seed=2), web.Application()
    outer.add_subapp("/desk", chat.app())

    async def run() -> list[Any]:
        async with serve(outer) as url, aiohttp.ClientSession() as client:
            return [await pages(client, f"{url}/desk", window(number)) for number in range(9)]

    assert {len(found) for found in asyncio.run(run())} > {1, 2}


def test_the_next_page_is_found_behind_a_proxy() -> None:
    chat = calm(page_size=1)
    forwarded = {
        "X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example", "X-Forwarded-Prefix": "/b",
    }  # fmt: skip

    async def run() -> str:
        async with (
            serve(chat.app()) as url,
            aiohttp.ClientSession(url, headers=forwarded) as client,
        ):
            return str((await get(client, "/events", **WINDOW))[1]["nextPageUrl"])

    assert asyncio.run(run()).startswith("https://a.example/b/events?start_at=2026-01-01T10%3A00")


def test_a_scripted_answer_comes_first() -> None:
    chat = BigChat(error_rate=1)
    chat.script += [b"[]", (503, b"<p>", "text/html")]

    assert one(chat, "/events") == (200, [])
    assert one(chat, "/events") == (503, "<p>")


def test_the_wrong_authorization_answers_401() -> None:
    chat = calm(authorization="Bearer right")

    async def run() -> list[int]:
        async with serve(chat.app()) as url, aiohttp.ClientSession(url) as client:
            right = {"Authorization": "Bearer right"}
            return [
                (await client.get("/advisors/1")).status,
                (await client.get("/advisors/1", headers=right)).status,
            ]

    assert asyncio.run(run()) == [401, 200]


def test_senders_are_told_when_asked_for() -> None:
    chat = calm(senders=True)
    polled(chat, 10)

    senders = {
        event.data["sender"] for _, event in chat.served if event.data and "message" in event.data
    }
    assert senders == {"agent", "customer"}
