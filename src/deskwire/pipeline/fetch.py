"""Fetching: what a page only hints at is asked for; the answer is kept and merged at once."""

from __future__ import annotations

from functools import partial

from deskwire.core.errors import GiveUp, RetryLater
from deskwire.core.exchange import Answer, Request
from deskwire.core.facts import Item, ParticipantFacts, Said, SetAside, Stamp
from deskwire.core.provider import Lookup, Record, RecordKind
from deskwire.pipeline.hub import Hub, Source, log
from deskwire.pipeline.intake import keep_unreadable, new_record
from deskwire.pipeline.marking import News, mark_deliveries
from deskwire.pipeline.normalise import (
    DETAIL,
    PERSON,
    apply,
    read,
    tell,
)
from deskwire.pipeline.noting import Change, mark_conversations_of
from deskwire.pipeline.poll import describe, raise_unless_useful
from deskwire.store import agents, backlogs, conversations, records, work
from deskwire.store.db import Connection
from deskwire.store.work import Claim

UNKNOWN = "the provider does not know it (404); it is asked once more"


async def fetch(hub: Hub, source: Source, claim: Claim) -> None:
    """Complete a conversation (`detail:<id>`) or a person (`person:<id>`)."""
    is_detail = claim.key.startswith(DETAIL)
    external_id = claim.key.removeprefix(DETAIL if is_detail else PERSON)
    lookup = source.provider.detail if is_detail else source.provider.people
    if lookup is None:
        raise GiveUp(f"{source.provider_name} cannot look up {claim.key}")
    answers = await _ask(hub, source, claim, lookup(external_id))
    if answers is None:
        log.warning("unknown to the provider", source=source.name, fetched=claim.key)
        await hub.write(lambda c: _unknown(c, hub, source, claim, external_id))
    else:
        await _merge_in(hub, source, claim, answers)
    hub.wake.set()


async def _ask(
    hub: Hub, source: Source, claim: Claim, asking: Lookup
) -> list[tuple[Request, Answer]] | None:
    """All answers; None when the provider does not know it."""
    answers = []
    try:
        request = next(asking)
        while True:
            hub.check_lease(claim)
            answer = await hub.http[source.name](request)
            raise_unless_useful(answer)
            if answer.status == 404:
                return None
            if not answer.is_success:
                raise GiveUp(f"{describe(request)} answered {answer.status}: {answer.excerpt()}")
            answers.append((request, answer))
            request = asking.send(answer)
    except StopIteration:
        return answers


async def _merge_in(
    hub: Hub, source: Source, claim: Claim, answers: list[tuple[Request, Answer]]
) -> None:
    now = hub.now()
    kind: RecordKind = "detail" if claim.key.startswith(DETAIL) else "person"
    kept = [
        new_record(source, kind, describe(request), answer.body, now) for request, answer in answers
    ]
    said = [read(source, record) for record in kept]
    for record, told in zip(kept, said, strict=True):
        whole = [one for one in told if isinstance(one, SetAside) and not one.at]
        if whole:
            await hub.write(partial(keep_unreadable, source, record, whole[0].reason))
            raise RetryLater(f"{record.origin}: {whole[0].reason}")

    def commit(connection: Connection) -> list[tuple[Record, list[Said], list[Change]]]:
        merged = []
        for record, told in zip(kept, said, strict=True):
            records.keep(connection, source.workspace, record)
            merged.append((record, told, apply(connection, now, source, record, told)))
        _conclude(connection, now, source, claim)
        return merged

    for record, told, changes in await hub.write(commit):
        tell(source, record, told, changes)


def _conclude(connection: Connection, now: int, source: Source, claim: Claim) -> None:
    """The fetch is over; what waited for it waits no longer."""
    if claim.key.startswith(DETAIL):
        external_id = claim.key.removeprefix(DETAIL)
        found = conversations.find_id(connection, source.workspace, source.account, external_id)
        if found is not None:
            mark_deliveries(connection, now, source, found, News(reach="replay"))
    else:
        mark_conversations_of(connection, now, source, claim.key.removeprefix(PERSON))
    work.finish(connection, now, claim)


def _unknown(
    connection: Connection, hub: Hub, source: Source, claim: Claim, external_id: str
) -> None:
    """The provider does not know it: a person is known to be nameless, a start stays derived.

    One 404 may come from a replica that lags behind, so it is asked once more after a while.
    """
    now = hub.now()
    row = (source.workspace, "fetch", source.name, claim.key)
    if backlogs.last_error(connection, *row) != UNKNOWN:
        due_at = hub.after(hub.timing.ask_again)
        work.release(connection, claim, due_at, error=UNKNOWN, failed_at=now)
        return
    if claim.key.startswith(PERSON):
        nobody = Item(
            value=ParticipantFacts(role="agent"),
            stamp=Stamp(as_of=0, received_at=now, record="", position=0),
        )
        agents.save(connection, source.workspace, source.account, external_id, nobody)
    _conclude(connection, now, source, claim)
