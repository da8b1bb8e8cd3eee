"""Parquet from values, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from campanile.reports.files import parquet
from campanile.reports.sheet import Row


class ParquetFile(parquet.ParquetFile):
    """Takes rows; those of these tests fit into one group."""

    def write(self, batch: Sequence[Row]) -> None:  # type: ignore[override]
        arrays = [
            pa.array(
                cells if change is None else [None if cell is None else change(cell) for cell in cells], field.type
            )
            for field, change, cells in zip(self._schema, self._changes, zip(*batch, strict=True), strict=True)
        ]
        rows = pa.record_batch(arrays, schema=self._schema)
        self._waiting.append(rows)
        self._rows += rows.num_rows
