"""Sample rows of a report that nobody keeps (report specification 3.3)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from campanile.clock import Clock
from campanile.kit.times import Window
from campanile.reports.files.cells import spelling
from campanile.reports.periods import resolve
from campanile.reports.schemas import FileFormat, ReportSpec, ReportWarning
from campanile.reports.sheet import Column, Row, Sheet
from campanile.workspaces.schemas import Workspace

PREVIEW_ROWS = 20
"""Rows of one channel."""
PREVIEW_SECONDS = 10.0
"""After so many seconds no further rows are asked for."""


class Rows(Protocol):
    """The service of rows."""

    def sheets(
        self, workspace: Workspace, spec: ReportSpec, days: Window, as_of: int, *, at_once: int | None = None
    ) -> Iterator[Sheet]: ...


class PreviewSheet(msgspec.Struct, frozen=True, kw_only=True):
    """The beginning of one channel's file."""

    channel: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    """Cells as CSV spells them."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What files would look like if they were made now."""

    window: dict[str, str]
    """First and last day."""
    channels: Sequence[PreviewSheet]
    warnings: Sequence[ReportWarning]


class PreviewService:
    """Makes previews. Blocks: call it from a worker thread.

    Args:
        as_of: the mark up to which events of a workspace are seen now.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(
        self, rows: Rows, as_of: Callable[[str], int], clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._rows = rows
        self._as_of = as_of
        self._clock = clock
        self._monotonic = monotonic

    def preview(self, workspace: Workspace, spec: ReportSpec) -> Preview:
        """Headers and the first rows of every channel, with the warnings of making them.

        Raises:
            EngineUnavailable: the event store cannot be read.
        """
        end = self._monotonic() + PREVIEW_SECONDS
        zone = workspace.settings.timezone if spec.schedule is None else spec.schedule.time_zone
        days = resolve(spec.period, self._clock.now().astimezone(ZoneInfo(zone)).date(), workspace.settings.timezone)
        sheets, warnings = [], []
        for sheet in self._rows.sheets(workspace, spec, days, self._as_of(workspace.id), at_once=PREVIEW_ROWS):
            rows = self._first_rows(sheet, end)
            if rows is None:
                message = f"{sheet.channel}: no rows are shown because counting them takes too long."
                warnings.append(ReportWarning(code="preview_incomplete", message=message, channel=sheet.channel))
            sheets.append(
                PreviewSheet(channel=sheet.channel, columns=sheet.columns, rows=_texts(sheet, rows or [], spec.format))
            )
            warnings += sheet.warnings
        window = {"start": days.first.isoformat(), "end": days.last.isoformat()}
        return Preview(window=window, channels=sheets, warnings=warnings)

    def _first_rows(self, sheet: Sheet, end: float) -> list[Row] | None:
        """None: there was no time for them."""
        rows: list[Row] = []
        if self._monotonic() >= end:
            return None
        for batch in sheet.batches:
            rows += batch.cut(0, PREVIEW_ROWS - len(rows))
            if len(rows) == PREVIEW_ROWS or self._monotonic() >= end:
                break
        return rows


def _texts(sheet: Sheet, rows: Sequence[Row], output: FileFormat) -> list[tuple[str, ...]]:
    if not rows:
        return []
    cells = zip(*rows, strict=True)
    spelled = [spelling(column, output.lists)(cell) for column, cell in zip(sheet.columns, cells, strict=True)]
    return list(zip(*spelled, strict=True))
