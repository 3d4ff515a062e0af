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
        event(7, "MESSAGE", 3, message="One"),
        event(7, "MESSAGE", 4, message="Twice"),
        event(7, "MESSAGE", 4, message="Twice"),
        event(7, "TRANSFER", 5, old_advisor_id=2, new_advisor_id=3),
        event(7, "TRANSFER", 5, old_advisor_id=1, new_advisor_id=2),
        event(7, "MESSAGE", 9_999_999_999, message="Never"),
    ),
    page(
        event(7, "MESSAGE", 6, message=" ?"),
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


FAULTS: dict[str, Callable[[OurAPI], object]] = {
    "lost": lambda api: its_messages(api).pop(2),
    "duplicated": lambda api: its_messages(api).append(its_messages(api)[-1]),
    "out_of_order": swap,
    "missing": lose_chat,
    "unheard_of": add_chat,
    "wrong_start": lambda api: change(api, started_at="2026-01-01T10:00:03"),
    "wrong_end": lambda api: change(api, ended_at="2026-01-01T10:00:06"),
    "wrong_agent": lambda api: change(api, agent_id=None),
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
