from __future__ import annotations

import locale
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire.core.destination import Ledger, Sent, Target
from deskwire.core.model import Assignment, Conversation, Kind, Participant
from deskwire.core.transcript import (
    TranscriptOptions,
    content,
    differs,
    due,
    key_of,
    transcript,
)
from tests.destinations.chats import JOHN, JOHN_IN_UTC, TOLD, USER_1, at, but, chat, person, wrote

UTC_ZONE = ZoneInfo("UTC")
HANDLED = "This chat took {handling_seconds} seconds to handle."
CHANGED = ["changed since the transcript was sent"]


def target(closing: datetime | None = JOHN.ended_at, *, again: bool = False, **keys: str) -> Target:
    return Target(
        name="crm", source="desk", closing=closing, again=again, options=TranscriptOptions(**keys)
    )


def footer_of(view: Conversation, footer: str) -> str:
    text = content(view, target(footer=footer))
    return text.removeprefix(transcript(view, UTC_ZONE))


@pytest.mark.parametrize(("view", "zone", "text", "_seconds"), TOLD)
def test_a_transcript_is_the_contracts_byte_for_byte(
    view: Conversation, zone: str, text: str, _seconds: int
) -> None:
    assert transcript(view, ZoneInfo(zone)) == text


def test_a_day_of_one_figure_has_two_and_january_is_jan() -> None:
    began_at = datetime(2020, 1, 1, 14, 55, tzinfo=UTC)
    view = chat(wrote("a", "Hello", began_at), handle_started_at=began_at)

    text = "Chat on 01 Jan 2020 14:55:\n\n[14:55, Customer]: Hello"
    assert transcript(view, UTC_ZONE) == text


@pytest.fixture
def german() -> Iterator[None]:
    before = locale.setlocale(locale.LC_TIME)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8"):
        try:
            locale.setlocale(locale.LC_TIME, name)
            break
        except locale.Error:
            continue
    yield
    locale.setlocale(locale.LC_TIME, before)


def test_months_are_english_on_every_machine(german: None) -> None:
    view = chat(handle_started_at=datetime(2020, 12, 24, 18, tzinfo=UTC))

    assert transcript(view, UTC_ZONE) == "Chat on 24 Dec 2020 18:00:"


def test_the_day_is_the_zones() -> None:
    view = chat(handle_started_at=datetime(2020, 12, 31, 23, 30, tzinfo=UTC))

    assert transcript(view, ZoneInfo("Asia/Kolkata")) == "Chat on 01 Jan 2021 05:00:"


def test_an_hour_that_the_clocks_skip_or_repeat_is_the_zones() -> None:
    zone = ZoneInfo("Europe/London")
    nights = [datetime(2020, month, day, 1, 30, tzinfo=UTC) for month, day in ((3, 29), (10, 25))]
    view = chat(
        *(wrote(str(night), "…", night + hours) for night in nights for hours in hours_around()),
        handle_started_at=nights[0],
    )

    assert [line[:6] for line in transcript(view, zone).split("\n")[2:]] == [
        "[00:30",
        "[02:30",
        "[03:30",
        "[01:30",
        "[01:30",
        "[02:30",
    ]


def hours_around() -> list[timedelta]:
    return [timedelta(hours=hours) for hours in (-1, 0, 1)]


@pytest.mark.parametrize(
    ("author", "side"),
    [
        (None, "Customer"),
        (Participant(external_id="9"), "Customer"),
        (Participant(external_id="9", role="system"), "Customer"),
        (Participant(external_id="9", role="customer", name="Agent"), "Customer"),
        (Participant(external_id="9", role="agent"), "Agent"),
        (Participant(external_id="9", role="agent", is_known=False), "Agent"),
        (Participant(external_id="9", role="bot"), "Agent"),
    ],
)
def test_agents_and_bots_are_agent_and_everyone_else_is_customer(
    author: Participant | None, side: str
) -> None:
    view = chat(wrote("a", "Hi", at(9, 0), author))

    assert transcript(view, UTC_ZONE).endswith(f"\n[09:00, {side}]: Hi")


def test_notes_do_not_leave() -> None:
    view = chat(wrote("a", "Hi", at(9, 0)), wrote("b", "Rude.", at(9, 1), USER_1, "note"))

    assert transcript(view, UTC_ZONE).split("\n\n") == [
        "Chat on 29 Sep 2020 09:00:",
        "[09:00, Customer]: Hi",
    ]


