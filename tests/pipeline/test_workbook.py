"""Workbooks and CSV files of strangers: what is read of them, and what is refused."""

from __future__ import annotations

import io
import re
import struct
import sys
import zipfile
from datetime import date, datetime

import pytest
import xlsxwriter  # type: ignore[import-untyped]

from deskwire.core.table import Date, Row, Sheet, Workbook
from deskwire.pipeline.files import MIB, Broken
from deskwire.pipeline.workbook import Limits, parse

SHEET = "xl/worksheets/sheet1.xml"


def workbook(*rows: list[object], first: int = 0) -> bytes:
    """An XLSX with one sheet, whose rows begin at an index."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        day = book.add_format({"num_format": "dd/mm/yyyy hh:mm"})
        sheet = book.add_worksheet("One")
        for number, row in enumerate(rows, first):
            for column, value in enumerate(row):
                if isinstance(value, date):
                    sheet.write_datetime(number, column, value, day)
                else:
                    sheet.write(number, column, value)
    return file.getvalue()


def ods(rows: str) -> bytes:
    """An ODS with one sheet of these rows, as XML."""
    names = " ".join(
        f'xmlns:{key}="urn:oasis:names:tc:opendocument:xmlns:{key}:1.0"'
        for key in ("office", "table", "text")
    )
    content = (
        f'<?xml version="1.0"?><office:document-content {names}><office:body><office:spreadsheet>'
        f'<table:table table:name="One">{rows}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        packed.writestr("content.xml", content)
        manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
        packed.writestr(
            "META-INF/manifest.xml", f'<manifest:manifest xmlns:manifest="{manifest}"/>'
        )
    return file.getvalue()


def xls(cells: dict[tuple[int, int], str | float]) -> bytes:
    """An XLS with one sheet: BIFF8 records in the one stream of a compound file."""
    begin = "<HHHHLL"
    globals_ = piece(0x809, struct.pack(begin, 0x600, 5, 0xDBB, 0x7CC, 0, 6))
    at = len(globals_) + 4 + 11 + 4
    bound = struct.pack("<LBBBB", at, 0, 0, 3, 0) + b"One"
    told = globals_ + piece(0x85, bound) + piece(0x0A)
    told += piece(0x809, struct.pack(begin, 0x600, 0x10, 0xDBB, 0x7CC, 0, 6))
    for (row, column), value in cells.items():
        place = struct.pack("<HHH", row, column, 0)
        if isinstance(value, str):
            text = struct.pack("<HB", len(value), 0) + value.encode("latin-1")
            told += piece(0x204, place + text)
        else:
            told += piece(0x203, place + struct.pack("<d", value))
    stream = (told + piece(0x0A)).ljust(4096, b"\0")
    sectors = len(stream) // 512
    assert len(stream) == 512 * sectors
    chain = [-3, -2, *range(3, sectors + 2), -2]
    header = struct.pack(
        "<8s16x5H6x10l",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6),
        *(0, 1, 1, 0, 4096, -2, 0, -2, 0, 0),
    )
    entries = entry("Root Entry", 5, 1, -2, 0) + entry("Workbook", 2, -1, 2, len(stream))
    fat = struct.pack(f"<{len(chain)}l", *chain)
    return header.ljust(512, b"\xff") + fat.ljust(512, b"\xff") + entries.ljust(512, b"\0") + stream


def piece(kind: int, body: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    written = (name + "\0").encode("utf-16-le")
    links = struct.pack("<HBBlll", len(written), kind, 1, -1, -1, child)
    return written.ljust(64, b"\0") + links + b"\0" * 36 + struct.pack("<lQ", start, size)


def bomb(mib: int) -> bytes:
    """A workbook with a cell of so much text."""
    file = io.BytesIO()
    small = zipfile.ZipFile(io.BytesIO(workbook(["Customer_Id"])))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in small.namelist():
            if name != SHEET:
                packed.writestr(name, small.read(name))
        with packed.open(SHEET, "w", force_zip64=False) as sheet:
            head = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
            sheet.write(f'{head}<sheetData><row r="1"><c t="inlineStr"><is><t>'.encode())
            for _ in range(mib):
                sheet.write(b"a" * MIB)
            sheet.write(b"</t></is></c></row></sheetData></worksheet>")
    return file.getvalue()


def read(content: bytes, name: str = "some.csv") -> list[Row]:
    [sheet] = parse(content, name).sheets
    return sheet.rows


def why(content: bytes, **limits: int) -> str:
    with pytest.raises(Broken) as error:
        parse(content, "some.xlsx", limits=Limits(**limits))
    return str(error.value)


def test_a_workbook_is_read_with_its_types_and_row_numbers() -> None:
    content = workbook(
        ["Id", "When", "Text"],
        [1, datetime(2019, 10, 4, 9, 0), " a "],  # noqa: DTZ001 - as sheets have it
        [],
        [1.5, date(2021, 10, 1), True],
        first=2,
    )

    assert parse(content, "a/b.xlsx", "Europe/London") == Workbook(
        file="a/b.xlsx",
        zone="Europe/London",
        sheets=[
            Sheet(
                name="One",
                rows=[
                    Row(row=3, cells=["Id", "When", "Text"]),
                    Row(row=4, cells=[1, Date("2019-10-04T09:00:00"), " a "]),
                    Row(row=6, cells=[1.5, Date("2021-10-01"), True]),
                ],
            )
        ],
    )


def test_a_long_number_is_a_text_so_that_it_can_be_masked() -> None:
    content = workbook([411111111111, 4111111111111111, 1e300])

    assert read(content) == [Row(row=1, cells=[411111111111, "4111111111111111", 1e300])]
    assert read(b"411111111111,4111111111111111")[0].cells == [411111111111, "4111111111111111"]


def test_an_ods_is_read() -> None:
    cell = '<table:table-cell office:value-type="{}"{}><text:p>{}</text:p></table:table-cell>'
    told = [
        cell.format("string", "", "Email"),
        cell.format("float", ' office:value="3"', "3"),
        cell.format("date", ' office:date-value="2020-06-03T13:01:00"', "3.6.20"),
    ]

    rows = read(ods(f"<table:table-row>{''.join(told)}</table:table-row>"), "some.ods")

    assert rows == [Row(row=1, cells=["Email", 3, Date("2020-06-03T13:01:00")])]


def test_an_xls_is_read() -> None:
    content = xls({(0, 0): "Date", (0, 1): "Product", (2, 0): "01-2019", (2, 1): 3.0})

    rows = read(content, "some.xls")

    assert rows == [Row(row=1, cells=["Date", "Product"]), Row(row=3, cells=["01-2019", 3])]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_csv_file_is_read_whatever_wrote_it(delimiter: str, encoding: str) -> None:
    lines = ["Id|Città|When", "1|  |05/03/2020 11:23", "", "007|Zoë's|3.0", '2|"a\nb"|']
    content = "\r\n".join(lines).replace("|", delimiter).encode(encoding)

    assert parse(content, "folder/some.csv").sheets == [
        Sheet(
            name="some",
            rows=[
                Row(row=1, cells=["Id", "Città", "When"]),
                Row(row=2, cells=[1, None, "05/03/2020 11:23"]),
                Row(row=4, cells=["007", "Zoë's", "3.0"]),
                Row(row=5, cells=[2, "a\nb"]),
            ],
        )
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b" \r\n", "it is empty"),
        (b",,\r\n,", "it is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", "it is no workbook (XLSX, XLS, ODS) and no CSV file"),
        (b"PK\x03\x04 and no more", "it breaks off: its zip has no directory"),
        (workbook(["a"])[:-30], "it breaks off: its zip has no directory"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and no more", "it cannot be read: "),
    ],
)
def test_what_is_no_workbook_is_refused_in_a_line(content: bytes, message: str) -> None:
    told = why(content)

    assert told.startswith(message)
    assert "\n" not in told


def test_a_workbook_bomb_is_refused_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere")
    content = bomb(300)
    assert len(content) < MIB

    assert why(content) == "unpacked it has 300 MiB; 256 are allowed"
    assert why(bomb(100)).startswith("it unpacks to ")
    assert why(bomb(1), entries=5) == "it is a zip of 10 files: it is no ordinary workbook"
    assert why(b"a,b", file_bytes=2) == "it has more than 0 MiB: split it"
    with pytest.raises(FileNotFoundError):
        parse(workbook(["a"]), "some.xlsx")


def test_a_zip_that_lies_of_its_size_meets_the_limits_of_its_process() -> None:
    content = bytearray(bomb(300))
    directory = content.rindex(SHEET.encode()) - 46
    content[directory + 24 : directory + 28] = struct.pack("<L", 1000)

    told = why(bytes(content), memory_bytes=256 * MIB, seconds=10)

    assert re.fullmatch("it cannot be read: .+|its reader fails on it: .+ 256 MiB of memory", told)


def test_a_reader_that_needs_too_much_memory_is_stopped() -> None:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "here")
        sheet.write(1_048_575, 16_383, "and there")

    told = why(file.getvalue())

    assert told == "its reader fails on it: it is broken, or needs more than 1024 MiB of memory"


def test_a_reader_that_takes_too_long_is_stopped() -> None:
    content = b"a,b\n" * 4_000_000

    assert why(content, seconds=1, cells=10**9) == "it takes longer than 1 s to read: split it"


def test_too_many_cells_are_refused() -> None:
    for content in (workbook(["a", "b"], ["c", "d"]), b"a,b\nc,d"):
        assert why(content, cells=3) == "it cannot be read: it has more than 3 cells: split it"


def test_too_much_text_is_refused() -> None:
    assert why(b"a,b", body_bytes=10) == "it cannot be read: it holds too much text: split it"
