"""Facts as a conversation: ordered, and with what nobody stated derived."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import groupby, pairwise, permutations, zip_longest
from typing import TypeVar

from msgspec import Struct, UnsetType

from deskwire.core.facts import AssignmentFacts, Facts, Item, MessageFacts, ParticipantFacts
from deskwire.core.instants import from_micros
from deskwire.core.model import Assignment, Conversation, Message, Participant

T = TypeVar("T")

#: Hand-overs of one second that are put into the order of their chain; more keep their stamps'.
LONGEST_CHAIN = 6


class Origin(Struct, frozen=True, kw_only=True):
    """Where a conversation comes from: its identity beside the workspace."""

    provider: str
    account: str
    external_id: str


def view(
    facts: Facts, origin: Origin, people: Mapping[str, Item[ParticipantFacts]]
) -> Conversation:
    """The conversation that the facts tell of; `people` are the account's known agents."""
    head = facts.head.value
    started_at = _said(head.started_at, None) or _earliest(facts)
    ended_at = _said(head.ended_at, None)
    persons = _persons(facts, people)
    # Who had it first had it since it was handled at all, where that is told.
    handled_at = _said(head.handle_started_at, None) or started_at
    assignments = _assignments(facts, persons, handled_at, ended_at)
    handled = [one.from_at for one in assignments if one.agent is not None]
    customer = _said(head.customer, None)
    return Conversation(
        provider=origin.provider,
        account=origin.account,
        external_id=origin.external_id,
        channel=_said(head.channel, None),
        subject=_said(head.subject, None),
        status=_said(head.status, "open" if ended_at is None else "closed"),
        started_at=started_at,
        handle_started_at=_said(head.handle_started_at, handled[0] if handled else None),
        ended_at=ended_at,
        updated_at=from_micros(_latest(facts)),
        customer=None
        if customer is None
        else persons.get(customer, Participant(external_id=customer, role="customer")),
        participants=tuple(persons[key] for key in sorted(persons)),
        messages=_messages(facts, persons, assignments),
        assignments=assignments,
        tags=tuple(sorted(key for key, tag in facts.tags.items() if tag.value.value is not None)),
        topic=_said(head.topic, None),
        rating=_said(head.rating, None),
        attributes={
            key: one.value.value
            for key, one in sorted(facts.attributes.items())
            if one.value.value is not None
        },
        merged_into=_said(head.merged_into, None),
        reopens=_said(head.reopens, None),
        is_withdrawn=_said(head.withdrawn, False),  # noqa: FBT003 - the default
        is_erased=facts.erased,
    )


def _said(value: T | UnsetType, otherwise: T) -> T:
    return otherwise if isinstance(value, UnsetType) else value


def _earliest(facts: Facts) -> datetime:
    told = [one.value.sent_at for one in facts.messages.values()]
    told += [one.value.from_at for one in facts.assignments.values()]
    instants = [instant for instant in told if not isinstance(instant, UnsetType)]
    ended_at = _said(facts.head.value.ended_at, None)
    instants += [ended_at] if ended_at is not None else []
    return min(instants, default=from_micros(facts.head.stamp.as_of))


def _latest(facts: Facts) -> int:
    stamps = [facts.head.stamp]
    for items in (facts.messages, facts.assignments, facts.tags):
        stamps += [one.stamp for one in items.values()]
    return max(stamps).as_of


def _persons(facts: Facts, people: Mapping[str, Item[ParticipantFacts]]) -> dict[str, Participant]:
    persons = {
        key: Participant(external_id=key, role="agent", is_known=False) for key in facts.agents()
    }
    for source in (people, facts.participants):
        for key, item in source.items():
            if source is people and key not in persons and key not in facts.participants:
                continue
            before = persons.get(key, Participant(external_id=key))
            persons[key] = Participant(
                external_id=key,
                role=_said(item.value.role, before.role),
                name=_said(item.value.name, None) or before.name,
                email=_said(item.value.email, None) or before.email,
            )
    return persons


