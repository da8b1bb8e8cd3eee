"""JSON Lines (report specification 10.4): attribute keys for names, full precision, null for blank cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from campanile.reports.files.cells import clean
from campanile.reports.files.columns import joined, repeated, whole_texts
from campanile.reports.sheet import Batch, Column
from campanile.reports.table import Cells, Coded, Whole

_NULL = "null"


class JsonLines:
    """Turns rows into lines."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._changes = [_CHANGES.get(column.type) for column in columns]
        self._names = [
            f"{',' if place else '{'}{self._encoder.encode(column.key).decode()}:"
            for place, column in enumerate(columns)
        ]

    def head(self) -> bytes:
        """Nothing: every line names its members."""
        return b""

    def rows(self, batch: Batch) -> bytes:
        """The rows, one object per line."""
        if not batch:
            return b""
        parts: list[pa.Array | pa.Scalar] = []
        for name, change, cells in zip(self._names, self._changes, batch.columns, strict=True):
            parts += [pa.scalar(name), self._texts(cells, change)]
        return joined(pc.binary_join_element_wise(*parts, ""), "}\n")

    def _texts(self, cells: Cells, change: Callable[[Any], Any] | None) -> pa.Array:
        if isinstance(cells, Whole):
            return whole_texts(cells, _NULL)
        coded = cells if isinstance(cells, Coded) else cells.as_coded()
        encode = self._encoder.encode
        return repeated(
            [
                _NULL if value is None else encode(value if change is None else change(value)).decode()
                for value in coded.known
            ],
            coded,
        )


def utc_text(value: datetime) -> str:
    """ISO 8601 with `Z`."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


_CHANGES: dict[str, Callable[[Any], Any]] = {
    "text": clean,
    "list": lambda values: [clean(value) for value in values],
    "datetime": utc_text,
}
