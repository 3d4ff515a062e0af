"""Interactions counted by customer, channel, product and topic, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deskwire.core.facts import ConversationFacts, Head, Said, TopicFacts
from tests.web.business import (
    API,
    AS_OF,
    BUSINESS,
    SMALL,
    customer,
    interaction,
    month,
    one,
    say,
    tell,
)
from tests.web.serving import Served, error, invalid


def counts(*numbers: int) -> dict[str, int]:
    return dict(zip(["Email", "Call", "Bird", "Boat", "Post"], numbers, strict=True))


def products(kind: str | None, **numbers: int) -> dict[str, Any]:
    """A type's part of the report; the product None is `nothing`."""
    return {
        "customer_type": kind,
        "products": [
            {"product": None if name == "nothing" else name, "interaction_count": number}
            for name, number in numbers.items()
        ],
    }


def test_a_customer_has_a_count_for_every_channel(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        status, answer = await client.ask(f"{API}/1")

        assert (status, answer) == one(1, counts(2, 0, 0, 0, 0))
        # As they were met first.
        assert list(answer["data"]["interactions"]) == ["Email", "Call", "Bird", "Boat", "Post"]
        assert await client.ask(f"{API}/5") == one(5, counts(0, 1, 0, 1, 1))
        assert await client.ask(f"{API}/13") == one(13, counts(0, 0, 0, 0, 0))

    tell(tmp_path, BUSINESS, story)


def test_only_channels_of_the_data_are_there(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        assert await client.ask(f"{API}/1") == one(1, {"Email": 1, "Call": 0, "Bird": 0})
        # Rows 3 and 4 name a customer whom the sheet of customers lacks.
        assert await client.ask(f"{API}/4") == one(4, {"Email": 0, "Call": 1, "Bird": 1})
        assert await client.ask("/api/v1/stats/customers") == (
            200,
            {"message": "Number of Rows", "rows": 5},
        )
        assert await client.ask(f"{API}/products") == (
            200,
            {
                "data": [
                    # No interaction is in a month that has a product.
                    products("Red", nothing=1),  # row 2
                    products("Blue", nothing=1),  # row 5
                    products(None, nothing=2),  # rows 3, 4
                ]
            },
        )

    tell(tmp_path, SMALL, story)


def test_filters_change_counts_and_no_keys(tmp_path: Path) -> None:
    said: list[Said] = [
        interaction("04/10/2019 09:00", "Email", "7"),
        interaction("11/02/2020 16:10", "Call", "7"),
        interaction("10/02/2020 11:23", "Bird", "7"),
        interaction("04/06/2021 13:01", "Email", "7"),
        interaction("04/06/2021 13:01", "Boat", "8"),
        interaction("04/06/2021 13:01", "Post", "8"),
        month("10-2019", "Sand"),
        month("02-2020", "Sand"),
        month("06-2021", "Orange"),
    ]
    expected = {
        "since=2020-02-11": counts(1, 1, 0, 0, 0),
        "since=2020-02-11T16:10:00&until=2020-02-11T16:10:01": counts(0, 1, 0, 0, 0),
        "until=2020-02-11T16:10": counts(1, 0, 1, 0, 0),
        "until=2020-02-11T17:10:00%2B01:00": counts(1, 0, 1, 0, 0),
        "channel=email": counts(2, 0, 0, 0, 0),
        "channel=CALL&channel=bird": counts(0, 1, 1, 0, 0),
        "channel=letter": counts(0, 0, 0, 0, 0),
        "product=Sand": counts(1, 1, 1, 0, 0),
        "product=Orange": counts(1, 0, 0, 0, 0),
        "product=Tea": counts(0, 0, 0, 0, 0),
        "account=sheet&product=Sand&channel=Email": counts(1, 0, 0, 0, 0),
    }

    async def story(client: Served) -> None:
        for query, numbers in expected.items():
            _, topics = await client.ask(f"{API}/topics/7?{query}")
            sums = {
                name: sum(topic["interaction_count"] for topic in found)
                for name, found in topics["data"]["channels"].items()
            }
            assert await client.ask(f"{API}/7?{query}") == one(7, numbers), query
            assert sums == numbers, query

    tell(tmp_path, said, story)


def test_all_customers_are_listed_by_number_and_page(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        _, first = await client.ask(f"{API}?limit=10")
        _, second = await client.ask(f"{API}?limit=10&cursor={first['next_cursor']}")
        expected = {
            1: counts(2, 0, 0, 0, 0),
            2: counts(0, 0, 1, 0, 0),
            3: counts(1, 0, 0, 0, 0),
            4: counts(0, 1, 2, 0, 0),
            5: counts(0, 1, 0, 1, 1),
            6: counts(1, 0, 0, 0, 0),
            7: counts(0, 1, 0, 0, 0),
            8: counts(0, 0, 1, 0, 0),
            9: counts(0, 0, 0, 1, 0),
            10: counts(1, 0, 0, 0, 0),
            11: counts(1, 0, 0, 0, 0),
            12: counts(0, 0, 2, 0, 0),
            13: counts(0, 0, 0, 0, 0),
        }

        assert [*first["data"], *second["data"]] == [
            {"customer_id": number, "interactions": found} for number, found in expected.items()
        ]
        assert (len(first["data"]), second["next_cursor"]) == (10, None)

    tell(tmp_path, BUSINESS, story)


def test_the_list_has_filters_too(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        query = "customer_type=RED&channel=bird&since=2020-03-01&product=Sand&account=spreadsheet"
        bird = {1: 0, 6: 0, 7: 0, 8: 1, 12: 1}  # row 17 is too early

        assert await client.ask(f"{API}?{query}") == (
            200,
            {
                "data": [
                    {"customer_id": number, "interactions": counts(0, 0, found, 0, 0)}
                    for number, found in bird.items()
                ],
                "next_cursor": None,
            },
        )
        assert await client.ask(f"{API}?account=shop") == (200, {"data": [], "next_cursor": None})

    tell(tmp_path, BUSINESS, story)


def test_channels_have_totals(tmp_path: Path) -> None:
    expected = {
        "": counts(6, 3, 6, 2, 1),
        "customer_type=red": counts(3, 1, 3, 0, 0),  # rows 2 8 13 · 9 · 10 15 17
        "customer_type=green": counts(0, 0, 0, 0, 0),
        "channel=Boat&channel=post": counts(0, 0, 0, 2, 1),
        # Rows 12 · 4 10 15 16 · 7 · 18
        "since=2020-03-05&until=2021-01-01": counts(1, 0, 4, 1, 1),
        "product=Orange": counts(1, 0, 0, 0, 0),  # row 19
        "account=shop": counts(0, 0, 0, 0, 0),
        "workspace=other": {},
    }

    async def story(client: Served) -> None:
        for query, numbers in expected.items():
            assert await client.ask(f"{API}/channels?{query}") == (200, {"data": numbers}), query

    tell(tmp_path, BUSINESS, story)


def test_products_are_counted_by_type_of_customer(tmp_path: Path) -> None:
    red = products("Red", Sand=7)  # rows 2 8 9 10 13 15 17
    orange = products("Orange", Sand=6)  # rows 3 4 6 11 14 16
    blue = products("Blue", Orange=1, Sand=4)  # row 19, rows 5 7 12 18
    expected = {
        "": [red, orange, blue],
        "customer_type=blue": [blue],
        "product=Orange": [products("Blue", Orange=1)],
        "channel=EMAIL": [
            products("Red", Sand=3),  # rows 2 8 13
            products("Orange", Sand=1),  # row 14
            products("Blue", Orange=1, Sand=1),  # row 19, row 12
        ],
        "until=2020-02-01": [products("Red", Sand=2)],  # rows 2 17
        "since=2022-01-01": [],
        "account=shop": [],
    }

    async def story(client: Served) -> None:
        for query, types in expected.items():
            assert await client.ask(f"{API}/products?{query}") == (200, {"data": types}), query

    tell(tmp_path, BUSINESS, story)


def test_an_own_topic_comes_before_that_of_the_time(tmp_path: Path) -> None:
    said: list[Said] = [
        customer("1", "Red"),
        customer("2", "red "),
        month("01-2020", "Sand"),
        month("03-2020", None),
        interaction("31/12/2019 23:59", "Email", "1"),
        interaction("01/01/2020 00:00", "Email", "1"),
        interaction("31/01/2020 23:59", "email", "1", "Tea"),
        interaction("31/01/2020 23:59", "EMAIL ", "2"),
        interaction("01/02/2020 00:00", "Call", "1"),
        interaction("15/03/2020 00:00", "Call", "1"),
        interaction("15/03/2020 00:00", "Call", "1", "Tea"),
        interaction("15/03/2020 00:00", "Call", None, "Tea"),
    ]

    def topics(**numbers: int) -> list[dict[str, Any]]:
        return [
            {"topic": None if name == "nothing" else name, "interaction_count": number}
            for name, number in numbers.items()
        ]

    async def story(client: Served) -> None:
        assert await client.ask(f"{API}/products") == (
            200,
            {"data": [products("Red", Sand=2, Tea=2, nothing=3), products(None, Tea=1)]},
        )
        assert await client.ask(f"{API}/topics/1") == (
            200,
            {
                "data": {
                    "customer_id": 1,
                    "channels": {
                        "Email": topics(Sand=1, Tea=1, nothing=1),
                        "Call": topics(Tea=1, nothing=2),
                    },
                }
            },
        )
        assert await client.ask(f"{API}/topics/2") == (
            200,
            {"data": {"customer_id": 2, "channels": {"Email": topics(Sand=1), "Call": []}}},
        )

    tell(tmp_path, said, story)


def test_of_stretches_that_overlap_the_last_to_begin_counts(tmp_path: Path) -> None:
    week = TopicFacts(
        at="",
        from_at=datetime(2020, 1, 6, tzinfo=UTC),
        to_at=datetime(2020, 1, 13, tzinfo=UTC),
        as_of=AS_OF,
        topic="Tea",
    )
    days = ("05", "06", "12", "13")
    said: list[Said] = [
        month("01-2020", "Sand"),
        week,
        *(interaction(f"{day}/01/2020 12:00", "Call", "1") for day in days),
    ]

    async def story(client: Served) -> None:
        expected = {"data": [products(None, Sand=2, Tea=2)]}
        assert await client.ask(f"{API}/products") == (200, expected)

    tell(tmp_path, said, story)


def test_what_is_withdrawn_or_erased_counts_nowhere(tmp_path: Path) -> None:
    erased = interaction("01/01/2020 00:00", "Boat", "9")
    said: list[Said] = [
        customer("1"),
        interaction("01/01/2020 00:00", "Email", "1"),
        interaction("01/01/2020 00:00", "Call", "1", withdrawn=True),
        interaction("01/01/2020 00:00", "Call", "8", withdrawn=True),
        erased,
        ConversationFacts(
            at="", external_id=erased.external_id, as_of=AS_OF, head=Head(), erased=True
        ),
    ]

    async def story(client: Served) -> None:
        zero = {"Email": 0, "Call": 0}

        assert await client.ask(f"{API}/channels") == (200, {"data": zero | {"Email": 1}})
        assert [found["customer_id"] for found in (await client.ask(API))[1]["data"]] == [1]
        assert await client.ask(f"{API}/products") == (
            200,
            {"data": [products(None, nothing=1)]},
        )
        assert await client.ask("/api/v1/stats/interactions") == (
            200,
            {"message": "Number of Rows", "rows": 1},
        )
        for number in (8, 9):
            assert (await client.ask(f"{API}/{number}"))[0] == 404

    tell(tmp_path, said, story)


def test_a_filter_that_is_none_is_refused(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        extra = "Extra inputs are not permitted"
        for path in ("/1", "/topics/1"):
            assert await client.ask(f"{API}{path}?customer_type=Red") == invalid(
                ("query.customer_type", "invalid", extra)
            )
        for path in ("", "/channels", "/products", "/1", "/topics/1"):
            assert await client.ask(f"{API}{path}?chanel=Email") == invalid(
                ("query.chanel", "invalid", extra)
            )
            status, answer = await client.ask(f"{API}{path}?since=31/12/2019")
            assert (status, answer["details"][0]["field"]) == (422, "query.since")
        assert await client.ask(f"{API}?cursor=WzFd") == invalid(
            ("query.cursor", "invalid", "this is no cursor of ours; begin without one")
        )

    tell(tmp_path, BUSINESS, story)


def test_rows_are_counted(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        # A month whose product was taken away again has none.
        await say(client.hub, [month("11-2021", None)])
        expected = {"customers": 13, "interactions": 18, "products": 34}
        for table, number in expected.items():
            answer = {"message": "Number of Rows", "rows": number}
            assert await client.ask(f"/api/v1/stats/{table}") == (200, answer)
            empty = {"message": "Number of Rows", "rows": 0}
            assert await client.ask(f"/api/v1/stats/{table}?workspace=other") == (200, empty)
        for table in ("conversations", "Customers", "records", "%20"):
            assert await client.ask(f"/api/v1/stats/{table}") == (
                404,
                error("not_found", "Table name not found"),
            )

    tell(tmp_path, BUSINESS, story)
