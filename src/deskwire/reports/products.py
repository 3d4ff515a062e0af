"""What the kinds of customers talk about."""

from __future__ import annotations

from deskwire.reports.measures import VOLUME
from deskwire.reports.report import Report

report = Report(
    name="products",
    title="Products of discussion",
    summary="How many conversations customers of each type had about each topic.",
    measures=(VOLUME,),
    by=("topic", "customer_type"),
)
