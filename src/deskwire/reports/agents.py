"""What every agent did."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection

from deskwire.reports.measures import (
    FIRST_RESPONSE,
    HANDLING,
    NEXT_RESPONSE,
    RATING,
    TRANSFERS_IN,
    TRANSFERS_OUT,
)
from deskwire.reports.question import Question
from deskwire.reports.report import Report, answer

report = Report(
    name="agents",
    title="Agents’ performance",
    summary="What every agent did, also those who did nothing.",
    measures=(HANDLING, TRANSFERS_IN, TRANSFERS_OUT, FIRST_RESPONSE, NEXT_RESPONSE, RATING),
    by=("agent",),
)
_HANDLED = Report(
    name="agents",
    title=report.title,
    summary=report.summary,
    measures=(HANDLING,),
    by=("agent",),
)


class Handled(Struct, frozen=True, kw_only=True):
    """What one agent handled, over all their accounts."""

    number: int
    name: str
    conversations: int  #: distinct ones that they had a part of
    average_seconds: float | None  #: of the stretches during which they had one; None: none


def handled(connection: Connection, workspace: str) -> list[Handled]:
    """Every agent, by number, over all time."""
    rows = answer(connection, _HANDLED, Question(workspace=workspace)).rows
    return [
        Handled(
            number=int(row.values["agent"].value or 0),
            name=row.values["agent"].label,
            conversations=int(row.figures["handling/conversations"] or 0),
            average_seconds=row.figures["handling/mean"],
        )
        for row in rows
        if (row.values["agent"].value or "").isdigit()
    ]
