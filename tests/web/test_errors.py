"""What becomes of errors in routes that any part of the hub may add."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

import uvloop
from fastapi import FastAPI, Query
from pydantic import BaseModel
from structlog.testing import capture_logs

from deskwire.core.errors import RetryLater
from deskwire.web import errors
from tests.web.serving import NOT_JSON, answering, error, invalid


class Part(BaseModel):
    number: int


class Body(BaseModel):
    parts: list[Part]
    sizes: dict[str, int] = {}
    kind: str = ""


def app() -> FastAPI:
    made = FastAPI()
    errors.add_handlers(made)
    made.add_middleware(errors.Unexpected)

    @made.post("/things/{thing_id}")
    async def change(
        thing_id: UUID, body: Body, limit: Annotated[int, Query(ge=1)] = 1
    ) -> dict[str, str]:
        return {"thing": str(thing_id)}

    @made.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    @made.get("/busy")
    async def busy() -> None:
        raise RetryLater("the database is locked")

    return made


THING = "/things/7c0f1c6a-6f5e-4d0a-9a8e-0f3a5a5f2a11"


async def ask(path: str, body: bytes | None = None) -> tuple[int, Any]:
    async with answering(app()) as client:
        return await client.ask(path, body, Content_Type="application/json")


async def ask_all(path: str, bodies: Iterable[bytes]) -> dict[bytes, tuple[int, Any]]:
    async with answering(app()) as client:
        return {
            body: await client.ask(path, body, Content_Type="application/json") for body in bodies
        }


def test_every_fault_of_a_request_is_told_with_its_place() -> None:
    answer = uvloop.run(ask("/things/7?limit=0", b'{"parts": [{}, {"number": "x"}], "kind": 7}'))

    uuid = answer[1]["details"].pop(0)
    assert (uuid["field"], uuid["issue"]) == ("path.thing_id", "type_error")
    assert answer == invalid(
        ("query.limit", "invalid", "Input should be greater than or equal to 1"),
        ("parts.0.number", "missing", "Field required"),
        (
            "parts.1.number",
            "type_error",
            "Input should be a valid integer, unable to parse string as an integer",
        ),
        ("kind", "type_error", "Input should be a valid string"),
    )


def test_a_body_of_another_type_is_one_fault() -> None:
    message = "Input should be a valid dictionary or object to extract fields from"
    expected = dict.fromkeys((b"null", b"[]", b"7"), invalid(("body", "type_error", message)))
    expected[b""] = invalid(("body", "missing", "Field required"))

    assert uvloop.run(ask_all(THING, expected)) == expected


def test_a_body_that_is_no_json_is_a_400() -> None:
    cut = b'{"parts": '
    no_text = b'{"parts": [], "kind": "\xff"}'
    deep = b'{"parts": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    beyond_all_bounds = b'{"parts": [{"number": ' + b"1" * 5000 + b"}]}"
    expected = dict.fromkeys((cut, no_text, deep, beyond_all_bounds), NOT_JSON)

    assert uvloop.run(ask_all(THING, expected)) == expected


def test_half_an_emoji_in_a_name_can_be_told_back() -> None:
    assert uvloop.run(ask(THING, b'{"parts": [], "sizes": {"\\ud83d": "x"}}')) == invalid(
        (
            "sizes.\ufffd\ufffd\ufffd",
            "type_error",
            "Input should be a valid integer, unable to parse string as an integer",
        )
    )


def test_a_fault_of_ours_is_a_500_and_only_the_log_says_why() -> None:
    with capture_logs() as lines:
        answer = uvloop.run(ask("/broken"))

    assert answer == (500, error("internal_error", "deskwire failed at this; its log says why"))
    assert [(one["event"], one["log_level"], one["path"]) for one in lines] == [
        ("request failed", "error", "/broken")
    ]


def test_a_database_that_is_away_is_a_503() -> None:
    assert uvloop.run(ask("/busy")) == (
        503,
        error("unavailable", "the database is locked"),
    )
