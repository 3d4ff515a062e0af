"""How many conversations there were."""

from __future__ import annotations

from deskwire.reports.measures import VOLUME
from deskwire.reports.report import Report

report = Report(
    name="volume",
    title="Volume",
    summary="How many conversations began, by anything, such as channel and day.",
    measures=(VOLUME,),
    by=("channel",),
)
