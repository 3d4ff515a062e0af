"""Every report is what a plain computation says, and every link lists what it counted."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from deskwire.core.instants import to_micros
from deskwire.reports import REPORTS, Answer, Calendar, Question, answer
from deskwire.reports import conversations as behind
from deskwire.reports.dimensions import NAMES
from deskwire.reports.report import Row
from deskwire.store import listing, tables
from deskwire.web.api import Filters
from tests.reports import slow, stories
from tests.reports.slow import Event, Grouping
from tests.reports.stories import Kept, Story

NONE = frozenset({None, 0})
LISTS = {"channel"}  # parameters that may be there several times

questions = st.builds(
    Question,
    zone=st.sampled_from(stories.ZONES).map(ZoneInfo),
    since=st.none() | stories.instants.map(to_micros),
    until=st.none() | stories.instants.map(to_micros),
    by=st.none() | st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple),
    filters=st.just({})
    | st.fixed_dictionaries({"channel": st.sampled_from([("chat",), ("", "E-Mail")])})
    | st.fixed_dictionaries({"agent": st.sampled_from([("1",), ("hotel/c",), ("",), ("9",)])})
    | st.fixed_dictionaries(
        {"topic": st.sampled_from([("Sand",), ("",)]), "customer_type": st.just(("RED",))}
    ),
).filter(lambda one: one.since is None or one.until is None or one.since < one.until)


def grouped(
    story: Story, kept: list[Kept], question: Question, report: str, numbered: dict[Any, int]
) -> dict[tuple[str | None, ...], dict[str, list[Event]]]:
    """By row and measure, what a plain computation finds; under `()` all of it."""
    grouping = Grouping(story, question.zone, numbered)
    by = question.by if question.by is not None else REPORTS[report].by
    found: dict[Any, dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
    for measure in REPORTS[report].measures:
        for event in slow.events(measure.name, kept):
            at = to_micros(event.at)
            is_in = (question.since is None or question.since <= at) and (
                question.until is None or at < question.until
            )
            wanted = all(
                (grouping.value(name, event) or "").casefold() in {v.casefold() for v in values}
                for name, values in question.filters.items()
            )
            if is_in and wanted:
                key = tuple(grouping.value(name, event) for name in by)
                for place in {key, ()}:
                    found[place][measure.name].append(event)
    return found


def figures(report: str, those: dict[str, list[Event]]) -> dict[str, float | None]:
    return {
        f"{one.name}/{stat}": slow.figure(stat, one.unit, those.get(one.name, []))
        for one in REPORTS[report].measures
        for stat in one.stats
    }


def key_of(row: Row) -> tuple[str | None, ...]:
    return tuple(one.value for one in row.values.values())


def follow(connection: Connection, link: str) -> list[str]:
    """Ids of what a link lists."""
    told: dict[str, Any] = parse_qs(urlsplit(link).query, keep_blank_values=True)
    given = {name: values if name in LISTS else values[0] for name, values in told.items()}
    filters = Filters(**given)
    hub: Any = SimpleNamespace(calendar=Calendar())
    asked = filters.asked(hub)
    assert asked is not None
    among = behind(connection, *asked)
    found = listing.page(connection, filters.workspace, filters.wanted(), None, 500, among)
    return [one.id for one in found]


def known_numbers(connection: Connection) -> dict[Any, int]:
    rows = connection.execute(select(tables.agent_numbers))
    return {(row.account, row.external_id): row.number for row in rows}


def links(found: Answer) -> list[tuple[tuple[str | None, ...], str, str]]:
    """Row, figure, link."""
    rows = [*((key_of(row), row.links) for row in found.rows), ((), found.totals.links)]
    return [(key, name, link) for key, these in rows for name, link in these.items()]


@given(stories.stories, questions, st.sampled_from(sorted(REPORTS)), st.data())
def test_a_report_is_what_a_plain_computation_says(
    story: Story, question: Question, report: str, data: st.DataObject
) -> None:
    with stories.stored(story) as (connection, kept):
        found = answer(connection, REPORTS[report], question)
        expected = grouped(story, kept, question, report, known_numbers(connection))
        rows = {key_of(row): row.figures for row in found.rows}

        assert len(rows) == len(found.rows)
        assert expected.keys() - {()} <= rows.keys()
        assert {key: figures(report, expected[key]) for key in rows} == rows
        assert found.totals.figures == figures(report, expected[()])
        for key, name, link in data.draw(st.lists(st.sampled_from(links(found)), max_size=5)):
            measure, _, stat = name.partition("/")
            events = [
                event
                for event in expected[key].get(measure, [])
                if stat != "count" or event.value == 1
            ]
            listed = follow(connection, link)
            assert sorted(listed) == sorted({one.kept.id for one in events})
