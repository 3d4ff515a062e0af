"""The breaker: after ten failures in a row a destination is only probed, until it answers."""

from __future__ import annotations

import time

import msgspec

from deskwire.core.exchange import LONGEST_RETRY_AFTER
from deskwire.pipeline.hub import MICROS, Hub, Outlet, log
from deskwire.store import health, upkeep
from deskwire.store.db import Connection

#: Failures in a row that open the breaker.
THRESHOLD = 10


def failed(
    connection: Connection, hub: Hub, outlet: Outlet, reason: str, wish_seconds: float | None
) -> None:
    """Count a failure; open the breaker, or honour `Retry-After`, for the whole destination."""
    fares = health.destination(connection, outlet.workspace, outlet.name)
    if hub.confirmed.get(outlet.name, 0.0):
        hub.confirmed[outlet.name] -= 1.0  # the next success is noted at once
    if fares.failures >= THRESHOLD and hub.now() < fares.not_before:
        return  # it was under way when the breaker opened: that it is down is known
    failures = fares.failures + 1
    wait = wish_seconds or 0.0
    if failures >= THRESHOLD:
        timing = hub.timing
        probe = timing.breaker_first * 2.0 ** min(failures - THRESHOLD, 20)
        wait = max(wait, min(probe, timing.breaker_most))
        log.warning("destination is down", destination=outlet.name, failures=failures, wait=wait)
    after = msgspec.structs.replace(
        fares,
        failures=failures,
        failed_at=hub.now(),
        last_error=reason,
        not_before=max(fares.not_before, hub.after(wait)) if wait else fares.not_before,
    )
    health.save_destination(connection, outlet.workspace, after)
    hub.not_before[outlet.name] = after.not_before


def succeeded(connection: Connection, hub: Hub, outlet: Outlet) -> None:
    """Note a success, once a second at most; when it closes the breaker all that waits is due."""
    now, lately = hub.now(), hub.confirmed.get(outlet.name, float("-inf"))
    if time.monotonic() - lately < 1.0:
        return
    hub.confirmed[outlet.name] = time.monotonic()
    fares = health.destination(connection, outlet.workspace, outlet.name)
    if fares.failures >= THRESHOLD:
        woken = upkeep.wake_all(connection, now, "deliver", outlet.name)
        log.info("destination is back", destination=outlet.name, waiting=woken)
        hub.wake.set()
    # A call that was under way when another one was told to wait does not end the wait.
    kept = fares.not_before if _is_ahead(fares.not_before, now) else 0
    after = msgspec.structs.replace(fares, failures=0, confirmed_at=now, not_before=kept)
    health.save_destination(connection, outlet.workspace, after)


def opening(connection: Connection, hub: Hub, outlet: Outlet) -> int:
    """How many deliveries may be taken now: none, one as a probe, or any number (-1)."""
    fares = health.destination(connection, outlet.workspace, outlet.name)
    is_ahead = _is_ahead(fares.not_before, hub.now())
    hub.not_before[outlet.name] = fares.not_before if is_ahead else 0
    if is_ahead:
        return 0
    return 1 if fares.failures >= THRESHOLD else -1


def _is_ahead(not_before: int, now: int) -> bool:
    """Whether it is to come; farther ahead than can be is from before a clock went back."""
    return 0 < not_before - now <= LONGEST_RETRY_AFTER * MICROS
