"""The judge must be able to find every fault, or its silence says nothing."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from deskwire.sandbox.ourapi import Chat, Message, OurAPI
from tests.faults.oracle import Verdict, judge
from tests.stage import Stage, event, page

PAGES = [
    page(
        event(7, "START", 2),
        event(7, "MESSAGE", 3, message="One", sender="agent"),
        event(7, "MESSAGE", 4, message="Twice", sender="customer"),
        event(7, "MESSAGE", 4, message="Twice", sender="agent"),
        event(7, "TRANSFER", 5, old_advisor_id=2, new_advisor_id=3),
        event(7, "TRANSFER", 5, old_advisor_id=1, new_advisor_id=2),
        event(7, "MESSAGE", 9_999_999_999, message="Never"),
    ),
    page(
        event(7, "MESSAGE", 6, message=" ?", sender="agent"),
        event(7, "END", 8),
        event(7, "END", 6),
        event(8, "MESSAGE", 7, message="   "),
    ),
]


def delivered(folder: Path) -> Stage:
    stage = Stage(folder)
    stage.chat(7)
    stage.chat(8, started_at=-500)

    async def run() -> None:
        stage.bigchat.script.extend(PAGES)
        async with stage.open():
            await stage.drain()

    asyncio.run(run())
    return stage


def the_chat(api: OurAPI) -> Chat:
    return next(one for one in api.chats.values() if one.external_id == "7")


def its_messages(api: OurAPI) -> list[Message]:
    return api.messages[the_chat(api).chat_id]


def change(api: OurAPI, **fields: object) -> None:
    chat = the_chat(api)
    api.chats[chat.chat_id] = msgspec.structs.replace(chat, **fields)


def swap(api: OurAPI) -> None:
    messages = its_messages(api)
    messages[0], messages[-1] = messages[-1], messages[0]


def lose_chat(api: OurAPI) -> None:
    del api.chats[the_chat(api).chat_id]


def add_chat(api: OurAPI) -> None:
    api.chats["x"] = msgspec.structs.replace(the_chat(api), chat_id="x", external_id="66")


def blame(api: OurAPI, text: str, agent_id: str | None) -> None:
    messages = its_messages(api)
    position = next(number for number, one in enumerate(messages) if one.text == text)
    messages[position] = msgspec.structs.replace(messages[position], agent_id=agent_id)


def bearers(api: OurAPI, text: str) -> list[str | None]:
    ids = [one.agent_id for one in its_messages(api) if one.text == text]
    return [None if one is None else api.agents[one].email for one in ids]


def agent_id(api: OurAPI, number: int) -> str:
    email = f"advisor.{number}@bigchat.example"
    return next(one.agent_id for one in api.agents.values() if one.email.casefold() == email)


FAULTS: dict[str, Callable[[OurAPI], object]] = {
    "lost": lambda api: its_messages(api).pop(2),
    "duplicated": lambda api: its_messages(api).append(its_messages(api)[-1]),
    "out_of_order": swap,
    "missing": lose_chat,
    "unheard_of": add_chat,
    "wrong_start": lambda api: change(api, started_at="2026-01-01T10:00:03"),
    "wrong_end": lambda api: change(api, ended_at="2026-01-01T10:00:06"),
    "wrong_agent": lambda api: change(api, agent_id=None),
    "wrong_author": lambda api: blame(api, "One", None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_and_no_other(fault: str, tmp_path: Path) -> None:
    stage = delivered(tmp_path)
    assert judge(stage.file, stage.our_api) == Verdict()

    FAULTS[fault](stage.our_api)

    verdict = judge(stage.file, stage.our_api)
    found = [name for name in msgspec.to_builtins(verdict) if getattr(verdict, name)]
    assert [name for name in found if name not in {"chats", "messages"}] == [fault]


def test_the_agent_of_a_chat_that_was_not_transferred_is_the_first_one(tmp_path: Path) -> None:
    stage = delivered(tmp_path)
    api = stage.our_api
    chat = next(one for one in api.chats.values() if one.external_id == "8")
    other = the_chat(api).agent_id
    api.chats[chat.chat_id] = msgspec.structs.replace(chat, agent_id=other)

    assert judge(stage.file, stage.our_api).wrong_agent


def test_a_message_that_was_heard_of_too_late_is_not_out_of_order(tmp_path: Path) -> None:
    stage = delivered(tmp_path)
    messages = its_messages(stage.our_api)
    messages.append(messages.pop(0))
    with closing(sqlite3.connect(stage.file)) as connection, connection:
        connection.execute(
            "UPDATE observed SET number = 1000000 WHERE what = 'known' AND key IN"
            " (SELECT 'message:' || external_id FROM messages WHERE text = 'One')"
        )

    assert judge(stage.file, stage.our_api) == Verdict()


def test_an_agents_message_bears_who_had_the_chat_then(tmp_path: Path) -> None:
    api = delivered(tmp_path).our_api

    assert bearers(api, "One") == ["advisor.1@bigchat.example"]
    assert bearers(api, "[?]") == ["advisor.3@bigchat.example"]
    assert bearers(api, "Twice") == [None, "advisor.1@bigchat.example"]


@pytest.mark.parametrize(("text", "number"), [("One", 3), ("[?]", 1), ("Twice", 1)])
def test_an_author_who_did_not_write_it_is_found(text: str, number: int, tmp_path: Path) -> None:
    stage = delivered(tmp_path)

    blame(stage.our_api, text, agent_id(stage.our_api, number))

    assert judge(stage.file, stage.our_api).wrong_author


def test_a_transfer_that_was_heard_of_too_late_makes_no_author_wrong(tmp_path: Path) -> None:
    stage = delivered(tmp_path)
    blame(stage.our_api, "[?]", agent_id(stage.our_api, 1))
    with closing(sqlite3.connect(stage.file)) as connection, connection:
        connection.execute("UPDATE observed SET number = -number WHERE what = 'sent'")
        connection.execute("UPDATE observed SET number = number - 1000000 WHERE key LIKE 'init%'")

    assert judge(stage.file, stage.our_api).wrong_author == []
