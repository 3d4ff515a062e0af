"""The commands as a person runs them: real processes, exit codes, one line for an error."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from deskwire.sandbox.answers import invalid
from deskwire.sandbox.ourapi import OurAPI
from tests.stage import Stage, event, page

DESKWIRE = [sys.executable, "-m", "deskwire.cli"]


def deskwire(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DESKWIRE, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub's folder after two chats were delivered and one event was set aside."""
    stage = Stage(tmp_path_factory.mktemp("delivered"))
    stage.chat(7)
    stage.chat(8)
    stage.bigchat.script.append(
        page(
            event(7, "START", 0),
            event(7, "MESSAGE", 1, message="Hello"),
            event(7, "MESSAGE", 2, message="k"),
            event(7, "END", 3),
            event(8, "START", 0),
            event(8, "SING", 5),
            event(99, "DANCE", 6),
        )
    )

    async def deliver() -> None:
        async with stage.open():
            await stage.drain()

    asyncio.run(deliver())
    return stage.folder


def test_init_writes_a_file_once(tmp_path: Path) -> None:
    codes = [deskwire(tmp_path, "init").returncode for _ in range(2)]
    assert codes == [0, 2]


def test_an_error_is_a_line_without_a_traceback(tmp_path: Path) -> None:
    result = deskwire(tmp_path, "status")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "'deskwire init' writes one" in result.stderr


def test_a_wrong_word_is_wrong_usage(tmp_path: Path) -> None:
    assert deskwire(tmp_path, "stauts").returncode == 2


def test_check_names_what_cannot_be_reached(delivered: Path) -> None:
    result = deskwire(delivered, "check", "--json")
    told = json.loads(result.stdout)
    assert result.returncode == 1
    assert [name.split(" at ")[0] for name, fault in told.items() if fault] == [
        "source bigchat",
        "destination our-api",
    ]


def test_status_counts_what_flowed_and_names_what_was_set_aside(delivered: Path) -> None:
    told = json.loads(deskwire(delivered, "status", "--json").stdout)
    source, outlet = told["sources"][0], told["destinations"][0]
    assert (source["conversations_open"], source["conversations_closed"]) == (1, 1)
    assert (source["messages"], source["set_aside"]) == (2, 2)
    assert (outlet["conversations_complete"], outlet["waiting"], outlet["dead"]) == (2, 0, 0)
    assert any("unknown event_name 'SING'" in line for line in told["warnings"])
    assert any("'k' sent as '[k]'" in line for line in told["warnings"])


