"""The one shape of errors, and what becomes of every exception on its way out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deskwire.core.errors import RetryLater
from deskwire.core.text import storable
from deskwire.pipeline.hub import log
from deskwire.reports import Unanswerable

Issue = Literal["missing", "type_error", "invalid"]


class Detail(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(extra="forbid")
    field: str = Field(
        description="Dotted path inside the body, or `query.`, `path.` and a parameter's name; "
        "`body` for all of it"
    )
    issue: Issue
    message: str


class ErrorAnswer(BaseModel):
    """Why a request was not carried out."""

    model_config = ConfigDict(extra="forbid")
    error_code: str = Field(pattern="^[a-z_]+$")
    message: str
    details: list[Detail] | None


class InvalidAnswer(ErrorAnswer):
    """All that is wrong with a request."""

    error_code: Literal["validation_error"]
    details: list[Detail] = Field(min_length=1)


#: What any request may be answered, whatever it asks for.
ANYWHERE = (400, 403, 413, 500)
_MEANINGS = {
    400: "Not JSON, or not sent to this hub by a name of its own",
    403: "Sent by a web page of somebody else",
    404: "There is no such thing",
    409: "It does not fit the state that things are in",
    413: "Larger than `max_body_mib`",
    422: "Not as described here; `details` lists every fault",
    500: "A fault of deskwire, which is in its log",
    503: "The database cannot be used now; try again after `Retry-After` seconds",
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What `responses` of a route says of these errors; those of ANYWHERE are said already."""
    return {
        status: {
            "model": InvalidAnswer if status == 422 else ErrorAnswer,
            "description": _MEANINGS[status],
        }
        for status in statuses
    }


class HttpError(HTTPException):
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        error_code: str,
        message: str,
        details: list[Detail] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.error_code = error_code
        self.details = details

    def response(self) -> JSONResponse:
        """The answer itself."""
        return _error(
            self.status_code, self.error_code, self.detail, self.details, headers=self.headers
        )


def invalid(details: list[Detail]) -> HttpError:
    """422."""
    return HttpError(422, "validation_error", "Payload validation failed", details)


def not_json() -> HttpError:
    """400."""
    return HttpError(400, "invalid_json", "Malformed JSON body")


def details_of(faults: Iterable[Mapping[str, Any]], prefix: tuple[str, ...] = ()) -> list[Detail]:
    """Pydantic's errors in our words; `prefix` is put before their places."""
    return [
        Detail(
            field=_field((*prefix, *fault["loc"])),
            issue=_issue(fault["type"]),
            message=fault["msg"],
        )
        for fault in faults
    ]


def _field(place: tuple[int | str, ...]) -> str:
    inside = place[1:] if place[0] == "body" else place
    return ".".join(map(str, inside)) or "body"


def _issue(kind: str) -> Issue:
    if kind == "missing":
        return "missing"
    return "type_error" if kind.endswith(("_type", "_parsing")) else "invalid"


def add_handlers(app: FastAPI) -> None:
    """Give every exception its answer."""

    @app.exception_handler(HttpError)
    async def refused(_request: Request, error: HttpError) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def refused_by_framework(_request: Request, error: HTTPException) -> JSONResponse:
        # FastAPI's answer to a body that its JSON parser fails on in an unusual way.
        if isinstance(error.__cause__, ValueError | RecursionError):
            return not_json().response()
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return _error(error.status_code, code, error.detail, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def not_valid(_request: Request, error: RequestValidationError) -> JSONResponse:
        faults = error.errors()
        is_json = all(fault["type"] != "json_invalid" for fault in faults)
        return (invalid(details_of(faults)) if is_json else not_json()).response()

    @app.exception_handler(Unanswerable)
    async def unanswerable(_request: Request, error: Unanswerable) -> JSONResponse:
        fault = Detail(field=f"query.{error.field}", issue="invalid", message=str(error))
        return invalid([fault]).response()

    @app.exception_handler(RetryLater)
    async def unavailable(_request: Request, error: RetryLater) -> JSONResponse:
        return _error(503, "unavailable", str(error), headers={"Retry-After": "1"})


class Unexpected:
    """Answers 500 to an exception that nothing else knows, and logs it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go on, and mend what goes wrong if nothing was answered yet."""
        is_answered = False

        async def watched(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return  # nobody is left to be answered
        except Exception:
            log.exception("request failed", method=scope.get("method"), path=scope.get("path"))
            if is_answered or scope["type"] != "http":
                raise
            message = "deskwire failed at this; its log says why"
            await _error(500, "internal_error", message)(scope, receive, send)


def _error(
    status: int,
    code: str,
    message: str,
    details: list[Detail] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    listed = None if details is None else [one.model_dump() for one in details]
    body = {"error_code": code, "message": storable(message), "details": listed}
    return JSONResponse(body, status_code=status, headers=headers)
