from __future__ import annotations

import json
import re
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from deskwire import destinations
from deskwire.core.codec import convert
from deskwire.core.destination import Learned, Ledger, Outcome, Refused, Sent, Step, Target, Unclear
from deskwire.core.document import document
from deskwire.core.errors import NoAnswer, NotSent
from deskwire.core.exchange import Http
from deskwire.core.instants import rfc3339
from deskwire.core.model import Conversation
from tests.destinations.chats import ID, JOHN, USER_1, at, but, chat, wrote
from tests.destinations.receiver import Got, Receiver, learned, play

WEBHOOK = destinations.load("webhook")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLDER = f"whsec_{b64encode(bytes(range(32))).decode()}"
CREATED, UPDATED, ENDED = EVENTS = (
    "conversation.created",
    "conversation.updated",
    "conversation.ended",
)
OPEN = but(JOHN, ended_at=None, status="open")
NOTED = but(OPEN, messages=(*OPEN.messages, wrote("n", "Rude.", at(9, 6), USER_1, "note")))


def target(*events: str, with_notes: bool = False, **keys: object) -> Target:
    told = {"secret": SECRET, "events": list(events), **keys}
    options = convert(told, WEBHOOK.options)
    return Target(
        name="hooks", source="desk", conversation_id=ID, with_notes=with_notes, options=options
    )


TARGET = target()


def told(
    *views: Conversation, to: Target = TARGET, ledger: Ledger | None = None
) -> tuple[list[dict[str, Any]], Ledger]:
    """The messages of a conversation that goes on, and the ledger after them."""
    messages, known = [], ledger or {}
    for view in views:
        for _ in range(4):
            step = WEBHOOK.plan(view, known, to)
            if step is None:
                break
            assert isinstance(step, Step)
            messages.append(json.loads(step.changes["body"] or ""))
            known = {**known, step.key: step.sent}
        else:
            raise AssertionError(f"it goes on for ever: {step}")
    return messages, known


def types(*views: Conversation, to: Target = TARGET, ledger: Ledger | None = None) -> list[object]:
    return [one["type"] for one in told(*views, to=to, ledger=ledger)[0]]


def planned(view: Conversation = OPEN, to: Target = TARGET, ledger: Ledger | None = None) -> Step:
    step = WEBHOOK.plan(view, ledger or {}, to)
    assert isinstance(step, Step)
    return step


def answered(receiver: Receiver, step: Step | None = None, to: Target = TARGET) -> Outcome:
    """What is made of the receiver's answer."""
    outcomes: list[Outcome] = []

    async def scene(http: Http) -> None:
        outcomes.append(await WEBHOOK.perform(step or planned(), to, http))

    play(receiver, scene, "/hooks?for=us")
    [outcome] = outcomes
    return outcome


def verified(call: Got, secret: str = SECRET) -> object:
    return Webhook(secret).verify(call.body, call.headers)