def test_a_message_keeps_its_line_breaks_but_for_those_at_the_very_end() -> None:
    view = chat(wrote("a", "Hi\r\n\nthere\n", at(9, 0)), wrote("b", "Bye\r\n\n", at(9, 1)))

    assert transcript(view, UTC_ZONE).split("\n\n", 1)[1] == (
        "[09:00, Customer]: Hi\r\n\nthere\n\n[09:01, Customer]: Bye"
    )


def test_a_chat_of_which_nobody_knows_when_its_handling_began_has_its_start() -> None:
    view = but(JOHN, handle_started_at=None)

    assert transcript(view, UTC_ZONE) == JOHN_IN_UTC.replace("09:00:", "08:55:")


def test_a_chat_without_messages_is_its_header() -> None:
    assert transcript(chat(), UTC_ZONE) == "Chat on 29 Sep 2020 09:00:"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Adak", "UTC"])
@pytest.mark.parametrize("year", [1, 9999])
def test_an_instant_at_the_end_of_the_calendar_is_no_error(zone: str, year: int) -> None:
    first = datetime(year, 1, 1, tzinfo=UTC)
    edge = first if year == 1 else datetime(year, 12, 31, 23, 59, tzinfo=UTC)
    view = chat(wrote("a", "Hi", edge), handle_started_at=edge)

    assert transcript(view, ZoneInfo(zone)).endswith(", Customer]: Hi")


kinds: st.SearchStrategy[Kind] = st.sampled_from(["public", "note"])
said = st.lists(st.tuples(st.text(), st.datetimes(timezones=st.just(UTC)), kinds), max_size=5)


@given(said, st.sampled_from(["UTC", "Asia/Kolkata", "America/Adak"]), st.text())
def test_whatever_was_said_it_is_all_there_and_no_newline_ends_it(
    messages: list[tuple[str, datetime, Kind]], zone: str, name: str
) -> None:
    view = chat(
        *(wrote(str(n), text, when, None, kind) for n, (text, when, kind) in enumerate(messages)),
        customer=person(name),
    )

    text = content(view, target(zone=zone, footer="For {customer_name}"))

    public = [text for text, _, kind in messages if kind == "public"]
    assert all(one.rstrip("\r\n") in text for one in public)
    assert text.count(", Customer]: ") >= len(public)
    assert not text.endswith(("\n", "\r"))


def test_the_footer_is_one_more_line() -> None:
    assert footer_of(JOHN, HANDLED) == "\nThis chat took 300 seconds to handle."
    assert footer_of(chat(), HANDLED) == "\nThis chat took 300 seconds to handle."
    assert footer_of(JOHN, "") == ""


@pytest.mark.parametrize(
    ("ended_at", "seconds"),
    [
        (at(9, 0) + timedelta(hours=25), "90000"),
        (at(9, 0) + timedelta(seconds=59, microseconds=999_999), "59"),
        (at(9, 0), "0"),
        (at(8, 0), "0"),
    ],
)
def test_handling_time_is_whole_seconds_in_all(ended_at: datetime, seconds: str) -> None:
    assert footer_of(but(JOHN, ended_at=ended_at), "{handling_seconds}") == f"\n{seconds}"


def test_a_footer_whose_handling_time_nobody_knows_is_left_out() -> None:
    waiting = but(JOHN, handle_started_at=None)

    assert footer_of(waiting, HANDLED) == ""
    assert footer_of(waiting, "Bye") == "\nBye"


def test_a_chat_that_was_opened_again_was_handled_until_its_closing() -> None:
    assert footer_of(but(JOHN, ended_at=None), "{handling_seconds}") == "\n300"


def test_a_footer_has_what_is_known_in_the_place_of_its_names() -> None:
    footer = "{{{external_id}}} {customer_name}, {agent_name}: {message_count}"
    unknown = Assignment(agent=None, team="A", from_at=at(9, 0), to_at=None)
    note = wrote("n", "Rude.", at(9, 1), USER_1, "note")

    assert footer_of(but(JOHN, messages=(*JOHN.messages, note)), footer) == (
        "\n{1} John, Test User 1: 4"
    )
    assert footer_of(but(JOHN, customer=None, assignments=(unknown,)), footer) == (
        "\n{1} unknown, unknown: 4"
    )
    assert footer_of(but(JOHN, customer=person(" A\n{zone}\r\n[09:00] ")), footer) == (
        "\n{1} A {zone} [09:00], Test User 1: 4"
    )


