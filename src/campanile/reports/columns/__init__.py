"""The columns of report files: a catalogue per channel, generated from the metric registry and small tables."""

from __future__ import annotations

from campanile.reports.columns.catalogue import catalogue, columns_by_key, default_keys, is_active
from campanile.reports.columns.definitions import ColumnDef

__all__ = ["ColumnDef", "catalogue", "columns_by_key", "default_keys", "is_active"]
