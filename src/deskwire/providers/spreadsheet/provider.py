"""Spreadsheets: customers, their interactions and the product of each month.

A record is a workbook, or one CSV file, as `core.table` has it; see doc.md. An interaction has no
id: who, how and when it is, is its identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from deskwire.core.codec import decode_body
from deskwire.core.errors import Unreadable
from deskwire.core.facts import (
    ConversationFacts,
    CustomerFacts,
    Entry,
    Head,
    Note,
    ParticipantFacts,
    Said,
    SetAside,
    TopicFacts,
)
from deskwire.core.provider import Provider, Record
from deskwire.core.table import Cell, Row, Sheet, Workbook, place
from deskwire.providers.spreadsheet import cells
from deskwire.providers.spreadsheet.tables import Table, find

#: The attribute whose spellings are one where only their case differs.
TYPE = "type"


class Options(Struct, frozen=True):
    """The keys of a source."""

    zone: str = "UTC"  #: in which the dates are written: a name in the tz database

    def __post_init__(self) -> None:
        """ValueError when there is no such zone."""
        zone_named(self.zone)


def zone_named(name: str) -> ZoneInfo:
    """A zone of the tz database; ValueError when there is none of this name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"zone: there is no {name!r}; give a name of the tz database, as Europe/London"
        ) from error


def normalise(record: Record) -> Iterator[Said]:
    """What the tables say, row by row, and what of them is read otherwise than it is written."""
    if record.kind != "file":
        raise Unreadable(f"a spreadsheet has no {record.kind} records")
    workbook = decode_body(record.body, Workbook)
    try:
        zone = zone_named(workbook.zone)
    except ValueError as error:
        raise Unreadable(str(error)) from error
    for position, external_id in enumerate(workbook.withdrawn):
        yield ConversationFacts(
            at=f"/withdrawn/{position}",
            external_id=external_id,
            as_of=record.received_at,
            head=Head(withdrawn=True),
        )
    yield from _Reading(workbook, zone, record.received_at).said()


