"""A sheet's customers, interactions and products of months, as facts in a hub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import UNSET

from deskwire.core.facts import (
    ConversationFacts,
    CustomerFacts,
    Entry,
    Head,
    Said,
    TopicFacts,
)
from deskwire.core.provider import Account, Provider
from deskwire.pipeline import intake, normalise
from deskwire.pipeline.hub import Hub, Source
from deskwire.store import records
from deskwire.store.db import Connection
from tests.web.serving import Served, served

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)


def source(account: str, provider: str = "spreadsheet", workspace: str = "main") -> Source:
    """A source that is told what to say."""
    return Source(
        name=f"{account}-{workspace}",
        provider_name=provider,
        provider=Provider(normalise=lambda record: iter(())),
        account=account,
        access=Account(poll_every_seconds=60),
        base_url="",
        workspace=workspace,
    )


SHEET = source("sheet")


async def say(hub: Hub, said: list[Said], one: Source = SHEET) -> None:
    """Take in what a source says."""
    hub.sources[one.name] = one
    now = hub.now()
    record = intake.new_record(one, "file", "a test", b"{}", now)

    def keep(connection: Connection) -> None:
        records.keep(connection, one.workspace, record)
        normalise.apply(connection, now, one, record, said)

    await hub.write(keep)


def customer(external_id: str, kind: str | None = None) -> CustomerFacts:
    attributes = {} if kind is None else {"type": Entry(value=kind)}
    return CustomerFacts(at="", external_id=external_id, as_of=AS_OF, attributes=attributes)


def interaction(
    at: str,
    channel: str | None,
    customer: str | None,
    topic: str | None = None,
    *,
    withdrawn: bool = False,
) -> ConversationFacts:
    """`at` is `dd/mm/yyyy hh:mm`, as the sheet has it."""
    return ConversationFacts(
        at="",
        external_id=f"{customer}|{channel}|{at}|{topic}",
        as_of=AS_OF,
        head=Head(
            started_at=datetime.strptime(at, "%d/%m/%Y %H:%M").replace(tzinfo=UTC),
            customer=customer,
            channel=UNSET if channel is None else channel,
            topic=topic,
            withdrawn=withdrawn,
        ),
    )


def month(told: str, product: str | None) -> TopicFacts:
    """`told` is `mm-yyyy`."""
    number, year = map(int, told.split("-"))
    return TopicFacts(
        at="",
        from_at=datetime(year, number, 1, tzinfo=UTC),
        to_at=datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC),
        as_of=AS_OF,
        topic=product,
    )


def business() -> list[Said]:
    """business_data.xlsx: 13 customers, 18 interactions, 34 months.

    Months with `Sand`: all of 2019 and 2020; `Orange`: January to October 2021.
    """
    kinds = ["Red", "Orange", "Blue", "Orange", "Blue", "Red", "Red", "Red", "Orange", "Blue"]
    kinds += ["Orange", "Red"]
    customers = [customer(str(n), kind) for n, kind in enumerate([*kinds, None], 1)]
    interactions = [
        # row, type of the customer, product of the month
        interaction("04/10/2019 09:00", "Email", "1"),  # 2 Red Sand
        interaction("11/02/2020 16:10", "Call", "4"),  # 3 Orange Sand
        interaction("05/03/2020 11:23", "Bird", "4"),  # 4 Orange Sand
        interaction("11/02/2020 16:24", "Call", "5"),  # 5 Blue Sand
        interaction("11/02/2020 16:14", "Bird", "4"),  # 6 Orange Sand
        interaction("05/03/2020 11:20", "Boat", "5"),  # 7 Blue Sand
        interaction("11/02/2020 16:21", "Email", "6"),  # 8 Red Sand
        interaction("11/02/2020 16:34", "Call", "7"),  # 9 Red Sand
        interaction("05/03/2020 11:23", "Bird", "8"),  # 10 Red Sand
        interaction("11/02/2020 15:22", "Boat", "9"),  # 11 Orange Sand
        interaction("05/03/2020 11:24", "Email", "10"),  # 12 Blue Sand
        interaction("11/02/2020 16:32", "Email", "1"),  # 13 Red Sand
        interaction("11/02/2020 16:38", "Email", "11"),  # 14 Orange Sand
        interaction("05/03/2020 11:30", "Bird", "12"),  # 15 Red Sand
        interaction("05/03/2020 11:33", "Bird", "2"),  # 16 Orange Sand
        interaction("16/01/2020 09:15", "Bird", "12"),  # 17 Red Sand
        interaction("03/06/2020 13:01", "Post", "5"),  # 18 Blue Sand
        interaction("04/06/2021 13:01", "Email", "3"),  # 19 Blue Orange
    ]
    sand = [month(f"{n:02}-{year}", "Sand") for year in (2019, 2020) for n in range(1, 13)]
    orange = [month(f"{n:02}-2021", "Orange") for n in range(1, 11)]
    return [*customers, *interactions, *sand, *orange]


def small() -> list[Said]:
    """business_data_small.xlsx; its Customers sheet lacks customer 4."""
    return [
        *map(customer, ["1", "2", "3", "11", "12"], ["Red", "Orange", "Blue", "Orange", "Red"]),
        interaction("04/10/2019 09:00", "Email", "1"),
        interaction("11/02/2020 16:10", "Call", "4"),
        interaction("05/03/2020 11:23", "Bird", "4"),
        interaction("04/06/2021 13:01", "Email", "3"),
        *map(month, ["01-2019", "02-2019", "10-2021"], ["Sand", "Sand", "Orange"]),
    ]


@asynccontextmanager
async def told(folder: Path, said: list[Said]) -> AsyncIterator[Served]:
    """A hub that heard this from a sheet."""
    async with served(folder) as client:
        await say(client.hub, said)
        yield client
