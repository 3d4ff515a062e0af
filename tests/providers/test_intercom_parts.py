"""What the parts of a conversation of Intercom say, and who took part."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire.core.facts import (
    AssignmentFacts,
    MessageFacts,
    ParticipantFacts,
    PersonFacts,
)
from deskwire.core.model import Attachment
from tests.providers.intercom import (
    ALPHA,
    CUSTOMER,
    PARTS,
    T0,
    Json,
    asides,
    at,
    conversation,
    of_parts,
    part,
    said,
    whole,
)


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
            at=f"{PARTS}/2/author",
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


@pytest.mark.parametrize("seconds", [-1, 253_402_300_800, 1.5, "1", True, 10**30])
def test_a_time_that_is_none_is_set_aside_and_costs_no_more(seconds: object) -> None:
    told = conversation(
        part(1, body="Hi", updated_at=seconds),
        {"id": "lost", "created_at": seconds, "body": "When?"},
        updated_at=seconds,
    )

    assert whole(told).as_of == at(0)
    assert [(one.as_of, *one.messages) for one in of_parts(told)] == [(at(1), "p1")]
    assert set(asides(told)) == {"/updated_at", f"{PARTS}/0/updated_at", f"{PARTS}/1"}


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


finite = st.floats(allow_nan=False, allow_infinity=False)
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(st.characters()),
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
