"""What the rows of a report are to those who write them into files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from campanile.reports.schemas import ReportWarning
from campanile.reports.table import Batch, Row, Value

__all__ = ["Batch", "Column", "Row", "Sheet", "Type", "Value"]

Type = Literal["text", "integer", "percent", "currency", "date", "datetime", "boolean", "list", "decimal"]


class Column(msgspec.Struct, frozen=True):
    """A column of a file."""

    key: str
    header: str
    type: Type
    decimals: int
    """Most decimal places of a percent, currency or decimal; 0 for other types."""


class Sheet(msgspec.Struct, frozen=True):
    """The rows of one channel, once.

    `batches` asks the engine as it goes: it blocks, belongs into a worker thread, and must be read before the next
    sheet is asked for. `warnings` grows meanwhile and is complete when `batches` is exhausted.
    """

    channel: str
    """A token of `schemas.CHANNELS`."""
    columns: tuple[Column, ...]
    batches: Iterator[Batch]
    """Rows in their final order, some thousand at a time; none, if no campaign matched."""
    warnings: list[ReportWarning]
