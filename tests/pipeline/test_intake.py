"""What BigChat answers, good or bad, through a real hub."""

import asyncio
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from deskwire.sandbox.bigchat import BigChat
from tests.faults.oracle import Verdict, judge
from tests.stage import Stage, event, page, running, until


def drained(stage: Stage, *answers: bytes | tuple[int, bytes, str]) -> Stage:
    async def run() -> None:
        stage.bigchat.script.extend(answers)
        async with stage.open():
            await stage.drain()

    asyncio.run(run())
    assert judge(stage.file, stage.our_api) == Verdict()
    return stage


def windows(stage: Stage) -> list[tuple[str, str]]:
    query = "SELECT origin FROM records WHERE kind = 'page' ORDER BY id"
    found = [dict(parse_qsl(origin.partition("?")[2])) for (origin,) in stage.rows(query)]
    return [(one["start_at"], one["end_at"]) for one in found]


def set_aside(stage: Stage) -> list[tuple[Any, ...]]:
    return stage.rows("SELECT at, reason FROM set_aside ORDER BY record_id, at")


HELLO = page(event(7, "START", 0), event(7, "MESSAGE", 1, message="Hello"))
BYE = page(event(7, "MESSAGE", 2, message="Bye"))


@pytest.mark.parametrize(
    "failure",
    [
        (500, b"Internal Server Error", "text/plain"),
        (502, b'{"detail": "Bad Gateway"}', "application/json"),
        (401, b'{"detail": "Not authenticated"}', "application/json"),
        (200, b"<html>Sorry</html>", "text/html"),
        (200, HELLO[:40], "application/json"),
        (200, b"x" * 1_000_000, "text/plain"),
        (404, b"{}", "application/json"),
    ],
    ids=["500", "502", "401", "html", "half", "megabyte", "404"],
)
def test_a_failed_poll_costs_nothing(failure: tuple[int, bytes, str], tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.chat(7)

    drained(stage, HELLO, failure, failure, BYE)

    assert stage.said(7) == ["Hello", "Bye"]


def test_the_next_window_begins_where_the_last_whole_one_ended(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.chat(7)
    failure = (500, b"", "text/plain")

    drained(stage, HELLO, failure, BYE)

    [first, second] = windows(stage)
    assert first[1] == second[0]


@pytest.mark.parametrize("kind", ["garbage", "garbage_after"])
def test_a_page_that_garbage_consumed_is_set_aside_and_no_page(kind: str, tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.chat(7)
    faults = stage.bigchat.faults
    faults.kinds, faults.probability = (kind,), 1.0

    async def run() -> None:
        stage.bigchat.script.append(HELLO)
        async with stage.open(), running(stage.hub()):
            await until(lambda: faults.injected[kind] > 2)
            assert len(stage.bigchat.script) == (kind == "garbage")
            faults.probability = 0.0
            stage.bigchat.script.append(BYE)
            await stage.quiet()

    asyncio.run(run())
    assert judge(stage.file, stage.our_api) == Verdict()
    # What garbage_after ate is lost by BigChat's contract: it serves no answer twice.
    assert stage.said(7) == (["Hello", "Bye"] if kind == "garbage" else ["Bye"])
    assert len(windows(stage)) == (3 if kind == "garbage" else 2)
    [(at, reason)] = set_aside(stage)
    assert at == ""
    assert reason


def test_an_unreadable_answer_is_kept_once_and_set_aside_as_a_whole(tmp_path: Path) -> None:
    sorry = (200, b"<html>Sorry</html>", "text/html")

    stage = drained(Stage(tmp_path), sorry, sorry)

    [(at, reason)] = set_aside(stage)
    assert at == ""
    assert reason.startswith("not Page")


def test_pages_are_followed_on_the_base_url_only(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.chat(7)
    elsewhere = "http://192.0.2.1:1/events?start_at=a&end_at=b&page=2"

    drained(stage, page(event(7, "START", 0), next_page=elsewhere), BYE)

    assert stage.said(7) == ["Bye"]
    assert windows(stage)[1] == ("a", "b")


BAD_EVENTS = {
    "unknown event_name 'SNOOZE'": event(7, "SNOOZE", 1),
    "event_at is in the future: 2999-01-01T00:00:00Z": {
        **event(7, "MESSAGE", 1, message="x"),
        "event_at": 32_472_144_000,
    },
    "Object missing required field `conversation_id`": {"event_name": "END", "event_at": 1},
    "data of MESSAGE: Object missing required field `message`": event(7, "MESSAGE", 1, text="x"),
}


@pytest.mark.parametrize("reason", BAD_EVENTS)
def test_one_bad_event_is_set_aside_and_the_others_go_on(reason: str, tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.chat(7)
    good = [event(7, "MESSAGE", 1, message="Hello"), event(7, "MESSAGE", 2, message="Bye")]

    drained(stage, page(good[0], BAD_EVENTS[reason], good[1]))

    assert stage.said(7) == ["Hello", "Bye"]
    assert set_aside(stage) == [("/events/1", reason)]


@pytest.mark.parametrize(
    "bad",
    [
        event(msgspec.Raw(b"9" * 300), "MESSAGE", 1, message="x"),
        event(7, "TRANSFER", 1, old_advisor_id=1, new_advisor_id=msgspec.Raw(b"9" * 300)),
    ],
    ids=["conversation", "advisor"],
)
def test_an_id_that_no_column_holds_is_set_aside_and_the_others_go_on(
    bad: object, tmp_path: Path
) -> None:
    stage = Stage(tmp_path)
    stage.chat(7)
    stage.bigchat.script.append(
        page(event(7, "MESSAGE", 1, message="Hello"), bad, event(7, "MESSAGE", 2, message="Bye"))
    )

    async def run() -> None:
        async with stage.open():
            await stage.drain()

    asyncio.run(run())

    assert stage.said(7) == ["Hello", "Bye"]
    assert set_aside(stage) == [("/events/1", f"an id of 300 characters: {'9' * 50}…")]


def test_a_broken_next_page_is_noted_and_the_next_window_follows(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.chat(7)

    drained(stage, page(event(7, "MESSAGE", 1, message="Hello"), next_page="http://[bad"), BYE)

    assert stage.said(7) == ["Hello", "Bye"]
    [(at, reason)] = set_aside(stage)
    assert (at, reason.startswith("the window was left here: ")) == ("/nextPageUrl", True)


def test_a_conversation_that_bigchat_does_not_know_is_delivered_all_the_same(
    tmp_path: Path,
) -> None:
    stage = drained(Stage(tmp_path), page(event(9, "MESSAGE", 5, message="Lost and found")))

    assert stage.said(9) == ["Lost and found"]
    [chat] = stage.our_api.chats.values()
    assert (chat.started_at, chat.agent_id) == ("2026-01-01T10:00:05", None)


def test_an_advisor_that_bigchat_does_not_know_gets_an_invalid_address(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.chat(7, advisor=4711)

    drained(stage, HELLO)

    [agent] = stage.our_api.agents.values()
    assert (agent.name, agent.email) == ("4711", "4711@bigchat.invalid")


def test_a_card_number_in_a_message_is_stored_masked_and_an_id_stays(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.chat(4111111111111111)
    hello = event(4111111111111111, "MESSAGE", 1, message="Mine: 4111 1111-1111 1111 05/27")

    drained(stage, page(hello, event(4111111111111111, "END", 2)))

    [(body,)] = stage.rows("SELECT body FROM records WHERE kind = 'page'")
    masked = {**hello, "data": {"message": "Mine: **** ****-**** **** 05/27"}}
    assert zlib.decompress(body) == page(masked, event(4111111111111111, "END", 2))
    assert stage.said(4111111111111111) == ["Mine: **** ****-**** **** 05/27"]


def test_all_that_bigchat_served_is_there_when_nothing_fails(tmp_path: Path) -> None:
    bigchat = BigChat(3, events_per_second=20.0, error_rate=0.2)
    stage = Stage(tmp_path, bigchat)

    async def run() -> None:
        async with stage.open(poll_every_seconds=0.5), running(stage.hub()):
            await until(lambda: len(bigchat.served) > 60)
            bigchat.events_per_second = 0.0
            await stage.quiet()

    asyncio.run(run())

    served = [msgspec.to_builtins(one) for _, one in bigchat.served]
    verdict = judge(stage.file, stage.our_api)
    assert verdict == Verdict()
    assert verdict.messages == sum(one["event_name"] == "MESSAGE" for one in served) > 0