def test_the_prefix_is_part_of_the_external_id() -> None:
    prefixed = Target(
        name="crm",
        source="desk",
        external_id_prefix="d-",
        options=TranscriptOptions(footer="{external_id}"),
    )

    assert content(JOHN, prefixed) == f"{JOHN_IN_UTC}\nd-1"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"zone": "Mars/Base"}, "zone: there is no 'Mars/Base'; give a name of the tz database"),
        ({"zone": ""}, "zone: there is no ''"),
        ({"zone": "Europe"}, "zone: there is no 'Europe'"),
        ({"zone": "../../etc/passwd"}, "zone: there is no '../../etc/passwd'"),
        ({"zone": "/etc/localtime"}, "zone: there is no '/etc/localtime'"),
        ({"zone": "A\0B"}, "zone: there is no 'A\\x00B'"),
        ({"footer": "{seconds}"}, "footer: {seconds} must be one of {handling_seconds}, "),
        ({"footer": "{}"}, "footer: {} must be one of"),
        ({"footer": "{0}"}, "footer: {0} must be one of"),
        ({"footer": "{agent_name.__class__}"}, "footer: {agent_name.__class__} must be one of"),
        ({"footer": "{agent_name[0]}"}, "footer: {agent_name[0]} must be one of"),
        ({"footer": "{message_count:>99}"}, "without more in the braces"),
        ({"footer": "{message_count!r}"}, "without more in the braces"),
        ({"footer": "a } b"}, "a brace that is meant is written twice"),
        ({"footer": "a { b"}, "a brace that is meant is written twice"),
        ({"footer": "One\nTwo"}, "footer: it is one line; take out the line breaks"),
    ],
)
def test_what_is_wrong_with_a_key_is_told_with_what_to_do(
    keys: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        TranscriptOptions(**keys)


CONTENT = {"closing": "2020-09-29T09:05:20.540957Z", "content": JOHN_IN_UTC}
FIRST = Sent(payload=dict(CONTENT))
LATER = at(11, 0)
SECOND_KEY = "transcript:2020-09-29T11:00:20.540957Z"


def test_a_transcript_is_due_when_the_trigger_fired() -> None:
    assert due(JOHN, {}, target()) == FIRST
    assert due(JOHN, {}, target(closing=None)) is None


def test_nothing_is_due_of_a_conversation_that_was_erased() -> None:
    assert due(but(JOHN, is_erased=True), {}, target()) is None


@pytest.mark.parametrize("ledger", [{"transcript": FIRST}, {SECOND_KEY: FIRST}])
def test_a_transcript_that_was_sent_is_not_due_again_at_a_later_closing(ledger: Ledger) -> None:
    assert due(JOHN, ledger, target(LATER)) is None


def test_a_transcript_that_was_refused_is_not_due_again() -> None:
    refused = Sent(payload=dict(CONTENT), refused="422 No")

    assert due(JOHN, {"transcript": refused}, target()) is None


def test_with_again_a_transcript_is_due_once_for_each_closing() -> None:
    first, second = target(again=True), target(LATER, again=True)
    line = due(JOHN, {"transcript": FIRST}, second)

    assert due(JOHN, {"transcript": FIRST}, first) is None
    assert (key_of(second), line) == (
        SECOND_KEY,
        Sent(payload={"closing": "2020-09-29T11:00:20.540957Z", "content": JOHN_IN_UTC}),
    )
    assert line is not None
    assert due(JOHN, {"transcript": FIRST, SECOND_KEY: line}, second) is None


@pytest.mark.parametrize(
    ("view", "ledger", "told"),
    [
        (JOHN, {}, []),
        (JOHN, {"transcript": FIRST}, []),
        (but(JOHN, ended_at=None), {"transcript": FIRST}, []),
        (but(JOHN, messages=JOHN.messages[1:]), {"transcript": FIRST}, CHANGED),
        (
            but(JOHN, messages=(*JOHN.messages, wrote("5", "Oh", LATER))),
            {"transcript": FIRST},
            CHANGED,
        ),
        (but(JOHN, messages=(), is_erased=True), {"transcript": FIRST}, []),
        (
            but(JOHN, messages=()),
            {"transcript": Sent(payload=dict(CONTENT), refused="422 No")},
            [],
        ),
    ],
)
def test_a_conversation_that_changed_since_differs(
    view: Conversation, ledger: Ledger, told: list[str]
) -> None:
    assert differs(view, ledger, target()) == told
