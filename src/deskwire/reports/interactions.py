"""Who got in touch how, and about what."""

from __future__ import annotations

from deskwire.reports.measures import VOLUME
from deskwire.reports.report import Report

report = Report(
    name="interactions",
    title="Interactions",
    summary="How many times each customer got in touch by which channel about which topic.",
    measures=(VOLUME,),
    by=("customer", "channel", "topic"),
    has_zeros=False,
)
