from __future__ import annotations

import asyncio
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deskwire import destinations
from deskwire.core.codec import convert
from deskwire.core.destination import Learned, Outcome, Sent, Step, Target
from deskwire.core.errors import NoAnswer, NotSent
from deskwire.core.exchange import Answer, Request
from deskwire.core.model import Assignment, Conversation, Participant
from deskwire.destinations.transcript_files.destination import in_time
from deskwire.destinations.transcript_files.layout import slug
from tests.destinations import writers
from tests.destinations.chats import JOHN, JOHN_IN_UTC, TOLD, at, but, person

FILES = destinations.load("transcript_files")
ROOT = Path(__file__).parents[2]
FOOTER = "This chat took {handling_seconds} seconds to handle."
TEXT = f"{JOHN_IN_UTC}\nThis chat took 300 seconds to handle."
HOUR = 3600.0


def target(directory: Path, **keys: object) -> Target:
    return Target(
        name="absolutely-class-airlines",
        source="desk",
        closing=JOHN.ended_at,
        directory=str(directory),
        options=convert({"footer": FOOTER, **keys}, FILES.options),
    )


def planned(view: Conversation, to: Target, number: int = 1) -> Step:
    step = FILES.plan(view, {}, to)
    assert isinstance(step, Step)
    return msgspec.structs.replace(step, number=number)


async def no_http(request: Request) -> Answer:
    raise AssertionError(request)


async def performed(step: Step, to: Target) -> Outcome:
    return await FILES.perform(step, to, no_http)


def written(step: Step, to: Target) -> Sent:
    """The line of a step that was performed."""
    outcome = asyncio.run(performed(step, to))
    assert isinstance(outcome, Learned)
    [(key, line)] = outcome.changes.items()
    assert key == step.key
    assert line is not None
    return line


def write(directory: Path, view: Conversation = JOHN, number: int = 1, **keys: object) -> Sent:
    to = target(directory, **keys)
    return written(planned(view, to, number), to)


def tree(directory: Path) -> dict[str, str]:
    """Every file below, with its text."""
    found = sorted(path for path in directory.rglob("*") if not path.is_dir())
    return {str(path.relative_to(directory)): path.read_bytes().decode() for path in found}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_chat_that_is_over_is_a_file_of_its_customer(tmp_path: Path) -> None:
    line = write(tmp_path)

    assert tree(tmp_path) == {"john/1.txt": TEXT}
    assert line == Sent(
        payload={
            "closing": "2020-09-29T09:05:20.540957Z",
            "content": TEXT,
            "file": "john/1.txt",
        },
        remote_id="1",
    )
    assert FILES.plan(JOHN, {"transcript": line}, target(tmp_path)) is None


@pytest.mark.parametrize(("view", "zone", "text", "seconds"), TOLD)
def test_the_file_is_the_contracts_byte_for_byte(
    view: Conversation, zone: str, text: str, seconds: int, tmp_path: Path
) -> None:
    write(tmp_path, view, zone=zone)

    [told] = tree(tmp_path).values()
    assert told == f"{text}\nThis chat took {seconds} seconds to handle."


def test_chats_are_counted_by_customer(tmp_path: Path) -> None:
    a, b = but(JOHN, customer=person("Customer A")), but(JOHN, customer=person("Customer B"))

    write(tmp_path / "output", a, 1)
    write(tmp_path / "output", a, 2)
    write(tmp_path / "output", b, 1)

    assert list(tree(tmp_path)) == [
        "output/customer-a/1.txt",
        "output/customer-a/2.txt",
        "output/customer-b/1.txt",
    ]


def test_the_number_is_open_until_the_step_is_performed(tmp_path: Path) -> None:
    step = FILES.plan(JOHN, {}, target(tmp_path))

    assert step == Step(
        action="write",
        key="transcript",
        sent=Sent(payload={"closing": "2020-09-29T09:05:20.540957Z", "content": TEXT}),
        counter="john/{number}.txt",
    )


