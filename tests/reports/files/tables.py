"""Sheets for the tests of files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np

from campanile.reports.files.archive import ArchiveWriter, Compression
from campanile.reports.schemas import ReportWarning
from campanile.reports.sheet import Batch, Column, Row, Sheet, Type
from campanile.reports.table import Coded

PLACES: dict[Type, int] = {"percent": 2, "currency": 2, "decimal": 4}

COLUMNS = (
    Column("campaign.id", "Campaign ID", "text", 0),
    Column("campaign.name", "Campaign Name", "text", 0),
    Column("campaign-stats.sent", "Sent", "integer", 0),
    Column("campaign-stats.ctr", "CTR", "percent", 2),
    Column("campaign-stats.revenue", "Revenue", "currency", 2),
    Column("campaign.day", "Date", "date", 0),
    Column("campaign.sent_at", "Campaign Sent Time", "datetime", 0),
    Column("campaign.control", "Control Group", "boolean", 0),
    Column("campaign.tags", "Tags", "list", 0),
    Column("custom.share", "Share", "decimal", 4),
)
"""One of each type, and two texts."""

ROWS: list[Row] = [
    (
        "64a000000000000000000001",
        "Spring, sale",
        1200,
        Decimal(200) / 99,
        Decimal("1234.5"),
        date(2025, 3, 1),
        datetime(2025, 3, 1, 10, 0, tzinfo=UTC),
        True,
        ("UPI",),
        Decimal("0.0833"),
    ),
    ("64a000000000000000000002", "=1+1", 0, Decimal(0), Decimal(0), None, None, False, (), None),
    (None, None, None, None, None, None, None, None, None, None),
]


def batch(rows: Sequence[Row]) -> Batch:
    """Rows as writers of files get them."""
    return Batch(len(rows), [Coded(np.arange(len(rows)), values) for values in zip(*rows, strict=True)])


def column(kind: Type, *, key: str = "k", header: str = "H") -> Column:
    return Column(key, header, kind, PLACES.get(kind, 0))


def sheet(channel: str, columns: Sequence[Column], batches: Iterable[Sequence[Row]], *warnings: ReportWarning) -> Sheet:
    return Sheet(channel, tuple(columns), map(batch, batches), list(warnings))


def archived(fill: object, folder: Path, *, compression: Compression = "zip", limit: int = 10**9) -> bytes:
    """The archive that `fill` makes of a writer."""
    collected = io.BytesIO()

    def put(chunks: Iterator[bytes]) -> None:
        for chunk in chunks:
            collected.write(chunk)

    with ArchiveWriter(put, compression, folder=folder, limit=limit) as archive:
        fill(archive)  # type: ignore[operator]
    return collected.getvalue()


def members(archive: bytes) -> dict[str, bytes]:
    """The members of a zip archive, in order; their checksums are verified."""
    with zipfile.ZipFile(io.BytesIO(archive)) as package:
        assert package.testzip() is None
        return {name: package.read(name) for name in package.namelist()}