class _Reading:
    """A workbook that is being read: what of it was met before."""

    def __init__(self, workbook: Workbook, zone: ZoneInfo, as_of: datetime) -> None:
        self._zone = zone
        self._as_of = as_of
        self._sheets = workbook.sheets
        self._tables = [find(sheet) for sheet in workbook.sheets]
        self._listed = self._ids() if self._has_customers() else None
        self._spellings: dict[tuple[str, str], str] = {}
        self._first: dict[tuple[str, str], str] = {}  #: where a thing was met
        self._customers: dict[str, dict[str, str]] = {}  #: attributes by id
        self._months: dict[str, str] = {}  #: products

    def _has_customers(self) -> bool:
        return any(table is not None and table.kind == "customers" for table in self._tables)

    def _ids(self) -> set[str]:
        """The customers that the workbook lists."""
        found = set()
        for sheet, table in zip(self._sheets, self._tables, strict=True):
            if table is None or table.kind != "customers":
                continue
            for row in sheet.rows[table.header + 1 :]:
                try:
                    found.add(cells.customer_id(_cell(row, table.columns["Customer_Id"]))[0])
                except ValueError:
                    continue  # said of its row
        return found

    def said(self) -> Iterator[Said]:
        """Everything, in the order of sheets and rows."""
        for number, (sheet, table) in enumerate(zip(self._sheets, self._tables, strict=True)):
            if table is None:
                yield from _unknown(sheet, number)
                continue
            for index in range(table.header):
                yield Note(at=place(number, index), text="it is above the headers: not read")
            for column, text in table.notes:
                yield Note(at=f"{place(number, table.header)}/cells/{column}", text=text)
            for index in range(table.header + 1, len(sheet.rows)):
                yield from self._row(table, sheet, number, index)

    def _row(self, table: Table, sheet: Sheet, number: int, index: int) -> Iterator[Said]:
        row, at = sheet.rows[index], place(number, index)
        here = f"row {row.row} of {sheet.name}"
        read = {
            "customers": self._customer,
            "interactions": self._interaction,
            "products": self._product,
        }[table.kind]
        try:
            notes, said = read(table, row, at, here)
        except ValueError as error:
            yield SetAside(at=at, reason=str(error))
            return
        yield from (Note(at=at, text=text) for text in notes)
        if said is not None:
            yield said

    def _customer(
        self, table: Table, row: Row, at: str, here: str
    ) -> tuple[list[str], CustomerFacts | None]:
        external_id, notes = cells.customer_id(_cell(row, table.columns["Customer_Id"]))
        told: dict[str, str] = {}
        named = {name.casefold(): index for name, index in table.columns.items()}
        for name, index in (named | table.further).items():
            cell = _cell(row, index)
            value = self._spelt(TYPE, cell) if name == TYPE else cells.text(cell).strip()
            if value and index != table.columns["Customer_Id"]:
                notes += cells.otherwise(cell, value)
                told[name] = value
        if TYPE not in told:
            notes.append(f"customer {external_id} has no type")
        before = self._first.setdefault(("customer", external_id), here)
        known = self._customers.setdefault(external_id, told)
        if before != here:
            if not told.items() <= known.items():
                raise ValueError(f"customer {external_id} is another one in {before}")
            return [*notes, f"customer {external_id} is in {before} already"], None
        attributes = {name: Entry(value=value) for name, value in told.items()}
        said = CustomerFacts(
            at=at, external_id=external_id, as_of=self._as_of, attributes=attributes
        )
        return notes, said

    def _interaction(
        self, table: Table, row: Row, at: str, here: str
    ) -> tuple[list[str], ConversationFacts | None]:
        start, notes = cells.start(_cell(row, table.columns["Date Start"]), self._zone)
        customer, of_customer = cells.customer_id(_cell(row, table.columns["Customers"]))
        written = _cell(row, table.columns["Interaction"])
        if written is None:
            raise ValueError("it has no interaction")
        channel = self._spelt("channel", written)
        notes += cells.otherwise(written, channel) + of_customer
        if self._listed is not None and customer not in self._listed:
            self._listed.add(customer)
            notes.append(f"customer {customer} is not among the customers of this file")
        external_id = f"{customer}/{channel.casefold()}/{start.local}"
        before = self._first.setdefault(("interaction", external_id), here)
        if before != here:
            return [*notes, f"it is the same as {before}: counted once"], None
        said = ConversationFacts(
            at=at,
            external_id=external_id,
            as_of=self._as_of,
            # Nobody knows who handled it, and until when: it counts, and is neither.
            head=Head(
                channel=channel,
                status="closed",
                started_at=start.at,
                customer=customer,
                withdrawn=False,
            ),
            participants={customer: ParticipantFacts(role="customer")},
        )
        return notes, said

    def _product(
        self, table: Table, row: Row, at: str, here: str
    ) -> tuple[list[str], TopicFacts | None]:
        (year, month), notes = cells.month(_cell(row, table.columns["Date"]))
        name, cell = f"{month:02}-{year}", _cell(row, table.columns["Product"])
        if cell is None:
            return [*notes, f"{name} has no product"], None
        product = self._spelt("product", cell)
        notes += cells.otherwise(cell, product)
        before = self._first.setdefault(("month", name), here)
        known = self._months.setdefault(name, product)
        if before != here:
            if product != known:
                raise ValueError(f"{name} was about {known} in {before}")
            return [*notes, f"{name} is in {before} already"], None
        said = TopicFacts(
            at=at,
            from_at=self._beginning(year, month),
            to_at=self._beginning(year + month // 12, month % 12 + 1),
            as_of=self._as_of,
            topic=product,
        )
        return notes, said

    def _beginning(self, year: int, month: int) -> datetime:
        return datetime(year, month, 1, tzinfo=self._zone).astimezone(UTC)

    def _spelt(self, kind: str, cell: Cell) -> str:
        """As it was spelt first in this file."""
        name = cells.words(cell)
        return self._spellings.setdefault((kind, name.casefold()), name)


def _cell(row: Row, index: int) -> Cell:
    return row.cells[index] if index < len(row.cells) else None


def _unknown(sheet: Sheet, number: int) -> Iterator[Said]:
    if sheet.rows:
        headers = ", ".join(cells.quoted(one) for one in sheet.rows[0].cells[:10])
        yield SetAside(
            at=f"/sheets/{number}",
            reason=f"no known table has these headers: {headers}; {len(sheet.rows)} rows not read",
        )


provider = Provider(
    normalise=normalise, text_fields=frozenset({"cells"}), files="table", options=Options
)
