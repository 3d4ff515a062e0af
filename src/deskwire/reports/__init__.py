"""Reports: queries over the store, a module each; their numbers and the lists behind them agree."""

from __future__ import annotations

from deskwire.reports import agents, interactions, products, times, volume
from deskwire.reports.agents import handled
from deskwire.reports.hours import Schedule, minutes_of
from deskwire.reports.question import Calendar, Question, Unanswerable, ask, zone_named
from deskwire.reports.report import Answer, Report, answer, conversations

#: By name, in the order in which people are told of them.
REPORTS: dict[str, Report] = {
    one.report.name: one.report for one in (agents, volume, times, interactions, products)
}

__all__ = [
    "REPORTS",
    "Answer",
    "Calendar",
    "Question",
    "Report",
    "Schedule",
    "Unanswerable",
    "answer",
    "ask",
    "conversations",
    "handled",
    "minutes_of",
    "zone_named",
]
