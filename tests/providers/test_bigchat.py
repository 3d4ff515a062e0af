from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from deskwire import providers
from deskwire.core.errors import Unreadable
from deskwire.core.exchange import Answer, Request
from deskwire.core.facts import ConversationFacts, ParticipantFacts, PersonFacts, SetAside
from deskwire.core.provider import Account, Next, Record, RecordKind

BIGCHAT = providers.load("bigchat")
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
EVERY_TEN = Account(poll_every_seconds=10)
EMPTY = Answer(status=200, body=b'{"nextPageUrl": null, "events": []}')


def page(next_url: object, events: list[object]) -> Answer:
    body = msgspec.json.encode({"nextPageUrl": next_url, "events": events})
    return Answer(status=200, body=body)


def window(start: datetime, end: datetime) -> Request:
    params = {"start_at": f"{start:%FT%TZ}", "end_at": f"{end:%FT%TZ}"}
    return Request(method="GET", path="/events", params=params)


def polled(cursor: str | None, second: float, answer: Answer = EMPTY) -> tuple[Request, Next]:
    """What is asked, and how far it came with the answer."""
    assert BIGCHAT.poll is not None
    asking = BIGCHAT.poll(cursor, NOON + timedelta(seconds=second), EVERY_TEN)
    request = next(asking)
    with pytest.raises(StopIteration) as end:
        asking.send(answer)
    return request, end.value.value


def asked_after(next_url: object) -> Request:
    """What is asked after a page that names its next one."""
    _, came = polled(None, 10, page(next_url, []))
    return polled(came.cursor, 10)[0]


def test_the_first_window_is_the_time_of_one_poll() -> None:
    assert polled(None, 10)[0] == window(NOON, NOON + timedelta(seconds=10))


def test_a_window_begins_where_the_last_one_ended() -> None:
    _, came = polled(None, 10)

    assert polled(came.cursor, 23)[0] == window(
        NOON + timedelta(seconds=10), NOON + timedelta(seconds=23)
    )


def test_after_a_clock_went_back_an_hour_the_last_interval_is_asked_for() -> None:
    _, came = polled(None, 3600)

    assert polled(came.cursor, 10)[0] == window(NOON, NOON + timedelta(seconds=10))


def test_an_empty_last_page_ends_the_window_and_is_not_kept() -> None:
    _, came = polled(None, 10)

    assert (came.has_more, came.is_empty) == (False, True)


def test_a_page_with_an_event_is_kept_even_when_the_event_is_bad() -> None:
    _, came = polled(None, 10, page(None, ["bad"]))

    assert (came.has_more, came.is_empty) == (False, False)


def test_a_next_page_is_asked_for_by_its_path_and_query() -> None:
    request = asked_after("http://bigchat.example/api/events?start_at=a%3Ab&page=2")

    assert request == Request(method="GET", path="/api/events?start_at=a%3Ab&page=2")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://elsewhere.example/events?page=2", "/events?page=2"),
        ("//elsewhere.example/events?page=2", "/events?page=2"),
        ("@elsewhere.example/events?page=2", "/@elsewhere.example/events?page=2"),
        (".elsewhere.example/events?page=2", "/.elsewhere.example/events?page=2"),
        ("http://a//elsewhere.example/?page=2", "/elsewhere.example/?page=2"),
        ("http://a/events?page=2&q=a b\u00fc", "/events?page=2&q=a%20b%C3%BC"),
    ],
)
def test_a_next_page_is_never_asked_of_another_host(url: str, path: str) -> None:
    assert asked_after(url) == Request(method="GET", path=path)


BROKEN_URLS = [b'"http://[bad"', b"7", b'{"page": 2}']


