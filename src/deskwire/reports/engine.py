"""One select for a number and for what is behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, null, or_, select

from deskwire.reports.buckets import UNITS, Buckets, TimeUnit, cut
from deskwire.reports.dimensions import DIMENSIONS
from deskwire.reports.figures import Tally
from deskwire.reports.measures import C, Measure
from deskwire.reports.question import Question

Key = tuple[str | None, ...]
#: The tallies of a measure, by the row that they are of.
Tallies = dict[Key, Tally]
Cuts = dict[str, Buckets]

AT_ONCE = 10_000  # rows in memory beside what is tallied


def spans(
    connection: Connection, measures: tuple[Measure, ...], question: Question
) -> tuple[int, int] | None:
    """From the first event to behind the last, where the period does not say; µs. None: none."""
    if question.since is not None and question.until is not None:
        return question.since, question.until
    found = [
        connection.execute(
            _events(one, question, {}).with_only_columns(func.min(one.at), func.max(one.at))
        ).one()
        for one in measures
    ]
    told = [at for row in found for at in row if at is not None]
    if not told:
        return None
    since = min(told) if question.since is None else question.since
    return since, max(told) + 1 if question.until is None else question.until


def cuts(
    connection: Connection, measures: tuple[Measure, ...], question: Question, by: tuple[str, ...]
) -> Cuts:
    """The buckets of every dimension of time that is asked for, or filtered by."""
    units = [one for one in UNITS if one in by or one in question.filters]
    span = spans(connection, measures, question) if units else None
    if span is None:
        return {one: Buckets(starts=[], keys=[]) for one in units}
    return {one: cut(one, question.zone, *span) for one in units}


def tally(
    connection: Connection,
    measure: Measure,
    question: Question,
    by: tuple[str, ...],
    cut_by: Cuts,
) -> Tallies:
    """Every row that has an event."""
    begin, end = measure.between or (measure.value, null())
    plain = [DIMENSIONS[name].of(measure) for name in by if name in DIMENSIONS]
    statement = _events(measure, question, cut_by).with_only_columns(
        C.c.id, measure.at, begin, end, *plain
    )
    rows = connection.execute(statement, execution_options={"yield_per": AT_ONCE})
    value_of = _value_of(measure, question)
    place = _placer(by, cut_by)
    is_distinct = "conversations" in measure.stats
    found: Tallies = {}
    for conversation, at, one, other, *told in rows:
        key = place(at, told)
        group = found.get(key)
        if group is None:
            group = found[key] = Tally()
        group.values.append(value_of(one, other))
        if is_distinct:
            group.conversations.add(conversation)
    return found


def behind(measure: Measure, stat: str, question: Question, cut_by: Cuts) -> Select[tuple[str]]:
    """Ids of the conversations that a figure counts, each once."""
    statement = _events(measure, question, cut_by)
    if stat == "count":
        statement = statement.where(measure.value == 1)
    return statement.with_only_columns(C.c.id).distinct()


def _events(measure: Measure, question: Question, cut_by: Cuts) -> Select[Any]:
    """The select that is the measure: its events of the period that pass the filters."""
    table = measure.table
    joined = (
        C
        if table is C
        else table.join(
            C, and_(C.c.workspace == table.c.workspace, C.c.id == table.c.conversation_id)
        )
    )
    conditions = [
        table.c.workspace == literal(question.workspace),
        C.c.is_withdrawn.is_(False),
        C.c.is_erased.is_(False),
        measure.at.is_not(None),
        *measure.where,
    ]
    if question.since is not None:
        conditions.append(measure.at >= question.since)
        if measure.ends is not None:
            conditions.append(or_(measure.ends >= question.since, measure.ends.is_(None)))
    if question.until is not None:
        conditions.append(measure.at < question.until)
    for name, values in question.filters.items():
        conditions.append(_passes(measure, name, values, cut_by))
    return select(C.c.id).select_from(joined).where(*conditions)


def _passes(
    measure: Measure, name: str, values: tuple[str, ...], cut_by: Cuts
) -> ColumnElement[bool]:
    if name in DIMENSIONS:
        return func.coalesce(DIMENSIONS[name].of(measure), "").in_(values)
    if name not in cut_by:  # while it is looked up how far the events reach
        return literal(value=True)
    return or_(
        literal(value=False),
        *(
            measure.at >= start if end is None else and_(measure.at >= start, measure.at < end)
            for start, end in cut_by[name].stretches(frozenset(values))
        ),
    )


def _value_of(measure: Measure, question: Question) -> Callable[[Any, Any], float]:
    if measure.between is None:
        return lambda value, _: value
    if measure.unit == "seconds" and question.schedule is not None:
        return question.schedule.open_micros
    return lambda from_at, to_at: max(0, to_at - from_at)


def _placer(by: tuple[str, ...], cut_by: Cuts) -> Callable[[int, list[str | None]], Key]:
    """From an event's instant and its values, in the order of `by`, to its row."""
    if not any(name in cut_by for name in by):
        return lambda _, told: tuple(told)

    def place(at: int, told: list[str | None]) -> Key:
        values: Iterator[str | None] = iter(told)
        return tuple(cut_by[one].key_of(at) if one in cut_by else next(values) for one in by)

    return place


__all__ = ["Cuts", "Key", "Tallies", "TimeUnit", "behind", "cuts", "spans", "tally"]
