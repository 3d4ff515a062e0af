"""Measures: kinds of events that are counted. Each is one select, a row an event."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, Table, case, func, literal, select

from deskwire.store import tables

C, S, R = tables.conversations, tables.segments, tables.responses

Unit = Literal["conversations", "transfers", "seconds", "percent"]
Stat = Literal["conversations", "n", "count", "mean", "median", "p90", "percent"]

TIMES: tuple[Stat, ...] = ("n", "mean", "median", "p90")
RATE: tuple[Stat, ...] = ("n", "count", "percent")


class Measure(Struct, frozen=True, kw_only=True, eq=False):
    """One kind of event. Texts are parts of sentences, for people."""

    name: str
    title: str
    unit: Unit
    definition: str
    clock: str  #: which instant puts an event into a period
    attribution: str  #: who is credited with it
    stats: tuple[Stat, ...]
    table: Table = C  #: whose rows are the events; joined to their conversations
    at: ColumnElement[int | None]
    #: An instant with an index that is never before `at`, or unknown; None: `at` has an index.
    ends: ColumnElement[int | None] | None = None
    #: A duration: from the one to the other, never less than nothing.
    between: tuple[ColumnElement[int], ColumnElement[Any]] | None = None
    value: ColumnElement[Any] = literal(1)
    where: tuple[ColumnElement[bool], ...] = ()
    agent: ColumnElement[str | None] = C.c.agent
    team: ColumnElement[str | None] = C.c.team

    @property
    def figures(self) -> list[str]:
        """Names of its figures: what is said of all its events."""
        return [f"{self.name}/{stat}" for stat in self.stats]


_LAST = "the agent and team who had the conversation last"
_TAKEN_OVER = (
    S.c.agent.is_not(None),
    S.c.previous_agent.is_not(None),
    S.c.agent != S.c.previous_agent,
)
_was_transferred = (
    select(S.c.position)
    .where(S.c.workspace == C.c.workspace, S.c.conversation_id == C.c.id, *_TAKEN_OVER)
    .exists()
)
_range = func.nullif(C.c.rating_max - C.c.rating_min, 0.0)
_percent = (C.c.rating - C.c.rating_min) / _range * 100.0

VOLUME = Measure(
    name="volume",
    title="Conversations",
    unit="conversations",
    definition="all conversations that began",
    clock="the start of the conversation",
    attribution=_LAST,
    stats=("conversations",),
    at=C.c.started_at,
)

HANDLING = Measure(
    name="handling",
    title="Handling time",
    unit="seconds",
    definition="the stretches during which an agent had a conversation, of conversations that "
    "began to be handled and are over; a conversation that was handed over has a stretch for each",
    clock="the end of the stretch",
    attribution="the agent and team who had the conversation during the stretch",
    stats=("conversations", *TIMES),
    table=S,
    at=S.c.to_at,
    between=(S.c.from_at, S.c.to_at),
    where=(S.c.agent.is_not(None), C.c.handle_started_at.is_not(None), C.c.ended_at.is_not(None)),
    agent=S.c.agent,
    team=S.c.team,
)

TRANSFERS_IN = Measure(
    name="transfers_in",
    title="Transfers in",
    unit="transfers",
    definition="conversations taken over from another agent",
    clock="the hand-over",
    attribution="the agent and team who took it over",
    stats=("n",),
    table=S,
    at=S.c.from_at,
    ends=S.c.to_at,
    where=_TAKEN_OVER,
    agent=S.c.agent,
    team=S.c.team,
)

TRANSFERS_OUT = Measure(
    name="transfers_out",
    title="Transfers out",
    unit="transfers",
    definition="conversations handed over to another agent",
    clock="the hand-over",
    attribution="the agent who gave it away, and the team that it went to",
    stats=("n",),
    table=S,
    at=S.c.from_at,
    ends=S.c.to_at,
    where=_TAKEN_OVER,
    agent=S.c.previous_agent,
    team=S.c.team,
)

FIRST_RESPONSE = Measure(
    name="first_response",
    title="First response time",
    unit="seconds",
    definition="from the customer's first message to the first public message of an agent after "
    "it; a bot's message is none",
    clock="the agent's message",
    attribution="the agent who answered; the team that had the conversation last",
    stats=TIMES,
    table=R,
    at=R.c.answered_at,
    between=(R.c.asked_at, R.c.answered_at),
    where=(R.c.position == 0,),
    agent=R.c.agent,
)

NEXT_RESPONSE = Measure(
    name="next_response",
    title="Next response time",
    unit="seconds",
    definition="after the first response: from the customer's first message that nobody had "
    "answered to the next public message of an agent",
    clock="the agent's message",
    attribution="the agent who answered; the team that had the conversation last",
    stats=TIMES,
    table=R,
    at=R.c.answered_at,
    between=(R.c.asked_at, R.c.answered_at),
    where=(R.c.position > 0,),
    agent=R.c.agent,
)

RESOLUTION = Measure(
    name="resolution",
    title="Resolution time",
    unit="seconds",
    definition="from the start of a conversation to its end",
    clock="the end of the conversation",
    attribution=_LAST,
    stats=TIMES,
    at=C.c.ended_at,
    between=(C.c.started_at, C.c.ended_at),
)

QUEUE = Measure(
    name="queue",
    title="Queue time",
    unit="seconds",
    definition="from the start of a conversation to the moment when it began to be handled",
    clock="the moment when it began to be handled",
    attribution=_LAST,
    stats=TIMES,
    at=C.c.handle_started_at,
    between=(C.c.started_at, C.c.handle_started_at),
)

TRANSFER_RATE = Measure(
    name="transfer_rate",
    title="Transfer rate",
    unit="percent",
    definition="ended conversations that one agent took over from another at least once, of all "
    "ended conversations",
    clock="the end of the conversation",
    attribution=_LAST,
    stats=RATE,
    at=C.c.ended_at,
    value=case((_was_transferred, 1), else_=0),
)

REOPEN_RATE = Measure(
    name="reopen_rate",
    title="Reopen rate",
    unit="percent",
    definition="ended conversations that were opened again at least once, of all ended ones whose "
    "desk tells whether they were",
    clock="the end of the conversation",
    attribution=_LAST,
    stats=RATE,
    at=C.c.ended_at,
    value=case((C.c.reopens > 0, 1), else_=0),
    where=(C.c.reopens.is_not(None),),
)

RATING = Measure(
    name="rating",
    title="Rating",
    unit="percent",
    definition="what customers thought of their conversations: 0 is the worst of the desk's "
    "scale, 100 the best",
    clock="the moment of the rating, or where that is not known the end of the conversation",
    attribution=_LAST,
    stats=("n", "mean"),
    at=C.c.rated_at,
    value=_percent,
    # What is not on its scale says nothing.
    where=(C.c.rating >= C.c.rating_min, C.c.rating <= C.c.rating_max, _percent.is_not(None)),
)
