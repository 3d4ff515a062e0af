"""What a conversation of Intercom says of itself."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from deskwire.core.errors import Unreadable
from deskwire.core.facts import (
    AssignmentFacts,
    Entry,
    MessageFacts,
)
from deskwire.core.merge import lift, merge_all
from deskwire.core.model import Rating
from deskwire.core.provider import RecordKind
from deskwire.core.view import Origin, view
from tests.providers.intercom import (
    ALPHA,
    T0,
    Json,
    asides,
    at,
    conversation,
    first,
    part,
    said,
    whole,
)


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


def test_a_first_message_that_comes_with_and_without_its_id_is_one() -> None:
    source = first()
    nameless = {key: value for key, value in source.items() if key != "id"}
    told = [whole(conversation(source=one)) for one in (source, nameless)]

    for these in (told, told[::-1]):
        facts = merge_all([lift(one, 0, f"r{n}", 0) for n, one in enumerate(these)])
        seen = view(facts, Origin(provider="intercom", account="a", external_id="7"), {})
        assert [one.external_id for one in seen.messages] == ["source:1"]
