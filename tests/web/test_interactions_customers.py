"""Which customer is meant by an id, over HTTP."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from deskwire.core.facts import Said
from tests.web.business import API, BUSINESS, customer, interaction, one, say, source, tell
from tests.web.serving import Served, error

SHOP = source("shop", "bigchat")


def test_other_providers_count_by_their_channel(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        here: list[Said] = [
            interaction("01/01/2020 00:00", "email", "1"),
            interaction("01/01/2020 00:00", "chat", "ann"),
            interaction("01/01/2020 00:00", None, "ann"),
        ]
        await say(client.hub, here, SHOP)

        # The sheet's customer comes first; the shop's is another.
        assert await client.ask(f"{API}/1") == one(1, {"Email": 1, "chat": 0})
        assert await client.ask(f"{API}/1?account=shop") == one(1, {"Email": 1, "chat": 0})
        assert await client.ask(f"{API}/ann") == one("ann", {"Email": 0, "chat": 1, "unknown": 1})
        assert await client.ask(f"{API}/ann?channel=Unknown") == one(
            "ann", {"Email": 0, "chat": 0, "unknown": 1}
        )
        assert await client.ask(f"{API}/channels") == (
            200,
            {"data": {"Email": 2, "chat": 1, "unknown": 1}},
        )

    tell(tmp_path, [interaction("01/01/2020 00:00", "Email", "1")], story)


def test_an_id_that_several_desks_have_is_a_question(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        hotel = source("hotel", "intercom")
        await say(client.hub, [interaction("01/01/2020 00:00", "chat", "ann")], SHOP)
        await say(client.hub, [customer("ann")], hotel)

        for path in ("ann", "topics/ann"):
            assert await client.ask(f"{API}/{path}") == (
                409,
                error(
                    "ambiguous",
                    "Several accounts have this customer; name one as account: hotel, shop",
                ),
            )
        assert await client.ask(f"{API}/ann?account=hotel") == one("ann", {"chat": 0})

    tell(tmp_path, [], story)


def test_an_id_is_a_number_where_it_is_written_as_one(tmp_path: Path) -> None:
    # The sixth is beyond what every reader of JSON takes.
    ids: list[int | str] = [0, "1.0", "007", "a b", 999999999999999, "1000000000000000"]

    async def story(client: Served) -> None:
        _, listed = await client.ask(API)
        shown = [found["customer_id"] for found in listed["data"]]

        assert shown == [0, "007", "1.0", "a b", 999999999999999, "1000000000000000"]
        for found in ids:
            assert await client.ask(f"{API}/{quote(str(found))}") == one(found, {})

    tell(tmp_path, [customer(str(found)) for found in ids], story)


def test_a_customer_nobody_heard_of_is_not_found(tmp_path: Path) -> None:
    async def story(client: Served) -> None:
        absent = 404, error("not_found", "Customer not found")
        for path in ("14", "topics/14", "1?workspace=other", "1?account=shop", "01"):
            assert await client.ask(f"{API}/{path}") == absent, path

    tell(tmp_path, BUSINESS, story)
