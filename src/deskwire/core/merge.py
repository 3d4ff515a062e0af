"""The join of facts: commutative, associative and idempotent, so that order never matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET

from deskwire.core.facts import (
    ConversationFacts,
    Facts,
    Head,
    Item,
    MessageFacts,
    ParticipantFacts,
    PersonFacts,
    Stamp,
    Value,
)
from deskwire.core.instants import to_micros


def lift(said: ConversationFacts, received_at: int, record: str, position: int) -> Facts:
    """What a record says, stamped with where it came from (`received_at` in µs)."""
    stamp = Stamp(to_micros(said.as_of), received_at, record, position)
    if said.erased:
        return _erased(stamp)
    return Facts(
        head=Item(value=said.head, stamp=stamp),
        participants=_stamped(said.participants, stamp),
        messages=_stamped(said.messages, stamp),
        assignments=_stamped(said.assignments, stamp),
        tags=_stamped(said.tags, stamp),
        attributes=_stamped(said.attributes, stamp),
    )


def merge(one: Facts, other: Facts) -> Facts:
    """All that the two know together; absence on one side never deletes."""
    if one.erased or other.erased:
        return _erased(max(one.head.stamp, other.head.stamp))
    return Facts(
        head=merge_items(one.head, other.head),
        participants=_union(one.participants, other.participants),
        messages=_union(one.messages, other.messages),
        assignments=_union(one.assignments, other.assignments),
        tags=_union(one.tags, other.tags),
        attributes=_union(one.attributes, other.attributes),
    )


def merge_all(told: Sequence[Facts]) -> Facts:
    """The same of one or more; by halves, as each merge copies all that it joins."""
    if len(told) == 1:
        return told[0]
    half = len(told) // 2
    return merge(merge_all(told[:half]), merge_all(told[half:]))


def is_same(one: Facts, other: Facts) -> bool:
    """Whether the same is known, whenever and by whichever record it was said."""
    return _values(one) == _values(other)


def _values(facts: Facts) -> tuple[object, ...]:
    groups = (facts.participants, facts.messages, facts.assignments, facts.tags, facts.attributes)
    told = [{key: item.value for key, item in group.items()} for group in groups]
    return facts.erased, facts.head.value, told


def lift_person(
    said: PersonFacts, received_at: int, record: str, position: int
) -> Item[ParticipantFacts]:
    """What a record says of a person, stamped."""
    stamp = Stamp(to_micros(said.as_of), received_at, record, position)
    return Item(value=said.said, stamp=stamp)


def merge_items(one: Item[Value], other: Item[Value]) -> Item[Value]:
    """Field by field, what was said under the greater stamp."""
    stamp = max(one.stamp, other.stamp)
    fields: dict[str, object] = {}
    stamps: dict[str, Stamp] = {}
    for name in one.value.__struct_fields__:
        said = [
            (name == "redacted" and value is True, item.stamp_of(name), value)
            for item in (one, other)
            if (value := getattr(item.value, name)) is not UNSET
        ]
        if not said:
            continue
        winner = _greatest(said)
        fields[name] = winner[2]
        if winner[1] != stamp:
            stamps[name] = winner[1]
    value = type(one.value)(**fields)
    return _redacted(Item(value=value, stamp=stamp, stamps=stamps))


def _greatest(said: list[tuple[bool, Stamp, object]]) -> tuple[bool, Stamp, object]:
    if len(said) == 1 or said[0][:2] != said[1][:2]:
        return max(said, key=lambda one: one[:2])
    # Two values under one stamp: a mapping was changed. Any total order will do.
    return max(said, key=lambda one: msgspec.json.encode(one[2]))


def _redacted(item: Item[Value]) -> Item[Value]:
    """A redacted message keeps its place and loses what it said."""
    if not isinstance(item.value, MessageFacts) or item.value.redacted is not True:
        return item
    value = msgspec.structs.replace(item.value, text=UNSET, attachments=UNSET)
    stamps = {name: at for name, at in item.stamps.items() if name not in {"text", "attachments"}}
    return Item(value=value, stamp=item.stamp, stamps=stamps)


def _stamped(values: Mapping[str, Value], stamp: Stamp) -> dict[str, Item[Value]]:
    return {key: _redacted(Item(value=value, stamp=stamp)) for key, value in values.items()}


def _union(
    one: Mapping[str, Item[Value]], other: Mapping[str, Item[Value]]
) -> dict[str, Item[Value]]:
    joined = {**one, **other}
    for key in one.keys() & other.keys():
        joined[key] = merge_items(one[key], other[key])
    return joined


def _erased(stamp: Stamp) -> Facts:
    return Facts(head=Item(value=Head(), stamp=stamp), erased=True)
