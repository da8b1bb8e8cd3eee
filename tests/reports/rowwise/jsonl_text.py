"""JSON Lines (report specification 10.4): attribute keys for names, full precision, null for blank cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from campanile.reports.files.jsonl import _CHANGES
from campanile.reports.sheet import Column, Row


class JsonLines:
    """Turns rows into lines."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._keys = [column.key for column in columns]
        self._changes: list[tuple[int, Callable[[Any], Any]]] = [
            (index, _CHANGES[column.type]) for index, column in enumerate(columns) if column.type in _CHANGES
        ]
        self._encoder = msgspec.json.Encoder(decimal_format="number")

    def head(self) -> bytes:
        """Nothing: every line names its members."""
        return b""

    def rows(self, batch: Sequence[Row]) -> bytes:
        """The rows, one object per line."""
        keys, changes = self._keys, self._changes
        lines = []
        for row in batch:
            line = dict(zip(keys, row, strict=True))
            for index, change in changes:
                value = row[index]
                if value is not None:
                    line[keys[index]] = change(value)
            lines.append(line)
        return self._encoder.encode_lines(lines)
