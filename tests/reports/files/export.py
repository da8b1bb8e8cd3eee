"""One large export in a process of its own: `python -m tests.reports.files.export KIND ROWS COLUMNS FOLDER`.

Prints what it wrote and how much memory that took, as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from campanile.reports.files.archive import ArchiveWriter
from campanile.reports.files.store import open_store
from campanile.reports.files.writing import SheetWriter
from campanile.reports.schemas import FileFormat
from campanile.reports.sheet import Column, Row, Sheet, Type, Value
from tests.reports.files.tables import batch

FILE = "0123456789abcdef01234567"
FIRST = datetime(2025, 3, 1, 10, 0, tzinfo=UTC)
TYPES: tuple[Type, ...] = ("text", "text", "date", "datetime", "integer", "integer", "percent", "currency")
PLACES = {"percent": 2, "currency": 2}
BATCH_ROWS = 4_000


def columns_of(count: int) -> tuple[Column, ...]:
    kinds = [TYPES[place % len(TYPES)] for place in range(count)]
    return tuple(Column(f"k{place}", f"Column {place}", kind, PLACES.get(kind, 0)) for place, kind in enumerate(kinds))


def value(kind: Type, row: int, place: int) -> Value:
    match kind:
        case "text":
            return f"campaign {row * 7919 + place}, spring"
        case "date":
            return (FIRST + timedelta(days=row % 90)).date()
        case "datetime":
            return FIRST + timedelta(seconds=row)
        case "integer":
            return row * (place + 1)
        case _:
            return Decimal(row % 100_000) / 7


def batches(columns: tuple[Column, ...], rows: int) -> Iterator[list[Row]]:
    for first in range(0, rows, BATCH_ROWS):
        made: list[Row] = [
            tuple(value(column.type, row, place) for place, column in enumerate(columns))
            for row in range(first, min(rows, first + BATCH_ROWS))
        ]
        yield made


def resident_kibibytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main(kind: Any, rows: int, columns: int, folder: Path) -> dict[str, Any]:
    store = open_store((folder / "files").as_uri())
    shape = columns_of(columns)

    def write(count: int) -> SheetWriter:
        with ArchiveWriter(lambda chunks: store.put(FILE, chunks), "zip", folder=folder, limit=2**40) as archive:
            sheets = SheetWriter(
                archive,
                FileFormat(kind=kind),
                stem="Large",
                file_date=date(2025, 3, 2),
                facts={},
                most_rows=rows,
                watch=lambda _: None,
            )
            sheets.write(Sheet("PUSH", shape, map(batch, batches(shape, count)), []))
        return sheets

    write(min(rows, 2 * BATCH_ROWS))  # libraries take what they keep
    before = resident_kibibytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak begins here
    helpers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    sheets = write(rows)
    grown = resident_kibibytes("VmHWM") - before
    grown += max(0, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - helpers)
    return {
        "grown_mebibytes": grown / 1024,
        "helper_mebibytes": helpers / 1024,
        "rows": sheets.rows,
        "parts": [part.rows for part in sheets.parts],
        "warnings": len(sheets.warnings),
    }


if __name__ == "__main__":
    given = sys.argv[1:]
    print(json.dumps(main(given[0], int(given[1]), int(given[2]), Path(given[3]))))
