"""A figure: what was measured, what it is side by side with, and the goal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Literal

from msgspec import Struct


class Goal(Struct, frozen=True, kw_only=True):
    """What a figure should be: at most, or at least, this."""

    of: Literal["measured", "ratio"] = "measured"
    at_most: float = math.inf
    at_least: float = -math.inf

    def __str__(self) -> str:
        bound = f"≤ {self.at_most:g}" if self.at_most < math.inf else f"≥ {self.at_least:g}"
        return f"ratio {bound}" if self.of == "ratio" else bound


class Figure(Struct, frozen=True, kw_only=True):
    """One line of the table. `ratio` is measured / peer, of values taken side by side."""

    name: str
    unit: str
    measured: float
    peer_name: str | None = None
    peer: float | None = None
    ratio: float | None = None
    goal: Goal | None = None
    is_met: bool | None = None  #: None: it has no goal


def figure(
    name: str,
    unit: str,
    measured: float,
    peer: tuple[str, float] | None = None,
    goal: Goal | None = None,
    ratio: float | None = None,
) -> Figure:
    """The figure; its ratio is that of the two values unless it is given."""
    peer_name, peer_value = peer or (None, None)
    if ratio is None and peer_value:
        ratio = measured / peer_value
    judged = ratio if goal is not None and goal.of == "ratio" else measured
    is_met = None
    if goal is not None:
        is_met = judged is not None and goal.at_least <= judged <= goal.at_most
    return Figure(
        name=name,
        unit=unit,
        measured=measured,
        peer_name=peer_name,
        peer=peer_value,
        ratio=ratio,
        goal=goal,
        is_met=is_met,
    )


def of_rounds(
    name: str,
    unit: str,
    rounds: Sequence[tuple[float, float]],
    peer_name: str,
    goal: Goal | None = None,
) -> Figure:
    """The figure of the medians of rounds, each of which measured both; of the ratios, too."""
    measured, peer = (median(values) for values in zip(*rounds, strict=True))
    ratio = median(one / other for one, other in rounds)
    return figure(name, unit, measured, (peer_name, peer), goal, ratio)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
