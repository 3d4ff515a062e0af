"""Reports: which measures, grouped by what; and what one answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice, product
from urllib.parse import quote_plus, urlencode

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Select

from deskwire.reports.dimensions import DIMENSIONS, NAMES, title
from deskwire.reports.engine import Cuts, Key, Tallies, behind, cuts, tally
from deskwire.reports.figures import Number, Tally, together
from deskwire.reports.measures import Measure, Stat, Unit
from deskwire.reports.question import Question, Unanswerable

MOST_ROWS = 100_000
LIST = "/internal/conversations"
NOTHING = Tally()


class Told(Struct, frozen=True, kw_only=True):
    """A measure, for whoever reads the answer."""

    name: str
    title: str
    unit: Unit
    definition: str
    clock: str
    attribution: str
    stats: tuple[Stat, ...]


class Report(Struct, frozen=True, kw_only=True, eq=False):
    """One question that managers ask again and again."""

    name: str
    title: str
    summary: str  #: a sentence
    measures: tuple[Measure, ...]
    by: tuple[str, ...]  #: how it is grouped unless it is said otherwise
    has_zeros: bool = True  #: whether what has no events has rows

    @property
    def definition(self) -> str:
        """What it counts, in words."""
        return " ".join([self.summary, *map(sentence, self.measures)])

    def told(self) -> list[Told]:
        """Its measures, for whoever reads the answer."""
        return [
            Told(**{name: getattr(one, name) for name in Told.__struct_fields__})
            for one in self.measures
        ]


def sentence(measure: Measure) -> str:
    """What a measure counts, when, and for whom."""
    return (
        f"{measure.title}: {measure.definition}. Counted at {measure.clock}, "
        f"for {measure.attribution}."
    )


class Named(Struct, frozen=True, kw_only=True):
    """A dimension."""

    name: str
    title: str


class Value(Struct, frozen=True, kw_only=True):
    """A row's value of a dimension; None: it has none."""

    value: str | None
    label: str


class Figures(Struct, frozen=True, kw_only=True):
    """Figures by name, and where each one's conversations are listed."""

    figures: dict[str, Number]
    links: dict[str, str]


class Row(Figures, frozen=True, kw_only=True):
    """The figures of one group."""

    values: dict[str, Value]


class Answer(Struct, frozen=True, kw_only=True):
    """A report's figures, and what they mean. Instants are ISO 8601 with the zone's offset."""

    report: str
    title: str
    definition: str
    measures: list[Told]
    zone: str
    since: str | None
    until: str | None
    hours: str | None
    dimensions: list[Named]
    rows: list[Row]
    totals: Figures


def answer(connection: Connection, report: Report, question: Question) -> Answer:
    """The report, in one snapshot of the connection's."""
    question = _meant(connection, question)
    by = report.by if question.by is None else question.by
    cut_by = cuts(connection, report.measures, question, by)
    tallies = {one.name: tally(connection, one, question, by, cut_by) for one in report.measures}
    known = {name: _known(connection, question, name, cut_by) for name in by}
    links = _linker(report, question)
    whole = {name: together(found.values()) for name, found in tallies.items()}
    rows = [
        Row(
            values={
                name: Value(value=value, label=known[name].get(value or "", value or "none"))
                for name, value in zip(by, key, strict=True)
            },
            figures=_figures(report, {name: found.get(key) for name, found in tallies.items()}),
            links=links(dict(zip(by, key, strict=True))),
        )
        for key in _keys(report, tallies, question, by, known)
    ]
    return Answer(
        report=report.name,
        title=report.title,
        definition=report.definition,
        measures=report.told(),
        zone=question.zone.key,
        since=question.local(question.since),
        until=question.local(question.until),
        hours=question.hours,
        dimensions=[Named(name=name, title=title(name)) for name in by],
        rows=rows,
        totals=Figures(figures=_figures(report, whole), links=links({})),
    )


