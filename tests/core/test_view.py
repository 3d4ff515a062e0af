from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from deskwire.core.facts import (
    AssignmentFacts,
    ConversationFacts,
    Entry,
    Facts,
    Head,
    Item,
    MessageFacts,
    ParticipantFacts,
    Stamp,
)
from deskwire.core.instants import to_micros
from deskwire.core.merge import lift, merge
from deskwire.core.model import (
    Assignment,
    Attachment,
    Conversation,
    Participant,
    Role,
    handling_time,
)
from deskwire.core.view import Origin, view
from tests.core.facts_strategy import facts

ORIGIN = Origin(provider="bigchat", account="main", external_id="7")
START = datetime(2026, 11, 1, 12, tzinfo=UTC)
RECEIVED = to_micros(START + timedelta(minutes=1))


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def said(
    second: int = 0,
    *,
    head: Head | None = None,
    messages: dict[str, MessageFacts] | None = None,
    assignments: dict[str, AssignmentFacts] | None = None,
) -> ConversationFacts:
    return ConversationFacts(
        at="",
        external_id="7",
        as_of=at(second),
        head=head or Head(),
        messages=messages or {},
        assignments=assignments or {},
    )


def started(second: int = 0) -> ConversationFacts:
    return said(second, head=Head(started_at=at(second)))


def ended(second: int) -> ConversationFacts:
    return said(second, head=Head(ended_at=at(second)))


def wrote(
    second: int, key: str, text: str, author_role: Role | UnsetType = UNSET
) -> ConversationFacts:
    message = MessageFacts(sent_at=at(second), text=text, author_role=author_role)
    return said(second, messages={key: message})


def first_agent(agent: str) -> ConversationFacts:
    return said(assignments={"initial": AssignmentFacts(agent=agent, initial=True)})


def transfer(second: int, old: str, new: str) -> ConversationFacts:
    hand_over = AssignmentFacts(agent=new, previous_agent=old, from_at=at(second))
    return said(second, assignments={f"{second}:{old}>{new}": hand_over})


def told(*pages: list[ConversationFacts]) -> Facts:
    """Each list is what one record says; the records were received one after the other."""
    return reduce(
        merge,
        [
            lift(one, RECEIVED + number, str(number), position)
            for number, page in enumerate(pages)
            for position, one in enumerate(page)
        ],
    )


def seen(*pages: list[ConversationFacts]) -> Conversation:
    return view(told(*pages), ORIGIN, {})


def texts(conversation: Conversation) -> list[str]:
    return [one.text for one in conversation.messages]


def agents(conversation: Conversation) -> list[str | None]:
    return [one.agent.external_id if one.agent else None for one in conversation.assignments]


def spans(conversation: Conversation) -> list[tuple[datetime, datetime | None]]:
    return [(one.from_at, one.to_at) for one in conversation.assignments]


def test_a_conversation_is_viewed_as_a_whole() -> None:
    agent = Participant(external_id="1", role="agent", name="Ana", email="ana@example.org")
    ana = ParticipantFacts(role="agent", name="Ana", email="ana@example.org")

    conversation = view(
        told([started(), first_agent("1"), ended(5)]),
        ORIGIN,
        {"1": Item(value=ana, stamp=Stamp(0, 0, "", 0))},
    )

    assert conversation == Conversation(
        provider="bigchat",
        account="main",
        external_id="7",
        channel=None,
        subject=None,
        status="closed",
        started_at=at(0),
        handle_started_at=at(0),
        ended_at=at(5),
        updated_at=at(5),
        customer=None,
        participants=(agent,),
        messages=(),
        assignments=(Assignment(agent=agent, team=None, from_at=at(0), to_at=at(5)),),
        tags=(),
        topic=None,
        rating=None,
        attributes={},
        merged_into=None,
    )


def test_messages_are_in_the_order_of_their_instants() -> None:
    assert texts(seen([wrote(2, "b", "second"), wrote(1, "a", "first")])) == ["first", "second"]


def test_messages_of_one_second_are_in_the_order_they_came_in() -> None:
    one_page = [wrote(1, "z", "first"), wrote(1, "a", "second")]

    assert texts(seen(one_page, [wrote(1, "0", "third")])) == ["first", "second", "third"]


def test_the_initial_assignment_comes_before_a_transfer_that_is_dated_earlier() -> None:
    conversation = seen([transfer(-3, "1", "2"), started()], [first_agent("1")])

    assert agents(conversation) == ["1", "2"]


def test_transfers_of_one_second_follow_the_chain_from_old_to_new() -> None:
    page = [transfer(5, "3", "4"), transfer(5, "1", "2"), transfer(5, "2", "3")]

    assert agents(seen([first_agent("1"), *page])) == ["1", "2", "3", "4"]


def test_a_transfer_from_an_agent_to_himself_stands_where_the_chain_has_him() -> None:
    page = [transfer(5, "2", "2"), transfer(5, "1", "2")]

    assert agents(seen([first_agent("1"), *page])) == ["1", "2", "2"]


def test_transfers_of_one_second_in_two_records_are_in_the_order_of_receipt() -> None:
    conversation = seen([first_agent("1")], [transfer(5, "2", "3")], [transfer(5, "1", "2")])

    assert agents(conversation) == ["1", "3", "2"]


def test_an_assignment_lasts_until_the_next_one_and_the_last_until_the_end() -> None:
    conversation = seen([started(), first_agent("1"), transfer(3, "1", "2"), ended(9)])

    assert spans(conversation) == [(at(0), at(3)), (at(3), at(9))]


def test_an_assignment_of_an_open_conversation_lasts() -> None:
    assert spans(seen([started(), first_agent("1")])) == [(at(0), None)]


