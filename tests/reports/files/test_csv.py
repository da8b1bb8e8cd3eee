"""Cells and rows of CSV files, in every dialect."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.reports.files.cells import number_text
from campanile.reports.files.csv import CsvText
from campanile.reports.sheet import Column
from tests.reports.files.tables import COLUMNS, ROWS, batch, column
from tests.reports.vectors import vectors


def cell(value: Any, kind: Any, **options: Any) -> str:
    """The only cell of the only row."""
    text = CsvText([column(kind)], **options).rows(batch([(value,)])).decode()
    assert text.endswith("\n")
    return text[:-1]


@pytest.mark.parametrize("vector", vectors("cell"))
def test_cells_are_spelled_as_specified(vector: Any) -> None:
    value = vector["value"]
    match vector["type"]:
        case "datetime":
            value = datetime.fromisoformat(value)
        case "percent":
            value = Decimal(str(value))
        case "list":
            value = tuple(value)
    assert cell(value, vector["type"], separator=vector["delimiter"], guard=vector["guard"]) == vector["csv"]


@pytest.mark.parametrize("vector", vectors("rate"))
def test_rates_are_rounded_half_up_and_lose_their_zeros(vector: Any) -> None:
    part, whole = vector["numerator"], vector["denominator"]
    value = Decimal(100 * part) / whole if whole else Decimal(0)
    assert cell(value, "percent") == vector["text"]


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        ("0.125", 2, "0.13"),
        ("2.675", 2, "2.68"),
        ("-0.004", 2, "0"),
        ("-0.005", 2, "-0.01"),
        ("1E+3", 2, "1000"),
        ("100", 0, "100"),
        ("0.5", 0, "1"),
        ("12345678901234567890.125", 2, "12345678901234567890.13"),
    ],
)
def test_numbers(value: str, places: int, text: str) -> None:
    assert number_text(Decimal(value), places) == text


def test_a_table_of_all_types() -> None:
    text = CsvText(COLUMNS)
    assert (text.head() + text.rows(batch(ROWS))).decode().split("\n") == [
        "Campaign ID,Campaign Name,Sent,CTR,Revenue,Date,Campaign Sent Time,Control Group,Tags,Share",
        "64a000000000000000000001,\"Spring, sale\",1200,2.02,1234.5,2025-03-01,2025-03-01 10:00:00,True,['UPI'],0.0833",
        "64a000000000000000000002,'=1+1,0,0,0,,,False,[],",
        ",,,,,,,,,",
        "",
    ]


def test_the_dialect_of_line_ends_and_the_byte_order_mark() -> None:
    text = CsvText([column("text")], newline="crlf", bom=True)
    assert text.head() + text.rows(batch([("a\nb",), ("c",)])) == b'\xef\xbb\xbfH\r\n"a\nb"\r\nc\r\n'
    assert CsvText([column("text")]).rows(batch([])) == b""


@pytest.mark.parametrize(
    ("lists", "text"), [("literal", "\"['a', 'b\\\\c']\""), ("json", '"[""a"",""b\\\\c""]"'), ("comma", '"a,b\\c"')]
)
def test_lists(lists: Any, text: str) -> None:
    assert cell(("a", "b\\c"), "list", lists=lists) == text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "＝", "＋", "－", "＠", "\u00a0=", "\ufeff-", " \u00a0 @"])
def test_every_start_of_a_formula_is_guarded(start: str) -> None:
    assert cell(f"{start}cmd", "text").startswith("'")
    assert cell(f"{start}cmd", "text", guard=False).strip('"') == f"{start}cmd"
    header = CsvText([column("text", header=f"{start}cmd")]).head().decode()
    assert header.startswith("'")


@pytest.mark.parametrize("text", ["'=1", "a=1", "1-2", "", "é"])
def test_other_texts_are_left_alone(text: str) -> None:
    assert cell(text, "text") == text


def test_control_characters_vanish_but_tabs_and_line_feeds() -> None:
    assert cell("a\x00b\x1fc\td\re\ud800f\x7f", "text") == '"abc\td\nef\x7f"'


def test_what_is_no_text_is_never_guarded() -> None:
    assert cell(-5, "integer") == "-5"
    assert cell(Decimal("-0.5"), "decimal") == "-0.5"
    assert cell(Decimal("-12.5"), "currency") == "-12.5"


TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from(" \t\n\r\"',;|:=+-@＝\u00a0\ufeff\x00"), max_size=8)


@given(
    st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6),
    st.sampled_from([",", "|", ":", ";", "\t"]),
    st.sampled_from(["lf", "crlf"]),
)
def test_other_programs_read_what_was_written(rows: list[Any], separator: str, newline: Any) -> None:
    """Whatever the texts hold: the same number of cells, and texts that differ by what is documented at most."""
    text = CsvText(
        [Column("a", "a", "text", 0), Column("b", "b", "text", 0)], separator=separator, newline=newline, guard=False
    )
    written = (text.head() + text.rows(batch(rows))).decode()
    parsed = list(csv.reader(io.StringIO(written, newline=""), delimiter=separator))
    assert parsed[1:] == [[kept(cell) for cell in row] for row in rows]


@given(st.lists(TEXTS, min_size=1, max_size=6), st.sampled_from([",", "|", ":", ";", "\t"]))
def test_a_column_is_spelled_as_its_cells(texts: list[str], separator: str) -> None:
    """The short way for columns without anything special gives the same as the long one."""
    together = CsvText([column("text")], separator=separator).rows(batch([(text,) for text in texts])).decode()
    assert together == "".join(cell(text, "text", separator=separator) + "\n" for text in texts)


def kept(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    gone = [chr(code) for code in range(32) if chr(code) not in "\t\n"] + ["\ufffe", "\uffff"]
    return "".join(character for character in text if character not in gone)
