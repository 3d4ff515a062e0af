"""What rows say: whatever is written in them, none is dropped."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire import providers
from deskwire.core.facts import ConversationFacts, CustomerFacts, Note, Said, SetAside, TopicFacts
from deskwire.core.provider import Record
from deskwire.core.table import Cell, Date, Row, Sheet, Workbook, place, rows_at, whereabouts

RECEIVED_AT = datetime(2026, 11, 1, 12, 0, 10, tzinfo=UTC)
CUSTOMERS = ["Customer_Id", "Occupation", "Type"]
INTERACTIONS = ["Date Start", "Interaction", "Customers"]
PRODUCTS = ["Date", "Product"]

digits = st.integers(0, 13).map(str) | st.sampled_from(["31", "2020", "1/2", "99"])
dates = st.builds("{}{}{}{}{} {}:{}".format, *[digits, st.sampled_from("/-."), digits] * 3, digits)
values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["1", "3.0", " 7 ", "x9", "Email", "EMAIL", "10-2021", "2021-13", "soon"])
    | dates
    | st.datetimes().map(lambda one: one.isoformat())
    | st.datetimes(timezones=st.timezones()).map(lambda one: one.isoformat())
    | (st.datetimes() | st.dates()).map(lambda one: Date(one.isoformat()))
    | st.text().map(Date)
)
tables = st.sampled_from([CUSTOMERS, INTERACTIONS, PRODUCTS, ["Colour"], []])
zones = st.sampled_from(["UTC", "Europe/London", "America/New_York", "Pacific/Apia"])


def said(workbook: Workbook) -> list[Said]:
    record = Record(
        id="r1",
        source="spreadsheet",
        account="spreadsheet",
        kind="file",
        origin="a test",
        received_at=RECEIVED_AT,
        body=msgspec.json.encode(workbook),
    )
    return list(providers.load("spreadsheet").normalise(record))


def sheet(headers: list[str], *rows: list[Any]) -> Sheet:
    numbered = enumerate([headers, *rows], 1)
    return Sheet(name="One", rows=[Row(row=number, cells=cells) for number, cells in numbered])


def report(*sheets: Sheet, zone: str = "UTC") -> list[tuple[int, str]]:
    """(row, text) of all that is noted or set aside."""
    workbook = Workbook(file="one.xlsx", sheets=list(sheets), zone=zone)
    return [
        (whereabouts(workbook, one.at)[1], one.text if isinstance(one, Note) else one.reason)
        for one in said(workbook)
        if isinstance(one, Note | SetAside)
    ]


def starts(text: Cell, zone: str) -> list[tuple[str, Any]]:
    """What an interaction's date is read as: (external id, start)."""
    workbook = Workbook(sheets=[sheet(INTERACTIONS, [text, "Call", 1])], zone=zone)
    return [
        (one.external_id, one.head.started_at)
        for one in said(workbook)
        if isinstance(one, ConversationFacts)
    ]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(
    told=st.lists(
        st.tuples(tables, st.lists(st.lists(values, max_size=4), max_size=6)), max_size=3
    ),
    zone=zones,
)
def test_every_row_is_said_noted_or_set_aside(
    told: list[tuple[list[str], list[list[Any]]]], zone: str
) -> None:
    filled = [
        (headers, [row for row in rows if any(one is not None for one in row)])
        for headers, rows in told
    ]
    workbook = Workbook(sheets=[sheet(headers, *rows) for headers, rows in filled], zone=zone)

    found = said(workbook)

    ats = {one.at for one in found}
    lost = [
        (number, index)
        for number, (_, rows) in enumerate(filled)
        for index in range(1, len(rows) + 1)
        if place(number, index) not in ats and f"/sheets/{number}" not in ats
    ]
    facts = [one for one in found if not isinstance(one, Note)]
    assert lost == []
    assert len({one.at for one in facts}) == len(facts)
    assert rows_at(workbook, ats) >= sum(len(rows) for _, rows in filled)
    assert json.loads(msgspec.json.encode(found)) is not None


@given(rows=st.lists(st.tuples(st.sampled_from(["Email", "Call"]), st.integers(1, 3)), max_size=8))
def test_an_interaction_is_told_once_however_often_it_is_written(
    rows: list[tuple[str, int]],
) -> None:
    table = sheet(INTERACTIONS, *(["04/10/2019 09:00", *row] for row in rows))

    found = [one for one in said(Workbook(sheets=[table])) if isinstance(one, ConversationFacts)]

    ids = [one.external_id for one in found]
    assert sorted(ids) == sorted({f"{row[1]}/{row[0].lower()}/2019-10-04T09:00" for row in rows})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("04/10/2019 09:00", "2019-10-04T09:00"),
        ("4.10.2019 9:00", "2019-10-04T09:00"),
        ("12/11/2020 10:00", "2020-11-12T10:00"),
        ("2020-11-12 10:00", "2020-11-12T10:00"),
        ("2020-11-12T10:00:05Z", "2020-11-12T10:00:05"),
        ("2020-11-12T10:00+05:30", "2020-11-12T04:30"),
        (Date("2020-11-12T09:59:59.9999"), "2020-11-12T10:00"),
        (Date("2020-11-12"), "2020-11-12T00:00"),
    ],
)
def test_dates_are_day_first_unless_they_are_iso(written: Cell, read: str) -> None:
    assert starts(written, "UTC") == [(f"1/call/{read}", at(read))]


