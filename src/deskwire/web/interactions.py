"""The interactions API: how often customers were in touch, by channel, product and topic."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Path, Query
from msgspec import Meta, Struct
from pydantic import BaseModel, ConfigDict, Field

from deskwire.core.instants import parse_instant, to_micros
from deskwire.pipeline.hub import Hub
from deskwire.store import interactions
from deskwire.store.db import Connection
from deskwire.store.interactions import Customer, Wanted
from deskwire.web.cursors import from_cursor, to_cursor
from deskwire.web.errors import HttpError, answers
from deskwire.web.reports import Moment, Word, Workspace

Count = Annotated[int, Field(ge=0)]
CustomerId = Annotated[
    int | str, Field(description="The external id; a number where it is written as one")
]
#: Every channel known in the workspace, in the order in which they were first met.
PerChannel = dict[str, Count]

#: Longer ones are not whole in every reader of JSON, and with a leading zero they are words.
_NUMBER = re.compile("0|[1-9][0-9]{0,14}")
#: The kind of source whose customers go by their bare id.
_SHEET = "spreadsheet"


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OfCustomer(_Answer):
    """How often a customer was in touch."""

    customer_id: CustomerId
    interactions: PerChannel


class OneCustomer(_Answer):
    """One customer."""

    data: OfCustomer


class Customers(_Answer):
    """A page of customers, by account and id."""

    data: list[OfCustomer]
    next_cursor: str | None = Field(description="For the next page; null: this is the last")


class Channels(_Answer):
    """All customers together."""

    data: PerChannel


class Product(_Answer):
    """Interactions about a product."""

    product: str | None = Field(description="null: nothing is known of it")
    interaction_count: int = Field(ge=1)


class ProductsOfType(_Answer):
    """Interactions of customers of one type."""

    customer_type: str | None = Field(description="null: nothing is known of it")
    products: list[Product]


class Products(_Answer):
    """Types in the order in which they were first met; products by name."""

    data: list[ProductsOfType]


class Topic(_Answer):
    """Interactions about a topic."""

    topic: str | None = Field(description="null: nothing is known of it")
    interaction_count: int = Field(ge=1)


class TopicsOfCustomer(_Answer):
    """What a customer was in touch about, by channel."""

    customer_id: CustomerId
    channels: dict[str, list[Topic]]


class Topics(_Answer):
    """One customer."""

    data: TopicsOfCustomer


class Rows(_Answer):
    """How many there are."""

    message: str = Field(pattern="^Number of Rows$")
    rows: Count


class Filters(BaseModel):
    """Which interactions count. A name that is not here is an error."""

    model_config = ConfigDict(extra="forbid")
    workspace: Workspace = "main"
    account: Word | None = Field(None, description="Of the customers, where ids are alike")
    channel: list[Word] = Field([], description="One of these, in any case")
    since: Moment | None = Field(
        None, description="ISO 8601, UTC where no zone is told; started then or later"
    )
    until: Moment | None = Field(None, description="The same; started before")
    product: Word | None = Field(None, description="Exactly this")

    def wanted(self, customer_type: str | None = None) -> Wanted:
        """The same for the store."""
        return Wanted(
            account=self.account,
            channels=tuple(self.channel),
            since=None if self.since is None else to_micros(parse_instant(self.since)),
            until=None if self.until is None else to_micros(parse_instant(self.until)),
            product=self.product,
            customer_type=customer_type,
        )


class FiltersOfAll(Filters):
    """The same, over all customers."""

    customer_type: Word | None = Field(None, description="Of the customers, in any case")


class Paged(FiltersOfAll):
    """The same, and how many customers at once."""

    cursor: Annotated[str, Field(max_length=1000)] | None = Field(
        None, description="`next_cursor` of the page before"
    )
    limit: int = Field(50, ge=1, le=500)


class _Place(Struct, array_like=True):
    account: Annotated[str, Meta(max_length=100)]
    customer: Annotated[str, Meta(max_length=255)]


def router(hub: Hub) -> APIRouter:
    """The routes. Those of single customers come last: their ids are any word."""
    made = APIRouter(prefix="/api/v1", tags=["interactions"])
    _add_all(made, hub)
    _add_single(made, hub)
    return made


def _add_all(made: APIRouter, hub: Hub) -> None:
    @made.get(
        "/interactions", summary="Count interactions by customer", responses=answers(422, 503)
    )
    async def list_customers(filters: Annotated[Paged, Query()]) -> Customers:
        """All customers, also those who had none, by account and id."""
        place = None if filters.cursor is None else from_cursor(filters.cursor, _Place)
        after = None if place is None else (place.account, place.customer)
        wanted, limit = filters.wanted(filters.customer_type), filters.limit

        def page(c: Connection) -> Customers:
            found = interactions.customers(c, filters.workspace, wanted, after, limit + 1)
            more = to_cursor(found[limit - 1]) if found[limit:] else None
            data = _of_customers(c, filters.workspace, wanted, found[:limit])
            return Customers(data=data, next_cursor=more)

        return await hub.read(page)

    @made.get(
        "/interactions/channels",
        summary="Count interactions by channel",
        responses=answers(422, 503),
    )
    async def count_channels(filters: Annotated[FiltersOfAll, Query()]) -> Channels:
        """Those of all customers together, and those that tell of no customer."""
        wanted = filters.wanted(filters.customer_type)
        found = await hub.read(lambda c: interactions.by_channel(c, filters.workspace, wanted))
        return Channels(data=found)

    @made.get(
        "/interactions/products",
        summary="Count interactions by product and type of customer",
        responses=answers(422, 503),
    )
    async def count_products(filters: Annotated[FiltersOfAll, Query()]) -> Products:
        """A product is the interaction's own topic, else that of the time when it started."""
        wanted = filters.wanted(filters.customer_type)
        found = await hub.read(lambda c: _products(c, filters.workspace, wanted))
        return Products(data=found)


