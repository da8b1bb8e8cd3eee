"""Carrying out a run: rows from the engine, through a format, into an archive, published in one step.

What a run writes is seen by nobody until the transaction that finishes its job names it. If the job was lost by then,
the transaction fails and the file is deleted again; if the process dies, the file is swept up later.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple, Protocol

import anyio.from_thread
import anyio.to_thread
import msgspec
import structlog

from campanile.clock import Clock
from campanile.engine import QuestionTimeout
from campanile.errors import CampanileError, Unavailable
from campanile.jobs.queue import HoldLost, Job, Queue
from campanile.kit.ahead import ahead
from campanile.kit.times import Window, window
from campanile.metadata import Connection, Metadata
from campanile.reports import repository as definitions
from campanile.reports.delivery.secrets import link_digest, link_token
from campanile.reports.files.archive import ArchiveWriter, FileTooLarge
from campanile.reports.files.names import archive_name
from campanile.reports.files.store import DiskFull, FileStore, StoreUnavailable
from campanile.reports.files.writing import Part, RowLimit, SheetWriter
from campanile.reports.runs import repository
from campanile.reports.runs.announcing import announce
from campanile.reports.runs.daily import daily_spec
from campanile.reports.runs.orders import ready_at
from campanile.reports.runs.schemas import FILE_LIFE, NAME_MEMORY, File, Run, part_documents
from campanile.reports.schemas import ReportSpec, ReportWarning
from campanile.reports.sheet import Sheet
from campanile.reports.slots import suspend
from campanile.workspaces.schemas import Workspace
from campanile.workspaces.service import WorkspaceService

ROWS = 5_000_000
"""Rows of one run."""
ARCHIVE_BYTES = 2 * 1024**3
"""Bytes of one archive."""
PAUSES = (timedelta(minutes=5), timedelta(minutes=20))
"""Pauses before the second and the third attempt, which is the last."""
DEADLINE = timedelta(hours=6)
"""How long a run may take, its pauses included, once its days are over."""
PROGRESS_SECONDS = 2.0
"""Pause between two notes of progress."""
FAILURES_IN_A_ROW = 5
"""Planned runs that fail one after the other before their definition is paused."""

RETRIED = frozenset({"store_unavailable", "query_timeout", "disk_full"})
"""What may be better in some minutes."""

_log = structlog.get_logger("campanile.reports")


class Rows(Protocol):
    """The service of rows."""

    def sheets(self, workspace: Workspace, spec: ReportSpec, days: Window, as_of: int) -> Iterator[Sheet]: ...


class NoData(Exception):
    """Nothing matched, and no file is wanted then."""

    def __init__(self, warnings: Sequence[ReportWarning]) -> None:
        super().__init__("no rows")
        self.warnings = tuple(warnings)


class DeadlineExceeded(CampanileError):
    """The run took too long."""

    type = "deadline_exceeded"


class _Task(NamedTuple):
    """Everything an attempt needs to know."""

    run: Run
    spec: ReportSpec
    workspace: Workspace
    days: Window
    owner: str
    """Address of the definition's owner; empty if there is none."""
    deadline: datetime


class _Made(NamedTuple):
    """A file that is in the store, and that nobody knows of yet."""

    file: File
    parts: tuple[Part, ...]
    warnings: tuple[ReportWarning, ...]