def test_lines_end_as_they_were_written_and_letters_are_utf_8(tmp_path: Path) -> None:
    message = msgspec.structs.replace(JOHN.messages[0], text="Grüße\r\n👋")

    write(tmp_path, but(JOHN, messages=(message,)), footer="")

    told = "Chat on 29 Sep 2020 09:00:\n\n[09:00, Customer]: Grüße\r\n👋"
    assert (tmp_path / "john" / "1.txt").read_bytes() == told.encode()


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("Customer A", "customer-a"),
        ("  Åse  O'Neil-Ñandú ", "åse-o-neil-ñandú"),
        ("ÅSE", "åse"),
        ("Strasse", "strasse"),
        ("Straße", "strasse"),
        ("\N{LATIN SMALL LIGATURE FI} ① \N{FULLWIDTH DIGIT TWO}", "fi-1-2"),
        ("under_score", "under-score"),
        ("../../etc", "etc"),
        ("..", "unknown-customer"),
        ("/", "unknown-customer"),
        ("a/b\\c\0d", "a-b-c-d"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("CON", "con"),
        ("{number}", "number"),
        ("%2e%2e%2f", "2e-2e-2f"),
        ("👩‍👩‍👧", "unknown-customer"),
        ("Ana 👋", "ana"),
        ("שלום עולם", "שלום-עולם"),
        ("abc\u202etxt.exe", "abc-txt-exe"),
        ("田中太郎", "田中太郎"),
        ("", "unknown-customer"),
        (" \n\t", "unknown-customer"),
        (None, "unknown-customer"),
        ("x" * 300, "x" * 80),
        ("é" * 300, "é" * 40),
        ("x" + "é" * 300, "x" + "é" * 39),
        ("x" * 79 + " y", "x" * 79),
        ("\ud800", "unknown-customer"),
    ],
)
def test_a_folder_is_named_after_the_customer_whatever_the_name(
    name: str | None, folder: str, tmp_path: Path
) -> None:
    write(tmp_path / "output", but(JOHN, customer=person(name)))

    assert tree(tmp_path) == {f"output/{folder}/1.txt": TEXT}


def test_a_chat_without_a_customer_is_one_of_an_unknown_customer(tmp_path: Path) -> None:
    write(tmp_path, but(JOHN, customer=None))

    assert list(tree(tmp_path)) == ["unknown-customer/1.txt"]


@given(st.text(max_size=400))
@example("A" * 79 + "\N{LATIN SMALL LETTER E WITH ACUTE}")
@example("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}" * 60)
def test_a_slug_is_letters_and_digits_with_single_dashes_between(name: str) -> None:
    made = slug(name)

    assert re.fullmatch(r"([^\W_]+(-[^\W_]+)*)?", made)
    assert len(made.encode()) <= 80
    assert made == slug(f" {name}_")


def test_a_layout_is_filled_in_with_slugs(tmp_path: Path) -> None:
    layout = "all/{channel}/{year}-{month}-{day}/{agent} {external_id}/{customer}.{number}.txt"
    view = but(
        JOHN,
        channel="Live/Chat",
        external_id="../7",
        handle_started_at=at(23, 30) + timedelta(days=92),
        ended_at=at(23, 40) + timedelta(days=92),
    )

    write(tmp_path, view, layout=layout, zone="Europe/Berlin", footer="")

    assert list(tree(tmp_path)) == ["all/live-chat/2020-12-31/test-user-1 7/john.1.txt"]


def test_what_a_layout_needs_and_nobody_knows_is_unknown(tmp_path: Path) -> None:
    unassigned = Assignment(agent=None, team="A", from_at=at(9, 0), to_at=None)
    view = but(JOHN, channel=None, assignments=(unassigned,), external_id="…")
    layout = "{customer}/{channel}/{agent}/{external_id}/{number}"

    write(tmp_path, view, layout=layout)

    assert list(tree(tmp_path)) == ["john/unknown/unknown/unknown/1"]