def _assignments(
    facts: Facts,
    persons: Mapping[str, Participant],
    handled_at: datetime,
    ended_at: datetime | None,
) -> tuple[Assignment, ...]:
    ordered = [
        (_said(item.value.from_at, handled_at), item.value)
        for item in _in_order(facts.assignments, handled_at)
    ]
    if ordered and not ordered[0][1].initial and isinstance(ordered[0][1].previous_agent, str):
        # Nobody stated who had it first, but the first hand-over says from whom it came.
        first = AssignmentFacts(agent=ordered[0][1].previous_agent, initial=True)
        ordered.insert(0, (handled_at, first))
    result = []
    for (from_at, value), following in zip_longest(ordered, ordered[1:]):
        next_from_at = following[0] if following is not None else None
        bounds = [instant for instant in (next_from_at, ended_at) if instant is not None]
        result.append(
            Assignment(
                agent=persons[value.agent] if value.agent is not None else None,
                team=_said(value.team, None),
                from_at=from_at,
                to_at=max(from_at, min(bounds)) if bounds else None,
            )
        )
    return tuple(result)


def _in_order(
    assignments: Mapping[str, Item[AssignmentFacts]], handled_at: datetime
) -> list[Item[AssignmentFacts]]:
    """The initial one, then by instant and record; within one record's second, the chain's order.

    A record's statements of one second are in no order of their own, so there the chain
    old agent → new agent decides.
    """

    def moment(item: Item[AssignmentFacts]) -> tuple[bool, datetime, int, str]:
        is_transfer = not item.value.initial
        from_at = _said(item.value.from_at, handled_at)
        return is_transfer, from_at, item.stamp.received_at, item.stamp.record

    ordered: list[Item[AssignmentFacts]] = []
    by_key = sorted(assignments.items(), key=lambda one: (moment(one[1]), one[1].stamp, one[0]))
    for _, group in groupby((item for _, item in by_key), moment):
        tied = list(group)
        if 1 < len(tied) <= LONGEST_CHAIN:
            before = ordered[-1:]
            tied = list(min(permutations(tied), key=lambda these: _breaks([*before, *these])))
        ordered += tied
    return ordered


def _breaks(chain: list[Item[AssignmentFacts]]) -> int:
    """How often a hand-over is not from the agent whom the one before left in charge."""
    return sum(one.value.agent != nxt.value.previous_agent for one, nxt in pairwise(chain))


def _messages(
    facts: Facts, persons: Mapping[str, Participant], assignments: tuple[Assignment, ...]
) -> tuple[Message, ...]:
    told = []
    for key, item in facts.messages.items():
        sent_at = item.value.sent_at
        if item.value.deleted is True or isinstance(sent_at, UnsetType):
            continue  # a redaction or deletion of something that was never seen
        told.append(((sent_at, item.stamp, key), item.value))
    return tuple(
        Message(
            external_id=key,
            author=_author(value, sent_at, persons, assignments),
            sent_at=sent_at,
            text=_text(value),
            kind=_said(value.kind, "public"),
            attachments=_said(value.attachments, ()),
            is_redacted=value.redacted is True,
        )
        for (sent_at, _, key), value in sorted(told, key=lambda one: one[0])
    )


def _text(value: MessageFacts) -> str:
    if value.redacted is True:
        return "[redacted]"
    attachments = _said(value.attachments, ())
    files = " ".join(f"[{one.name}]" for one in attachments)
    return _said(value.text, "") or files or "[no text]"


def _author(
    value: MessageFacts,
    sent_at: datetime,
    persons: Mapping[str, Participant],
    assignments: tuple[Assignment, ...],
) -> Participant | None:
    author = _said(value.author, None)
    if author is not None:
        stranger = Participant(external_id=author, role=_said(value.author_role, "unknown"))
        return persons.get(author, stranger)
    if value.author_role != "agent":
        return None
    before = [one.agent for one in assignments if one.from_at <= sent_at]
    had_it = before[-1:] or [one.agent for one in assignments[:1]]
    return had_it[0] if had_it else None
