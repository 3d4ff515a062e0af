"""Imports of spreadsheets into a real store: what is counted, reported, kept and taken out."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter  # type: ignore[import-untyped]

from deskwire import providers, settings
from deskwire.core.errors import Misconfigured
from deskwire.pipeline.hub import Hub
from deskwire.pipeline.importing import Gone, Imported, Line, Plan, source_for
from deskwire.pipeline.replay import replay
from deskwire.pipeline.sheets import import_sheets
from deskwire.pipeline.workbook import parse
from deskwire.store import schema
from deskwire.store.db import Database

FIXTURES = Path(providers.__file__).parent / "spreadsheet" / "fixtures"
WHOLE, SMALL, DIRTY = (
    str(FIXTURES / f"business_data{name}.xlsx") for name in ("", "_small", "_dirty")
)
STARTS = ["Date Start", "Interaction", "Customers"]
CONFIG = """
[[source]]
name = "spreadsheet"
provider = "spreadsheet"
destinations = ["hooks"]
[[destination]]
name = "hooks"
kind = "webhook"
url = "http://127.0.0.1:9"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
[[source]]
name = "shop"
provider = "spreadsheet"
zone = "Europe/London"
"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that holds nothing, to be copied."""
    file = tmp_path_factory.mktemp("empty") / "empty.db"
    database = Database(f"sqlite:///{file}")
    schema.upgrade(database)
    database.close()
    return file


@pytest.fixture
def hub(empty: Path, tmp_path: Path) -> Iterator[Hub]:
    shutil.copy(empty, tmp_path / "deskwire.db")
    (tmp_path / "deskwire.toml").write_text(CONFIG)
    opened = settings.open_hub(settings.load(tmp_path / "deskwire.toml"))
    try:
        yield opened
    finally:
        opened.database.close()


def take(hub: Hub, *names: str, **how: bool) -> Imported:
    plan = Plan(source=source_for(hub, "spreadsheet", None, None), **how)
    return import_sheets(hub, plan, list(names))


def counted(imported: Imported) -> dict[str, int | None]:
    names = ("read", "new", "changed", "unchanged", "set_aside", "withdrawn")
    assert imported.errors == []
    return {name: getattr(imported, name) for name in names if getattr(imported, name)}


def rows(hub: Hub, query: str) -> list[tuple[Any, ...]]:
    return hub.database.read(lambda c: [tuple(one) for one in c.exec_driver_sql(query)])


def known(hub: Hub) -> dict[str, list[tuple[Any, ...]]]:
    """All that is known, whenever and by whichever record it was said."""
    return {
        "customers": rows(
            hub,
            "SELECT external_id, type, attributes ->> '$.occupation.value.value' FROM customers "
            "ORDER BY 1",
        ),
        "interactions": rows(
            hub,
            "SELECT external_id, channel, customer, started_at, status, ended_at, is_withdrawn "
            "FROM conversations ORDER BY 1",
        ),
        "topics": rows(hub, "SELECT from_at, to_at, topic FROM topics ORDER BY 1"),
    }


def versions(hub: Hub) -> list[tuple[Any, ...]]:
    """What changes with any write."""
    return rows(hub, "SELECT id, version FROM conversations UNION SELECT id, kind FROM records")


def there(hub: Hub) -> list[str]:
    found = rows(hub, "SELECT external_id FROM conversations WHERE NOT is_withdrawn ORDER BY 1")
    return [row[0] for row in found]


