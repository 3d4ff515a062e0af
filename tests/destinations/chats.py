"""Chats of the desk API's worked example, and others, as destinations see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from deskwire.core.model import Assignment, Conversation, Kind, Message, Participant

DAY = datetime(2020, 9, 29, microsecond=540957, tzinfo=UTC)
ID = "0192d1f0-0000-7000-8000-000000000001"
USER_1 = Participant(external_id="1", role="agent", name="Test User 1")
USER_3 = Participant(external_id="3", role="agent", name="Test User 3")


def at(hour: int, minute: int, second: int = 20) -> datetime:
    return DAY + timedelta(hours=hour, minutes=minute, seconds=second)


def person(name: str | None) -> Participant:
    return Participant(external_id="customer", role="customer", name=name)


def wrote(
    key: str,
    text: str,
    sent_at: datetime,
    author: Participant | None = None,
    kind: Kind = "public",
) -> Message:
    return Message(external_id=key, author=author, sent_at=sent_at, text=text, kind=kind)


def chat(*messages: Message, **known: object) -> Conversation:
    """One that is handled from 09:00 to 09:05 unless it is known otherwise."""
    plain = Conversation(
        provider="desk",
        account="desk",
        external_id="1",
        channel="chat",
        subject=None,
        status="closed",
        started_at=at(8, 55),
        handle_started_at=at(9, 0),
        ended_at=at(9, 5),
        updated_at=at(9, 5),
        customer=person("John"),
        participants=(),
        messages=messages,
        assignments=(Assignment(agent=USER_1, team=None, from_at=at(9, 0), to_at=None),),
        tags=(),
        topic=None,
        rating=None,
        attributes={},
        merged_into=None,
    )
    return but(plain, **known)


def but(view: Conversation, **known: object) -> Conversation:
    """The same, where something is another."""
    return msgspec.structs.replace(view, **known)


JOHN = chat(
    wrote("1", "Hello, I need to cancel my reservation.", at(9, 0)),
    wrote("2", "I can do that.", at(9, 1), USER_1),
    wrote("3", "That has been cancelled.", at(9, 2), USER_1),
    wrote("4", "Sound, thanks.", at(9, 4)),
)
JERRY = chat(
    wrote("7", "What are your opening hours?.", at(9, 2)),
    wrote("8", "Monday to Friday, 9am to 6pm.", at(9, 4), USER_3),
    wrote("9", "Thanks.", at(9, 4)),
    external_id="3",
    customer=person("Jerry"),
    started_at=at(9, 0),
    handle_started_at=at(9, 2),
    assignments=(Assignment(agent=USER_3, team=None, from_at=at(9, 2), to_at=at(9, 5)),),
)
#: Its last message came after its end.
JACINTHA = chat(
    wrote("10", "I'd like to make a complaint.", at(8, 44)),
    wrote("11", "Please fill out a complaint form.", at(8, 46), USER_3),
    wrote("12", "You can find it on our website.", at(8, 53), USER_3),
    wrote("13", "OK I'll do that.", at(9, 1)),
    external_id="4",
    customer=person("Jacintha"),
    started_at=at(8, 40),
    handle_started_at=at(8, 44),
    ended_at=at(8, 54),
    assignments=(Assignment(agent=USER_3, team=None, from_at=at(8, 44), to_at=at(8, 54)),),
)

JOHN_IN_UTC = """\
Chat on 29 Sep 2020 09:00:

[09:00, Customer]: Hello, I need to cancel my reservation.
[09:01, Agent]: I can do that.
[09:02, Agent]: That has been cancelled.
[09:04, Customer]: Sound, thanks."""
JERRY_IN_UTC = """\
Chat on 29 Sep 2020 09:02:

[09:02, Customer]: What are your opening hours?.
[09:04, Agent]: Monday to Friday, 9am to 6pm.
[09:04, Customer]: Thanks."""
JACINTHA_IN_UTC = """\
Chat on 29 Sep 2020 08:44:

[08:44, Customer]: I'd like to make a complaint.
[08:46, Agent]: Please fill out a complaint form.
[08:53, Agent]: You can find it on our website.
[09:01, Customer]: OK I'll do that."""
JOHN_IN_LONDON = """\
Chat on 29 Sep 2020 10:00:

[10:00, Customer]: Hello, I need to cancel my reservation.
[10:01, Agent]: I can do that.
[10:02, Agent]: That has been cancelled.
[10:04, Customer]: Sound, thanks."""
JERRY_IN_LONDON = """\
Chat on 29 Sep 2020 10:02:

[10:02, Customer]: What are your opening hours?.
[10:04, Agent]: Monday to Friday, 9am to 6pm.
[10:04, Customer]: Thanks."""
JACINTHA_IN_LONDON = """\
Chat on 29 Sep 2020 09:44:

[09:44, Customer]: I'd like to make a complaint.
[09:46, Agent]: Please fill out a complaint form.
[09:53, Agent]: You can find it on our website.
[10:01, Customer]: OK I'll do that."""

#: Chat, zone, its transcript, seconds of handling.
TOLD = [
    (JOHN, "UTC", JOHN_IN_UTC, 300),
    (JERRY, "UTC", JERRY_IN_UTC, 180),
    (JACINTHA, "UTC", JACINTHA_IN_UTC, 600),
    (JOHN, "Europe/London", JOHN_IN_LONDON, 300),
    (JERRY, "Europe/London", JERRY_IN_LONDON, 180),
    (JACINTHA, "Europe/London", JACINTHA_IN_LONDON, 600),
]