@pytest.mark.parametrize("url", BROKEN_URLS, ids=["no URL", "number", "object"])
def test_a_broken_next_page_ends_the_window_and_costs_no_event(url: bytes) -> None:
    start = b'{"conversation_id": 1, "event_name": "START", "event_at": 1793534400, "data": null}'
    body = b'{"nextPageUrl": %b, "events": [%b]}' % (url, start)

    _, came = polled(None, 10, Answer(status=200, body=body))
    told = list(BIGCHAT.normalise(record("page", body)))

    assert (came.has_more, came.is_empty) == (False, False)
    assert polled(came.cursor, 20)[0] == window(
        NOON + timedelta(seconds=10), NOON + timedelta(seconds=20)
    )
    assert [(type(one), one.at) for one in told] == [
        (ConversationFacts, "/events/0"),
        (SetAside, "/nextPageUrl"),
    ]


def test_a_broken_next_page_is_kept_even_without_an_event() -> None:
    assert not polled(None, 10, page(7, []))[1].is_empty


def test_a_page_that_names_no_next_one_is_the_last() -> None:
    body = b'{"events": []}'

    assert not polled(None, 10, Answer(status=200, body=body))[1].has_more
    assert list(BIGCHAT.normalise(record("page", body))) == []


def test_an_advisor_keeps_no_address_that_is_too_long_for_one() -> None:
    email = "a" * 300 + "@example.org"
    body = msgspec.json.encode({"advisor_id": 7, "name": "Ana", "email_address": email})

    aside, person = BIGCHAT.normalise(record("person", body))

    assert aside == SetAside(at="/email_address", reason="no address has 312 characters")
    assert isinstance(person, PersonFacts)
    assert person.said == ParticipantFacts(role="agent", name="Ana")


def record(kind: RecordKind, body: bytes) -> Record:
    return Record(
        id="r1",
        source="bigchat",
        account="bigchat",
        kind=kind,
        origin="a test",
        received_at=NOON + timedelta(seconds=10),
        body=body,
    )


def test_the_window_goes_on_after_its_last_page() -> None:
    _, first = polled(None, 10, page("http://a/events?page=2", [{}]))
    _, last = polled(first.cursor, 11, page(None, [{}]))

    assert (first.has_more, last.has_more) == (True, False)
    assert polled(last.cursor, 20)[0] == window(
        NOON + timedelta(seconds=10), NOON + timedelta(seconds=20)
    )


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=200, body=b"<html>"),
        Answer(status=200, body=b""),
        Answer(status=200, body=b"[]"),
        Answer(status=200, body=b'{"detail": "Sorry"}'),
        Answer(status=200, body=b"[" * 100_000),
        Answer(status=404, body=b'{"detail": "Not Found"}'),
    ],
)
def test_an_answer_that_is_no_page_is_unreadable(answer: Answer) -> None:
    with pytest.raises(Unreadable):
        polled(None, 10, answer)


def test_a_later_page_that_is_gone_has_its_window_asked_anew() -> None:
    _, first = polled(None, 10, page("http://a/events?page=2", [{}]))
    _, gone = polled(first.cursor, 11, Answer(status=404))

    assert (gone.has_more, gone.is_empty) == (False, True)
    assert polled(gone.cursor, 20)[0] == window(NOON, NOON + timedelta(seconds=20))


@pytest.mark.parametrize(
    ("account", "headers"),
    [
        (EVERY_TEN, {}),
        (Account(poll_every_seconds=10, token="t"), {"Authorization": "Bearer t"}),
        (Account(poll_every_seconds=10, user="u", token="t"), {"Authorization": "Basic dTp0"}),
    ],
)
def test_a_token_alone_is_bearer_and_with_a_user_basic(
    account: Account, headers: dict[str, str]
) -> None:
    assert BIGCHAT.authorise is not None
    assert BIGCHAT.authorise(account) == headers


def test_a_chat_and_an_advisor_are_each_one_call() -> None:
    assert BIGCHAT.detail is not None
    assert BIGCHAT.people is not None

    assert list(BIGCHAT.detail("101")) == [Request(method="GET", path="/conversations/101")]
    assert list(BIGCHAT.people("7")) == [Request(method="GET", path="/advisors/7")]