def sparse() -> bytes:
    """A small workbook whose reader takes more memory than there is."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "here")
        sheet.write(1_048_575, 16_383, "and there")
    return file.getvalue()


def starts(folder: Path, *told: tuple[str, str, int], name: str = "starts.csv") -> str:
    """A CSV file of interactions."""
    with (folder / name).open("w", newline="") as file:
        csv.writer(file).writerows([STARTS, *told])
    return str(folder / name)


@pytest.mark.parametrize(
    ("name", "counts", "notes"),
    [
        (SMALL, 12, [("External interactions", 3, "customer 4 is not among the customers of")]),
        (WHOLE, 65, [("Customers", 14, "customer 13 has no type")]),
    ],
    ids=["small", "whole"],
)
def test_a_file_is_counted_by_its_rows(
    hub: Hub, name: str, counts: int, notes: list[tuple[str, int, str]]
) -> None:
    imported = take(hub, name)

    assert counted(imported) == {"read": counts, "new": counts}
    assert [
        (one.sheet, one.row, one.text.removesuffix(" this file")) for one in imported.notes or []
    ] == notes


def test_every_dirty_cell_is_cleaned_or_set_aside_and_told(hub: Hub) -> None:
    imported = take(hub, DIRTY)

    def lines(sheet: str, *told: tuple[int, str]) -> list[Line]:
        file = "business_data_dirty.xlsx"
        return [Line(file=file, sheet=sheet, row=row, text=text) for row, text in told]

    assert imported == Imported(
        read=21,
        new=14,
        set_aside=4,
        withdrawn=0,
        withdrawn_rows=[],
        set_aside_rows=[
            *lines("Customers", (6, '"x9" is no customer\'s id: ids are whole numbers')),
            *lines(
                "External interactions",
                (
                    5,
                    '"31/02/2020 10:00" is an impossible date: day is out of range for month',
                ),
                (9, '"soon" is no date: write 31/12/2020 16:05'),
            ),
            *lines("Products of discussion", (5, '"13-2021": there is no month 13')),
        ],
        notes=[
            *lines(
                "Customers",
                (1, 'header "customer id" read as "Customer_Id"'),
                (1, 'header "OCCUPATION" read as "Occupation"'),
                (1, 'header "Type " read as "Type"'),
                (2, '"1 " read as 1'),
                (4, '"3" read as 3'),
                (4, '"Santa Claus " read as "Santa Claus"'),
                (8, "customer 11 is in row 7 of Customers already"),
                (9, '"Red" read as "red"'),
            ),
            *lines(
                "External interactions",
                (1, 'header "Date  start" read as "Date Start"'),
                (1, 'header "Customer" read as "Customers"'),
                (2, "the date 2019-10-04T09:00:00 read as 04/10/2019 09:00"),
                (2, '"email " read as "email"'),
                (3, "customer 4 is not among the customers of this file"),
                (4, '"4" read as 4'),
                (6, '"2020-06-03T13:01:00" read as 03/06/2020 13:01'),
                (6, "customer 5 is not among the customers of this file"),
                (7, '" 04/06/2021 13:01 " read as 04/06/2021 13:01'),
                (7, '" Email" read as "email"'),
                (7, '"3" read as 3'),
                (8, '"Email" read as "email"'),
                (8, "it is the same as row 7 of External interactions: counted once"),
                (11, "customer 999 is not among the customers of this file"),
            ),
            *lines(
                "Products of discussion",
                (1, 'header "date" read as "Date"'),
                (3, '"2019-02" read as 02-2019'),
                (4, "the date 2021-10-01 read as 10-2021"),
                (4, '"Orange " read as "Orange"'),
                (6, "10-2021 is in row 4 of Products of discussion already"),
            ),
        ],
    )


def test_what_a_dirty_file_says_is_clean(hub: Hub) -> None:
    take(hub, DIRTY)

    told = known(hub)
    assert told["customers"] == [
        ("1", "red", "Jedi"),
        ("11", "Orange", "Doctor"),
        ("12", "red", "Plumber"),
        ("2", "Orange", "Batman"),
        ("3", "Blue", "Santa Claus"),
    ]
    assert [row[:3] for row in told["interactions"]] == [
        ("1/email/2019-10-04T09:00", "email", "1"),
        ("3/email/2021-06-04T13:01", "email", "3"),
        ("4/bird/2020-03-05T11:23", "Bird", "4"),
        ("4/call/2020-02-11T16:10", "CALL", "4"),
        ("5/post/2020-06-03T13:01", "Post", "5"),
        ("999/bird/2020-01-16T09:15", "Bird", "999"),
    ]
    assert {row[4:] for row in told["interactions"]} == {("closed", None, 0)}
    assert [row[2] for row in told["topics"]] == ["Sand", "Sand", "Orange"]


def test_the_same_file_again_changes_nothing(hub: Hub) -> None:
    first = take(hub, DIRTY)
    before = versions(hub)

    again = take(hub, DIRTY)

    assert counted(again) == {"read": 21, "unchanged": 14, "set_aside": 4}
    assert (again.notes, again.set_aside_rows) == (first.notes, first.set_aside_rows)
    assert versions(hub) == before


def test_a_mended_file_is_an_upsert(hub: Hub) -> None:
    take(hub, DIRTY)

    imported = take(hub, WHOLE)

    # Changed are customers 1 and 12, and the three channels whose first spelling was another.
    assert counted(imported) == {"read": 65, "new": 52, "changed": 5, "unchanged": 8}
    assert known(hub)["customers"][3] == ("12", "Red", "Plummer")


def test_an_earlier_file_counts_again_after_another_one(hub: Hub) -> None:
    take(hub, SMALL)
    before = known(hub)
    take(hub, DIRTY)

    imported = take(hub, SMALL)

    assert counted(imported) == {"read": 12, "changed": 5, "unchanged": 7}
    small = {row[0] for row in before["interactions"]}
    after = [row for row in known(hub)["interactions"] if row[0] in small]
    assert (known(hub)["customers"], after) == (before["customers"], before["interactions"])


def test_three_csv_files_say_what_the_workbook_says(hub: Hub, tmp_path: Path) -> None:
    names = []
    for number, sheet in enumerate(parse(Path(WHOLE).read_bytes(), WHOLE).sheets):
        names.append(str(tmp_path / f"{number}.csv"))
        with Path(names[-1]).open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, delimiter=";").writerows(row.cells for row in sheet.rows)
    from_files = counted(take(hub, *names))
    told = known(hub)

    imported = take(hub, WHOLE)

    assert from_files == {"read": 65, "new": 65}
    assert counted(imported) == {"read": 65, "unchanged": 65}
    assert known(hub) == told


def test_a_dry_run_counts_and_stores_nothing(hub: Hub) -> None:
    take(hub, SMALL)
    before = versions(hub)

    imported = take(hub, WHOLE, dry_run=True)

    assert counted(imported) == {"read": 65, "new": 53, "unchanged": 12}
    assert versions(hub) == before


def test_what_a_file_no_longer_holds_of_its_time_is_taken_out(hub: Hub, tmp_path: Path) -> None:
    told = [(f"0{day}/01/2020 10:00", "Call", day) for day in range(1, 7)]
    take(hub, starts(tmp_path, *told))
    later = starts(tmp_path, told[1], ("04/01/2020 11:00", "Post", 9), told[4])

    shown = take(hub, later, replace=True, dry_run=True)
    untouched = there(hub)
    imported = take(hub, later, replace=True)

    gone = [
        Gone(started_at="2020-01-03 10:00", customer="3", channel="Call"),
        Gone(started_at="2020-01-04 10:00", customer="4", channel="Call"),
    ]
    assert (counted(shown), shown.withdrawn_rows) == (counted(imported), gone)
    assert counted(imported) == {"read": 3, "new": 1, "unchanged": 2, "withdrawn": 2}
    assert imported.withdrawn_rows == gone
    assert untouched == [f"{day}/call/2020-01-0{day}T10:00" for day in range(1, 7)]
    assert there(hub) == [
        *(f"{day}/call/2020-01-0{day}T10:00" for day in (1, 2, 5, 6)),
        "9/post/2020-01-04T11:00",
    ]


def test_a_row_that_comes_back_is_there_again(hub: Hub) -> None:
    take(hub, WHOLE)
    before = known(hub)
    take(hub, SMALL, replace=True)
    missing = known(hub)

    imported = take(hub, WHOLE)

    assert sum(row[6] for row in missing["interactions"]) == 14
    assert counted(imported) == {"read": 65, "changed": 14, "unchanged": 51}
    assert known(hub) == before


def test_files_that_are_imported_together_take_out_nothing_of_each_other(
    hub: Hub, tmp_path: Path
) -> None:
    calls = starts(tmp_path, *((f"0{n}/01/2020 10:00", "Call", n) for n in (1, 3)), name="c.csv")
    posts = starts(tmp_path, *((f"0{n}/01/2020 10:00", "Post", n) for n in (2, 4)), name="p.csv")

    imported = take(hub, calls, posts, replace=True)

    assert counted(imported) == {"read": 4, "new": 4}
    assert len(there(hub)) == 4


def test_nothing_is_taken_out_where_a_file_could_not_be_read(hub: Hub, tmp_path: Path) -> None:
    take(hub, WHOLE)
    (tmp_path / "bad.xlsx").write_bytes(b"PK\x03\x04")

    imported = take(hub, SMALL, str(tmp_path / "bad.xlsx"), replace=True)

    assert (imported.withdrawn, len(there(hub))) == (0, 18)
    assert imported.errors == [
        f"{tmp_path}/bad.xlsx: it breaks off: its zip has no directory",
        "nothing was taken out, as not every file could be read",
    ]


def test_a_replay_of_all_files_changes_nothing(hub: Hub) -> None:
    for name, replaces in ((DIRTY, False), (WHOLE, False), (SMALL, True), (WHOLE, False)):
        take(hub, name, replace=replaces)

    replayed = replay(hub, hub.sources["spreadsheet"])

    assert (replayed.records, replayed.differences) == (5, [])


def test_only_spreadsheets_can_be_replaced(hub: Hub) -> None:
    with pytest.raises(Misconfigured, match="--replace is for spreadsheets: a file of intercom"):
        Plan(source=hub.sources["intercom"], replace=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2", 'no known table has these headers: "a", "b"; 2 rows not read'),
        (b"", "it is empty"),
        (b"PK\x03\x04", "it breaks off: its zip has no directory"),
        (
            sparse(),
            "its reader fails on it: it is broken, or needs more than 1024 MiB of memory",
        ),
    ],
    ids=["other", "empty", "cut", "sparse"],
)
def test_of_a_file_that_is_none_nothing_is_stored(
    hub: Hub, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "some.csv").write_bytes(content)

    imported = take(hub, str(tmp_path / "some.csv"))

    assert imported.errors == [f"{tmp_path}/some.csv: {message}"]
    assert versions(hub) == []


def test_a_file_with_headers_only_says_nothing(hub: Hub, tmp_path: Path) -> None:
    assert counted(take(hub, starts(tmp_path))) == {}


def test_dates_are_of_the_zone_of_their_source(hub: Hub, tmp_path: Path) -> None:
    name = starts(tmp_path, ("01/07/2020 00:30", "Call", 1))
    plan = Plan(source=hub.sources["shop"], replace=True)

    import_sheets(hub, plan, [name])
    imported = import_sheets(hub, plan, [starts(tmp_path, ("01/07/2020 00:30", "Post", 1))])

    assert rows(hub, "SELECT external_id, account, started_at FROM conversations ORDER BY 1") == [
        ("1/call/2020-07-01T00:30", "shop", 1_593_559_800_000_000),
        ("1/post/2020-07-01T00:30", "shop", 1_593_559_800_000_000),
    ]
    [gone] = imported.withdrawn_rows or []
    assert gone == Gone(started_at="2020-07-01 00:30", customer="1", channel="Call")


def test_a_card_number_does_not_get_into_the_store(hub: Hub, tmp_path: Path) -> None:
    told = "Customer_Id,Type,Remark\n1,Red,pays with 4111 1111 1111 1111\n2,Red,4111111111111111\n"
    (tmp_path / "customers.csv").write_text(told)

    take(hub, str(tmp_path / "customers.csv"))

    remarks = "SELECT attributes ->> '$.remark.value.value' FROM customers ORDER BY external_id"
    assert rows(hub, remarks) == [
        ("pays with **** **** **** ****",),
        ("****************",),
    ]


def test_nothing_is_sent_unless_it_is_asked_for(hub: Hub) -> None:
    due = "SELECT count(*) FROM work WHERE kind = 'deliver'"
    take(hub, SMALL)
    before = rows(hub, due)

    take(hub, SMALL, deliver=True)

    assert (before, rows(hub, due)) == ([(0,)], [(4,)])


def test_a_workbook_with_real_dates_says_the_same(hub: Hub, tmp_path: Path) -> None:
    take(hub, starts(tmp_path, ("04/10/2019 09:00", "Email", 1)))
    with xlsxwriter.Workbook(tmp_path / "some.xlsx") as book:
        day = book.add_format({"num_format": "dd/mm/yyyy hh:mm"})
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, STARTS)
        sheet.write_datetime(1, 0, datetime(2019, 10, 4, 9), day)  # noqa: DTZ001 - a sheet's
        sheet.write_row(1, 1, ["Email", 1])

    assert counted(take(hub, str(tmp_path / "some.xlsx"))) == {"read": 1, "unchanged": 1}
