"""What definitions need of runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, Literal, Protocol

from campanile.jobs.schedule import Slot
from campanile.reports.schemas import ReportDefinition

Run = Any
"""A run as its service answers it; `msgspec` can encode it."""


class Runs(Protocol):
    """The life of runs, as far as definitions are concerned. Thread-safe."""

    def start(
        self,
        definition: ReportDefinition,
        *,
        file_date: date,
        window: tuple[date, date] | None,
        trigger: Literal["manual", "api"],
        by: str,
    ) -> Run:
        """A new run of the present version, without a slot; `window` replaces the days of the specification."""
        ...

    def backfill(
        self, definition: ReportDefinition, slots: Sequence[Slot], *, overwrite: bool, by: str
    ) -> Sequence[Run]:
        """Runs for past slots; those whose file is there and not expired are left out unless `overwrite`."""
        ...

    def latest(self, workspace_id: str, definition_ids: Collection[str]) -> Mapping[str, Run]:
        """The newest run of each definition that has one."""
        ...

    def retire(self, workspace_id: str, definition_id: str) -> None:
        """Cancel what is not finished and purge all files of a deleted definition."""
        ...
