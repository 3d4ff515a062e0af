"""One run of live chats, `deskwire run` beside the naive integration; two figures look at it."""

from __future__ import annotations

import time
from functools import cache

from msgspec import Struct

from bench import hub, naive, services
from bench.services import big_chat, our_api
from deskwire.sandbox.bigchat import BigChat, PageKey
from deskwire.sandbox.chatter import Event

EVENTS_PER_SECOND = 10.0

# A message's key bears the id of its record.
DELAYS = """
SELECT (ledger.at - records.received_at) / 1e6 FROM ledger
JOIN records ON records.workspace = ledger.workspace AND records.id = substr(ledger.key, 9, 32)
WHERE ledger.key LIKE 'message:%' AND ledger.refused IS NULL
"""


class Live(Struct, frozen=True, kw_only=True):
    """What came of a run; delays in seconds."""

    events: int
    calls: int
    delays: list[float]
    naive_calls: int
    naive_delays: list[float]


@cache
def live(poll_every_seconds: float, seconds: float) -> Live:
    """Run live chats for so long, then wait until all is delivered."""
    with (
        services.running(big_chat(EVENTS_PER_SECOND)) as bigchat,
        services.running(our_api()) as target,
        services.running(our_api()) as naive_target,
        hub.folder() as place,
    ):
        config = hub.configure(place, bigchat.url, target.url, poll_every_seconds)
        with hub.running(config) as process:
            time.sleep(seconds)
            bigchat.ask(services.say_no_more)
            hub.wait_until_quiet(process, place)
        served = bigchat.ask(_served)
        peer = naive.integrate(naive_target.url, served, bigchat.ask(_first_advisors))
        return Live(
            events=len(served),
            calls=target.ask(services.calls),
            delays=[row[0] for row in hub.rows(place, DELAYS)],
            naive_calls=naive_target.ask(services.calls),
            naive_delays=peer.delays,
        )


def _served(service: BigChat) -> list[tuple[PageKey, Event]]:
    return service.served


def _first_advisors(service: BigChat) -> dict[int, int]:
    return {number: one.first_advisor_id for number, one in service.conversations.items()}
