from __future__ import annotations

import json
from uuid import UUID

import msgspec
import pytest

from deskwire import destinations
from deskwire.core.destination import Learned, Ledger, Outcome, Refused, Sent, Step, Target, Unclear
from deskwire.core.errors import NoAnswer, NotSent
from deskwire.core.exchange import Http
from deskwire.core.model import Conversation
from deskwire.core.transcript import TranscriptOptions
from tests.destinations.chats import JOHN, JOHN_IN_UTC, TOLD, at, but
from tests.destinations.receiver import Receiver, learned, play

POST = destinations.load("transcript_post")
TARGET = Target(
    name="savage-rentals", source="desk", closing=JOHN.ended_at, options=TranscriptOptions()
)
STEP = Step(
    action="post",
    key="transcript",
    sent=Sent(payload={"closing": "2020-09-29T09:05:20.540957Z", "content": JOHN_IN_UTC}),
    changes={"idempotency_key": "e2ea8ff8-8be0-5e22-a3c1-1c1c2a4b4a5b"},
)


def planned(
    view: Conversation = JOHN, target: Target = TARGET, ledger: Ledger | None = None
) -> Step:
    step = POST.plan(view, ledger or {}, target)
    assert isinstance(step, Step)
    return step


def key_of(view: Conversation = JOHN, **target: object) -> str | None:
    return planned(view, msgspec.structs.replace(TARGET, **target)).changes["idempotency_key"]


def answered(receiver: Receiver, step: Step = STEP, path: str = "/chats") -> Outcome:
    """What is made of the receiver's answer."""
    outcomes: list[Outcome] = []

    async def scene(http: Http) -> None:
        outcomes.append(await POST.perform(step, TARGET, http))

    play(receiver, scene, path)
    [outcome] = outcomes
    return outcome


def test_a_chat_that_is_over_is_one_post_of_its_transcript() -> None:
    receiver = Receiver()

    outcome = answered(receiver, planned())

    [call] = receiver.got
    assert (call.method, call.path) == ("POST", "/chats")
    assert call.headers["content-type"] == "application/json"
    assert call.headers["idempotency-key"] == key_of()
    assert json.loads(call.body) == {"content": JOHN_IN_UTC}
    assert outcome == Learned(changes={"transcript": STEP.sent})
    assert POST.plan(JOHN, learned({}, outcome), TARGET) is None


@pytest.mark.parametrize(("view", "zone", "text", "_seconds"), TOLD)
def test_the_transcript_is_the_contracts_byte_for_byte(
    view: Conversation, zone: str, text: str, _seconds: int
) -> None:
    receiver, options = Receiver(), TranscriptOptions(zone=zone)

    answered(receiver, planned(view, msgspec.structs.replace(TARGET, options=options)))

    [call] = receiver.got
    assert json.loads(call.body) == {"content": text}


@pytest.mark.parametrize("path", ["/chats/", "/chats?tenant=7", "", "/a%2Fb"])
def test_it_goes_to_the_url_exactly_as_it_was_configured(path: str) -> None:
    receiver = Receiver()

    answered(receiver, path=path)

    assert [call.path for call in receiver.got] == [path or "/"]


def test_the_key_is_of_the_destination_the_conversation_and_the_closing() -> None:
    keys = [
        key_of(),
        key_of(name="another"),
        key_of(closing=at(9, 6)),
        key_of(but(JOHN, account="chat")),
        key_of(but(JOHN, external_id="2")),
    ]

    assert len({UUID(key) for key in keys}) == 5
    assert {UUID(key).version for key in keys} == {5}


def test_the_key_stays_the_same_whatever_else_is_learned() -> None:
    assert key_of(but(JOHN, ended_at=at(9, 30), messages=(), customer=None)) == key_of()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    assert answered(Receiver(status)) == Learned(changes={"transcript": STEP.sent})


@pytest.mark.parametrize(
    "headers", [{"Content-Encoding": "gzip"}, {"Content-Length": "1000"}], ids=["garbled", "cut"]
)
def test_a_2xx_is_success_whatever_becomes_of_its_body(headers: dict[str, str]) -> None:
    assert answered(Receiver(200, headers)) == Learned(changes={"transcript": STEP.sent})


@pytest.mark.parametrize("status", [408, 500, 502, 503])
def test_a_failure_over_there_may_have_had_its_effect(status: int) -> None:
    assert answered(Receiver(status)) == Unclear(reason=f"{status} So be it")


@pytest.mark.parametrize("status", [301, 304, 401, 403, 429])
def test_a_status_that_may_go_away_was_certainly_not_done(status: int) -> None:
    with pytest.raises(NotSent, match=str(status)) as raised:
        answered(Receiver(status, {"Retry-After": "30"}))

    assert raised.value.retry_after_seconds == 30


@pytest.mark.parametrize("status", [400, 404, 409, 410, 422])
def test_another_status_is_a_refusal(status: int) -> None:
    assert answered(Receiver(status)) == Refused(reason=f"{status} So be it")


def test_a_post_whose_answer_is_lost_is_repeated_with_the_same_key_and_bytes() -> None:
    receiver = Receiver(0)

    with pytest.raises(NoAnswer):
        answered(receiver)
    receiver.status = 200
    answered(receiver, msgspec.json.decode(msgspec.json.encode(STEP), type=Step))

    first, second = receiver.got
    assert first.body == second.body
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_nothing_is_posted_before_the_trigger_fired() -> None:
    assert POST.plan(JOHN, {}, msgspec.structs.replace(TARGET, closing=None)) is None


def test_with_again_every_closing_is_posted_under_its_own_key() -> None:
    second = msgspec.structs.replace(TARGET, closing=at(11, 0), again=True)
    ledger = {"transcript": STEP.sent}

    step = planned(target=second, ledger=ledger)

    assert POST.plan(JOHN, ledger, TARGET) is None
    assert step.key == "transcript:2020-09-29T11:00:20.540957Z"
    assert step.changes["idempotency_key"] != planned().changes["idempotency_key"]


def test_what_changed_since_is_told_and_not_posted_again() -> None:
    ledger, changed = {"transcript": STEP.sent}, but(JOHN, messages=())

    assert POST.differs is not None
    assert POST.differs(changed, ledger, TARGET) == ["changed since the transcript was sent"]
    assert POST.plan(changed, ledger, TARGET) is None
