"""Columns of numbers are spelled as their values are, one by one."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from campanile.reports.files.csv import CsvText
from campanile.reports.files.jsonl import JsonLines
from campanile.reports.files.parquet import ParquetFile
from campanile.reports.table import EXACT, Batch, Coded, Percentages, Whole
from tests.reports.files.tables import column

NUMBERS = st.integers(0, 20) | st.integers(0, 10**6) | st.sampled_from([EXACT, EXACT + 1, 10**14, 2**31, 2**31 - 1])


@st.composite
def cells(draw: Any) -> Whole | Percentages:
    rows = draw(st.lists(st.tuples(NUMBERS, NUMBERS, st.booleans()), min_size=1, max_size=30))
    parts, wholes, blank = (np.array(values) for values in zip(*rows, strict=True))
    missing = blank if draw(st.booleans()) else None
    return draw(st.sampled_from([Percentages(parts, wholes, missing), Whole(parts, missing)]))  # type: ignore[no-any-return]


@given(cells())
def test_numbers_are_spelled_as_values_are(given_cells: Whole | Percentages) -> None:
    values = given_cells.values()
    by_column = Batch(len(values), [given_cells])
    by_row = Batch(len(values), [Coded(np.arange(len(values)), values)])
    shown = [column("percent" if isinstance(given_cells, Percentages) else "integer")]
    assert CsvText(shown).rows(by_column) == CsvText(shown).rows(by_row)
    assert JsonLines(shown).rows(by_column) == JsonLines(shown).rows(by_row)
    assert parquet(shown, by_column) == parquet(shown, by_row)
    assert list(by_column) == list(by_row)


@given(cells(), st.integers(0, 30), st.integers(0, 30))
def test_parts_of_a_table_are_its_rows(given_cells: Whole | Percentages, start: int, end: int) -> None:
    whole = Batch(len(given_cells.values()), [given_cells, given_cells.as_coded()])
    rows = list(whole)
    assert list(whole.cut(start, end)) == rows[start:end]
    assert [row for piece in whole.pieces(7) for row in piece] == rows
    odd = np.arange(1, len(rows), 2)
    assert list(zip(*(each.take(odd).values() for each in whole.columns), strict=True)) == rows[1::2]


def parquet(shown: Any, batch: Batch) -> list[Any]:
    target = io.BytesIO()
    file = ParquetFile(shown, target, {})
    file.write(batch)
    file.close()
    return pq.read_table(io.BytesIO(target.getvalue())).column(0).to_pylist()
