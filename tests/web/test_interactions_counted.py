"""Whatever the rows are, the API's numbers are those of a plain count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest
import uvloop
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from msgspec import Struct

from deskwire.core.facts import Said
from tests.web.business import API, customer, interaction, month, say, source
from tests.web.serving import Client, served

CHANNELS = ["Email", "email", "Call", "CALL", "Bird"]
#: The first and the last minutes of months, and one between.
INSTANTS = ["01/01/2020 00:00", "31/01/2020 23:59", "01/02/2020 00:00", "15/02/2020 08:30"]
WORDS = st.sampled_from(["Sand", "Tea"])


class Row(Struct, frozen=True):
    """An interaction."""

    at: str
    channel: str
    customer: str
    topic: str | None
    withdrawn: bool


class World(Struct, frozen=True):
    """What a workspace is told, and what is asked of it."""

    rows: list[Row]
    kinds: dict[str, str | None]  #: of customers
    months: dict[str, str | None]  #: their products
    query: dict[str, str]

    def said(self) -> list[Said]:
        return [
            *(customer(key, kind) for key, kind in self.kinds.items()),
            *(month(key, product) for key, product in self.months.items()),
            *(
                interaction(one.at, one.channel, one.customer, one.topic, withdrawn=one.withdrawn)
                for one in self.rows
            ),
        ]

    def product(self, row: Row) -> str | None:
        return row.topic or self.months.get(f"{row.at[3:5]}-{row.at[6:10]}")

    def counted(self) -> list[Row]:
        """The rows that the query is about."""

        def is_wanted(row: Row) -> bool:
            at = datetime.strptime(row.at, "%d/%m/%Y %H:%M").isoformat()  # noqa: DTZ007 - a text
            return not row.withdrawn and all(
                {
                    "channel": row.channel.lower() == value.lower(),
                    "since": at >= value,
                    "until": at < value,
                    "product": self.product(row) == value,
                }[name]
                for name, value in self.query.items()
            )

        return [row for row in self.rows if is_wanted(row)]


ROWS = st.builds(
    Row,
    st.sampled_from(INSTANTS),
    st.sampled_from(CHANNELS),
    st.sampled_from("123"),
    st.none() | WORDS,
    st.sampled_from([False, False, False, True]),
)
QUERIES: st.SearchStrategy[dict[str, str]] = st.fixed_dictionaries(
    {},
    optional={
        "channel": st.sampled_from(CHANNELS),
        "since": st.sampled_from(["2020-01-01T00:00:00", "2020-01-31T23:59:00"]),
        "until": st.sampled_from(["2020-02-01T00:00:00", "2020-02-15T08:30:00"]),
        "product": WORDS,
    },
)
WORLDS = st.builds(
    World,
    st.lists(
        ROWS, max_size=25, unique_by=lambda row: (row.at, row.channel, row.customer, row.topic)
    ),
    st.dictionaries(st.sampled_from("1234"), st.sampled_from(["Red", "Blue", None])),
    st.dictionaries(st.sampled_from(["01-2020", "02-2020"]), st.none() | WORDS),
    QUERIES,
)


async def answers(client: Client, workspace: str, world: World) -> dict[str, Any]:
    """Every route's numbers without its zeros, in the form of a count."""
    query = urlencode(world.query | {"workspace": workspace})

    async def ask(path: str) -> Any:  # noqa: ANN401 - any JSON
        status, answer = await client.ask(f"{path}?{query}")
        assert status == 200, answer
        return answer["data"]

    def of_customers(data: Iterable[dict[str, Any]]) -> Counter[tuple[str, str]]:
        return Counter(
            {
                (str(one["customer_id"]), channel.lower()): number
                for one in data
                for channel, number in one["interactions"].items()
                if number
            }
        )

    listed = await ask(API)
    ids = [one["customer_id"] for one in listed]
    return {
        "list": of_customers(listed),
        "single": of_customers([await ask(f"{API}/{one}") for one in ids]),
        "channels": {
            name.lower(): number
            for name, number in (await ask(f"{API}/channels")).items()
            if number
        },
        "products": {
            (kind["customer_type"], one["product"]): one["interaction_count"]
            for kind in await ask(f"{API}/products")
            for one in kind["products"]
        },
        "topics": {
            (str(one), channel.lower(), found["topic"]): found["interaction_count"]
            for one in ids
            for channel, topics in (await ask(f"{API}/topics/{one}"))["channels"].items()
            for found in topics
        },
    }


def counted(world: World) -> dict[str, Any]:
    """The same, counted here."""
    rows = [(row, row.channel.lower(), world.product(row)) for row in world.counted()]
    by_customer = Counter((row.customer, channel) for row, channel, _ in rows)
    return {
        "list": by_customer,
        "single": by_customer,
        "channels": Counter(channel for _, channel, _ in rows),
        "products": Counter((world.kinds.get(row.customer), product) for row, _, product in rows),
        "topics": Counter((row.customer, channel, product) for row, channel, product in rows),
    }


@given(worlds=st.lists(WORLDS, min_size=8, max_size=12))
@how(max_examples=4, deadline=None)
def test_the_numbers_are_those_of_a_plain_count(
    tmp_path_factory: pytest.TempPathFactory, worlds: list[World]
) -> None:
    async def story() -> None:
        async with served(tmp_path_factory.mktemp("hub")) as client:
            for number, world in enumerate(worlds):
                await say(client.hub, world.said(), source("sheet", workspace=f"w{number}"))
            for number, world in enumerate(worlds):
                assert await answers(client, f"w{number}", world) == counted(world)

    uvloop.run(story())
