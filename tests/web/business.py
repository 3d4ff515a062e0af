"""Sheets of customers, interactions and products of months, in a hub: as files and as facts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from msgspec import UNSET

from deskwire import providers
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
from deskwire.pipeline.importing import Plan
from deskwire.pipeline.sheets import import_sheets
from deskwire.store import records
from deskwire.store.db import Connection
from tests.web.serving import Served, served

FIXTURES = Path(providers.__file__).parent / "spreadsheet" / "fixtures"
API = "/api/v1/interactions"
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


#: Interactions of BUSINESS, counted by hand below. Month's product: Sand in 2019 and 2020, Orange
#: from January to October 2021. Customer 13 has no type and no interaction.
#:
#:   row  date start        channel  customer  type    product
#:     2  04/10/2019 09:00  Email     1        Red     Sand
#:     3  11/02/2020 16:10  Call      4        Orange  Sand
#:     4  05/03/2020 11:23  Bird      4        Orange  Sand
#:     5  11/02/2020 16:24  Call      5        Blue    Sand
#:     6  11/02/2020 16:14  Bird      4        Orange  Sand
#:     7  05/03/2020 11:20  Boat      5        Blue    Sand
#:     8  11/02/2020 16:21  Email     6        Red     Sand
#:     9  11/02/2020 16:34  Call      7        Red     Sand
#:    10  05/03/2020 11:23  Bird      8        Red     Sand
#:    11  11/02/2020 15:22  Boat      9        Orange  Sand
#:    12  05/03/2020 11:24  Email    10        Blue    Sand
#:    13  11/02/2020 16:32  Email     1        Red     Sand
#:    14  11/02/2020 16:38  Email    11        Orange  Sand
#:    15  05/03/2020 11:30  Bird     12        Red     Sand
#:    16  05/03/2020 11:33  Bird      2        Orange  Sand
#:    17  16/01/2020 09:15  Bird     12        Red     Sand
#:    18  03/06/2020 13:01  Post      5        Blue    Sand
#:    19  04/06/2021 13:01  Email     3        Blue    Orange
BUSINESS = FIXTURES / "business_data.xlsx"

#: Its Customers sheet has 1, 2, 3, 11 and 12; products are those of 01-2019, 02-2019 and 10-2021.
#:
#:   row  date start        channel  customer  type    product
#:     2  04/10/2019 09:00  Email     1        Red     -
#:     3  11/02/2020 16:10  Call      4        -       -
#:     4  05/03/2020 11:23  Bird      4        -       -
#:     5  04/06/2021 13:01  Email     3        Blue    -
SMALL = FIXTURES / "business_data_small.xlsx"


@asynccontextmanager
async def told(folder: Path, from_what: list[Said] | Path) -> AsyncIterator[Served]:
    """A hub that heard this from a sheet, or that imported this file."""
    async with served(folder) as client:
        if isinstance(from_what, Path):
            hub = client.hub
            plan = Plan(source=hub.sources["spreadsheet"], deliver=False, dry_run=False)
            imported = await asyncio.to_thread(import_sheets, hub, plan, [str(from_what)])
            assert (imported.errors, imported.set_aside) == ([], 0)
        else:
            await say(client.hub, from_what)
        yield client


Story = Callable[[Served], Coroutine[Any, Any, None]]


def tell(folder: Path, said: list[Said] | Path, story: Story) -> None:
    async def all_of_it() -> None:
        async with told(folder, said) as client:
            await story(client)

    uvloop.run(all_of_it())


def one(customer_id: int | str, numbers: dict[str, int]) -> tuple[int, Any]:
    return 200, {"data": {"customer_id": customer_id, "interactions": numbers}}