def test_status_asks_for_nobody_when_all_is_well(delivered: Path) -> None:
    with closing(sqlite3.connect(delivered / "deskwire.db")) as connection, connection:
        # On a busy machine the last poll may be minutes ago by now.
        connection.execute("UPDATE sources SET polled_at = ?", (time.time_ns() // 1000,))
    result = deskwire(delivered, "status")
    assert (result.returncode, "nothing needs you" in result.stdout) == (0, True)


def test_show_tells_a_conversation_its_records_and_its_deliveries(delivered: Path) -> None:
    told = json.loads(deskwire(delivered, "show", "conversation", "7", "--json").stdout)
    assert [one["text"] for one in told["conversation"]["messages"]] == ["Hello", "k"]
    assert [kind for _, kind, *_ in told["records"]] == ["page", "detail"]
    assert set(told["deliveries"]["our-api"]["ledger"]) == {
        "chat",
        *(f"message:{one['external_id']}" for one in told["conversation"]["messages"]),
    }


def test_show_prints_what_was_set_aside_and_every_attempt(delivered: Path) -> None:
    shown = deskwire(delivered, "show", "conversation", "8", "--attempts").stdout
    assert "set aside" in shown
    assert "create_chat chat confirmed" in shown


def test_show_knows_a_conversation_of_which_only_something_was_set_aside(delivered: Path) -> None:
    result = deskwire(delivered, "show", "conversation", "99")
    told = json.loads(deskwire(delivered, "show", "conversation", "99", "--json").stdout)
    assert (result.returncode, "unknown event_name 'DANCE'" in result.stdout) == (0, True)
    [(source, _, place, reason)] = told["set_aside"]
    assert (source, place, reason) == ("bigchat", "/events/6", "unknown event_name 'DANCE'")


def test_show_says_that_it_knows_no_such_conversation(delivered: Path) -> None:
    assert deskwire(delivered, "show", "conversation", "nobody").returncode == 2


def test_replay_of_an_unchanged_mapping_changes_nothing(delivered: Path) -> None:
    for words in (["--dry-run"], []):
        told = json.loads(deskwire(delivered, "replay", "--json", *words).stdout)
        assert told["bigchat"]["differences"] == []
        assert told["bigchat"]["conversations"] == 2


def test_there_are_no_dead_letters(delivered: Path) -> None:
    assert deskwire(delivered, "dead", "list").stdout == "no dead letters\n"


def test_db_upgrade_of_a_new_database_makes_its_schema(delivered: Path, tmp_path: Path) -> None:
    config = tmp_path / "deskwire.toml"
    config.write_text((delivered / "deskwire.toml").read_text())
    lines = [deskwire(tmp_path, "db", "upgrade").stdout for _ in range(2)]
    assert lines == ["schema none → 0003\n", "schema 0003\n"]


def test_run_refuses_an_address_that_others_can_reach(delivered: Path) -> None:
    result = deskwire(delivered, "run", "--host", "0.0.0.0", "--port", "0")  # noqa: S104
    assert (result.returncode, "loopback" in result.stderr) == (2, True)


def test_run_refuses_a_role_that_is_not_there(delivered: Path) -> None:
    assert deskwire(delivered, "run", "--roles", "cook").returncode == 2


def test_reconcile_shows_what_it_would_send_and_sends_it_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.chat(7)
    stage.bigchat.script.append(page(event(7, "START", 0), event(7, "MESSAGE", 1, message="Hi")))

    async def forget_and_reconcile() -> str:
        async with stage.open():
            await stage.drain()
            stage.our_api.forget()
            shown = await reconcile(tmp_path, "--dry-run")
            assert stage.our_api.chats == {}
            await reconcile(tmp_path)
            await stage.drain()
            return shown

    shown = asyncio.run(forget_and_reconcile())
    assert "create_chat chat, post_message message:" in shown
    assert stage.said(7) == ["Hi"]


async def reconcile(folder: Path, *words: str) -> str:
    return await beside(folder, "reconcile", "our-api", *words)


async def beside(folder: Path, *words: str) -> str:
    """Run it beside the services, which live in this process."""
    process = await asyncio.create_subprocess_exec(
        *DESKWIRE, *words, cwd=folder, stdout=subprocess.PIPE
    )
    return (await process.communicate())[0].decode()


class Strict(OurAPI):
    """Refuses a message that says "Bad" until it is mended."""

    is_mended = False

    def app(self) -> web.Application:
        app = super().app()
        app.middlewares.insert(0, self._judge)
        return app

    @web.middleware
    async def _judge(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if b'"Bad"' in await request.read() and not self.is_mended:
            return invalid("body", "text", "will not do", "value_error")
        return await handler(request)


def test_dead_replay_sends_what_was_refused_once_it_is_taken(tmp_path: Path) -> None:
    api = Strict(1)
    stage = Stage(tmp_path, our_api=api)
    stage.chat(7)
    stage.bigchat.script.append(
        page(event(7, "MESSAGE", 1, message="Good"), event(7, "MESSAGE", 2, message="Bad"))
    )
    dead = "SELECT kind, target FROM work WHERE dead_at IS NOT NULL"

    async def mend_and_replay() -> list[str]:
        async with stage.open():
            await stage.drain()
            assert stage.rows(dead) == [("deliver", "our-api")]
            listed = await beside(tmp_path, "dead", "list", "--destination", "our-api")
            planned = await beside(tmp_path, "dead", "replay", "--plan")
            assert stage.rows(dead) == [("deliver", "our-api")]
            api.is_mended = True
            done = await beside(tmp_path, "dead", "replay")
            await stage.drain()
            return [listed, planned, done]

    listed, planned, done = asyncio.run(mend_and_replay())

    assert "refused: message:" in listed
    assert planned.startswith("1 × refused: message:")
    assert planned.endswith("1 dead letters would be due again\n")
    assert done.endswith("1 dead letters are due again\n")
    assert (stage.said(7), stage.rows(dead)) == (["Good", "Bad"], [])
