"""Parquet files (report specification 10.4): attribute keys for names, native types, full precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from campanile.reports.files.cells import clean, rounded
from campanile.reports.files.valve import Valve
from campanile.reports.sheet import Batch, Column
from campanile.reports.table import Cells, Coded, Percentages, Whole

GROUP_ROWS = 100_000
"""Rows of one row group."""
GROUP_BYTES = 64 * 1024 * 1024
"""A row group ends earlier when its values take so much memory: files may have hundreds of columns."""
MONEY_PLACES = 6
MONEY_DIGITS = 38

_TYPES: dict[str, Any] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "percent": pa.float64(),
    "currency": pa.decimal128(MONEY_DIGITS, MONEY_PLACES),
    "decimal": pa.decimal128(MONEY_DIGITS, MONEY_PLACES),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", tz="UTC"),
    "boolean": pa.bool_(),
    "list": pa.list_(pa.string()),
}


class ParquetFile:
    """Writes rows into `target`, a row group at a time. Close it to complete the file."""

    def __init__(self, columns: Sequence[Column], target: IO[bytes], facts: Mapping[str, str]) -> None:
        """
        Args:
            facts: kept in the metadata of the file.
        """
        fields = [pa.field(column.key, _TYPES[column.type]) for column in columns]
        self._schema = pa.schema(fields, metadata=dict(facts))
        self._changes = [_CHANGES.get(column.type) for column in columns]
        self._valve = Valve(target)
        self._writer = pq.ParquetWriter(self._valve, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._rows = 0
        self._bytes = 0

    @property
    def room(self) -> int:
        """Any number of rows fits."""
        return 2**63

    def write(self, batch: Batch) -> None:
        """Append rows."""
        while batch:
            room = GROUP_ROWS - self._rows
            self._append(batch.cut(0, room))
            batch = batch.cut(room, len(batch))

    def close(self) -> None:
        """Write what waits, and the footer."""
        self._end_group()
        self._writer.close()

    def abandon(self) -> None:
        """Let go of a file that is not going to be complete."""
        self._waiting = []
        self._valve.shut()
        self._writer.close()

    def _append(self, batch: Batch) -> None:
        arrays = [
            _array(cells, field.type, change)
            for field, change, cells in zip(self._schema, self._changes, batch.columns, strict=True)
        ]
        rows = pa.record_batch(arrays, schema=self._schema)
        self._waiting.append(rows)
        self._rows += rows.num_rows
        self._bytes += rows.nbytes
        if self._rows == GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._end_group()

    def _end_group(self) -> None:
        if self._rows:
            table = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(table, row_group_size=self._rows)
            self._waiting, self._rows, self._bytes = [], 0, 0


def _array(cells: Cells, kind: pa.DataType, change: Callable[[Any], Any] | None) -> pa.Array:
    """A column in its native type."""
    if isinstance(cells, Whole) and pa.types.is_integer(kind):
        return pa.array(cells.numbers, kind, mask=cells.blank)
    if isinstance(cells, Percentages) and cells.small and pa.types.is_floating(kind):
        # Dividing exact numbers gives the double that is closest, as rounding a long decimal does.
        shares = np.divide(100.0 * cells.parts, cells.wholes, out=np.zeros(len(cells.parts)), where=cells.wholes > 0)
        return pa.array(shares, kind, mask=cells.blank)
    coded = cells if isinstance(cells, Coded) else cells.as_coded()
    known = coded.known if change is None else [None if value is None else change(value) for value in coded.known]
    return pa.array(known, kind).take(pa.array(coded.places))


def _money(value: Decimal | int) -> Decimal:
    return rounded(Decimal(value), MONEY_PLACES)


_CHANGES: dict[str, Callable[[Any], Any]] = {
    "text": clean,
    "list": lambda values: [clean(value) for value in values],
    "percent": float,
    "currency": _money,
    "decimal": _money,
    "datetime": lambda value: value.astimezone(UTC),
}