def _add_single(made: APIRouter, hub: Hub) -> None:
    @made.get(
        "/interactions/topics/{customer_id}",
        summary="Count a customer's interactions by channel and topic",
        responses=answers(404, 409, 422, 503),
    )
    async def count_topics(
        customer_id: Annotated[Word, Path()], filters: Annotated[Filters, Query()]
    ) -> Topics:
        """Topics are what products are in the count of these."""

        def one(c: Connection) -> Topics:
            customer = _find(c, hub, filters, customer_id)
            return Topics(data=_topics(c, filters.workspace, filters.wanted(), customer))

        return await hub.read(one)

    @made.get(
        "/interactions/{customer_id}",
        summary="Count a customer's interactions by channel",
        responses=answers(404, 409, 422, 503),
    )
    async def count_customer(
        customer_id: Annotated[Word, Path()], filters: Annotated[Filters, Query()]
    ) -> OneCustomer:
        """A customer whom only an interaction names is known, too."""

        def one(c: Connection) -> OneCustomer:
            customer = _find(c, hub, filters, customer_id)
            [found] = _of_customers(c, filters.workspace, filters.wanted(), [customer])
            return OneCustomer(data=found)

        return await hub.read(one)

    @made.get("/stats/{table}", summary="Count rows", responses=answers(404, 422, 503))
    async def count_rows(table: str, workspace: Annotated[Workspace, Query()] = "main") -> Rows:
        """Of `customers`, `interactions` or `products`."""
        found = await hub.read(lambda c: interactions.rows_of(c, workspace, table))
        if found is None:
            raise HttpError(404, "not_found", "Table name not found")
        return Rows(message="Number of Rows", rows=found)


def _find(connection: Connection, hub: Hub, filters: Filters, external_id: str) -> Customer:
    """The customer of an id: the sheet's, else the only one of any desk."""
    workspace = filters.workspace
    here = [one for one in hub.sources.values() if one.workspace == workspace]
    sheets = {one.account for one in here if one.provider_name == _SHEET}
    accounts = {one.account for one in here} if filters.account is None else {filters.account}
    known = interactions.known_in(connection, workspace, sorted(accounts), external_id)
    found = [one for one in known if one in sheets] or known
    if not found:
        raise HttpError(404, "not_found", "Customer not found")
    if found[1:]:
        message = f"Several accounts have this customer; name one as account: {', '.join(found)}"
        raise HttpError(409, "ambiguous", message)
    return found[0], external_id


def _shown(external_id: str) -> int | str:
    return int(external_id) if _NUMBER.fullmatch(external_id) else external_id


def _of_customers(
    connection: Connection, workspace: str, wanted: Wanted, of: list[Customer]
) -> list[OfCustomer]:
    found = interactions.by_customer(connection, workspace, wanted, of)
    return [
        OfCustomer(customer_id=_shown(external_id), interactions=counts)
        for (_, external_id), counts in found.items()
    ]


def _topics(
    connection: Connection, workspace: str, wanted: Wanted, customer: Customer
) -> TopicsOfCustomer:
    found = interactions.by_topic(connection, workspace, wanted, customer)
    channels = {
        channel: [Topic(topic=topic, interaction_count=n) for topic, n in topics.items()]
        for channel, topics in found.items()
    }
    return TopicsOfCustomer(customer_id=_shown(customer[1]), channels=channels)


def _products(connection: Connection, workspace: str, wanted: Wanted) -> list[ProductsOfType]:
    found = interactions.by_product(connection, workspace, wanted)
    return [
        ProductsOfType(
            customer_type=kind,
            products=[Product(product=one, interaction_count=n) for one, n in products.items()],
        )
        for kind, products in found.items()
    ]
