from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from deskwire import providers
from deskwire.core.errors import Unreadable
from deskwire.core.facts import (
    AssignmentFacts,
    ConversationFacts,
    Entry,
    MessageFacts,
    ParticipantFacts,
    PersonFacts,
    Said,
    SetAside,
)
from deskwire.core.model import Attachment, Rating
from deskwire.core.provider import Record, RecordKind

INTERCOM = providers.load("intercom")
T0 = 1_734_537_243
CUSTOMER = {"type": "user", "id": "c1", "name": "Customer One", "email": "one@example.com"}
ALPHA = {"type": "admin", "id": "a1", "name": "Agent Alpha", "email": "alpha@example.com"}
NOWHERE = "/conversation_parts/conversation_parts"

Json = dict[str, Any]


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(T0 + seconds, UTC)


def first(**fields: object) -> Json:
    return {"id": "1", "body": "<p>Hello</p>", "author": CUSTOMER, **fields}


def part(seconds: int, **fields: object) -> Json:
    return {"id": f"p{seconds}", "created_at": T0 + seconds, **fields}


def conversation(*parts: object, **fields: object) -> Json:
    """A conversation of a minute, in the modern shape."""
    told = {"id": "7", "created_at": T0, "updated_at": T0 + 60, "source": first()}
    if parts:
        told["conversation_parts"] = {"conversation_parts": list(parts)}
    return {**told, **fields}


def said(told: object, kind: RecordKind = "file") -> list[Said]:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    record = Record(
        id="r1",
        source="intercom",
        account="intercom",
        kind=kind,
        origin="a test",
        received_at=at(100),
        body=body,
    )
    return list(INTERCOM.normalise(record))


def whole(told: object) -> ConversationFacts:
    """What is said of the conversation itself."""
    facts = said(told)[0]
    assert isinstance(facts, ConversationFacts)
    return facts


def of_parts(told: object) -> list[ConversationFacts]:
    return [one for one in said(told)[1:] if isinstance(one, ConversationFacts)]


def asides(told: object) -> dict[str, str]:
    return {one.at: one.reason for one in said(told) if isinstance(one, SetAside)}


def test_the_older_shape_of_the_first_message_says_the_same_as_the_modern_one() -> None:
    modern = conversation(part(1, body="Hi", author=ALPHA))
    older = {**modern, "conversation_message": modern["source"]}
    del older["source"]

    assert said(older) == said(modern)


@pytest.mark.parametrize("kind", ["call", "file", "detail"])
def test_a_conversation_says_the_same_however_it_came(kind: RecordKind) -> None:
    assert said(conversation(), kind) == said(conversation())


def test_a_record_of_another_kind_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="no page records"):
        said(conversation(), "page")


@pytest.mark.parametrize(
    "fields",
    [
        {"id": None},
        {"id": 7},
        {"id": ""},
        {"created_at": None},
        {"created_at": 1.5},
        {"created_at": str(T0)},
        {"created_at": True},
        {"created_at": -1},
        {"created_at": 253_402_300_800},
        {"source": None},
        {"source": "Hello"},
        {"source": first(body=None)},
        {"source": first(author=None)},
        {"source": first(author={"type": "user"})},
        {"source": first(author={"id": ""})},
        {"source": first(author={"id": 1.5})},
    ],
)
def test_what_lacks_one_of_the_required_fields_is_no_conversation(fields: Json) -> None:
    with pytest.raises(Unreadable):
        said(conversation(**fields))


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"7", b'"x"', b"{}", b"<html>", b"\xff"])
def test_a_body_that_is_no_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        said(body)


def test_a_first_message_that_cannot_be_read_is_set_aside_where_the_other_can() -> None:
    told = conversation(conversation_message={"body": 7})

    assert whole(told) == whole(conversation())
    assert list(asides(told)) == ["/conversation_message"]


def test_the_first_message_is_one_even_when_it_is_empty() -> None:
    facts = whole(conversation(source=first(id=None, body="")))

    assert facts.messages == {"source": MessageFacts(author="c1", sent_at=at(0), text="")}