def test_an_assignment_after_the_end_has_no_length() -> None:
    conversation = seen([started(), first_agent("1"), ended(2), transfer(5, "1", "2")])

    assert spans(conversation) == [(at(0), at(2)), (at(5), at(5))]


def test_an_assignment_never_ends_before_it_began() -> None:
    conversation = seen([started(), first_agent("1"), transfer(-3, "1", "2")])

    assert spans(conversation) == [(at(0), at(0)), (at(-3), None)]


def test_the_latest_end_counts() -> None:
    assert seen([ended(9), ended(4)], [ended(6)]).ended_at == at(9)


def test_a_conversation_whose_end_was_taken_back_is_open() -> None:
    conversation = seen([ended(4), said(5, head=Head(ended_at=None))])

    assert (conversation.ended_at, conversation.status) == (None, "open")


def test_reversed_ends_stay_as_they_were_told() -> None:
    conversation = seen([started(5), ended(3), first_agent("1")])

    assert (conversation.started_at, conversation.ended_at) == (at(5), at(3))
    assert spans(conversation) == [(at(5), at(5))]


@pytest.mark.parametrize(
    ("start", "end", "time"),
    [
        (at(0), at(9), timedelta(seconds=9)),
        (at(9), at(0), timedelta()),
        (at(0), None, None),
        (None, at(9), None),
    ],
)
def test_handling_time_is_never_negative_and_none_while_an_end_is_missing(
    start: datetime | None, end: datetime | None, time: timedelta | None
) -> None:
    assert handling_time(start, end) == time


def test_a_start_that_nobody_stated_is_the_earliest_instant_known() -> None:
    assert seen([ended(9), wrote(4, "a", "Hello"), transfer(6, "1", "2")]).started_at == at(4)


def test_a_start_of_which_only_an_attribute_is_known_is_when_that_was_said() -> None:
    assert seen([said(3)]).started_at == at(3)


def test_a_stated_start_counts_even_when_something_is_dated_earlier() -> None:
    assert seen([wrote(-4, "a", "Hello"), started()]).started_at == at(0)


def test_a_deleted_message_is_not_shown() -> None:
    deletion = said(2, messages={"a": MessageFacts(deleted=True)})

    assert texts(seen([wrote(1, "a", "Hello"), deletion])) == []


def test_a_restored_message_is_shown_again() -> None:
    deletion = said(2, messages={"a": MessageFacts(deleted=True)})
    restoration = said(3, messages={"a": MessageFacts(deleted=False)})

    assert texts(seen([wrote(1, "a", "Hello"), deletion, restoration])) == ["Hello"]


def test_the_redaction_of_a_message_that_was_never_seen_is_not_shown() -> None:
    assert texts(seen([said(messages={"a": MessageFacts(redacted=True)})])) == []


def test_a_redacted_message_keeps_its_place() -> None:
    redaction = said(9, messages={"a": MessageFacts(redacted=True)})

    conversation = seen([wrote(1, "a", "4111"), wrote(2, "b", "Hello"), redaction])

    assert texts(conversation) == ["[redacted]", "Hello"]
    assert [one.is_redacted for one in conversation.messages] == [True, False]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (MessageFacts(sent_at=START), "[no text]"),
        (MessageFacts(sent_at=START, text=""), "[no text]"),
        (MessageFacts(sent_at=START, attachments=(Attachment(name="file.png"),)), "[file.png]"),
        (
            MessageFacts(sent_at=START, attachments=(Attachment(name="a"), Attachment(name="b"))),
            "[a] [b]",
        ),
        (
            MessageFacts(sent_at=START, text="See", attachments=(Attachment(name="a"),)),
            "See",
        ),
    ],
)
def test_a_message_without_text_shows_what_it_has(message: MessageFacts, text: str) -> None:
    assert texts(seen([said(messages={"a": message})])) == [text]


@pytest.mark.parametrize(("second", "agent"), [(-5, "1"), (0, "1"), (4, "1"), (5, "2"), (9, "2")])
def test_the_author_agent_is_who_handled_it_then(second: int, agent: str) -> None:
    page = [started(), first_agent("1"), transfer(5, "1", "2")]

    conversation = seen([*page, wrote(second, "a", "Hello", "agent")])

    assert conversation.messages[0].author == Participant(
        external_id=agent, role="agent", is_known=False
    )


def test_the_author_agent_of_a_conversation_that_nobody_handled_is_unknown() -> None:
    assert seen([wrote(1, "a", "Hello", "agent")]).messages[0].author is None


def test_an_author_of_whom_nothing_is_known_is_still_an_author() -> None:
    message = MessageFacts(sent_at=START, text="Hi", author="5", author_role="bot")

    author = seen([said(messages={"a": message})]).messages[0].author

    assert author == Participant(external_id="5", role="bot")


def test_a_customer_of_whom_nothing_is_known_is_still_the_customer() -> None:
    assert seen([said(head=Head(customer="5"))]).customer == Participant(
        external_id="5", role="customer"
    )


def test_a_tag_that_was_taken_away_is_not_shown() -> None:
    added = ConversationFacts(
        at="", external_id="7", as_of=at(1), tags={"vip": Entry(value=""), "new": Entry(value="")}
    )
    removed = ConversationFacts(at="", external_id="7", as_of=at(2), tags={"vip": Entry()})

    assert seen([added, removed]).tags == ("new",)


@given(st.data(), st.lists(facts, min_size=1, max_size=5))
def test_any_facts_can_be_viewed_and_their_order_does_not_matter(
    data: st.DataObject, pieces: list[Facts]
) -> None:
    shuffled = data.draw(st.permutations(pieces))

    assert view(reduce(merge, shuffled), ORIGIN, {}) == view(reduce(merge, pieces), ORIGIN, {})
