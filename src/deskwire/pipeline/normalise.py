"""Normalising: what a record says, merged into the conversations it speaks of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from itertools import islice

import msgspec
from msgspec import Struct

from deskwire.core.errors import DeskwireError, GiveUp, Unreadable
from deskwire.core.facts import (
    ConversationFacts,
    Facts,
    Note,
    Said,
    SetAside,
    TopicFacts,
)
from deskwire.core.instants import to_micros
from deskwire.core.merge import is_same, lift, merge, merge_all
from deskwire.core.provider import Record
from deskwire.core.view import Origin, view
from deskwire.pipeline.hub import Hub, Source, log
from deskwire.pipeline.marking import News, Reach, ended_at, mark_deliveries
from deskwire.pipeline.noting import Change, note
from deskwire.store import agents, conversations, numbers, records, work
from deskwire.store.db import Connection
from deskwire.store.work import Claim

DETAIL, PERSON = "detail:", "person:"
#: Columns of ids have 255 characters; the key of a fetch has one of the words above before it.
LONGEST_KEY = 240


#: Conversations that are merged in one go: a page that came meanwhile waits no longer for its
#: commit than these take.
BATCH = 2


async def normalise(hub: Hub, source: Source, claim: Claim) -> None:
    """Read a record's meaning and merge it in."""
    record = await hub.read(lambda c: records.get(c, source.workspace, claim.key))
    if record is None:
        raise GiveUp(f"record {claim.key} is not there")
    said = await asyncio.to_thread(read, source, record)
    now = hub.now()
    await hub.write(lambda c: note(c, now, source, record, said))
    changes: list[Change] = []
    told = iter(gather(record, said))
    while batch := list(islice(told, BATCH)):
        changes += await hub.write(partial(take_in, now, source, record, batch, News()))
        hub.wake.set()
    await hub.write(lambda c: work.finish(c, now, claim))
    tell(source, record, said, changes)


def read(source: Source, record: Record) -> list[Said]:
    """All that a record says, in its order; an unreadable one is set aside as a whole."""
    try:
        return [_with_short_keys(one) for one in source.provider.normalise(record)]
    except Unreadable as error:
        return [SetAside(at="", reason=str(error))]
    except DeskwireError:
        raise
    except Exception as error:
        message = f"the {source.provider_name} provider fails on record {record.id}: {error!r}"
        raise GiveUp(message) from error


def _with_short_keys(one: Said) -> Said:
    """What is said, or set aside where one of its ids is longer than the columns for it."""
    too_long = [key for key in _keys(one) if len(key) > LONGEST_KEY]
    if not too_long:
        return one
    if isinstance(one, SetAside):
        return SetAside(at=one.at, reason=one.reason)
    reason = f"an id of {len(too_long[0])} characters: {too_long[0][:50]}…"
    told = one.external_id if isinstance(one, ConversationFacts) else None
    return SetAside(at=one.at, reason=reason, external_id=None if told in too_long else told)


def _keys(one: Said) -> Iterator[str]:
    if not isinstance(one, TopicFacts | Note):
        yield one.external_id or ""
    if not isinstance(one, ConversationFacts):
        return
    yield from (*one.participants, *one.messages, *one.assignments)
    named: list[object] = [said.author for said in one.messages.values()]
    for handed in one.assignments.values():
        named += [handed.agent, handed.previous_agent]
    yield from (key for key in named if isinstance(key, str))


def apply(
    connection: Connection,
    now: int,
    source: Source,
    record: Record,
    said: list[Said],
    news: News | None = None,
) -> list[Change]:
    """Merge what a record says; mark what follows from it as due. Twice is once.

    Of `news` only the reach, and whether a person ended it, need to be told.
    """
    news = news or News()
    reach: Reach = "import" if news.reach == "import" else "replay"
    noted = note(connection, now, source, record, said, reach)
    return noted + take_in(now, source, record, gather(record, said), news, connection)


class Told(Struct, frozen=True, kw_only=True):
    """What one record says of one conversation."""

    external_id: str
    facts: Facts
    places: list[str]
    number: int | None = None


