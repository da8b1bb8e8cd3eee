"""Runs without an engine: definitions in a database, rows from a list, files in a folder."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import msgspec

from campanile.clock import FixedClock
from campanile.jobs.queue import Queue
from campanile.jobs.schedule import Schedule
from campanile.jobs.worker import Worker
from campanile.kit.times import Window
from campanile.metadata import Metadata
from campanile.reports import repository as definitions
from campanile.reports.files.store import FileStore, open_store
from campanile.reports.periods import RollingPeriod
from campanile.reports.runs.generation import Generator
from campanile.reports.runs.orders import RUN_JOB
from campanile.reports.runs.schemas import Run
from campanile.reports.runs.service import RUNS_AT_ONCE, RunService
from campanile.reports.schemas import ChannelSelection, ReportDefinition, ReportSpec, RestDelivery
from campanile.reports.sheet import Batch, Column, Row, Sheet
from campanile.reports.slots import due_at, placed
from campanile.workspaces.schemas import Workspace
from campanile.workspaces.secrets import MasterKey
from campanile.workspaces.service import WorkspaceService
from tests.reports.files.tables import batch

NOW = datetime(2025, 3, 2, 5, 0, tzinfo=UTC)
"""A Sunday, an hour before the daily slots."""
TODAY = NOW.date()
SECRET_KEY = "a master key of at least 32 characters"
MASTER = MasterKey(SECRET_KEY)
COLUMNS = (Column("campaign.id", "Campaign ID", "text", 0), Column("campaign-stats.sent", "Sent", "integer", 0))
DAILY = Schedule(kind="daily", time_zone="UTC", time_of_day=time(6), start_date=date(2025, 3, 1))


class ListedRows:
    """Rows that a test decided on, by channel. `before` is called before each batch."""

    def __init__(self) -> None:
        self.batches: dict[str, list[Sequence[Row]]] = {"PUSH": [[("c1", 3), ("c2", 4)]]}
        self.before: Callable[[], None] = lambda: None
        self.asked: list[tuple[str, date, date, int]] = []

    def sheets(self, workspace: Workspace, spec: ReportSpec, days: Window, as_of: int) -> Iterator[Sheet]:
        self.asked.append((workspace.id, days.first, days.last, as_of))
        for selection in spec.channels:
            yield Sheet(selection.channel, COLUMNS, self._batches(selection.channel), [])

    def _batches(self, channel: str) -> Iterator[Batch]:
        for rows in self.batches.get(channel, []):
            self.before()
            yield batch(rows)


class World:
    """Everything that runs need, for one process; several may share a database and a folder."""

    def __init__(self, metadata: Metadata, clock: FixedClock, folder: Path, **options: Any) -> None:
        self.metadata = metadata
        self.clock = clock
        self.folder = folder
        self.workspaces = WorkspaceService(metadata, MASTER, clock)
        self.queue = Queue(metadata, clock, owner="test", at_once={RUN_JOB: RUNS_AT_ONCE})
        self.store: FileStore = open_store((folder / "files").as_uri())
        self.rows = ListedRows()
        self.marks = iter(range(1000, 10**6))
        self.notified = 0
        self.runs = RunService(metadata, clock, self.workspaces, self.queue, self.store, self._notify)
        self.generator = Generator(
            metadata,
            clock,
            self.queue,
            self.workspaces,
            self.store,
            self.rows,
            lambda _: next(self.marks),
            folder / "scratch",
            daily_life=timedelta(days=400),
            **options,
        )
        self.worker = Worker(self.queue, {RUN_JOB: self.generator.handle})

    def _notify(self) -> None:
        self.notified += 1

    def workspace(self, name: str = "W", timezone: str = "UTC") -> Workspace:
        return self.workspaces.create(name, id=name, timezone=timezone).workspace

    def define(
        self, name: str = "Daily", *, workspace_id: str = "W", owner: str = "key_1", active: bool = True, **spec: Any
    ) -> ReportDefinition:
        members = {
            "name": name,
            "channels": (ChannelSelection("PUSH"), ChannelSelection("EMAIL")),
            "period": RollingPeriod(preset="yesterday"),
            "delivery": (RestDelivery(),),
            "schedule": DAILY,
            **spec,
        }
        now = self.clock.now()
        definition = ReportDefinition(
            id=definitions.new_id(),
            workspace_id=workspace_id,
            spec=ReportSpec(**members),
            version=1,
            state="DRAFT",
            created_at=now,
            updated_at=now,
            created_by=owner,
            next_slot=None,
            next_file_date=None,
            slots_used=0,
        )
        if active:
            definition = placed(definition, now)
        with self.metadata.begin() as connection:
            assert definitions.add(connection, definition, due_at(definition))
        return definition

    def start(self, definition: ReportDefinition, *, day: date = TODAY, **options: Any) -> Run:
        run = self.runs.start(definition, file_date=day, window=options.get("window"), trigger="manual", by="ana")
        return self.runs.get(definition.workspace_id, run["id"])

    def work(self) -> int:
        """Do everything that is due."""
        return asyncio.run(self.worker.drain())

    def run(self, run: Run | str, workspace_id: str = "W") -> Run:
        return self.runs.get(workspace_id, run if isinstance(run, str) else run.id)

    def all_runs(self, workspace_id: str = "W") -> list[Run]:
        """Oldest first."""
        from campanile.reports.runs.service import Query

        return self.runs.page(workspace_id, Query(limit=1000))[0][::-1]

    def content(self, run: Run) -> bytes:
        """The archive of a run."""
        assert run.file is not None
        file = run.file

        async def read() -> bytes:
            chunks = await self.store.read(file.id, size=file.size, first=0, last=file.size - 1)
            return b"".join([chunk async for chunk in chunks])

        return asyncio.run(read())

    def members(self, run: Run) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(self.content(run))) as package:
            assert package.testzip() is None
            return {name: package.read(name) for name in package.namelist()}

    def stored(self) -> list[str]:
        """Everything that is in the folder of files, complete or not."""
        return sorted(path.name for path in (self.folder / "files").rglob("*") if path.is_file())


def states(runs: Sequence[Run]) -> list[str]:
    return [run.state for run in runs]


def changed(spec: ReportSpec, **changes: Any) -> ReportSpec:
    return msgspec.structs.replace(spec, **changes)
