"""Comma-separated files that spreadsheet programs read as data."""

from __future__ import annotations

import csv
import io

import pytest

from campanile.kit.spreadsheets import csv_file, guarded


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\u00a0=1", "＝1", "\n=1"])
def test_formulas_are_disarmed(text: str) -> None:
    assert guarded(text) == "'" + text


@pytest.mark.parametrize("text", ["", "plain", "a=b", "1-2", "夏のセール", "'=1"])
def test_other_texts_stay(text: str) -> None:
    assert guarded(text) == text


def test_files_come_back_as_they_were_written() -> None:
    content = csv_file(["Name", "=Sent"], [['He said "hi", twice\n', 3], [None, -1.5], ["=cmd|' /C calc'!A0", 0]])
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert rows == [["Name", "'=Sent"], ['He said "hi", twice\n', "3"], ["", "-1.5"], ["'=cmd|' /C calc'!A0", "0"]]
