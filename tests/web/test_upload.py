"""Spreadsheets that are posted, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop

from deskwire import providers
from tests.web.serving import Served, error, invalid, served

PATH = "/integrations/spreadsheet"
FIXTURES = Path(providers.__file__).parent / "spreadsheet" / "fixtures"
SMALL = (FIXTURES / "business_data_small.xlsx").read_bytes()
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
NOTHING: dict[str, Any] = {
    "read": 0,
    "new": 0,
    "changed": 0,
    "unchanged": 0,
    "set_aside": 0,
    "withdrawn": 0,
    "notes": [],
    "set_aside_rows": [],
    "withdrawn_rows": [],
}
CALLS = b"Date Start,Interaction,Customers\n01/01/2020 10:00,Call,1\n02/01/2020 10:00,Call,2\n"
POSTS = b"Date Start;Interaction;Customers\n01/01/2020 10:00;Post;1\nsoon;Post;1\n"
POST = b"Date Start;Interaction;Customers\n01/01/2020 10:00;Post;1\n"


def tell(
    folder: Path, story: Callable[[Served], Coroutine[Any, Any, None]], max_body_mib: int = 8
) -> None:
    async def all_of_it() -> None:
        async with served(folder, max_body_mib=max_body_mib) as client:
            await story(client)

    uvloop.run(all_of_it())


async def upload(
    client: Served, content: bytes, filename: str = "some.xlsx", field: str = "file"
) -> tuple[int, Any]:
    """As a form of a page sends it."""
    form = aiohttp.FormData()
    form.add_field(field, content, filename=filename)
    url = f"http://127.0.0.1:{client.port}{PATH}"
    async with client.session.post(url, data=form) as answer:
        return answer.status, await answer.json()


async def post(client: Served, content: bytes, query: str = "") -> tuple[int, Any]:
    return await client.ask(f"{PATH}{query}", content, content_type="text/csv")


def ids(answer: tuple[int, Any]) -> list[str]:
    return [one["external_id"] for one in answer[1]["items"]]


def test_a_form_and_the_bare_file_are_imported(tmp_path: Path) -> None:
    note = {
        "sheet": "External interactions",
        "row": 3,
        "text": "customer 4 is not among the customers of this file",
    }

    async def story(client: Served) -> None:
        first = await upload(client, SMALL)
        again = await client.ask(PATH, SMALL, content_type=XLSX)

        assert first == (200, NOTHING | {"read": 12, "new": 12, "notes": [note]})
        assert again == (200, NOTHING | {"read": 12, "unchanged": 12, "notes": [note]})

    tell(tmp_path, story)


def test_rows_that_cannot_be_understood_are_in_the_answer(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        answer = await post(client, POSTS, "?filename=posts.csv")

        aside = {"sheet": "posts", "row": 3, "text": '"soon" is no date: write 31/12/2020 16:05'}
        counts = {"read": 2, "new": 1, "set_aside": 1, "set_aside_rows": [aside]}
        assert answer == (200, NOTHING | counts)

    tell(tmp_path, story)


def test_what_a_file_no_longer_holds_is_shown_before_it_is_taken_out(tmp_path: Path) -> None:
    gone = {"started_at": "2020-01-01 10:00", "customer": "1", "channel": "Call"}
    told = NOTHING | {"read": 1, "new": 1, "withdrawn": 1, "withdrawn_rows": [gone]}

    async def story(client: Served) -> None:
        await post(client, CALLS)
        shown = await post(client, POST, "?replace=true&dry_run=true")
        untouched = await client.ask("/internal/conversations")
        done = await post(client, POST, "?replace=true")
        listed = await client.ask("/internal/conversations")

        assert (shown, done) == ((200, told), (200, told))
        assert [
            [one["external_id"] for one in page[1]["items"]] for page in (untouched, listed)
        ] == [
            ["2/call/2020-01-02T10:00", "1/call/2020-01-01T10:00"],
            ["2/call/2020-01-02T10:00", "1/post/2020-01-01T10:00"],
        ]

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04", "it breaks off: its zip has no directory"),
        (b"a\n1", 'no known table has these headers: "a"; 2 rows not read'),
    ],
)
def test_what_is_no_spreadsheet_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    async def story(client: Served) -> None:
        assert await upload(client, content) == invalid(("file", "invalid", message))

    tell(tmp_path, story)


def test_a_form_without_a_file_is_refused(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        other = await upload(client, SMALL, field="data")
        broken = await client.ask(PATH, b"--x", content_type="multipart/form-data")

        assert other == invalid(("file", "missing", "Field required"))
        message = "the form cannot be read: Missing boundary in multipart."
        assert broken == invalid(("file", "invalid", message))

    tell(tmp_path, story)


def test_what_is_longer_than_a_body_may_be_is_refused(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        message = "a body may have 1 MiB, as max_body_mib says"
        expected = (413, error("payload_too_large", message))
        assert await upload(client, b"a" * (1 << 20)) == expected

    tell(tmp_path, story, max_body_mib=1)


def test_uploads_at_once_are_all_taken(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        answers = await asyncio.gather(*(post(client, CALLS) for _ in range(4)))

        assert sorted(answer["new"] for _, answer in answers) == [0, 0, 0, 2]

    tell(tmp_path, story)
