"""Reports over HTTP."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from deskwire.core.document import Json
from deskwire.core.instants import parse_instant
from deskwire.pipeline.hub import Hub
from deskwire.reports import REPORTS, Answer, Question, Report, answer, ask
from deskwire.reports.dimensions import LONGEST_VALUE
from deskwire.reports.export import as_csv
from deskwire.reports.measures import Stat, Unit
from deskwire.web.errors import HttpError, answers

Word = Annotated[str, Field(min_length=1, max_length=255)]
Workspace = Annotated[str, Field(min_length=1, max_length=64)]
#: A dimension's value; an empty one is "none".
DimensionValue = Annotated[str, Field(max_length=LONGEST_VALUE)]


def _checked(text: str) -> str:
    try:
        parse_instant(text)
    except OverflowError as error:  # the year 1 or 9999, in another zone
        raise ValueError(f"{text} cannot be told in UTC") from error
    return text


Moment = Annotated[str, AfterValidator(_checked)]


class Asked(BaseModel):
    """Which events. A name that is not here is an error."""

    model_config = ConfigDict(extra="forbid")
    workspace: Workspace = "main"
    since: Moment | None = Field(None, description="ISO 8601; then or later")
    until: Moment | None = Field(None, description="The same; before")
    zone: Word | None = Field(
        None,
        description="In which days begin, and which an instant without a zone means; by default "
        "that of `[reports]`",
    )
    channel: list[Annotated[str, Field(max_length=255)]] = Field(
        [], max_length=20, description="In any case; one of these"
    )
    source: DimensionValue | None = None
    account: DimensionValue | None = None
    team: DimensionValue | None = None
    topic: DimensionValue | None = None
    customer_type: DimensionValue | None = Field(None, description="In any case")
    customer: DimensionValue | None = None
    agent: DimensionValue | None = None

    def filters(self) -> dict[str, tuple[str, ...]]:
        """By dimension, what is wanted of it."""
        single = ("source", "account", "team", "topic", "customer_type", "customer", "agent")
        told = {name: getattr(self, name) for name in single}
        given = {name: (value,) for name, value in told.items() if value is not None}
        return given | ({"channel": tuple(self.channel)} if self.channel else {})


class ReportQuery(Asked):
    """Which events, and how they are grouped."""

    by: list[Annotated[str, Field(max_length=64)]] = Field(
        [],
        max_length=3,
        description="Up to three dimensions, apart or with commas; an empty text for all in one; "
        "by default the report's own",
    )
    hours: Word | None = Field(
        None, description="Name of a `[[schedule]]`: only time inside it counts"
    )

    def question(self, hub: Hub) -> Question:
        """The same for the report."""
        return ask(
            hub.calendar,
            self.workspace,
            since=self.since,
            until=self.until,
            zone=self.zone,
            by=self.by,
            hours=self.hours,
            filters=self.filters(),
        )


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MeasureAnswer(_Answer):
    """One kind of event that is counted."""

    name: str
    title: str
    unit: Unit
    definition: str
    clock: str = Field(description="Which instant puts an event into a period")
    attribution: str = Field(description="Who is credited with it")
    stats: list[Stat] = Field(description="A figure's name is `measure/stat`")


class ListedReport(_Answer):
    """A report."""

    name: str
    title: str
    definition: str
    by: list[str] = Field(description="How it is grouped by default")
    measures: list[MeasureAnswer]


class DimensionAnswer(_Answer):
    """Something that figures are grouped by."""

    name: str
    title: str


class ValueAnswer(_Answer):
    """A row's value; null: it has none."""

    value: str | None
    label: str


class FiguresAnswer(_Answer):
    """Figures by name; null where there is nothing to take a mean of."""

    figures: dict[str, int | float | None]
    links: dict[str, str] = Field(description="Where each figure's conversations are listed")


class RowAnswer(FiguresAnswer):
    """The figures of one group."""

    values: dict[str, ValueAnswer] = Field(description="By dimension")


class ReportAnswer(_Answer):
    """Figures, and what they mean."""

    report: str
    title: str
    definition: str
    measures: list[MeasureAnswer]
    zone: str
    since: str | None
    until: str | None
    hours: str | None
    dimensions: list[DimensionAnswer]
    rows: list[RowAnswer]
    totals: FiguresAnswer


def router(hub: Hub) -> APIRouter:
    """The routes."""
    made = APIRouter(prefix="/api/v1/reports", tags=["reports"])

    async def answered(name: str, query: ReportQuery) -> Answer:
        report = report_named(name)
        question = query.question(hub)
        return await hub.read(lambda c: answer(c, report, question))

    @made.get("", summary="List reports", response_model=list[ListedReport])
    async def list_reports() -> list[Json]:
        return [
            {
                "name": one.name,
                "title": one.title,
                "definition": one.definition,
                "by": list(one.by),
                "measures": msgspec.to_builtins(one.told()),
            }
            for one in REPORTS.values()
        ]

    @made.get(
        "/{name}.csv",
        summary="A report as CSV",
        response_class=Response,
        responses={
            **answers(404, 422, 503),
            200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        },
    )
    async def show_csv(name: str, query: Annotated[ReportQuery, Query()]) -> Response:
        """Durations in seconds; without totals."""
        found = await answered(name, query)
        headers = {"Content-Disposition": f'attachment; filename="{found.report}.csv"'}
        return Response(as_csv(found), media_type="text/csv", headers=headers)

    @made.get(
        "/{name}",
        summary="A report",
        responses=answers(404, 422, 503),
        response_model=ReportAnswer,
    )
    async def show_report(name: str, query: Annotated[ReportQuery, Query()]) -> Json:
        """Figures with what they mean, and links to the conversations behind each."""
        found: Json = msgspec.to_builtins(await answered(name, query))
        return found

    return made


def report_named(name: str) -> Report:
    """A report; 404 when there is none."""
    if name not in REPORTS:
        raise HttpError(404, "not_found", f"There is no report of that name: {', '.join(REPORTS)}")
    return REPORTS[name]
