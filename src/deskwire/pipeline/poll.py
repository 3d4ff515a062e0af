"""Polling: a page and the cursor behind it become durable in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec

from deskwire.core.errors import GiveUp, LeaseLost, RetryLater, Unreadable
from deskwire.core.exchange import Answer, Request
from deskwire.core.instants import from_micros
from deskwire.core.provider import Next
from deskwire.pipeline.hub import Hub, Source, log
from deskwire.pipeline.intake import accept, keep_unreadable, new_record
from deskwire.store import health, work
from deskwire.store.db import Connection
from deskwire.store.work import Claim

#: A chain of pages longer than this goes on at the next poll, so that no source holds a worker.
LONGEST_CHAIN = 500


async def poll(hub: Hub, source: Source, claim: Claim) -> None:
    """Read a source's window to its end, or as far as it answers."""
    try:
        for _ in range(LONGEST_CHAIN):
            if not await _page(hub, source, claim) or hub.stopping.is_set():
                break
    except (RetryLater, GiveUp) as error:
        await _failed(hub, source, claim, error)
    else:
        await hub.write(lambda c: work.release(c, claim, None, has_progress=True))


async def _page(hub: Hub, source: Source, claim: Claim) -> bool:
    """One page; whether another one waits."""
    fares = await hub.read(lambda c: health.source(c, source.workspace, source.name))
    assert source.provider.poll is not None
    asking = source.provider.poll(fares.cursor, from_micros(hub.now()), source.access)
    answers: list[tuple[Request, Answer]] = []
    request = next(asking)
    while True:
        hub.check_lease(claim)
        answer = await hub.http[source.name](request)
        raise_unless_useful(answer)
        answers.append((request, answer))
        try:
            request = asking.send(answer)
        except StopIteration as end:
            came: Next = end.value
            break
        except Unreadable as error:
            record = new_record(source, "page", describe(request), answer.body, hub.now())
            await hub.write(partial(keep_unreadable, source, record, str(error)))
            raise
    await _commit(hub, source, claim, fares, came, answers)
    return came.has_more


async def _commit(
    hub: Hub,
    source: Source,
    claim: Claim,
    fares: health.SourceHealth,
    came: Next,
    answers: list[tuple[Request, Answer]],
) -> None:
    now = hub.now()
    records = [
        new_record(source, "page", describe(request), answer.body, now)
        for request, answer in answers
        if not came.is_empty
    ]
    after = msgspec.structs.replace(
        fares, cursor=came.cursor, polled_at=now, failures=0, last_error=None
    )

    def accept_all(connection: Connection) -> None:
        for record in records:
            accept(connection, now, source, record)

    def commit(connection: Connection) -> None:
        work.fence(connection, claim)
        accept_all(connection)
        health.save_source(connection, source.workspace, after)

    # It was served once: it is held until the database takes it.
    try:
        await _insist(hub, source, commit)
    except LeaseLost:  # the next page is somebody else's; this one came and is kept
        await _insist(hub, source, accept_all)
        raise
    hub.wake.set()
    if records:
        log.debug("page stored", source=source.name, records=[one.id for one in records])


async def _insist(hub: Hub, source: Source, commit: Callable[[Connection], None]) -> None:
    """Try until it is durable; only the end of the process ends it before."""
    attempts = 0
    while True:
        try:
            return await asyncio.shield(hub.write(commit, is_urgent=True))
        except (RetryLater, GiveUp) as error:
            log.error("page not stored yet", source=source.name, error=str(error))
            await asyncio.sleep(min(hub.backoff(attempts), 5.0))
            attempts += 1


async def _failed(hub: Hub, source: Source, claim: Claim, error: RetryLater | GiveUp) -> None:
    """Nothing was lost: the next poll's window begins where the last whole one ended."""
    log.warning("poll failed", source=source.name, error=str(error))
    wish = error.retry_after_seconds if isinstance(error, RetryLater) else None
    due_at = None if wish is None else max(claim.due_at, hub.after(wish))

    def record(connection: Connection) -> None:
        work.release(connection, claim, due_at)
        fares = health.source(connection, source.workspace, source.name)
        after = msgspec.structs.replace(
            fares, failed_at=hub.now(), failures=fares.failures + 1, last_error=str(error)
        )
        health.save_source(connection, source.workspace, after)

    await hub.write(record)


def raise_unless_useful(answer: Answer) -> None:
    """RetryLater for statuses that say nothing of what was asked, only of how the system is."""
    if answer.status in {401, 403, 408, 429} or answer.status >= 500 or 300 <= answer.status < 400:
        hint = " (check user and token)" if answer.status in {401, 403} else ""
        message = f"answered {answer.status}{hint}: {answer.excerpt()}"
        raise RetryLater(message, answer.retry_after_seconds())


def describe(request: Request) -> str:
    """Where a record came from, for people."""
    query = "&".join(f"{name}={value}" for name, value in request.params.items())
    return f"{request.method} {request.path}{'?' if query else ''}{query}"
