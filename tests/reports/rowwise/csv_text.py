"""CSV, the texts of a column as lists and lines by joining them."""

from __future__ import annotations

from collections.abc import Sequence

from campanile.reports.files import csv
from campanile.reports.sheet import Row


class CsvText(csv.CsvText):
    """Turns rows into the text of one dialect."""

    def rows(self, batch: Sequence[Row]) -> bytes:  # type: ignore[override]
        if not batch:
            return b""
        texts = [
            self._finished(column, spell(cells))
            for column, spell, cells in zip(self._columns, self._spellings, zip(*batch, strict=True), strict=True)
        ]
        lines = map(self._separator.join, zip(*texts, strict=True))
        return (self._end.join(lines) + self._end).encode()
