"""Calls to OurAPI per event of BigChat, without faults; `deskwire run` as a process.

Beside it: an integration that handles each event on its own, with the look-ups this needs.
All is counted, the look-ups of agents at the beginning and the watch every 30 s too.
"""

from __future__ import annotations

from bench.figure import Figure, Goal, figure
from bench.live import live

GOAL = Goal(at_most=1.1)


def measure() -> list[Figure]:
    """With polls every second and every ten."""
    return [_with_polls_every(1.0, 60.0), _with_polls_every(10.0, 60.0)]


def _with_polls_every(poll_every_seconds: float, seconds: float) -> Figure:
    run = live(poll_every_seconds, seconds)
    return figure(
        f"calls per event, polls every {poll_every_seconds:g} s ({run.events} events)",
        "calls",
        run.calls / run.events,
        ("an event at a time", run.naive_calls / run.events),
        GOAL,
    )
