"""The reference of the reports, as their modules have it: `make docs` writes it."""

from __future__ import annotations

from collections.abc import Iterator

from deskwire.reports import REPORTS
from deskwire.reports.dimensions import DIMENSIONS, TIME_TITLES
from deskwire.reports.figures import STAT_DEFINITIONS
from deskwire.reports.measures import Measure

HEAD = """\
# Reports

<!-- Written by `make docs` from src/deskwire/reports. -->

[How to read them](../how-to/read-reports.md). `deskwire report NAME` prints one,
`GET /api/v1/reports/NAME` answers it, `/api/v1/reports/NAME.csv` as CSV. Withdrawn and erased
conversations are counted nowhere. A period is half-open: from `since`, before `until`.
"""
TIMES = {
    "hour": "each hour as the clock shows it; the hour that comes twice is two",
    "day": "from midnight to midnight; 23 or 25 hours where the clock changes",
    "week": "by its Monday",
    "month": "the calendar's",
    "weekday_hour": "all Mondays at nine together, and so on; `1-09`",
}


def manual() -> str:
    """The page, in Markdown."""
    return "\n".join([HEAD, *_reports(), *_measures(), *_figures(), *_dimensions()])


def _reports() -> Iterator[str]:
    yield "## Reports\n"
    yield "| name | title | says | measures | grouped by |\n|---|---|---|---|---|"
    for one in REPORTS.values():
        measures = ", ".join(f"`{measure.name}`" for measure in one.measures)
        by = ", ".join(f"`{name}`" for name in one.by) or "nothing: all in one"
        yield f"| `{one.name}` | {one.title} | {one.summary} | {measures} | {by} |"


def _measures() -> Iterator[str]:
    yield "\n## Measures"
    told = {one.name: one for report in REPORTS.values() for one in report.measures}
    for one in told.values():
        yield from _measure(one)


def _measure(one: Measure) -> Iterator[str]:
    stats = ", ".join(f"`{figure}`" for figure in one.figures)
    yield f"\n### `{one.name}`\n"
    yield f"{one.title}: {one.definition}.\n"
    yield f"- unit: {one.unit}"
    yield f"- counted at: {one.clock}"
    yield f"- for: {one.attribution}"
    yield f"- figures: {stats}"


def _figures() -> Iterator[str]:
    yield "\n## Figures\n\nDurations are in seconds.\n\n| figure | is |\n|---|---|"
    for stat, text in STAT_DEFINITIONS.items():
        yield f"| `{stat}` | {text} |"


def _dimensions() -> Iterator[str]:
    yield "\n## Dimensions\n"
    yield "Up to three at once. What is known has a row also where nothing was counted, but for"
    yield "customers. What has no value is `none`; as a filter, an empty text.\n"
    yield "| dimension | title | is |\n|---|---|---|"
    for name, one in DIMENSIONS.items():
        yield f"| `{name}` | {one.title} | {one.definition} |"
    for name, title in TIME_TITLES.items():
        yield f"| `{name}` | {title} | of the measure's clock, in the zone: {TIMES[name]} |"
    yield ""