def test_a_time_that_the_clocks_skipped_counts_from_before() -> None:
    assert starts("29/03/2026 01:30", "Europe/London") == [
        ("1/call/2026-03-29T01:30", at("2026-03-29T01:30"))
    ]


def test_of_a_time_that_came_twice_the_first_counts_unless_its_offset_is_told() -> None:
    first = starts("25/10/2026 01:30", "Europe/London")
    second = starts("2026-10-25T01:30:00+00:00", "Europe/London")

    assert first == [("1/call/2026-10-25T01:30", at("2026-10-25T00:30"))]
    assert second == [("1/call/2026-10-25T01:30+0000", at("2026-10-25T01:30"))]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("31/02/2020 10:00", '"31/02/2020 10:00" is an impossible date: '),
        ("12/31/2020 10:00", '"12/31/2020 10:00" is an impossible date: month must be in 1..12'),
        ("01/02/20 10:00", '"01/02/20 10:00" is no date: write 31/12/2020 16:05'),
        ("01/02/2020 10:00 PM", '"01/02/2020 10:00 PM" is no date: write 31/12/2020 16:05'),
        ("soon", '"soon" is no date: write 31/12/2020 16:05'),
        (43742.5, "43742.5 is no date: write 31/12/2020 16:05"),
        (None, "it has no date"),
        (Date("1899-12-31"), "1899-12-31: the year is not from 1900 to 2100"),
    ],
)
def test_a_date_that_nobody_can_have_meant_is_set_aside(written: Cell, reason: str) -> None:
    [(row, told)] = report(sheet(INTERACTIONS, [written, "Call", 1]))

    assert row == 2
    assert told.startswith(reason)


def test_a_month_is_told_in_the_zone() -> None:
    table = sheet(PRODUCTS, ["10-2021", "Orange"])

    [told] = said(Workbook(sheets=[table], zone="Europe/London"))

    assert told == TopicFacts(
        at="/sheets/0/rows/1",
        from_at=at("2021-09-30T23:00"),
        to_at=at("2021-11-01T00:00"),
        as_of=RECEIVED_AT,
        topic="Orange",
    )


@pytest.mark.parametrize("written", [1, "1", "1.0", " 1 ", "01"], ids=repr)
def test_an_id_is_a_number_however_it_is_written(written: Cell) -> None:
    found = said(Workbook(sheets=[sheet(CUSTOMERS, [written, "Jedi", "Red"])]))

    assert [one.external_id for one in found if isinstance(one, CustomerFacts)] == ["1"]
    assert [one.text for one in found if isinstance(one, Note)] == (
        [] if written == 1 else [f'"{written}" read as 1']
    )


def test_customers_are_known_whatever_the_order_of_sheets() -> None:
    interactions = sheet(INTERACTIONS, *([f"0{n}/01/2020 10:00", "Call", n % 3] for n in (1, 2, 4)))
    customers = sheet(CUSTOMERS, [1, "Jedi", "Red"])

    assert report(interactions, customers) == [
        (3, "customer 2 is not among the customers of this file")
    ]
    assert report(interactions) == []


def test_rows_that_contradict_an_earlier_one_are_set_aside() -> None:
    customers = sheet(CUSTOMERS, [1, "Jedi", "Red"], [1, None, "red"], [1, "Sith", "Red"])
    products = sheet(PRODUCTS, ["01-2020", "Sand"], ["01-2020", "Salt"])

    assert report(customers, products) == [
        (3, '"red" read as "Red"'),
        (3, "customer 1 is in row 2 of One already"),
        (4, "customer 1 is another one in row 2 of One"),
        (3, "01-2020 was about Sand in row 2 of One"),
    ]


def test_each_minute_is_another_interaction() -> None:
    first = datetime(2020, 1, 1, tzinfo=UTC)
    rows = [[f"{first + timedelta(minutes=n):%d/%m/%Y %H:%M}", "Call", 1] for n in range(1000)]

    found = said(Workbook(sheets=[sheet(INTERACTIONS, *rows)]))

    told = [one.head.started_at for one in found if isinstance(one, ConversationFacts)]
    assert told == [first + timedelta(minutes=n) for n in range(1000)]


def test_a_zone_that_is_none_is_a_fault_of_the_configuration() -> None:
    options = providers.load("spreadsheet").options

    with pytest.raises(
        ValueError, match="zone: there is no 'Mars'; give a name of the tz database"
    ):
        options(zone="Mars")