def test_html_becomes_text_and_a_subject_one_line_of_it() -> None:
    facts = whole(
        conversation(source=first(body="<p>A<br>B &amp; C</p>", subject="<p>Your</p><p>order</p>"))
    )

    assert facts.messages["source:1"].text == "A\nB & C"
    assert facts.head.subject == "Your order"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"state": "open"}, "open"),
        ({"state": "snoozed"}, "pending"),
        ({"state": "closed", "open": True}, "closed"),
        ({"open": True}, "open"),
        ({"open": False}, "closed"),
        ({"state": "asleep", "open": True}, "open"),
    ],
)
def test_the_state_is_told_by_state_and_else_by_open(fields: Json, status: str) -> None:
    assert whole(conversation(**fields)).head.status == status


def test_without_a_state_nothing_is_said_of_the_end() -> None:
    head = whole(conversation(part(5, part_type="close"), statistics={"last_close_at": T0})).head

    assert (head.status, head.ended_at) == (UNSET, UNSET)


@pytest.mark.parametrize("state", ["open", "snoozed"])
def test_what_was_closed_and_is_open_again_has_no_end(state: str) -> None:
    told = conversation(
        part(5, part_type="close"), state=state, statistics={"last_close_at": T0 + 5}
    )

    assert whole(told).head.ended_at is None


@pytest.mark.parametrize(
    ("last_close_at", "closes", "seconds"),
    [(T0 + 30, [20, 40], 30), (None, [20, 40, 10], 40), ("soon", [20], 20), (None, [], 60)],
)
def test_the_end_is_the_last_close_that_is_known(
    last_close_at: object, closes: list[int], seconds: int
) -> None:
    told = conversation(
        *(part(second, part_type="close") for second in closes),
        state="closed",
        statistics={"last_close_at": last_close_at},
    )

    assert whole(told).head.ended_at == at(seconds)


@pytest.mark.parametrize(
    ("fields", "customer"),
    [
        ({}, "c1"),
        ({"source": first(author=ALPHA)}, None),
        (
            {
                "source": first(author=ALPHA),
                "contacts": {"contacts": [{"id": None}, {"id": 5}]},
                "customers": [{"id": "c2"}],
            },
            "5",
        ),
        (
            {"source": first(author=ALPHA), "customers": [{"id": "c2"}], "user": {"id": "c3"}},
            "c2",
        ),
        ({"source": first(author=ALPHA), "contacts": None, "user": {"id": "c3"}}, "c3"),
    ],
)
def test_the_customer_began_it_or_is_its_first_contact(fields: Json, customer: str | None) -> None:
    facts = whole(conversation(**fields))

    assert (facts.head.customer or None) == customer
    assert customer is None or facts.participants[customer].role == "customer"


@pytest.mark.parametrize(
    ("word", "role"),
    [
        ("user", "customer"),
        ("lead", "customer"),
        ("contact", "customer"),
        ("admin", "agent"),
        ("team", "agent"),
        ("bot", "bot"),
        ("robot", None),
        (None, None),
    ],
)
def test_the_type_of_an_author_is_a_role(word: str | None, role: str | None) -> None:
    [facts] = of_parts(conversation(part(1, body="Hi", author={"id": 9, "type": word})))

    assert (facts.participants["9"].role or None) == role


def test_an_admin_is_an_agent_of_the_account_as_of_the_last_time_it_was_said() -> None:
    nameless = {"type": "admin", "id": "a2", "name": " ", "email": ""}
    parts = [
        part(1, body="Hi", author=ALPHA),
        part(2, body="Ho", author={**ALPHA, "type": "team"}),
        part(3, part_type="close", author=ALPHA),
        part(4, body="Well", author=nameless),
    ]

    people = [one for one in said(conversation(*parts)) if isinstance(one, PersonFacts)]

    assert people == [
        PersonFacts(
            at=f"{NOWHERE}/2/author",
            external_id="a1",
            as_of=at(3),
            said=ParticipantFacts(role="agent", name="Agent Alpha", email="alpha@example.com"),
        )
    ]


