"""Rows of pasts that are already in the log, without the services around them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from campanile.attribution.rows import RowConversions
from campanile.campaigns.schemas import Campaign
from campanile.engine import Engine
from campanile.kit.times import Window, window
from campanile.reports.columns import catalogue, is_active
from campanile.reports.periods import AbsolutePeriod
from campanile.reports.rows import RowsService
from campanile.reports.rows_repository import RowsRepository
from campanile.reports.schemas import ChannelSelection, Filters, ReportSpec, ReportWarning, Splits
from campanile.workspaces.schemas import Workspace

ALL_OF_IT = 4_102_444_800_000_000
"""A sequence after everything that tests write."""


class Register:
    """Stands in for the campaign service."""

    def __init__(self, campaigns: Iterable[Campaign], documents: Mapping[str, dict[str, Any]] | None = None) -> None:
        self._campaigns = list(campaigns)
        self._documents = documents or {}

    def everything(self, workspace_id: str) -> Sequence[Campaign]:
        return self._campaigns

    def documents(self, workspace_id: str, ids: Collection[str]) -> Mapping[str, dict[str, Any]]:
        return {name: self._documents[name] for name in ids if name in self._documents}


def rows_service(engine: Engine, register: Register) -> RowsService:
    return RowsService(RowsRepository(engine), register, RowConversions(engine, register))


def every_key(channel: str, model: str = "all_interactions") -> tuple[str, ...]:
    """Every column of a channel that can show something, goals beyond the first left out."""
    return tuple(
        column.key
        for column in catalogue(channel)
        if is_active(column.attribution_dependent, model)
        and not any(f"goal_{number}." in column.key for number in (2, 3, 4, 5))
        and not column.key.startswith("split.")
    )


def spec_of(
    channels: Sequence[str],
    splits: Splits,
    *,
    columns: Mapping[str, tuple[str, ...]] | None = None,
    **more: Any,
) -> ReportSpec:
    """A specification of all campaigns of these channels (tokens)."""
    today = date(2025, 1, 1)
    return ReportSpec(
        name="Report",
        channels=tuple(ChannelSelection(channel) for channel in channels),
        period=AbsolutePeriod(today, today),
        splits=splits,
        columns=dict(columns or {}),
        **{"filters": Filters(include_archived=True), **more},
    )


def read(
    service: RowsService, workspace: Workspace, spec: ReportSpec, days: Window, as_of: int = ALL_OF_IT
) -> tuple[dict[str, list[dict[str, Any]]], list[ReportWarning]]:
    """Rows by channel, each by key of its column; and all warnings."""
    found: dict[str, list[dict[str, Any]]] = {}
    warnings: list[ReportWarning] = []
    for sheet in service.sheets(workspace, spec, days, as_of):
        keys = [column.key for column in sheet.columns]
        rows = [row for batch in sheet.batches for row in batch]
        assert all(len(row) == len(keys) for row in rows)
        found[sheet.channel] = [dict(zip(keys, row, strict=True)) for row in rows]
        warnings += sheet.warnings
    return found, warnings


def days_of(request: Mapping[str, str], timezone: str) -> Window:
    """The window of an oracle's request."""
    return window(date.fromisoformat(request["start_date"]), date.fromisoformat(request["end_date"]), timezone)
