"""The life of runs, but for the work itself: planned, asked for, listed, cancelled, tried again, forgotten."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal

import msgspec

from campanile.audit.schemas import OPERATOR
from campanile.audit.service import AuditService
from campanile.clock import Clock
from campanile.errors import Conflict, InvalidInput, NotFound, Unavailable
from campanile.jobs.queue import Queue
from campanile.jobs.schedule import Slot
from campanile.metadata import Connection, Metadata
from campanile.reports.files.store import FileStore
from campanile.reports.periods import covered
from campanile.reports.runs import repository
from campanile.reports.runs.announcing import deliver, pending
from campanile.reports.runs.orders import RUN_JOB, Order, enqueue, new_run, slot_key
from campanile.reports.runs.schemas import ERRORS, Run, RunState
from campanile.reports.schemas import ReportDefinition
from campanile.reports.slots import take_due
from campanile.workspaces.service import WorkspaceService

RUNS_AT_ONCE = 4
"""Runs of one workspace that are worked on at the same time; others wait."""
PLANNED_AT_ONCE = 50
"""Definitions whose slots become runs in one transaction."""
LATEST_START = timedelta(hours=24)
"""How old a slot may be that is still made up for after a downtime."""
PURGED_AT_ONCE = 500
"""Files, or runs, that one transaction cleans up."""

Page = tuple[list[Run], str | None]


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs."""

    definition_id: str | None = None
    state: RunState | None = None
    first: date | None = None
    last: date | None = None
    limit: int
    cursor: str = ""


