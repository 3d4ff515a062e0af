"""Reports over HTTP: figures, what they mean, and the conversations behind them."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from deskwire.reports import REPORTS
from tests.web.serving import Client, invalid, served

CONFIG = """
[reports]
zone = "Europe/London"
[[schedule]]
name = "uk"
zone = "Europe/London"
monday = ["09:00-09:02", "12:00-17:30"]
"""
LIST = "/internal/conversations"


async def post(client: Client, path: str, **told: object) -> Any:  # noqa: ANN401 - JSON
    status, body = await client.ask(path, msgspec.json.encode(told))
    assert status == 201, body
    return body


def tell(folder: Path, story: Callable[[Client], Awaitable[None]]) -> None:
    """A desk with two agents. Chat 1 is over, 2 not yet, 3 was handed over; 4 is queuing."""

    async def run() -> None:
        async with served(folder, CONFIG) as client:
            ana = (await post(client, "/desk/agents", name="Ana", email="ana@x.example"))[
                "agent_id"
            ]
            bo = (await post(client, "/desk/agents", name="=Bo", email="bo@x.example"))["agent_id"]
            day = "2026-03-30T"  # a Monday, one hour ahead of UTC
            for name, told in {
                "1": {"started_at": f"{day}08:00Z", "agent_id": ana, "ended_at": f"{day}08:05Z"},
                "2": {"started_at": f"{day}08:10Z", "agent_id": ana},
                "3": {"started_at": f"{day}07:55Z", "agent_id": ana},
                "4": {"started_at": "2026-03-29T23:30Z"},
            }.items():
                await post(client, "/desk/chats", external_id=name, **told)
            change = msgspec.json.encode({"agent_id": bo})
            assert (await client.ask("/desk/chats/3", change, method="PATCH"))[0] == 204
            await post(client, "/chats/3/messages", text="Hello", user_id=2)
            assert (await client.ask("/chats/3/end", b""))[0] == 200
            await story(client)

    asyncio.run(run())


async def listed(client: Client, link: str) -> list[str]:
    status, page = await client.ask(link)
    assert status == 200, page
    return [one["external_id"] for one in page["items"]]


def test_every_figure_leads_to_what_it_counts(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        _, found = await client.ask("/api/v1/reports/agents?until=2026-03-31&zone=UTC")
        [ana, bo] = found["rows"]

        assert ana["values"] == {"agent": {"value": "1", "label": "Ana"}}
        assert ana["figures"]["handling/conversations"] == 1
        assert ana["figures"]["handling/mean"] == 300.0
        assert bo["figures"]["handling/conversations"] == 0
        assert bo["figures"]["handling/mean"] is None
        assert await listed(client, ana["links"]["handling/mean"]) == ["1"]
        assert await listed(client, bo["links"]["handling/mean"]) == []
        _, ever = await client.ask("/api/v1/reports/agents")
        assert [row["figures"]["handling/conversations"] for row in ever["rows"]] == [2, 1]
        assert [row["figures"]["transfers_in/n"] for row in ever["rows"]] == [0, 1]
        assert await listed(client, ever["rows"][0]["links"]["handling/n"]) == ["1", "3"]
        assert await listed(client, ever["rows"][0]["links"]["transfers_out/n"]) == ["3"]
        assert await listed(client, ever["totals"]["links"]["handling/n"]) == ["1", "3"]

    tell(tmp_path, story)


def test_days_begin_in_the_zone_and_days_without_events_are_there(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        asked = "/api/v1/reports/volume?by=day&since=2026-03-28&until=2026-03-31"
        days = {
            zone: {
                row["values"]["day"]["value"]: row["figures"]["volume/conversations"]
                for row in (await client.ask(asked + query))[1]["rows"]
            }
            for zone, query in {"London": "", "UTC": "&zone=UTC"}.items()
        }

        assert days == {
            "London": {"2026-03-28": 0, "2026-03-29": 0, "2026-03-30": 4},
            "UTC": {"2026-03-28": 0, "2026-03-29": 1, "2026-03-30": 3},
        }
        _, found = await client.ask(asked)
        assert found["since"] == "2026-03-28T00:00:00+00:00"
        assert found["until"] == "2026-03-31T00:00:00+01:00"
        link = found["rows"][2]["links"]["volume/conversations"]
        assert await listed(client, link) == ["2", "1", "3", "4"]

    tell(tmp_path, story)


def test_a_list_behind_a_figure_has_pages(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        _, found = await client.ask("/api/v1/reports/volume?by=")
        link = f"{found['totals']['links']['volume/conversations']}&limit=3"
        _, first = await client.ask(link)
        _, second = await client.ask(f"{link}&cursor={first['next_cursor']}")

        ids = [one["external_id"] for one in [*first["items"], *second["items"]]]
        assert ids == ["2", "1", "3", "4"]
        assert second["next_cursor"] is None

    tell(tmp_path, story)


def test_business_hours_count_only_what_is_inside_them(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        asked = "/api/v1/reports/agents?until=2026-03-31"
        _, every = await client.ask(asked)
        _, within = await client.ask(f"{asked}&hours=uk")

        assert every["totals"]["figures"]["handling/mean"] == 300.0
        assert within["totals"]["figures"]["handling/mean"] == 120.0
        assert within["hours"] == "uk"

    tell(tmp_path, story)


def test_the_list_of_reports_says_what_each_counts(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        status, found = await client.ask("/api/v1/reports")

        assert status == 200
        assert [one["name"] for one in found] == list(REPORTS)
        assert found[1]["measures"] == [
            {
                "name": "volume",
                "title": "Conversations",
                "unit": "conversations",
                "definition": "all conversations that began",
                "clock": "the start of the conversation",
                "attribution": "the agent and team who had the conversation last",
                "stats": ["conversations"],
            }
        ]

    tell(tmp_path, story)


def test_a_report_is_csv_that_no_spreadsheet_runs(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        url = f"http://127.0.0.1:{client.port}/api/v1/reports/agents.csv"
        async with client.session.get(url) as answer:
            body = await answer.read()

            assert answer.content_type == "text/csv"
        assert body.startswith(b"\xef\xbb\xbfAgent number,Agent,Handling time: conversations,")
        rows = list(csv.reader(body.decode("utf-8-sig").splitlines()))
        assert [row[:3] for row in rows[1:]] == [["1", "Ana", "2"], ["2", "'=Bo", "1"]]

    tell(tmp_path, story)


def test_a_question_that_makes_no_sense_is_told(tmp_path: Path) -> None:
    expected = {
        "volume?since=May": ("since", "Value error, Invalid isoformat string: 'May'"),
        "volume?since=2026-02-01&until=2026-01-01": (
            "until",
            "until 2026-01-01 is not after since 2026-02-01",
        ),
        "volume?until=9999-12-31T23:00Z": ("until", "'9999-12-31T23:00Z' is no date; write"),
        "volume?by=day,day": ("by", "by takes 3 different dimensions at most"),
        "volume?by=shoe": ("by", "there is no dimension 'shoe'; there are: channel, topic, team,"),
        "volume?zone=Mars": ("zone", "there is no time zone 'Mars'; write a name such as"),
        "volume?chanel=a": ("chanel", "Extra inputs are not permitted"),
        "times?hours=x": ("hours", "there is no schedule 'x'; there are: uk"),
        "volume.csv?by=hour&since=1970-01-01&until=2026-01-01": (
            "since",
            "by hour this is too long a period; say since and until",
        ),
    }

    async def story(client: Client) -> None:
        for query, (field, message) in expected.items():
            zone = "&zone=Pacific/Auckland" if "9999" in query else ""
            status, found = await client.ask(f"/api/v1/reports/{query}{zone}")

            assert (status, found["details"][0]["field"]) == (422, f"query.{field}")
            assert found["details"][0]["message"].startswith(message)

    tell(tmp_path, story)


def test_what_only_reports_know_needs_a_report(tmp_path: Path) -> None:
    only = "only together with report and metric"

    async def story(client: Client) -> None:
        assert await client.ask(f"{LIST}?team=a&day=2026-01-01") == invalid(
            ("query.team", "invalid", only), ("query.day", "invalid", only)
        )
        assert await client.ask(f"{LIST}?report=volume&metric=x") == invalid(
            (
                "query.metric",
                "invalid",
                "volume has no figure 'x'; it has volume/conversations",
            )
        )
        for path in (f"{LIST}?report=x&metric=x", "/api/v1/reports/x", "/api/v1/reports/x.csv"):
            assert (await client.ask(path))[0] == 404

    tell(tmp_path, story)
