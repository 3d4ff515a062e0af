"""`deskwire demo` as a stranger runs it: live chats, kill -9, start again."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

PATIENCE_SECONDS = 60.0


@contextmanager
def demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    port = free_port()
    words = [sys.executable, "-m", "deskwire.cli", "demo", "--dir", "demo", "--port", str(port)]
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def flow(process: subprocess.Popen[str], at_least: int) -> tuple[str, dict[str, int]]:
    """OurAPI's URL, and the first line that tells of so many messages there."""
    assert process.stdout is not None
    url, began = "", time.monotonic()
    for line in process.stdout:
        found = re.search(r"OurAPI (http://\S+)", line)
        url = found[1] if found else url
        told = {name: int(count) for name, count in re.findall(r"([a-zA-Z ]+?) (\d+)(?: |$)", line)}
        told = {name.strip(): count for name, count in told.items()}
        arrived = told.get("messages in OurAPI", -1)
        if arrived >= at_least and arrived == told["messages in"]:
            return url, told
        assert time.monotonic() - began < PATIENCE_SECONDS, line
    pytest.fail("the demo ended")


def texts_in(url: str) -> dict[str, list[tuple[str, str]]]:
    """What OurAPI holds, by conversation."""
    held = {}
    with urlopen(f"{url}/chats") as answer:
        chats = json.load(answer)
    for chat in chats:
        with urlopen(f"{url}/chats/{chat['chat_id']}/messages") as answer:
            held[chat["external_id"]] = [(one["sent_at"], one["text"]) for one in json.load(answer)]
    return held


def test_after_a_kill_every_message_is_there_once(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        url, _ = flow(process, at_least=5)
        before = texts_in(url)
        os.kill(process.pid, signal.SIGKILL)
    with demo(tmp_path) as process:
        url, _ = flow(process, at_least=sum(map(len, before.values())) + 1)
        after = texts_in(url)
    assert before
    # The chats of the first run get no new messages: BigChat's sandbox began anew.
    assert {chat: sorted(after[chat]) for chat in before} == {
        chat: sorted(held) for chat, held in before.items()
    }


def test_ctrl_c_ends_it_without_an_error(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        flow(process, at_least=0)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE_SECONDS) == 0
