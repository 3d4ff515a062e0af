"""From the receipt of a page to the confirmation of each of its messages in OurAPI.

`deskwire run` as a process; OurAPI answers at once; the poll's own interval comes on top.
Both instants are the hub's own and stand in its file: the record's receipt, which is before its
commit, and the ledger's line. Beside it: the naive integration, given the same windows of events.
"""

from __future__ import annotations

from bench.figure import Figure, Goal, figure, percentile
from bench.live import live

GOAL = Goal(at_most=0.5)


def measure() -> list[Figure]:
    """With polls every second and every ten."""
    return [*_with_polls_every(1.0, 60.0), *_with_polls_every(10.0, 60.0)]


def _with_polls_every(poll_every_seconds: float, seconds: float) -> list[Figure]:
    run = live(poll_every_seconds, seconds)
    return [
        figure(
            f"delay p{percent}, polls every {poll_every_seconds:g} s ({len(run.delays)} messages)",
            "s",
            percentile(run.delays, percent),
            ("an event at a time", percentile(run.naive_delays, percent)),
            GOAL if percent == 99 else None,
        )
        for percent in (50, 99)
    ]
