"""The worked example of a desk: its export imported, its figures, and what both clients get."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deskwire import providers, settings
from deskwire.sandbox.run import serve
from tests.destinations.chats import JACINTHA_IN_UTC, JERRY_IN_UTC, JOHN_IN_UTC
from tests.receiver import Receiver
from tests.stage import FAST, running, until
from tests.web.serving import served

EXPORT = Path(providers.__file__).parent / "desk" / "fixtures" / "file_whole.json"
CONFIG = """
[[source]]
name = "desk"
provider = "desk"
destinations = ["savage-rentals", "absolutely-class-airlines", "third"]
[[destination]]
name = "savage-rentals"
kind = "transcript_post"
url = "{url}/chats"
quiet_seconds = 0
[[destination]]
name = "absolutely-class-airlines"
kind = "transcript_files"
directory = "output"
footer = "This chat took {{handling_seconds}} seconds to handle."
quiet_seconds = 0
[[destination]]
name = "third"
kind = "transcript_files"
directory = "third"
footer = "{{agent_name}} for {{customer_name}}, {{message_count}} messages"
layout = "{{year}}/{{month}}/{{agent}}/{{number}}.md"
zone = "Europe/London"
quiet_seconds = 0
"""


def imported(folder: Path, *words: str) -> dict[str, object]:
    command = [sys.executable, "-m", "deskwire.cli", "import", "desk_chats.json"]
    done = subprocess.run(
        [*command, "--provider", "desk", "--json", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return dict(json.loads(done.stdout))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(EXPORT, tmp_path / "desk_chats.json")
    return tmp_path


def test_the_figures_are_those_of_the_worked_example(folder: Path) -> None:
    (folder / "deskwire.toml").write_text("")
    counts = {"read": 1, "new": 6, "changed": 0, "unchanged": 0, "set_aside": 0}
    assert imported(folder) == counts
    assert imported(folder) == {**counts, "new": 0, "unchanged": 6}

    async def ask() -> object:
        async with served(folder) as client:
            return await client.ask("/users/performance")

    figures = [(1, 1, 300.0), (2, 0, None), (3, 2, 390.0)]
    assert asyncio.run(ask()) == (
        200,
        [
            {
                "userId": user,
                "name": f"Test User {user}",
                "chatsHandled": chats,
                "averageHandlingSeconds": seconds,
            }
            for user, chats, seconds in figures
        ],
    )


@pytest.mark.parametrize("keys", [["users", "chats", "messages"], ["messages"]])
def test_chats_keep_their_numbers(folder: Path, keys: list[str]) -> None:
    (folder / "deskwire.toml").write_text("")
    export = json.loads(EXPORT.read_text())
    (folder / "desk_chats.json").write_text(json.dumps({key: export[key] for key in keys}))
    imported(folder)
    shutil.copy(EXPORT, folder / "desk_chats.json")
    imported(folder)

    async def ask() -> list[object]:
        async with served(folder) as client:
            answers = [await client.ask(f"/desk/chats/{number}") for number in range(1, 7)]
            return [chat.get("external_id") for _, chat in answers]

    assert asyncio.run(ask()) == [f"chat:{number}" for number in range(1, 7)]


def test_a_chat_that_was_imported_with_an_instant_to_come_can_be_ended(folder: Path) -> None:
    (folder / "deskwire.toml").write_text("")
    export = json.loads(EXPORT.read_text())
    export["chats"][1]["handle_start"] = "9999-12-31T23:59:59.999999"
    (folder / "desk_chats.json").write_text(json.dumps(export))
    imported(folder)

    async def end() -> object:
        async with served(folder) as client:
            number = export["chats"][1]["chat_id"]
            assert (await client.ask(f"/chats/{number}/end", b"{}"))[0] == 200
            return (await client.ask(f"/desk/chats/{number}"))[1]["ended_at"]

    assert asyncio.run(end()) is not None


def test_both_clients_and_a_third_get_their_transcripts(folder: Path) -> None:
    receiver = Receiver()

    async def run() -> None:
        async with serve(receiver.app()) as url:
            (folder / "deskwire.toml").write_text(CONFIG.format(url=url))
            await asyncio.to_thread(imported, folder, "--deliver")
            hub = settings.open_hub(settings.load(folder / "deskwire.toml"), FAST)
            async with running(hub):
                await until(lambda: len(receiver.posted) == 3 and len(written(folder)) == 6)

    asyncio.run(run())
    assert sorted(receiver.contents) == sorted([JOHN_IN_UTC, JERRY_IN_UTC, JACINTHA_IN_UTC])
    assert written(folder) == {
        "output/john/1.txt": f"{JOHN_IN_UTC}\nThis chat took 300 seconds to handle.",
        "output/jerry/1.txt": f"{JERRY_IN_UTC}\nThis chat took 180 seconds to handle.",
        "output/jacintha/1.txt": f"{JACINTHA_IN_UTC}\nThis chat took 600 seconds to handle.",
        **{
            f"third/2020/09/{place}.md": f"{in_london(text)}\n{line}"
            for place, text, line in third_client(folder)
        },
    }


def written(folder: Path) -> dict[str, str]:
    files = [one for name in ("output", "third") for one in (folder / name).rglob("*.*")]
    return {
        str(one.relative_to(folder)): one.read_bytes().decode()
        for one in files
        if not one.name.startswith(".")
    }


def third_client(folder: Path) -> list[tuple[str, str, str]]:
    """Which of the third user's chats came first is not said."""
    chats = [
        (JERRY_IN_UTC, "Test User 3 for Jerry, 3"),
        (JACINTHA_IN_UTC, "Test User 3 for Jacintha, 4"),
    ]
    first = (folder / "third/2020/09/test-user-3/1.md").read_text()
    ordered = chats if first.startswith(in_london(JERRY_IN_UTC)) else chats[::-1]
    found = [("test-user-1/1", JOHN_IN_UTC, "Test User 1 for John, 4 messages")]
    for number, (text, line) in enumerate(ordered):
        found.append((f"test-user-3/{number + 1}", text, f"{line} messages"))
    return found


def in_london(text: str) -> str:
    """An hour later, in summer."""
    return text.replace("09:", "10:").replace("08:", "09:")