class Generator:
    """Handles the jobs of runs.

    Args:
        mark: the mark up to which events of a workspace are seen now.
        folder: for files that have to wait on a disk.
        daily_life: how long daily dumps are kept.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        metadata: Metadata,
        clock: Clock,
        queue: Queue,
        workspaces: WorkspaceService,
        store: FileStore,
        rows: Rows,
        mark: Callable[[str], int],
        folder: Path,
        *,
        daily_life: timedelta,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metadata = metadata
        self._clock = clock
        self._queue = queue
        self._workspaces = workspaces
        self._store = store
        self._rows = rows
        self._mark = mark
        self._folder = folder
        self._daily_life = daily_life
        self._monotonic = monotonic

    async def handle(self, job: Job) -> None:
        """Carry out the run of a job, or put it off.

        Raises:
            HoldLost: the job is another worker's, or the run was cancelled; nothing of it is left.
        """
        await anyio.to_thread.run_sync(self._carry_out, job)

    def _carry_out(self, job: Job) -> None:
        task = self._begin(job)
        if task is None:
            return
        try:
            made = self._make(job, task)
        except NoData as nothing:
            self._end_without_file(job, task, nothing.warnings)
        except HoldLost:
            raise
        except Exception as error:  # whatever it is, the run says so
            self._fail(job, task, error)
        else:
            self._publish(job, task, made)

    # --- before

    def _begin(self, job: Job) -> _Task | None:
        """Note that an attempt begins. None: there is nothing to do now."""
        now = self._clock.now()
        with self._queue.holding(job) as connection:
            run = repository.find_run(connection, job.key, now, lock=True)
            if run is None or run.final:
                self._queue.finish(connection, job)
                return None
            workspace = self._workspaces.get(run.workspace_id)
            spec, owner = self._definition(connection, run)
            if workspace is None or spec is None:
                repository.change_run(connection, run.id, state="FAILED", error="definition_invalid", finished_at=now)
                self._queue.finish(connection, job)
                return None
            ready = ready_at(run, workspace.settings.timezone)
            if ready is not None and ready > now:  # somebody changed the zone of the workspace
                repository.change_run(connection, run.id, state="WAITING_FOR_DATA")
                self._queue.postpone(connection, job, ready, counted=False)
                return None
            repository.change_run(connection, run.id, state="RUNNING", attempt=job.attempts, progress=0.0)
            days = window(run.first_day, run.last_day, workspace.settings.timezone)
            begun = job.created_at if ready is None else max(job.created_at, ready)
            return _Task(run, spec, workspace, days, owner, begun + DEADLINE)

    def _definition(self, connection: Connection, run: Run) -> tuple[ReportSpec | None, str]:
        """What the run is to make, and the address of its owner, which may be empty."""
        if run.definition_id is None:
            return daily_spec(), ""
        definition = definitions.find(connection, run.workspace_id, run.definition_id)
        if definition is None:
            return None, ""
        owner = definition.created_by if "@" in definition.created_by else ""
        return definitions.spec_of(connection, run.definition_id, run.definition_version), owner

    # --- the work

    def _make(self, job: Job, task: _Task) -> _Made:
        """Write the archive into the store.

        Raises:
            NoData: no rows, and no file wanted. HoldLost: the job is lost. Otherwise: why it cannot be made.
        """
        spec, workspace = task.spec, task.workspace
        if job.attempts > len(PAUSES) + 1:
            raise RuntimeError("a worker ended in the middle of every attempt")
        run = self._marked(job, task.run)
        file_id = token_hex(16)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        watch = _Watch(self._queue, job, task, len(spec.channels), self._clock, self._monotonic)
        with ArchiveWriter(
            lambda chunks: self._store.put(file_id, chunks),
            spec.format.compression,
            folder=self._folder,
            limit=ARCHIVE_BYTES,
        ) as archive:
            sheets = SheetWriter(
                archive,
                spec.format,
                stem=run.stem,
                file_date=run.file_date,
                facts=_facts(run),
                most_rows=ROWS,
                watch=watch,
            )
            headers = []
            for sheet in self._rows.sheets(workspace, spec, task.days, run.mark or 0):
                watch.next_channel()
                with closing(ahead(sheet.batches)) as batches:
                    sheets.write(msgspec.structs.replace(sheet, batches=batches))
                headers.append((sheet.channel, sheet.columns))
            if not sheets.parts:
                if spec.on_empty == "no_file":
                    raise NoData(sheets.warnings)
                for channel, columns in headers:
                    sheets.write_header(channel, columns)
            if spec.format.manifest:
                self._write_manifest(archive, run, sheets)
            watch.package()
        now = self._clock.now()
        expires_at = now + (FILE_LIFE if run.definition_id is not None else self._daily_life)
        file = File(
            id=file_id,
            name=archive_name(run.stem, run.file_date, spec.format.compression),
            size=archive.size,
            sha256=archive.sha256,
            generated_at=now,
            expires_at=expires_at,
            forgotten_at=expires_at + NAME_MEMORY,
            purged_at=None,
        )
        return _Made(file, tuple(sheets.parts), tuple(sheets.warnings))

    def _marked(self, job: Job, run: Run) -> Run:
        """The run with the state of the log that all its sheets are about; taken anew for each attempt."""
        mark, as_of = self._mark(run.workspace_id), self._clock.now()
        with self._queue.holding(job) as connection:
            repository.change_run(connection, run.id, as_of=as_of, mark=mark)
        return msgspec.structs.replace(run, as_of=as_of, mark=mark)

    def _write_manifest(self, archive: ArchiveWriter, run: Run, sheets: SheetWriter) -> None:
        content = run.manifest() | {"warnings": sheets.warnings, "files": part_documents(sheets.parts)}
        with archive.member("manifest.json") as target:
            target.write(msgspec.json.format(msgspec.json.encode(content)) + b"\n")

    # --- after

    def _publish(self, job: Job, task: _Task, made: _Made) -> None:
        run, now = task.run, self._clock.now()
        digest = link_digest(link_token(task.workspace, made.file.id))
        try:
            with self._queue.holding(job) as connection:
                repository.add_file(connection, run, made.file, digest)
                repository.change_run(
                    connection,
                    run.id,
                    state="SUCCESSFUL",
                    progress=1.0,
                    finished_at=now,
                    warnings=made.warnings,
                    parts=made.parts,
                )
                announce(connection, self._queue, run, task.spec, "SUCCESSFUL", "", now)
                self._queue.finish(connection, job)
        except HoldLost:
            self._discard(made.file.id)
            raise
        _log.info("report_finished", run=run.id, file=made.file.name, bytes=made.file.size)

    def _end_without_file(self, job: Job, task: _Task, warnings: Sequence[ReportWarning]) -> None:
        now = self._clock.now()
        with self._queue.holding(job) as connection:
            repository.change_run(
                connection, task.run.id, state="NO_DATA", progress=1.0, finished_at=now, warnings=warnings
            )
            announce(connection, self._queue, task.run, task.spec, "NO_DATA", "", now)
            self._queue.finish(connection, job)

    def _fail(self, job: Job, task: _Task, error: Exception) -> None:
        """Try again later, or never."""
        run, now, code = task.run, self._clock.now(), code_of(error)
        again = code in RETRIED and job.attempts <= len(PAUSES)
        _log.warning("report_failed", run=run.id, attempt=job.attempts, code=code, again=again, exc_info=error)
        with self._queue.holding(job) as connection:
            if again and now + PAUSES[job.attempts - 1] < task.deadline:
                repository.change_run(connection, run.id, state="QUEUED", progress=0.0)
                self._queue.postpone(connection, job, now + PAUSES[job.attempts - 1])
                return
            repository.change_run(connection, run.id, state="FAILED", error=code, finished_at=now)
            owner = task.owner
            if run.trigger == "schedule" and run.definition_id is not None:
                states = repository.last_planned(connection, run.definition_id, FAILURES_IN_A_ROW)
                paused = states == ["FAILED"] * FAILURES_IN_A_ROW and suspend(
                    connection, run.workspace_id, run.definition_id, now
                )
                if states[1:2] == ["FAILED"] and not paused:  # the owner knows of the first one
                    owner = ""
            announce(connection, self._queue, run, task.spec, "FAILED", owner, now)
            self._queue.finish(connection, job)

    def _discard(self, file_id: str) -> None:
        try:
            self._store.delete([file_id])
        except StoreUnavailable:  # it will be swept up
            _log.warning("file_left_behind", file=file_id)


class _Watch:
    """Looks around between two batches: whether the job is still ours and in time, and tells how far it got."""

    def __init__(
        self,
        queue: Queue,
        job: Job,
        task: _Task,
        channels: int,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._job = job
        self._task = task
        self._channels = max(1, channels)
        self._clock = clock
        self._monotonic = monotonic
        self._noted_at = monotonic()
        self._done = -1
        self._rows_before = 0
        self._rows = 0

    def __call__(self, rows: int) -> None:
        """
        Args:
            rows: written so far.

        Raises:
            HoldLost: the job is not ours any more. DeadlineExceeded: the run takes too long.
        """
        anyio.from_thread.check_cancelled()
        self._rows = rows
        if self._clock.now() > self._task.deadline:
            raise DeadlineExceeded("The run was not finished in time.")
        if self._monotonic() - self._noted_at >= PROGRESS_SECONDS:
            self._note("RUNNING")

    def next_channel(self) -> None:
        """The sheet of another channel begins."""
        self._done += 1
        self._rows_before = self._rows

    def package(self) -> None:
        """All rows are written."""
        self._done = self._channels
        self._note("PACKAGING")

    def _note(self, state: str) -> None:
        rows = self._rows - self._rows_before
        part = rows / (rows + 20_000)  # nobody knows how many there will be
        progress = round(0.95 * min(1.0, (self._done + part) / self._channels), 4)
        with self._queue.holding(self._job) as connection:
            repository.change_run(connection, self._task.run.id, state=state, progress=progress)
        self._noted_at = self._monotonic()


def code_of(error: BaseException) -> str:
    """Which of the known failures this is."""
    match error:
        case DiskFull():
            return "disk_full"
        case OSError(errno=errno.ENOSPC):
            return "disk_full"
        case QuestionTimeout():
            return "query_timeout"
        case Unavailable():
            return "store_unavailable"
        case RowLimit():
            return "row_limit"
        case FileTooLarge():
            return "file_too_large"
        case DeadlineExceeded():
            return "deadline_exceeded"
        case CampanileError(status=status) if status < 500:
            return "definition_invalid"
    return "internal"


def _facts(run: Run) -> dict[str, str]:
    as_of = "" if run.as_of is None else f"{run.as_of:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "campanile.run_id": run.id,
        "campanile.as_of": as_of,
        "campanile.definition_version": str(run.definition_version),
    }