def gather(record: Record, said: list[Said]) -> list[Told]:
    """What a record says, by conversation."""
    received_at = to_micros(record.received_at)
    told: dict[str, list[tuple[Facts, ConversationFacts]]] = {}
    for position, one in enumerate(said):
        if isinstance(one, ConversationFacts):
            facts = lift(one, received_at, record.id, position)
            told.setdefault(one.external_id, []).append((facts, one))
    return [
        Told(
            external_id=external_id,
            facts=merge_all([facts for facts, _ in these]),
            places=[one.at for _, one in these],
            number=next((one.number for _, one in these if one.number is not None), None),
        )
        for external_id, these in told.items()
    ]


def take_in(
    now: int,
    source: Source,
    record: Record,
    told: list[Told],
    news: News,
    connection: Connection,
) -> list[Change]:
    """Merge what a stored record says of conversations."""
    changes = []
    for one in told:
        change = _merge_in(connection, now, source, one, news)
        for agent in one.facts.people():
            numbers.meet(connection, source.workspace, source.account, agent)
        records.link(connection, source.workspace, record.id, change.conversation, one.places)
        changes.append(change)
        lacks_detail = change.is_new and record.kind != "detail"
        ask_further(connection, now, source, one.external_id, one.facts, lacks_detail=lacks_detail)
    return changes


def ask_further(
    connection: Connection,
    now: int,
    source: Source,
    external_id: str,
    facts: Facts,
    *,
    lacks_detail: bool,
) -> None:
    """Have fetched what a conversation only hints at: its detail, agents never asked about."""
    if lacks_detail and source.provider.detail is not None:
        # Marked: what is being fetched right now may be from before that which is known by now.
        work.mark(connection, now, source.workspace, "fetch", source.name, DETAIL + external_id)
    if source.provider.people is None:
        return
    wanted = set(facts.agents())
    known = agents.load(connection, source.workspace, source.account, sorted(wanted))
    for agent in sorted(wanted - known.keys()):
        # One answer is enough, whenever it was asked for; until then every page asks again.
        work.ensure(connection, now, source.workspace, "fetch", source.name, PERSON + agent)


def _merge_in(connection: Connection, now: int, source: Source, told: Told, news: News) -> Change:
    """Compare and set until nobody else was faster."""
    workspace, external_id, facts = source.workspace, told.external_id, told.facts
    origin = Origin(provider=source.provider_name, account=source.account, external_id=external_id)
    while True:
        found = conversations.find_id(connection, workspace, source.account, external_id)
        if found is None:
            seen = view(facts, origin, {})
            made = conversations.create(
                connection, workspace, now, source.name, origin, facts, seen, told.number
            )
            if made is not None:
                news = msgspec.structs.replace(news, ended_at=ended_at(facts))
                mark_deliveries(connection, now, source, made, news)
                return Change(
                    conversation=made,
                    external_id=external_id,
                    is_new=True,
                    messages=len(facts.messages),
                )
            continue
        before = conversations.load(connection, workspace, found)
        assert before is not None
        after = merge(before.facts, facts)
        added = len(after.messages) - len(before.facts.messages)
        change = Change(conversation=found, external_id=external_id, messages=added)
        was_ended = ended_at(before.facts) is not None
        news = msgspec.structs.replace(news, ended_at=ended_at(after), was_ended=was_ended)
        if after == before.facts and news.reach != "deliver":
            return change
        seen = view(after, origin, {})
        if conversations.save(connection, workspace, before, after, seen):
            if before.number is None and told.number is not None:
                conversations.give_number(connection, workspace, found, told.number)
            mark_deliveries(connection, now, source, found, news)
            is_changed = not is_same(before.facts, after)
            return msgspec.structs.replace(change, is_changed=is_changed)


def tell(source: Source, record: Record, said: list[Said], changes: list[Change]) -> None:
    """A line for everything that happened to a conversation, and for what was set aside."""
    for change in changes:
        log.info(
            "conversation heard of" if change.is_new else "conversation changed",
            conversation=change.conversation,
            external_id=change.external_id,
            source=source.name,
            record=record.id,
            new_messages=change.messages,
        )
    for one in said:
        if isinstance(one, SetAside):
            log.warning(
                "set aside", source=source.name, record=record.id, at=one.at, reason=one.reason
            )
