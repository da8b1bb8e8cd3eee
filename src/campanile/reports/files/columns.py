"""Columns of texts in Arrow's memory: lines are put together there, without an object per cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from campanile.reports.table import Coded, Percentages, Whole


def whole_texts(cells: Whole, blank: str) -> pa.Array:
    """Counts as their digits, blank cells as `blank`."""
    texts = pa.array(cells.numbers).cast(pa.string())
    return texts if cells.blank is None else pc.if_else(pa.array(cells.blank), blank, texts)


def hundredths_texts(cells: Percentages, blank: str) -> pa.Array:
    """Small percentages with at most two decimals, without trailing zeros."""
    numbers, places = np.unique(cells.hundredths(), return_inverse=True)
    known = pa.array([_hundredths(number) for number in numbers.tolist()], pa.string())
    texts = known.take(pa.array(places))
    return texts if cells.blank is None else pc.if_else(pa.array(cells.blank), blank, texts)


def _hundredths(number: int) -> str:
    percent, rest = divmod(number, 100)
    return f"{percent}.{rest:02}".rstrip("0") if rest else str(percent)


def repeated(texts: Sequence[str], cells: Coded) -> pa.Array:
    """The text of each row, from those of the known values."""
    return pa.array(texts, pa.string()).take(pa.array(cells.places))


def joined(lines: pa.Array, end: str) -> bytes:
    """Lines as the bytes of a file, each with its end."""
    ended = pc.binary_join_element_wise(lines, end, "")
    _, offsets, data = ended.buffers()
    first, last = np.frombuffer(offsets, np.int32, len(ended) + 1, ended.offset * 4)[[0, -1]]
    text: bytes = data.slice(int(first), int(last - first)).to_pybytes()
    return text