def conversations(
    connection: Connection, report: Report, metric: str, question: Question
) -> Select[tuple[str]]:
    """Ids of the conversations behind a figure, by the very select that it is made of."""
    question = _meant(connection, question)
    found = [one for one in report.measures if metric in one.figures]
    if not found:
        known = ", ".join(name for one in report.measures for name in one.figures)
        raise Unanswerable("metric", f"{report.name} has no figure {metric!r}; it has {known}")
    cut_by = cuts(connection, report.measures, question, ())
    return behind(found[0], metric.rpartition("/")[2], question, cut_by)


def _meant(connection: Connection, question: Question) -> Question:
    """The question with values as they are stored; Unanswerable where a name is no dimension."""
    for name in question.by or ():
        if name not in NAMES:
            known = ", ".join(NAMES)
            raise Unanswerable("by", f"there is no dimension {name!r}; there are: {known}")
    filters = {
        name: tuple(
            DIMENSIONS[name].meant(connection, question.workspace, text)
            if name in DIMENSIONS
            else text
            for text in values
        )
        for name, values in question.filters.items()
    }
    return replace(question, filters=filters)


def _known(connection: Connection, question: Question, name: str, cut_by: Cuts) -> dict[str, str]:
    """Labels of a dimension's values, in the order of rows."""
    if name in cut_by:
        return cut_by[name].labels()
    found = DIMENSIONS[name].known(connection, question.workspace)
    return dict(sorted(found.items(), key=lambda one: _order(*one)))


def _order(value: str, label: str) -> tuple[int, str, str]:
    """Agents by number, all else by label."""
    return (int(value), "", "") if _is_number(value) else (1 << 62, label.casefold(), value)


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 10


def _keys(
    report: Report,
    tallies: dict[str, Tallies],
    question: Question,
    by: tuple[str, ...],
    known: dict[str, dict[str, str]],
) -> list[Key]:
    """The rows in order: what has events and, where zeros are shown, all that is known."""
    found: set[Key] = {key for one in tallies.values() for key in one}
    if report.has_zeros:
        found |= _all_known(question, by, known, found)
    if len(found) > MOST_ROWS:
        raise Unanswerable("by", f"more than {MOST_ROWS} rows; filter, or group by less")
    places = [{value: place for place, value in enumerate(known[name])} for name in by]
    end = 1 << 62

    def order(key: Key) -> list[tuple[int, bool, str]]:
        return [
            (places[i].get(value or "", end), value is None, value or "")
            for i, value in enumerate(key)
        ]

    return sorted(found, key=order)


def _all_known(
    question: Question, by: tuple[str, ...], known: dict[str, dict[str, str]], found: set[Key]
) -> set[Key]:
    values: list[Iterable[str | None]] = []
    for place, name in enumerate(by):
        wanted = question.filters.get(name)
        if name in DIMENSIONS and not DIMENSIONS[name].has_zeros:
            values.append({key[place] for key in found})
        else:
            values.append([one for one in known[name] if wanted is None or one in wanted])
    return set(islice(product(*values), MOST_ROWS + 1))


def _figures(report: Report, tallies: Mapping[str, Tally | None]) -> dict[str, Number]:
    figures: dict[str, Number] = {}
    for one in report.measures:
        figures |= (tallies[one.name] or NOTHING).figures(one)
    return figures


def _linker(
    report: Report, question: Question
) -> Callable[[dict[str, str | None]], dict[str, str]]:
    """From a row's values to the links of its figures."""
    fixed = {
        "since": question.local(question.since),
        "until": question.local(question.until),
        "zone": question.zone.key,
        "workspace": None if question.workspace == "main" else question.workspace,
    }
    rest = urlencode({name: value for name, value in fixed.items() if value is not None})
    starts = {
        figure: f"{LIST}?{urlencode({'report': report.name, 'metric': figure}, safe='/')}"
        for one in report.measures
        for figure in one.figures
    }

    def links(values: dict[str, str | None]) -> dict[str, str]:
        told = question.filters | {name: (value or "",) for name, value in values.items()}
        row = "".join(
            f"&{name}={quote_plus(value)}" for name, these in told.items() for value in these
        )
        return {figure: f"{start}{row}&{rest}" for figure, start in starts.items()}

    return links


__all__ = ["Answer", "Figures", "Report", "Row", "Told", "Value", "answer", "conversations"]