def test_a_number_may_be_a_folders(tmp_path: Path) -> None:
    write(tmp_path, layout="{customer}/{number}/chat.txt")
    line = write(
        tmp_path, but(JOHN, external_id="2", messages=()), layout="{customer}/{number}/chat.txt"
    )

    assert list(tree(tmp_path)) == ["john/1/chat.txt", "john/2/chat.txt"]
    assert line.remote_id == "2"


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("", "it must have {number} once"),
        ("{customer}.txt", "it must have {number} once"),
        ("{number}/{number}.txt", "it must have {number} once"),
        ("/{number}.txt", "it must be relative"),
        ("../{number}.txt", "it must be relative"),
        ("{customer}/../{number}.txt", "it must be relative"),
        ("{customer}//{number}.txt", "it must be relative"),
        ("{customer}/{number}/", "it must be relative"),
        ("./{number}.txt", "it must be relative"),
        (".{number}.tmp", "it must be relative"),
        ("a\\{number}.txt", "it must have no control signs"),
        ("a\n{number}.txt", "it must have no control signs"),
        ("a\0{number}.txt", "it must have no control signs"),
        ("{{number}}/{number}.txt", "it must have no control signs"),
        ("{name}/{number}.txt", "layout: {name} must be one of {customer}, {number}, "),
        ("{customer.name}/{number}.txt", "layout: {customer.name} must be one of"),
        ("{number:03}.txt", "layout: {number} must be one of"),
        ("{customer/{number}.txt", "layout: "),
    ],
)
def test_a_layout_that_leads_elsewhere_is_refused(
    layout: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(message)):
        target(tmp_path, layout=layout)


@pytest.mark.parametrize(("key", "value"), [("zone", "Mars/Base"), ("footer", "{seconds}")])
def test_the_keys_of_every_transcript_are_checked_here_too(
    key: str, value: str, tmp_path: Path
) -> None:
    with pytest.raises(msgspec.ValidationError, match=f"{key}: "):
        target(tmp_path, **{key: value})


def test_a_file_that_was_written_before_a_crash_is_found_and_not_written_again(
    tmp_path: Path,
) -> None:
    to = target(tmp_path)
    step = planned(JOHN, to)
    first = written(step, to)
    made = (tmp_path / "john" / "1.txt").stat()

    again = written(step, to)

    assert again == first
    assert tree(tmp_path) == {"john/1.txt": TEXT}
    assert (tmp_path / "john" / "1.txt").stat() == made


def test_the_text_is_the_steps_whatever_was_learned_since(tmp_path: Path) -> None:
    to = target(tmp_path)
    step = planned(JOHN, to)
    stored = msgspec.json.decode(msgspec.json.encode(step), type=Step)
    changed = msgspec.structs.replace(to, options=convert({"footer": "Other"}, FILES.options))

    written(stored, changed)

    assert tree(tmp_path) == {"john/1.txt": TEXT}


def test_a_number_that_somebody_took_is_left_and_the_next_is_free(tmp_path: Path) -> None:
    folder = tmp_path / "john"
    folder.mkdir()
    (folder / "1.txt").write_text("Mine")
    (folder / "2.txt").write_text(TEXT.replace("Hello", "Hullo"))  # as long
    (folder / "3.txt").symlink_to("1.txt")
    (folder / "4.txt").symlink_to("nowhere")
    (folder / "5.txt").mkdir()
    os.mkfifo(folder / "6.txt")
    (folder / "7.txt").touch()
    before = {path: path.lstat() for path in folder.iterdir()}

    line = write(tmp_path)

    assert (line.remote_id, line.payload["file"]) == ("8", "john/8.txt")
    assert (folder / "8.txt").read_text() == TEXT
    assert write(tmp_path) == line
    assert {path: path.lstat() for path in before} == before
    assert names(folder) == [f"{number}.txt" for number in range(1, 9)]


@pytest.mark.parametrize("place", ["john", "john/2020"])
def test_no_link_leads_out_of_the_directory(place: str, tmp_path: Path) -> None:
    directory, outside = tmp_path / "output", tmp_path / "outside"
    outside.mkdir()
    (directory / place).parent.mkdir(parents=True)
    (directory / place).symlink_to(outside)

    with pytest.raises(NotSent, match="symbolic link is where a directory belongs: move it away"):
        write(directory, layout="{customer}/{year}/{number}.txt")

    assert list(outside.iterdir()) == []


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "output").symlink_to("disk")

    write(tmp_path / "output")

    assert tree(tmp_path / "disk") == {"john/1.txt": TEXT}


