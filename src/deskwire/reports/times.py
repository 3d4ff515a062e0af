"""How long customers wait, and how it ends."""

from __future__ import annotations

from deskwire.reports.measures import (
    FIRST_RESPONSE,
    NEXT_RESPONSE,
    QUEUE,
    RATING,
    REOPEN_RATE,
    RESOLUTION,
    TRANSFER_RATE,
)
from deskwire.reports.report import Report

report = Report(
    name="times",
    title="Times and rates",
    summary="How long customers wait, how their conversations end, and what they think of them.",
    measures=(
        FIRST_RESPONSE,
        NEXT_RESPONSE,
        RESOLUTION,
        QUEUE,
        TRANSFER_RATE,
        REOPEN_RATE,
        RATING,
    ),
    by=(),
)