def test_a_part_is_a_message_when_it_has_a_text_or_attachments_whatever_its_type() -> None:
    file = {"name": "a.png", "content_type": "image/png", "filesize": 5, "url": "https://x.example"}
    parts = [
        part(1, part_type="comment", body="<p>Hi</p>"),
        part(2, part_type="close", body="Bye"),
        part(3, part_type="never_heard_of", body="<p> </p>"),
        part(4, part_type="never_heard_of", body="New"),
        part(5, body=None, attachments=[file]),
        part(6, part_type="note_and_reopen", body="Psst"),
    ]

    messages = [one.messages for one in of_parts(conversation(*parts))]

    assert messages == [
        {"p1": MessageFacts(sent_at=at(1), text="Hi", kind="public")},
        {"p2": MessageFacts(sent_at=at(2), text="Bye", kind="public")},
        {"p4": MessageFacts(sent_at=at(4), text="New", kind="public")},
        {
            "p5": MessageFacts(
                sent_at=at(5),
                text="",
                kind="public",
                attachments=(
                    Attachment(name="a.png", type="image/png", size=5, url="https://x.example"),
                ),
            )
        },
        {"p6": MessageFacts(sent_at=at(6), text="Psst", kind="note")},
    ]


def test_a_redacted_part_is_told_even_when_nothing_is_left_of_it() -> None:
    [facts] = of_parts(conversation(part(1, body=None, redacted=True)))

    assert facts.messages["p1"].redacted is True


def test_a_part_is_as_new_as_its_own_last_change() -> None:
    [facts] = of_parts(conversation(part(1, body="Hi", updated_at=T0 + 9)))

    assert (facts.as_of, facts.messages["p1"].sent_at) == (at(9), at(1))


@pytest.mark.parametrize(
    ("to", "said_of_it"),
    [
        ({"type": "admin", "id": "a2"}, AssignmentFacts(agent="a2", from_at=at(1))),
        ({"type": "admin", "id": 12}, AssignmentFacts(agent="12", from_at=at(1))),
        ({"type": "team", "id": 42}, AssignmentFacts(team="42", from_at=at(1))),
        ({"type": "nobody_admin", "id": None}, AssignmentFacts(from_at=at(1))),
        ({"type": "bot", "id": "9"}, AssignmentFacts(from_at=at(1))),
        ("a2", AssignmentFacts(agent="a2", from_at=at(1))),
        (12, AssignmentFacts(agent="12", from_at=at(1))),
        (0, None),
        ("", None),
        ({"type": None, "id": None}, None),
        ({"type": "admin", "id": None}, None),
    ],
)
def test_a_part_hands_over_to_an_admin_a_team_or_nobody(
    to: object, said_of_it: AssignmentFacts | None
) -> None:
    told = conversation(part(1, author=ALPHA, assigned_to=to))

    assert [one.assignments.get("p1") for one in of_parts(told)] == [said_of_it]
    assert asides(told) == {}


@pytest.mark.parametrize(
    ("fields", "agent"),
    [
        ({"admin_assignee_id": 12}, "12"),
        ({"admin_assignee_id": "12"}, "12"),
        ({"admin_assignee_id": 0}, None),
        ({"admin_assignee_id": None, "assignee": {"type": "admin", "id": "a2"}}, "a2"),
        ({"assignee": {"type": "nobody_admin", "id": None}}, None),
        ({"assignee": {"type": "team", "id": "42"}}, None),
    ],
)
def test_the_assignee_had_it_first_where_no_part_says_since_when(
    fields: Json, agent: str | None
) -> None:
    handed = part(1, assigned_to={"type": "admin", "id": "a2"})
    initial = {} if agent is None else {"initial": AssignmentFacts(agent=agent, initial=True)}

    assert whole(conversation(**fields)).assignments == initial
    assert whole(conversation(handed, **fields)).assignments == {}