class RunService:
    """Thread-safe. Runs of another workspace behave as unknown ones. What somebody asks for is in the audit log.

    Args:
        notify: tells the worker of this process that there is something to do.
    """

    def __init__(
        self,
        metadata: Metadata,
        clock: Clock,
        workspaces: WorkspaceService,
        queue: Queue,
        store: FileStore,
        notify: Callable[[], None],
    ) -> None:
        self._metadata = metadata
        self._clock = clock
        self._workspaces = workspaces
        self._queue = queue
        self._store = store
        self._notify = notify
        self._audit = AuditService(metadata, clock)

    # --- what definitions ask for

    def start(
        self,
        definition: ReportDefinition,
        *,
        file_date: date,
        window: tuple[date, date] | None,
        trigger: Literal["manual", "api"],
        by: str,
    ) -> dict[str, Any]:
        """A new run of the present version, without a slot; `window` replaces the days of the specification."""
        days = window or covered(definition.spec.period, file_date)
        with self._metadata.begin() as connection:
            run = self._add(connection, definition, Order(trigger, file_date, days))
            self._note(connection, run, by, "report_run.started")
        self._notify()
        return run.document()

    def backfill(
        self, definition: ReportDefinition, slots: Sequence[Slot], *, overwrite: bool, by: str
    ) -> Sequence[dict[str, Any]]:
        """Runs for past slots; those whose file is there and not expired are left out unless `overwrite`."""
        runs = []
        with self._metadata.begin() as connection:
            there = repository.unexpired_dates(connection, definition.id, self._clock.now())
            for slot in slots:
                if overwrite or slot.file_date not in there:
                    days = covered(definition.spec.period, slot.file_date)
                    runs.append(self._add(connection, definition, Order("backfill", slot.file_date, days, slot)))
                    self._note(connection, runs[-1], by, "report_run.started")
        self._notify()
        return [run.document() for run in runs]

    def latest(self, workspace_id: str, definition_ids: Collection[str]) -> Mapping[str, dict[str, Any]]:
        """The newest run of each definition that has one."""
        if not definition_ids:
            return {}
        with self._metadata.read() as connection:
            runs = repository.latest(connection, workspace_id, definition_ids, self._clock.now())
        return {run.definition_id: run.document() for run in runs if run.definition_id is not None}

    def retire(self, workspace_id: str, definition_id: str) -> None:
        """Cancel what is not finished and purge all files of a deleted definition."""
        with self._metadata.begin() as connection:
            for run_id in repository.unfinished(connection, definition_id):
                self._cancel(connection, workspace_id, run_id)
            repository.retire_files(connection, definition_id, self._clock.now())
        try:
            self.purge()
        except Unavailable:  # the regular purge will find them
            return

    # --- slots

    def plan(self) -> int:
        """Make runs of all slots whose time has come; each becomes one, whoever else does the same. Returns how many.

        After a downtime only the newest missed slot is made up for, if it is not too old.
        """
        planned = 0
        while True:
            with self._metadata.begin() as connection:
                now = self._clock.now()
                found = take_due(connection, now, PLANNED_AT_ONCE)
                for definition, slots in found:
                    for slot in slots:
                        missed = slot is not slots[-1] or now - slot.at > LATEST_START
                        days = covered(definition.spec.period, slot.file_date)
                        self._add(connection, definition, Order("schedule", slot.file_date, days, slot), missed=missed)
                        planned += 1
            if not found:
                break
        if planned:
            self._notify()
        return planned

    # --- what callers ask for

    def get(self, workspace_id: str, run_id: str) -> Run:
        """
        Raises:
            NotFound: no such run.
        """
        with self._metadata.read() as connection:
            return _known(repository.find_run(connection, run_id, self._clock.now(), workspace_id=workspace_id))

    def page(self, workspace_id: str, query: Query) -> Page:
        """Runs of a workspace, newest first, and the cursor of the next page if there is one.

        Raises:
            InvalidInput: `invalid_cursor`.
        """
        after = _place(query.cursor) if query.cursor else None
        with self._metadata.read() as connection:
            runs = repository.runs(
                connection,
                workspace_id,
                self._clock.now(),
                limit=query.limit + 1,
                after=after,
                definition_id=query.definition_id,
                state=query.state,
                first=query.first,
                last=query.last,
            )
        shown = runs[: query.limit]
        return shown, _cursor(shown[-1]) if len(runs) > len(shown) else None

    def failures(self, workspace_id: str, since: datetime, limit: int) -> list[dict[str, Any]]:
        """The newest runs that failed since an instant: `id`, `name` of the report, `at`, and `message`."""
        failed, _ = self.page(workspace_id, Query(state="FAILED", limit=limit))
        return [
            {
                "id": run.id,
                "name": run.stem or "Daily report",
                "at": run.finished_at,
                "message": ERRORS.get(run.error or "", ""),
            }
            for run in failed
            if run.finished_at is not None and run.finished_at >= since
        ]

    def cancel(self, workspace_id: str, run_id: str, *, by: str = OPERATOR) -> Run:
        """End a run; it leaves no file. A second time changes nothing.

        Raises:
            NotFound: no such run. Conflict: `invalid_state`, it has finished.
        """
        before = self.get(workspace_id, run_id)
        with self._metadata.begin() as connection:
            run = self._cancel(connection, workspace_id, run_id)
            if not before.final:
                self._note(connection, run, by, "report_run.cancelled")
            if run.final and run.state != "CANCELLED":
                raise _conflict(f"A run in state {run.state} cannot be cancelled.")
        return self.get(workspace_id, run_id)

    def retry(self, workspace_id: str, run_id: str, *, by: str = OPERATOR) -> Run:
        """Carry out a failed run once more, with its slot and file date.

        Raises:
            NotFound: no such run. Conflict: `invalid_state`, it has not failed.
        """
        with self._metadata.begin() as connection:
            run = self._locked(connection, workspace_id, run_id)
            if run.state != "FAILED":
                raise _conflict(f"Only failed runs can be tried again; this one is {run.state}.")
            repository.change_run(
                connection, run_id, state="QUEUED", attempt=0, progress=0.0, error=None, finished_at=None
            )
            enqueue(connection, self._queue, run, self._timezone(workspace_id), self._clock.now())
            self._note(connection, run, by, "report_run.retried")
        self._notify()
        return self.get(workspace_id, run_id)

    def with_file(self, workspace_id: str, run_id: str) -> Run:
        """A run that made a file, expired or not.

        Raises:
            NotFound: no such run, or `no_data`. Conflict: `not_ready`, or `no_file`.
        """
        run = self.get(workspace_id, run_id)
        if not run.final:
            raise Conflict("The run has not finished.", attribute="run_id", type="not_ready")
        if run.state == "NO_DATA":
            raise NotFound("Nothing matched, so the run made no file.", attribute="run_id", type="no_data")
        if run.file is None:
            raise Conflict(f"A run in state {run.state} has no file.", attribute="run_id", type="no_file")
        return run

    def send(self, workspace_id: str, run_id: str, recipients: Sequence[str]) -> Run:
        """Mail the link to the file of a run to these addresses.

        Raises:
            NotFound: no such run. Conflict: `no_file`, or it has expired.
        """
        run = self.get(workspace_id, run_id)
        if run.state != "SUCCESSFUL" or run.file is None or run.definition_id is None:
            raise Conflict(f"A run in state {run.state} has no file to send.", attribute="run_id", type="no_file")
        now = self._clock.now()
        messages = [pending("email", address, "SUCCESSFUL", now) for address in recipients]
        with self._metadata.begin() as connection:
            deliver(connection, self._queue, self._locked(connection, workspace_id, run_id), messages, now)
        self._notify()
        return self.get(workspace_id, run_id)

    # --- cleaning up

    def purge(self) -> int:
        """Delete the bytes of expired files; how many.

        Raises:
            StoreUnavailable: some are left for the next time.
        """
        done = 0
        while True:
            with self._metadata.read() as connection:
                ids = repository.expired_files(connection, self._clock.now(), PURGED_AT_ONCE)
            if not ids:
                return done
            self._store.delete(ids)
            with self._metadata.begin() as connection:
                repository.purged(connection, ids, self._clock.now())
            done += len(ids)

    def forget(self, memory: timedelta) -> int:
        """Delete finished runs that are older than `memory`; how many."""
        done = 0
        while True:
            with self._metadata.begin() as connection:
                count = repository.forget_runs(connection, self._clock.now() - memory, PURGED_AT_ONCE)
            if not count:
                return done
            done += count

    def sweep(self, age: timedelta) -> int:
        """Delete what crashed workers left in the store, once it has that age; how many objects.

        Raises:
            StoreUnavailable: some may be left.
        """

        def known(file_ids: Sequence[str]) -> set[str]:
            with self._metadata.read() as connection:
                return repository.known_files(connection, file_ids)

        return self._store.sweep(self._clock.now() - age, known)

    # --- inside

    def _add(self, connection: Connection, definition: ReportDefinition, order: Order, *, missed: bool = False) -> Run:
        now = self._clock.now()
        run = new_run(definition, order, now, missed=missed)
        if repository.add_run(connection, run, slot_key(run)) and not missed:
            enqueue(connection, self._queue, run, self._timezone(run.workspace_id), now)
        return run

    def _note(self, connection: Connection, run: Run, by: str, action: str) -> None:
        after = {"report": run.definition_id, "file_date": f"{run.file_date:%Y%m%d}"}
        self._audit.note(
            connection, workspace_id=run.workspace_id, actor=by, action=action, subject=run.id, after=after
        )

    def _timezone(self, workspace_id: str) -> str:
        workspace = self._workspaces.get(workspace_id)
        return "UTC" if workspace is None else workspace.settings.timezone

    def _cancel(self, connection: Connection, workspace_id: str, run_id: str) -> Run:
        """The run, which is cancelled unless it had finished. Jobs are locked before runs, here as everywhere."""
        self._queue.withdraw(connection, RUN_JOB, run_id)
        run = self._locked(connection, workspace_id, run_id)
        if not run.final:
            repository.change_run(connection, run_id, state="CANCELLED", finished_at=self._clock.now())
        return run

    def _locked(self, connection: Connection, workspace_id: str, run_id: str) -> Run:
        found = repository.find_run(connection, run_id, self._clock.now(), workspace_id=workspace_id, lock=True)
        return _known(found)


def _known(run: Run | None) -> Run:
    if run is None:
        raise NotFound("There is no such run.", attribute="run_id")
    return run


def _conflict(message: str) -> Conflict:
    return Conflict(message, attribute="status", type="invalid_state")


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    created_at: datetime
    id: str


def _cursor(run: Run) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(_Cursor(run.created_at, run.id))).decode().rstrip("=")


def _place(text: str) -> tuple[datetime, str]:
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Cursor)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        message = "cursor must be the next_cursor of a page."
        raise InvalidInput(message, attribute="cursor", type="invalid_cursor") from error
    return found.created_at, found.id