def test_a_message_is_signed_so_that_the_standards_library_verifies_it() -> None:
    receiver = Receiver()

    outcome = answered(receiver)

    [call] = receiver.got
    assert (call.method, call.path) == ("POST", "/hooks?for=us")
    assert call.headers["content-type"] == "application/json"
    assert verified(call) == {
        "type": "conversation.created",
        "timestamp": "2020-09-29T08:55:20.540957Z",
        "data": json.loads(json.dumps(document(OPEN, ID))),
    }
    assert call.headers["webhook-id"] == "msg_5eed157613915c5b916b7383cc834a02"
    assert abs(int(call.headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60
    assert WEBHOOK.plan(OPEN, learned({}, outcome), TARGET) is None


def test_while_secrets_are_changed_every_one_signs_the_newest_first() -> None:
    receiver, to = Receiver(), target(secrets=[OLDER, SECRET])

    answered(receiver, to=to)

    [call] = receiver.got
    both = call.headers["webhook-signature"].split(" ")
    alone = []
    for secret, signature in zip([SECRET, OLDER], both, strict=True):
        headers = {**call.headers, "webhook-signature": signature}
        alone.append(Webhook(secret).verify(call.body, headers))
    assert verified(call) == verified(call, OLDER) == alone[0] == alone[1]


def test_secrets_alone_will_do() -> None:
    receiver = Receiver()

    answered(receiver, to=target(secret="", secrets=[OLDER]))

    [call] = receiver.got
    assert verified(call, OLDER)


def test_a_text_of_any_letters_is_signed_as_it_is_sent() -> None:
    receiver = Receiver()
    view = chat(wrote("a", 'Grüße 👋 "\\ \u2028', at(9, 0)))

    answered(receiver, planned(view))

    [call] = receiver.got
    assert b"Gr\xc3\xbc\xc3\x9fe" in call.body
    assert verified(call)


def test_a_message_whose_answer_is_lost_is_repeated_with_its_id_and_bytes_and_signed_anew() -> None:
    receiver, step = Receiver(0), planned()

    with pytest.raises(NoAnswer):
        answered(receiver, step)
    receiver.status = 204
    answered(receiver, msgspec.json.decode(msgspec.json.encode(step), type=Step))

    first, second = receiver.got
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert verified(first) == verified(second)


def test_an_id_never_has_other_bytes() -> None:
    more = but(OPEN, messages=(*OPEN.messages, wrote("m", "More.", at(9, 6))))

    first, second = planned().changes, planned(more).changes  # the first was answered 429

    assert first["body"] != second["body"]
    assert first["id"] != second["id"]


@pytest.mark.parametrize("status", [200, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    step = planned()

    assert answered(Receiver(status), step) == Learned(changes={"state": step.sent})


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_a_failure_over_there_may_have_had_its_effect(status: int) -> None:
    assert answered(Receiver(status)) == Unclear(reason=f"{status} So be it")


@pytest.mark.parametrize("status", [301, 304, 400, 401, 403, 404, 422, 429])
def test_everything_else_is_tried_again(status: int) -> None:
    with pytest.raises(NotSent, match=str(status)) as raised:
        answered(Receiver(status, {"Retry-After": "30"}))

    assert raised.value.retry_after_seconds == 30


def test_who_is_gone_is_told_nothing_more() -> None:
    assert answered(Receiver(410)) == Refused(reason="gone: 410 So be it")


def test_the_attempts_are_the_standards() -> None:
    hours = [seconds / 3600 for seconds in WEBHOOK.schedule[2:]]

    assert WEBHOOK.schedule[:2] == (5, 300)
    assert hours == [0.5, 2, 5, 10, 14, 20, 24]


LATER = but(OPEN, messages=OPEN.messages[:2], updated_at=at(9, 7))


def test_a_conversation_is_created_updated_ended_and_opened_again() -> None:
    messages, _ = told(LATER, OPEN, JOHN, OPEN, JOHN)

    assert [(one["type"], one["timestamp"]) for one in messages] == [
        (CREATED, "2020-09-29T08:55:20.540957Z"),
        (UPDATED, "2020-09-29T09:05:20.540957Z"),
        (ENDED, "2020-09-29T09:05:20.540957Z"),
        (UPDATED, "2020-09-29T09:05:20.540957Z"),
        (ENDED, "2020-09-29T09:05:20.540957Z"),
    ]


def test_one_that_is_heard_of_when_it_is_over_is_created_and_ended() -> None:
    assert types(JOHN) == [CREATED, ENDED]


def test_what_did_not_change_is_not_told() -> None:
    assert types(OPEN, OPEN, but(OPEN, updated_at=at(10, 0))) == [CREATED]


def test_an_end_that_is_corrected_is_an_update() -> None:
    assert types(JOHN, but(JOHN, ended_at=at(9, 6))) == [CREATED, ENDED, UPDATED]


def test_a_message_after_the_end_is_an_update() -> None:
    late = but(JOHN, messages=(*JOHN.messages, wrote("5", "Oh", at(9, 30))))

    assert types(JOHN, late) == [CREATED, ENDED, UPDATED]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([CREATED], [CREATED]),
        ([UPDATED], [UPDATED, UPDATED, UPDATED, UPDATED]),
        ([ENDED], [ENDED, ENDED]),
        ([CREATED, ENDED], [CREATED, ENDED, ENDED]),
        ([UPDATED, ENDED], [UPDATED, ENDED, UPDATED, ENDED]),
        ([CREATED, UPDATED], [CREATED, UPDATED, UPDATED, UPDATED]),
    ],
)
def test_an_event_that_is_not_wanted_is_told_by_the_next_that_is(
    events: list[str], expected: list[str]
) -> None:
    again = but(JOHN, ended_at=at(9, 40))

    assert types(OPEN, JOHN, OPEN, again, to=target(*events)) == expected


def test_every_message_has_its_own_id() -> None:
    known: Ledger = {}
    ids = []
    for view in (OPEN, JOHN, OPEN):
        step = planned(view, ledger=known)
        ids.append(step.changes["id"])
        known = {"state": step.sent}
    other = msgspec.structs.replace(TARGET, name="other")
    ids += [planned(to=other).changes["id"]]

    assert len(set(ids)) == 4
    assert all(re.fullmatch(r"msg_[0-9a-f]{32}", one or "") for one in ids)


def test_the_ledger_keeps_what_was_told_last_but_not_the_message() -> None:
    _, ledger = told(LATER, JOHN)

    line = ledger["state"]
    assert {**line.payload, "fingerprint": "…"} == {
        "fingerprint": "…",
        "ended_at": "2020-09-29T09:05:20.540957Z",
        "count": "2",
    }
    assert line.remote_id is None


def test_notes_leave_only_when_they_are_wanted() -> None:
    [plain], _ = told(NOTED)
    [noted], _ = told(NOTED, to=target(with_notes=True))

    assert plain["data"] == json.loads(json.dumps(document(OPEN, ID)))
    assert noted["data"] == json.loads(json.dumps(document(NOTED, ID)))


def test_a_note_that_does_not_leave_is_no_update() -> None:
    assert types(OPEN, but(NOTED, updated_at=at(9, 6))) == [CREATED]


REFUSED = Sent(payload={}, refused="gone: 410")


@pytest.mark.parametrize("key", ["state", "state#refused"])
def test_nothing_is_told_after_a_refusal_until_it_is_replayed(key: str) -> None:
    _, ledger = told(OPEN)

    assert WEBHOOK.plan(JOHN, {**ledger, key: REFUSED}, TARGET) is None
    assert planned(JOHN, ledger=ledger).action == ENDED


def test_an_erased_conversation_is_told_to_those_only_who_heard_of_it() -> None:
    erased = but(OPEN, messages=(), customer=None, assignments=(), is_erased=True)

    assert (types(erased), types(OPEN, erased)) == ([], [CREATED, UPDATED])


views = st.builds(
    lambda count, end, minute: but(
        OPEN, messages=OPEN.messages[:count], ended_at=end, updated_at=at(10, minute)
    ),
    st.integers(0, 4),
    st.sampled_from([None, at(9, 5), at(9, 40)]),
    st.integers(0, 59),
)


@given(st.lists(views, min_size=1, max_size=6), st.sets(st.sampled_from(EVENTS), min_size=1))
def test_whatever_happens_the_last_message_tells_all_that_is_wanted(
    history: list[Conversation], events: set[str]
) -> None:
    messages, ledger = told(*history, to=target(*sorted(events)))

    kinds, last = [one["type"] for one in messages], history[-1]
    assert set(kinds) <= events
    assert kinds.count(CREATED) == (CREATED in events)
    assert not messages or ledger["state"].payload["count"] == str(len(messages))
    data = messages[-1]["data"] if messages else {}
    if UPDATED in events:
        now = json.loads(json.dumps(document(last, ID)))
        assert {**data, "updated_at": None} == {**now, "updated_at": None}
    if ENDED in events and last.ended_at is not None:
        ends = [one["data"] for one in messages if one["type"] == ENDED]
        end = rfc3339(last.ended_at)
        assert (data if UPDATED in events else ends[-1])["ended_at"] == end


MAKE_ONE = 'make one with: echo "whsec_$(openssl rand -base64 32)"'
LENGTH = f"secret, secrets: each must be whsec_ and 24 to 64 bytes as base64; {MAKE_ONE}"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"secret": ""}, f"secret: it is required; {MAKE_ONE}"),
        ({"secret": SECRET.removeprefix("whsec_")}, LENGTH),
        ({"secret": "whsec_"}, LENGTH),
        ({"secret": "whsec_c2hvcnQ="}, LENGTH),
        ({"secret": f"whsec_{'A' * 88}"}, LENGTH),
        ({"secret": "whsec_" + "Grüße" * 8}, LENGTH),
        ({"secret": f"{SECRET} "}, LENGTH),
        ({"secrets": [OLDER, ""]}, LENGTH),
        ({"events": ["conversation.closed"]}, "events: conversation.closed unknown; there are "),
    ],
)
def test_what_is_wrong_with_a_key_is_told_with_what_to_do(
    keys: dict[str, object], message: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(message)):
        convert({"secret": SECRET, **keys}, WEBHOOK.options)


def test_a_secret_is_never_shown_in_what_is_wrong() -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        target(secret="whsec_hunter2hunter2hunter2hunter2hunter2!")

    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("padding", ["", "=", "=="])
def test_a_secret_may_lack_its_padding(padding: str) -> None:
    receiver, secret = Receiver(), f"whsec_{'QUJD' * 8}QQ{padding}"

    answered(receiver, to=target(secret=secret))

    assert verified(receiver.got[0], secret)