@pytest.mark.parametrize(
    ("told", "rating"),
    [
        (
            {"rating": 4, "remark": " Quick ", "created_at": T0 + 1, "updated_at": T0 + 2},
            Rating(value=4, scale_min=1, scale_max=5, comment="Quick", rated_at=at(2)),
        ),
        (
            {"rating": 1, "remark": None, "created_at": T0 + 1},
            Rating(value=1, scale_min=1, scale_max=5, rated_at=at(1)),
        ),
        ({"rating": None, "remark": None, "created_at": None}, None),
        (None, None),
        ({"rating": 0}, None),
        ({"rating": 6}, None),
    ],
)
def test_a_rating_is_from_one_to_five(told: Json | None, rating: Rating | None) -> None:
    assert (whole(conversation(conversation_rating=told)).head.rating or None) == rating


def test_tags_are_their_names() -> None:
    tags = {"tags": [{"id": "1", "name": "refund"}, {"name": " "}, {"name": "vip"}]}

    assert whole(conversation(tags=tags)).tags == {
        "refund": Entry(value="refund"),
        "vip": Entry(value="vip"),
    }


@pytest.mark.parametrize("seconds", [-1, 253_402_300_800, 1.5, "1", True, 10**30])
def test_a_time_that_is_none_is_set_aside_and_costs_no_more(seconds: object) -> None:
    told = conversation(
        part(1, body="Hi", updated_at=seconds),
        {"id": "lost", "created_at": seconds, "body": "When?"},
        updated_at=seconds,
    )

    assert whole(told).as_of == at(0)
    assert [(one.as_of, *one.messages) for one in of_parts(told)] == [(at(1), "p1")]
    assert set(asides(told)) == {"/updated_at", f"{NOWHERE}/0/updated_at", f"{NOWHERE}/1"}


def without_id(text: str) -> Json:
    return {"created_at": T0 + 1, "body": text}


def keys(told: object) -> list[str]:
    return [key for one in of_parts(told) for key in one.messages]


def test_a_part_without_an_id_has_one_of_its_content() -> None:
    alone = keys(conversation(without_id("Hi é")))
    written = json.dumps(conversation(without_id("Hi é")), indent=3, ensure_ascii=False)

    assert keys(conversation(part(0, body="New"), without_id("Hi é")))[1:] == alone
    assert keys(written.encode()) == alone
    assert keys(conversation(without_id("Ho"))) != alone


def test_equal_parts_without_an_id_are_as_many_messages() -> None:
    assert len(set(keys(conversation(*[without_id("Hi")] * 3)))) == 3


@pytest.mark.parametrize("parts", [7, [], "x", {"conversation_parts": 7}, [part(1, body="Hi")]])
def test_parts_that_are_no_list_cost_only_themselves(parts: object) -> None:
    told = conversation(conversation_parts=parts)

    assert whole(told) == whole(conversation())
    assert list(asides(told)) == ["/conversation_parts"]


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(), deeper, max_size=3),
    max_leaves=5,
)


@given(odd, st.integers(0, 2))
def test_a_part_that_is_none_costs_no_other(strange: object, place: int) -> None:
    parts = [part(1, body="Hi", author=ALPHA), part(2, body="Ho", author=CUSTOMER)]
    strange_and_all: list[object] = [*parts]
    strange_and_all.insert(place, strange)

    messages = [one.messages for one in of_parts(conversation(*strange_and_all))]

    assert messages == [one.messages for one in of_parts(conversation(*parts))]


@given(st.dictionaries(st.sampled_from(sorted(part(1) | {"id": 1})), odd))
def test_nothing_in_a_part_keeps_another_from_being_read(fields: Json) -> None:
    hi = part(2, body="Hi", author=ALPHA)

    assert of_parts(conversation(part(1, **fields), hi))[-1].messages.keys() == {"p2"}
