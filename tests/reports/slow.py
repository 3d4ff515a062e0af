"""The same figures, plainly: in loops over conversations, without a database."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from deskwire.core.model import Conversation, Participant
from tests.reports.stories import Kept, Story

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Event:
    """Something that is counted."""

    kept: Kept
    at: datetime
    value: float
    agent: str | None
    team: str | None


def events(measure: str, conversations: list[Kept]) -> list[Event]:
    counted = [one for one in conversations if not one.seen.is_withdrawn and not one.seen.is_erased]
    return [event for one in counted for event in OF[measure](one)]


def micros(from_at: datetime, to_at: datetime) -> int:
    return max(0, (to_at - from_at) // MICROSECOND)


def whole(kept: Kept, at: datetime | None, value: float) -> Iterator[Event]:
    """Of a conversation, for whoever had it last."""
    seen = kept.seen
    if at is not None:
        last = seen.assignments[-1] if seen.assignments else None
        agent = last.agent if last else None
        yield Event(
            kept, at, value, agent.external_id if agent else None, last.team if last else None
        )


def volume(kept: Kept) -> Iterator[Event]:
    yield from whole(kept, kept.seen.started_at, 1)


def handling(kept: Kept) -> Iterator[Event]:
    seen = kept.seen
    if seen.handle_started_at is None or seen.ended_at is None:
        return
    for one in seen.assignments:
        if one.agent is not None and one.to_at is not None:
            value = micros(one.from_at, one.to_at)
            yield Event(kept, one.to_at, value, one.agent.external_id, one.team)


def transfers(
    seen: Conversation,
) -> Iterator[tuple[Participant, Participant, datetime, str | None]]:
    for before, after in pairwise(seen.assignments):
        if before.agent and after.agent and before.agent.external_id != after.agent.external_id:
            yield before.agent, after.agent, after.from_at, after.team


def transfers_in(kept: Kept) -> Iterator[Event]:
    for _, to, at, team in transfers(kept.seen):
        yield Event(kept, at, 1, to.external_id, team)


def transfers_out(kept: Kept) -> Iterator[Event]:
    for giver, _, at, team in transfers(kept.seen):
        yield Event(kept, at, 1, giver.external_id, team)


def answered(kept: Kept) -> list[Event]:
    waiting: datetime | None = None
    found = []
    team = kept.seen.assignments[-1].team if kept.seen.assignments else None
    for message in kept.seen.messages:
        if message.kind == "note" or message.author is None:
            continue
        if message.author.role == "customer":
            waiting = waiting or message.sent_at
        if message.author.role == "agent" and waiting is not None:
            value = micros(waiting, message.sent_at)
            found.append(Event(kept, message.sent_at, value, message.author.external_id, team))
            waiting = None
    return found


def resolution(kept: Kept) -> Iterator[Event]:
    if kept.seen.ended_at is not None:
        value = micros(kept.seen.started_at, kept.seen.ended_at)
        yield from whole(kept, kept.seen.ended_at, value)


def queue(kept: Kept) -> Iterator[Event]:
    at = kept.seen.handle_started_at
    if at is not None:
        yield from whole(kept, at, micros(kept.seen.started_at, at))


def transfer_rate(kept: Kept) -> Iterator[Event]:
    yield from whole(kept, kept.seen.ended_at, 1 if list(transfers(kept.seen)) else 0)


def reopen_rate(kept: Kept) -> Iterator[Event]:
    if kept.seen.reopens is not None:
        yield from whole(kept, kept.seen.ended_at, 1 if kept.seen.reopens else 0)


def rating(kept: Kept) -> Iterator[Event]:
    one = kept.seen.rating
    if one is None or not one.scale_min <= one.value <= one.scale_max:
        return
    if one.scale_min < one.scale_max:
        percent = (one.value - one.scale_min) / (one.scale_max - one.scale_min) * 100.0
        if not math.isnan(percent):
            yield from whole(kept, one.rated_at or kept.seen.ended_at, percent)


OF = {
    "volume": volume,
    "handling": handling,
    "transfers_in": transfers_in,
    "transfers_out": transfers_out,
    "first_response": lambda kept: iter(answered(kept)[:1]),
    "next_response": lambda kept: iter(answered(kept)[1:]),
    "resolution": resolution,
    "queue": queue,
    "transfer_rate": transfer_rate,
    "reopen_rate": reopen_rate,
    "rating": rating,
}


@dataclass(frozen=True)
class Grouping:
    """What an event's row is."""

    story: Story
    zone: ZoneInfo
    numbers: dict[tuple[str, str], int]  # by account and the provider's id

    def value(self, name: str, event: Event) -> str | None:
        return (getattr(self, name)(event) or None) if event else None

    def channel(self, event: Event) -> str | None:
        return folded(event.kept.seen.channel)

    def topic(self, event: Event) -> str | None:
        started_at = event.kept.seen.started_at
        then = [
            (from_at, topic)
            for from_at, to_at, topic in self.story.topics
            if from_at <= started_at < to_at
        ]
        topic = event.kept.seen.topic or (max(then)[1] if then else None)
        return topic and topic[:400]  # it is part of a URL

    def team(self, event: Event) -> str | None:
        return event.team

    def source(self, event: Event) -> str | None:
        return event.kept.source

    def account(self, event: Event) -> str | None:
        return event.kept.seen.account

    def customer(self, event: Event) -> str | None:
        seen = event.kept.seen
        return f"{seen.account}/{seen.customer.external_id}" if seen.customer else None

    def customer_type(self, event: Event) -> str | None:
        seen = event.kept.seen
        who = (seen.account, seen.customer.external_id) if seen.customer else ("", "")
        return folded(self.story.types.get(who))

    def agent(self, event: Event) -> str | None:
        if event.agent is None:
            return None
        account = event.kept.seen.account
        number = self.numbers.get((account, event.agent))
        return f"{account}/{event.agent}" if number is None else str(number)

    def month(self, event: Event) -> str | None:
        return event.at.astimezone(self.zone).strftime("%Y-%m")

    def week(self, event: Event) -> str | None:
        day = event.at.astimezone(self.zone).date()
        return (day - timedelta(days=day.weekday())).isoformat()

    def day(self, event: Event) -> str | None:
        return event.at.astimezone(self.zone).date().isoformat()

    def hour(self, event: Event) -> str | None:
        local = event.at.astimezone(self.zone)
        return local.replace(minute=0, second=0, microsecond=0).isoformat(timespec="minutes")

    def weekday_hour(self, event: Event) -> str | None:
        local = event.at.astimezone(self.zone)
        return f"{local.isoweekday()}-{local.hour:02}"


def folded(name: str | None) -> str | None:
    return name and " ".join(name.split()).casefold()


def figure(stat: str, unit: str, those: list[Event]) -> float | None:
    values = sorted(one.value for one in those)
    count = values.count(1)
    if not values and stat in {"mean", "percent", "median", "p90"}:
        return None
    scale = 1_000_000 if unit == "seconds" else 1
    found: dict[str, Callable[[], float]] = {
        "conversations": lambda: len({one.kept.id for one in those}),
        "n": lambda: len(values),
        "count": lambda: count,
        "percent": lambda: 100 * count / len(values),
        "mean": lambda: math.fsum(values) / len(values) / scale,
        "median": lambda: statistics.median(values) / scale,
        # The first that with those before it is 90 percent of all.
        "p90": lambda: (
            next(one for rank, one in enumerate(values, 1) if 10 * rank >= 9 * len(values)) / scale
        ),
    }
    return found[stat]()
