"""Arbitrary statements about one conversation: ties, contradictions, redactions, erasures."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import UNSET

from deskwire.core.facts import (
    AssignmentFacts,
    ConversationFacts,
    Entry,
    Facts,
    Head,
    MessageFacts,
    ParticipantFacts,
    Stamp,
)
from deskwire.core.merge import lift
from deskwire.core.model import Attachment, Rating

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
# Few values, so that stamps tie and keys meet.
instants = st.integers(0, 3).map(lambda second: NOON + timedelta(seconds=second))
words = st.sampled_from(["", "a", "b"])
keys = st.sampled_from(["1", "2"])


def said(*values: object) -> SearchStrategy[object]:
    """One of the values, or nothing said."""
    return st.sampled_from([UNSET, *values])


heads = st.builds(
    Head,
    channel=said("chat", "e-mail"),
    status=said("open", "closed"),
    started_at=st.just(UNSET) | instants,
    handle_started_at=st.sampled_from([UNSET, None]) | instants,
    ended_at=st.sampled_from([UNSET, None]) | instants,
    customer=said(None, "1", "9"),
    rating=said(None, Rating(value=1, scale_min=1, scale_max=5)),
    topic=said(None, "a"),
)
participants = st.builds(
    ParticipantFacts, role=said("agent", "customer"), name=said("a", "b"), email=said("a@b")
)
messages = st.builds(
    MessageFacts,
    author=said("1", "9"),
    author_role=said("agent", "customer"),
    sent_at=st.just(UNSET) | instants,
    text=st.just(UNSET) | words,
    attachments=said((), (Attachment(name="a.png"),)),
    redacted=said(True, False),
    deleted=said(True, False),
)
assignments = st.builds(
    AssignmentFacts,
    agent=st.sampled_from([None, "1", "2"]),
    previous_agent=said("1", "2"),
    from_at=st.just(UNSET) | instants,
    initial=st.booleans(),
)
entries = st.dictionaries(keys, st.builds(Entry, value=st.none() | words), max_size=2)


def statements(erased: SearchStrategy[bool]) -> SearchStrategy[ConversationFacts]:
    return st.builds(
        ConversationFacts,
        at=st.just(""),
        external_id=st.just("7"),
        as_of=instants,
        head=heads,
        participants=st.dictionaries(keys, participants, max_size=2),
        messages=st.dictionaries(keys, messages, max_size=2),
        assignments=st.dictionaries(keys, assignments, max_size=2),
        tags=entries,
        attributes=entries,
        erased=erased,
    )


def lifted(erased: SearchStrategy[bool]) -> SearchStrategy[Facts]:
    """Statements with stamps that are often equal, for different values too."""
    return st.builds(lift, statements(erased), st.integers(0, 1), keys, st.integers(0, 1))


living = lifted(st.just(value=False))
facts = lifted(st.sampled_from([False] * 9 + [True]))
stamps = st.builds(Stamp, *[st.integers(0, 2)] * 2, keys, st.integers(0, 1))
