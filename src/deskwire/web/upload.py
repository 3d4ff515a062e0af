"""Spreadsheets that are posted to the hub: imported, with a report, when they are answered."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from deskwire.core.text import storable
from deskwire.pipeline.hub import Hub
from deskwire.pipeline.importing import Plan
from deskwire.pipeline.sheets import import_sheets
from deskwire.web.errors import Detail, HttpError, Issue, answers, invalid

PATH = "/integrations/spreadsheet"
FORM = "multipart/form-data"
#: Of a file that comes without one.
NAME = "upload"
BODIES = (
    "text/csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.ms-excel",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/octet-stream",
)

# It says what is wrong with a form to whoever posts it, too; our log has lines of one shape.
logging.getLogger("python_multipart").addHandler(logging.NullHandler())

Count = Annotated[int, Field(ge=0)]


class How(BaseModel):
    """How it is imported. A name that is not here is an error."""

    model_config = ConfigDict(extra="forbid")
    replace: bool = Field(
        default=False,
        description="Take out the interactions between its first and its last that it lacks",
    )
    dry_run: bool = Field(default=False, description="Only report; nothing is stored")
    filename: str | None = Field(
        default=None, min_length=1, max_length=255, description="Shown to people"
    )


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class ReportLine(_Answer):
    """Something about a row."""

    sheet: str
    row: Count = Field(description="Counts from 1")
    text: str


class WithdrawnRow(_Answer):
    """An interaction that was taken out, or would be."""

    started_at: str = Field(description="In the source's zone, as 2020-02-11 16:10")
    customer: str
    channel: str


class Report(_Answer):
    """What an import came to."""

    read: Count = Field(description="Rows, without headers and empty ones")
    new: Count = Field(description="Customers, interactions and products of months")
    changed: Count
    unchanged: Count
    set_aside: Count = Field(description="Rows that could not be understood")
    withdrawn: Count = Field(description="Interactions that were taken out")
    notes: list[ReportLine] = Field(description="What was read otherwise than it is written")
    set_aside_rows: list[ReportLine]
    withdrawn_rows: list[WithdrawnRow]


def router(hub: Hub) -> APIRouter:
    """The route."""
    found = APIRouter(tags=["ingest"])
    one_by_one = asyncio.Lock()  # each may need as much memory as one is allowed

    @found.post(
        PATH,
        summary="Import a spreadsheet",
        response_description="What became of its rows",
        responses=answers(422, 503),
        openapi_extra={"requestBody": _bodies()},
    )
    async def take_spreadsheet(request: Request, how: Annotated[How, Query()]) -> Report:
        name, content = await _file(request)
        name = how.filename or name
        plan = Plan(source=hub.sources["spreadsheet"], dry_run=how.dry_run, replace=how.replace)
        async with one_by_one:
            imported = await asyncio.to_thread(import_sheets, hub, plan, [name], lambda _: content)
        if imported.errors:
            raise _refusal(imported.errors[0].removeprefix(f"{name}: "))
        hub.wake.set()
        return Report.model_validate(imported)

    return found


def _bodies() -> dict[str, Any]:
    binary = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {"file": binary}, "required": ["file"]}
    return {
        "required": True,
        "description": "A workbook (XLSX, XLS, ODS) or a CSV file, in a form or as it is",
        "content": {
            FORM: {"schema": form},
            **{kind: {"schema": binary} for kind in BODIES},
        },
    }


async def _file(request: Request) -> tuple[str, bytes]:
    """Its name, and all of it; HttpError when a form has none."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return NAME, await request.body()
    try:
        async with request.form(max_files=1, max_fields=10) as form:
            file = form.get("file")
            if isinstance(file, UploadFile):
                return file.filename or NAME, await file.read()
    except HttpError:
        raise
    except (HTTPException, ValueError) as error:
        told = error.detail if isinstance(error, HTTPException) else str(error)
        raise _refusal(f"the form cannot be read: {told}") from error
    raise _refusal("Field required", "missing")


def _refusal(message: str, issue: Issue = "invalid") -> HttpError:
    return invalid([Detail(field="file", issue=issue, message=storable(message))])
