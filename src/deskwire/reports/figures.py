"""Figures: what is said of many events at once."""

from __future__ import annotations

from collections.abc import Iterable
from math import fsum

from msgspec import Struct

from deskwire.reports.measures import Measure, Stat

MICROS = 1_000_000
Number = int | float | None

STAT_TITLES: dict[Stat, str] = {
    "conversations": "conversations",
    "n": "n",
    "count": "count",
    "mean": "mean",
    "median": "median",
    "p90": "p90",
    "percent": "percent",
}
STAT_DEFINITIONS: dict[Stat, str] = {
    "conversations": "distinct conversations",
    "n": "events that are counted; of how many the others are said",
    "count": "how many of the n it is true of",
    "mean": "the sum divided by n; null where n is 0",
    "median": "the middle one, or the mean of the two in the middle; null where n is 0",
    "p90": "nearest rank: the smallest that 90 percent do not exceed; null where n is 0",
    "percent": "100 × count ÷ n; null where n is 0",
}


class Tally(Struct):
    """The events of one row and measure."""

    values: list[float] = []  #: µs of durations, else as the measure says
    conversations: set[str] = set()  #: ids, of a measure that counts them

    def figures(self, measure: Measure) -> dict[str, Number]:
        """By name; durations in seconds."""
        values = sorted(self.values)
        counts: dict[str, int] = {
            "conversations": len(self.conversations),
            "n": len(values),
            "count": int(sum(values)),
        }
        scale = MICROS if measure.unit == "seconds" else 1
        found: dict[str, Number] = {}
        for stat in measure.stats:
            value = counts.get(stat)
            if value is None and values:
                found[f"{measure.name}/{stat}"] = _typical(stat, values) / scale
            else:
                found[f"{measure.name}/{stat}"] = value
        return found


def together(tallies: Iterable[Tally]) -> Tally:
    """All of them as one."""
    found = Tally()
    for one in tallies:
        found.values += one.values
        found.conversations |= one.conversations
    return found


def _typical(stat: Stat, values: list[float]) -> float:
    """Of values in order, of which there is one at least."""
    n = len(values)
    match stat:
        case "median":
            return (values[(n - 1) // 2] + values[n // 2]) / 2
        case "p90":
            return values[-(-9 * n // 10) - 1]
        case "percent":
            return 100 * fsum(values) / n
        case _:
            return fsum(values) / n
