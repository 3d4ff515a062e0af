from functools import reduce
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Struct

from deskwire.core.facts import ConversationFacts, Facts, Head, Item, MessageFacts, Stamp
from deskwire.core.merge import is_same, lift, merge, merge_all, merge_items
from tests.core.facts_strategy import NOON, facts, living, stamps, words

KEYED = ("participants", "messages", "assignments", "tags", "attributes")


def stated(item: Item[Any]) -> dict[str, object]:
    """The fields that were said at all."""
    return {
        name: value
        for name in item.value.__struct_fields__
        if (value := getattr(item.value, name)) is not UNSET
    }


def said_again_and_shuffled(data: st.DataObject, told: list[Facts]) -> list[Facts]:
    again = data.draw(st.lists(st.sampled_from(told), max_size=3), label="duplicates")
    return data.draw(st.permutations([*told, *again]), label="order")


def grouped(data: st.DataObject, told: list[Facts]) -> Facts:
    """Merged along any binary tree."""
    if len(told) == 1:
        return told[0]
    cut = data.draw(st.integers(1, len(told) - 1), label="cut")
    return merge(grouped(data, told[:cut]), grouped(data, told[cut:]))


@given(st.data(), st.lists(facts, min_size=1, max_size=6))
def test_any_order_duplication_and_grouping_tells_the_same(
    data: st.DataObject, told: list[Facts]
) -> None:
    assert grouped(data, said_again_and_shuffled(data, told)) == reduce(merge, told)


@given(st.lists(facts, min_size=1, max_size=6))
def test_merging_all_is_merging_one_after_another(told: list[Facts]) -> None:
    assert merge_all(told) == reduce(merge, told)


@given(facts, stamps)
def test_facts_that_are_only_said_at_another_time_are_the_same(one: Facts, stamp: Stamp) -> None:
    head = msgspec.structs.replace(one.head, stamp=stamp, stamps={})
    other = msgspec.structs.replace(one, head=head)

    assert is_same(one, other)


@given(living, stamps)
def test_facts_with_a_message_more_are_not_the_same(one: Facts, stamp: Stamp) -> None:
    more = Item(value=MessageFacts(text="New"), stamp=stamp)
    other = msgspec.structs.replace(one, messages={**one.messages, "new": more})

    assert not is_same(one, other)


@given(facts, facts, facts)
def test_merging_is_associative(one: Facts, two: Facts, three: Facts) -> None:
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


@given(facts, facts)
def test_merging_is_commutative(one: Facts, two: Facts) -> None:
    assert merge(one, two) == merge(two, one)


@given(facts)
def test_merging_is_idempotent(one: Facts) -> None:
    assert merge(one, one) == one


@given(facts, facts)
def test_what_was_merged_in_changes_nothing_when_it_comes_again(one: Facts, two: Facts) -> None:
    assert merge(merge(one, two), two) == merge(one, two)


@given(living, st.lists(living, max_size=4), stamps)
def test_a_redacted_text_never_comes_back(before: Facts, after: list[Facts], stamp: Stamp) -> None:
    redacted = MessageFacts(redacted=True)
    redaction = Facts(
        head=Item(value=Head(), stamp=stamp), messages={"1": Item(value=redacted, stamp=stamp)}
    )

    message = reduce(merge, [before, redaction, *after]).messages["1"].value

    assert (message.redacted, message.text, message.attachments) == (True, UNSET, UNSET)


@given(facts, st.lists(facts, max_size=4))
def test_an_erasure_is_final(before: Facts, after: list[Facts]) -> None:
    erasure = ConversationFacts(at="", external_id="7", as_of=NOON, erased=True)

    erased = reduce(merge, [before, lift(erasure, 0, "1", 0), *after])

    newest = max(one.head.stamp for one in [before, lift(erasure, 0, "1", 0), *after])
    assert erased == Facts(head=Item(value=Head(), stamp=newest), erased=True)


@given(living, living)
def test_no_key_is_ever_lost_by_absence(one: Facts, two: Facts) -> None:
    both = merge(one, two)

    for name in KEYED:
        assert getattr(both, name).keys() == getattr(one, name).keys() | getattr(two, name).keys()


@given(living, living)
def test_a_field_that_only_one_side_states_survives(one: Facts, two: Facts) -> None:
    only_one = {k: v for k, v in stated(one.head).items() if k not in stated(two.head)}

    assert only_one.items() <= stated(merge(one, two).head).items()


@given(stamps, stamps, words, words)
def test_the_greater_stamp_wins(one: Stamp, two: Stamp, old: str, new: str) -> None:
    low, high = sorted([one, two])
    items = [
        Item(value=Head(subject=old), stamp=low),
        Item(value=Head(subject=new if low < high else old), stamp=high),
    ]

    assert merge_items(*items) == items[1]


def test_each_field_keeps_the_stamp_it_was_said_under() -> None:
    early, late = Stamp(1, 1, "1", 0), Stamp(2, 1, "1", 1)

    both = merge_items(
        Item(value=Head(subject="a", topic="x"), stamp=early),
        Item(value=Head(subject="b"), stamp=late),
    )

    assert both == Item(value=Head(subject="b", topic="x"), stamp=late, stamps={"topic": early})


def test_a_snapshot_of_the_same_second_that_came_later_heals_a_wrong_one() -> None:
    wrong = Item(value=Head(status="open"), stamp=Stamp(1, 1, "1", 0))
    right = Item(value=Head(status="closed"), stamp=Stamp(1, 2, "2", 0))

    assert merge_items(right, wrong) == right


def test_merged_facts_survive_a_round_trip_through_json() -> None:
    at = Stamp(1, 1, "1", 0)
    told: Struct = Facts(
        head=Item(value=Head(ended_at=None), stamp=at),
        messages={"1": Item(value=MessageFacts(sent_at=NOON, text="Hello"), stamp=at)},
    )

    assert msgspec.json.decode(msgspec.json.encode(told), type=Facts) == told
