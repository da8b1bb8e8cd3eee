"""Workbooks: what a reader finds in them, compared with what XlsxWriter itself writes for the same rows."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from campanile.reports.files.xlsx import CELL_UNITS, SHEET_ROWS, XlsxFile
from campanile.reports.sheet import Column, Row
from tests.reports.files.tables import COLUMNS, ROWS, column

NAMESPACE = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
FORMATS = {"integer": "0", "percent": "0.00", "decimal": "0.0000", "datetime": "yyyy-mm-dd hh:mm:ss", "text": "@"}


def workbook(columns: list[Column] | tuple[Column, ...], *batches: Sequence[Row]) -> bytes:
    target = io.BytesIO()
    file = XlsxFile(columns, target, "literal")
    for batch in batches:
        file.write(batch)
    file.close()
    return target.getvalue()


def cells(content: bytes) -> dict[str, tuple[str, str, str]]:
    """Place → (type, number format, value) of every cell."""
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        assert package.testzip() is None
        sheet = ElementTree.fromstring(package.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - our own
        styles = ElementTree.fromstring(package.read("xl/styles.xml"))  # noqa: S314
    codes = {node.get("numFmtId"): node.get("formatCode") for node in styles.iterfind(".//m:numFmt", NAMESPACE)}
    codes |= {"0": "General", "1": "0", "2": "0.00", "49": "@"}
    formats = [codes[node.get("numFmtId")] for node in styles.iterfind("m:cellXfs/m:xf", NAMESPACE)]
    found = {}
    for node in sheet.iterfind(".//m:c", NAMESPACE):
        kind = node.get("t", "n")
        value = node.findtext("m:is/m:t" if kind == "inlineStr" else "m:v", "", NAMESPACE)
        found[node.get("r", "")] = (kind, formats[int(node.get("s", "0"))] or "", value)
    return found


def value(cell: Any, kind: Any) -> tuple[str, str, str]:
    return cells(workbook([column(kind)], [(cell,)]))["A2"]


def test_the_parts_of_a_workbook_are_as_specified() -> None:
    with zipfile.ZipFile(io.BytesIO(workbook(COLUMNS, ROWS))) as package:
        assert {part.date_time for part in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        book, sheet = package.read("xl/workbook.xml"), package.read("xl/worksheets/sheet1.xml")
        properties, styles = package.read("docProps/core.xml"), package.read("xl/styles.xml")
    assert b'<sheet name="sheet1"' in book
    assert b'<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>' in sheet
    assert b"<dc:creator>Campanile</dc:creator>" in properties
    assert b"1980-01-01T00:00:00Z" in properties
    assert b"<b/>" in styles
    for absent in (b"autoFilter", b"mergeCell", b"hyperlink", b"<f>", b"dimension"):
        assert absent not in sheet


def test_a_table_of_all_types() -> None:
    found = cells(workbook(COLUMNS, ROWS[:1], ROWS[1:]))
    header = [found[f"{letter}1"][2] for letter in "ABCDEFGHIJ"]
    assert header == [column.header for column in COLUMNS]
    assert [found[f"{letter}2"] for letter in "ABCDEFGHIJ"] == [
        ("inlineStr", "@", "64a000000000000000000001"),
        ("inlineStr", "@", "Spring, sale"),
        ("n", "0", "1200"),
        ("n", "0.00", "2.02"),
        ("n", "0.00", "1234.5"),
        ("n", "yyyy-mm-dd", "45717"),
        ("n", "yyyy-mm-dd hh:mm:ss", "45717.416666666664"),
        ("b", "General", "1"),
        ("inlineStr", "@", "['UPI']"),
        ("n", "0.0000", "0.0833"),
    ]
    assert found["B3"] == ("inlineStr", "@", "=1+1")
    assert found["C3"] == ("n", "0", "0")
    assert "F3" not in found
    assert not [place for place in found if place.endswith("4")]


@pytest.mark.parametrize("text", ["<r><t>x</t></r>", "a & b < c > d", "_x0041_", " edge ", "a\nb", "\t", "😀", "'='"])
def test_texts_are_texts(text: str) -> None:
    read = value(text, "text")
    assert read[:2] == ("inlineStr", "@")
    assert read[2].replace("_x005F_", "_") == text


def test_whoever_reads_it_does_not_take_a_text_for_an_escape() -> None:
    assert value("_x0041_ _x004_", "text")[2] == "_x005F_x0041_ _x004_"


@pytest.mark.parametrize(
    ("cell", "kind", "expected"),
    [
        (999_999_999_999_999, "integer", ("n", "999999999999999")),
        (1_234_567_890_123_456, "integer", ("inlineStr", "1234567890123456")),
        (10**18, "integer", ("n", "1000000000000000000")),
        (-1_234_567_890_123_456, "integer", ("inlineStr", "-1234567890123456")),
        (Decimal("12345678901234.56"), "currency", ("inlineStr", "12345678901234.56")),
        (Decimal("1234567890123.45"), "currency", ("n", "1234567890123.45")),
        (date(1850, 1, 1), "date", ("inlineStr", "1850-01-01")),
        (datetime(1850, 1, 1, 5, tzinfo=UTC), "datetime", ("inlineStr", "1850-01-01 05:00:00")),
    ],
)
def test_what_a_spreadsheet_cannot_hold_is_a_text(cell: Any, kind: Any, expected: tuple[str, str]) -> None:
    found = value(cell, kind)
    assert (found[0], found[2]) == expected


@pytest.mark.parametrize(
    ("text", "kept", "cut"),
    [("x" * CELL_UNITS, CELL_UNITS, 0), ("x" * (CELL_UNITS + 1), CELL_UNITS, 1), ("😀" * 20_000, 16_383, 1)],
)
def test_long_texts_are_cut_and_counted(text: str, kept: int, cut: int) -> None:
    target = io.BytesIO()
    file = XlsxFile([column("text")], target, "literal")
    file.write([(text,)])
    file.close()
    assert file.truncated == cut
    assert cells(target.getvalue())["A2"][2] == text[:kept]


def test_a_sheet_knows_its_room() -> None:
    file = XlsxFile([column("integer")], io.BytesIO(), "literal")
    assert file.room == SHEET_ROWS - 1
    file.write([(1,), (2,)])
    assert file.room == SHEET_ROWS - 3
    file.abandon()


def test_equal_rows_are_equal_files() -> None:
    assert workbook(COLUMNS, ROWS) == workbook(COLUMNS, ROWS[:2], ROWS[2:])


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=12)
CELLS = st.tuples(
    st.none() | TEXTS.filter(lambda text: not re.fullmatch(r"(?s)<r>.*</r>", text)),
    st.none() | st.integers(-(10**14), 10**14),
    st.none() | st.decimals(-(10**6), 10**6, places=2),
    st.none() | st.decimals(-100, 100, places=4),
    st.none() | st.datetimes(datetime(1901, 1, 1), datetime(2200, 1, 1)).map(lambda at: at.replace(microsecond=0)),  # noqa: DTZ001
)


@given(st.lists(CELLS, max_size=5))
def test_the_cells_are_those_of_the_library(rows: list[Any]) -> None:
    kinds: list[Any] = ["text", "integer", "percent", "decimal", "datetime"]
    columns = [column(kind) for kind in kinds]
    theirs = io.BytesIO()
    book = xlsxwriter.Workbook(theirs, {"constant_memory": True})
    sheet = book.add_worksheet("sheet1")
    formats = [book.add_format({"num_format": FORMATS[kind]}) for kind in kinds]
    for index, made in enumerate(columns):
        sheet.write_string(0, index, made.header)
    for number, row in enumerate(rows, 1):
        for index, (cell, kind, form) in enumerate(zip(row, kinds, formats, strict=True)):
            if cell is None:
                continue
            if kind == "text":
                sheet.write_string(number, index, cell, form)
            elif kind == "datetime":
                sheet.write_datetime(number, index, cell, form)
            else:
                sheet.write_number(number, index, float(cell), form)
    book.close()
    ours, other = cells(workbook(columns, rows)), cells(theirs.getvalue())
    data = {place for place in other if not place.endswith("1") or place[1:] != "1"}
    assert ours.keys() == other.keys()
    for place in data - {f"{letter}1" for letter in "ABCDE"}:
        kind, form, text = ours[place]
        assert (kind, form) == other[place][:2]
        if kind == "inlineStr":
            assert text == other[place][2]
        else:
            assert float(text) == pytest.approx(float(other[place][2]), rel=1e-14)