def test_a_file_is_for_its_owner_and_group(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write(tmp_path / "output")
    finally:
        os.umask(before)

    paths = ("output", "output/john", "output/john/1.txt")
    assert [oct((tmp_path / path).stat().st_mode)[-3:] for path in paths] == ["750", "750", "640"]


def test_a_directory_that_is_a_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("A file")

    with pytest.raises(NotSent) as raised:
        write(tmp_path / "output")

    assert str(raised.value).startswith(f"cannot write john/1.txt in {tmp_path / 'output'}: ")


def test_a_name_that_is_too_long_for_the_disk_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotSent, match="File name too long; shorten the layout"):
        write(tmp_path, layout=f"{'x' * 300}/{{number}}.txt")


@contextmanager
def full(size: int) -> Iterator[None]:
    """No file may become longer than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_does_not_fit_leaves_nothing_and_is_written_when_there_is_room(
    tmp_path: Path,
) -> None:
    with full(100), pytest.raises(NotSent, match=r"cannot write .*: File too large"):
        write(tmp_path)
    assert tree(tmp_path) == {}

    write(tmp_path)

    assert tree(tmp_path) == {"john/1.txt": TEXT}


def test_a_file_that_is_there_is_found_on_a_full_disk(tmp_path: Path) -> None:
    first = write(tmp_path)

    with full(0):
        assert write(tmp_path) == first


def test_what_a_killed_writer_left_behind_is_removed_after_an_hour(tmp_path: Path) -> None:
    folder = tmp_path / "john"
    folder.mkdir()
    there = [f".{'0a' * 16}.tmp", f".{'1b' * 16}.tmp", ".profile", f"{'2c' * 16}.tmp"]
    for name in there:
        (folder / name).write_text("Half a")
    old = time.time() - HOUR - 60
    for name in [there[0], *there[2:]]:
        os.utime(folder / name, (old, old))

    write(tmp_path)

    assert names(folder) == sorted(["1.txt", *there[1:]])


def test_a_write_that_hangs_has_no_answer(tmp_path: Path) -> None:
    is_over = threading.Event()

    with pytest.raises(NoAnswer, match=r"takes nothing in 0\.05 s; look"):
        asyncio.run(in_time(str(tmp_path), is_over.wait, 0.05))

    is_over.set()
    assert asyncio.run(in_time(str(tmp_path), lambda: "done", 5)) == "done"


def test_a_directory_that_hangs_does_not_delay_another(tmp_path: Path) -> None:
    is_over = threading.Event()

    async def scene() -> str:
        hanging = [
            asyncio.create_task(in_time(str(tmp_path / "a"), is_over.wait, 30)) for _ in range(50)
        ]
        await asyncio.sleep(0)
        try:
            return await in_time(str(tmp_path / "b"), lambda: "done", 30)
        finally:
            is_over.set()
            await asyncio.gather(*hanging)

    assert asyncio.run(scene()) == "done"


def test_what_changed_since_is_told_and_not_written_again(tmp_path: Path) -> None:
    to, ledger = target(tmp_path), {"transcript": write(tmp_path)}
    changed = but(JOHN, ended_at=at(9, 6))

    assert FILES.differs is not None
    assert FILES.differs(JOHN, ledger, to) == []
    assert FILES.differs(changed, ledger, to) == ["changed since the transcript was sent"]
    assert FILES.plan(changed, ledger, to) is None


def test_writers_that_are_killed_leave_every_file_whole_and_once(tmp_path: Path) -> None:
    command = (sys.executable, "-m", writers.__name__, str(tmp_path), "1")
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)

    assert int(run.stdout) >= 10
    there = {name: text for name, text in tree(tmp_path).items() if "/." not in name}
    numbers = range(1, 1 + writers.STEPS * writers.WRITERS // 2)
    assert there == {f"john/{number}.txt": writers.content(number) for number in numbers}


def test_agents_name_a_folder_as_customers_do(tmp_path: Path) -> None:
    agent = Participant(external_id="9", role="agent", name="../Ana")
    handled = Assignment(agent=agent, team=None, from_at=at(9, 0), to_at=None)

    write(tmp_path, but(JOHN, assignments=(handled,)), layout="{agent}/{number}.txt")

    assert list(tree(tmp_path)) == ["ana/1.txt"]
