"""Texts in comma-separated files that spreadsheet programs would take for formulas."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

SKIPPED = " \u00a0\ufeff"
"""Spreadsheet programs ignore these in front of a formula."""
_FORMULA = re.compile(f"[{SKIPPED}]*[=+\\-@\t\r\n＝＋－＠]")


def guarded(text: str) -> str:
    """The text, with an apostrophe in front where it would be run as a formula."""
    return "'" + text if _FORMULA.match(text) else text


def csv_file(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A file with a byte order mark, so that spreadsheet programs see UTF-8. None is an empty cell.

    Texts are guarded; numbers are written as they are, so negative ones stay numbers.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([guarded(text) for text in head])
    for row in rows:
        writer.writerow(["" if cell is None else guarded(cell) if isinstance(cell, str) else cell for cell in row])
    return ("\ufeff" + buffer.getvalue()).encode("utf-8", "replace")
