"""What the pages about reports show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec

from campanile.dashboard import formats, words
from campanile.dashboard.reports import phrases
from campanile.jobs.schedule import Slot
from campanile.reports.schemas import ReportSpec, Version
from campanile.reports.service import ERRORS, UNFINISHED, Page, Period, Query, Run, RunQuery, View, covered, stem
from campanile.workspaces.schemas import Workspace

RUNS_SHOWN = 20
"""Runs of one page of a list."""
LATEST_SHOWN = 8
"""Newest runs below the list of reports."""


class Definitions(Protocol):
    """Knows definitions."""

    def page(self, workspace: Workspace, query: Query) -> Page: ...

    def view(self, workspace: Workspace, definition_id: str) -> View: ...

    def versions(self, workspace_id: str, definition_id: str) -> list[Version]: ...


class Runs(Protocol):
    """Knows runs."""

    def get(self, workspace_id: str, run_id: str) -> Run: ...

    def page(self, workspace_id: str, query: RunQuery) -> tuple[list[Run], str | None]: ...


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run in a table."""

    run: Run
    label: str
    tone: str
    running: bool
    percent: int
    """How much of it is done."""
    rows: int | None
    """Rows of all its files; None without a file."""
    days: str
    trigger: str
    error: str
    downloadable: bool

    @property
    def name(self) -> str:
        """Of its file, or of what it would have been."""
        return self.run.file.name if self.run.file else f"{self.run.stem or 'Daily report'} {self.run.file_date:%Y%m%d}"


class Coming(msgspec.Struct, frozen=True):
    """A run that is planned."""

    at: datetime
    when: str
    """In words, on the clock of the schedule."""
    elsewhere: str
    """The same on the clock of the workspace, where that differs."""
    file_name: str
    days: str
    """What it will be about; '' while nobody knows."""


class ReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """A definition in a table."""

    view: View
    label: str
    tone: str
    channels: str
    schedule: str
    last: RunRow | None


class ReportPage(msgspec.Struct, frozen=True, kw_only=True):
    """One definition."""

    row: ReportRow
    facts: list[tuple[str, str]]
    deliveries: list[str]
    coming: list[Coming]
    runs: list[RunRow]
    older: str | None
    versions: list[Version]

    @property
    def running(self) -> bool:
        """Whether something is being made, or about to be."""
        definition = self.row.view.definition
        schedule = definition.spec.schedule
        now = definition.state == "ACTIVE" and schedule is not None and schedule.kind == "once" and schedule.at is None
        return now or any(row.running for row in self.runs)


class ReportList(msgspec.Struct, frozen=True, kw_only=True):
    """The definitions of a workspace and its newest runs."""

    rows: list[ReportRow]
    next_cursor: str | None
    runs: list[RunRow]

    @property
    def running(self) -> bool:
        return any(row.running for row in self.runs) or any(row.last and row.last.running for row in self.rows)


class ReportPages:
    """Read-only. Blocks: call it from a worker thread."""

    def __init__(self, definitions: Definitions, runs: Runs) -> None:
        self._definitions = definitions
        self._runs = runs

    def list(self, workspace: Workspace, query: Query) -> ReportList:
        """
        Raises:
            InvalidInput: `invalid_cursor`.
        """
        page = self._definitions.page(workspace, query)
        newest, _ = self._runs.page(workspace.id, RunQuery(limit=LATEST_SHOWN))
        return ReportList(
            rows=[self._row(workspace.id, view) for view in page.views],
            next_cursor=page.next_cursor,
            runs=[run_row(run) for run in newest],
        )

    def one(self, workspace: Workspace, definition_id: str, cursor: str) -> ReportPage:
        """
        Raises:
            NotFound: no such definition. InvalidInput: `invalid_cursor`.
        """
        view = self._definitions.view(workspace, definition_id)
        query = RunQuery(definition_id=definition_id, limit=RUNS_SHOWN, cursor=cursor)
        runs, older = self._runs.page(workspace.id, query)
        spec = view.definition.spec
        planned = view.slots if view.definition.state == "ACTIVE" else ()
        return ReportPage(
            row=self._row(workspace.id, view),
            facts=facts(spec),
            deliveries=phrases.deliveries(spec),
            coming=coming(spec.name, _zone(spec), planned, workspace.settings.timezone, spec.period),
            runs=[run_row(run) for run in runs],
            older=older,
            versions=self._definitions.versions(workspace.id, definition_id),
        )

    def _row(self, workspace_id: str, view: View) -> ReportRow:
        found = view.definition
        label, tone = phrases.STATES[found.state]
        last: Mapping[str, Any] | None = view.last_run
        return ReportRow(
            view=view,
            label=label,
            tone=tone,
            channels=phrases.channels(found.spec),
            schedule=phrases.schedule(found.spec.schedule),
            last=None if last is None else run_row(self._runs.get(workspace_id, last["id"])),
        )


def run_row(run: Run) -> RunRow:
    label, tone = phrases.RUN_STATES[run.state]
    return RunRow(
        run=run,
        label=label,
        tone=tone,
        running=run.state in UNFINISHED,
        percent=round(100 * run.progress),
        rows=None if run.file is None else sum(part.rows for part in run.parts),
        days=phrases.days(run.first_day, run.last_day),
        trigger=phrases.TRIGGERS[run.trigger],
        error="" if run.error is None else ERRORS[run.error],
        downloadable=run.state == "SUCCESSFUL" and run.file is not None,
    )


def facts(spec: ReportSpec) -> list[tuple[str, str]]:
    """What a definition says, label by label."""
    scopes = [
        phrases.channel(scope.channel)
        + (f" ({phrases.listed([words.words(name) for name in scope.delivery_types])})" if scope.delivery_types
           else "")
        for scope in spec.channels
    ]  # fmt: skip
    window = "only the days of the report" if spec.data_window == "selected_range" else "the whole life of a campaign"
    found = [
        ("Channels", "; ".join(scopes)),
        ("Campaigns", phrases.campaigns(spec)),
        ("Days", phrases.period(spec.period)),
        ("Numbers of", window),
        ("Rows", phrases.rows(spec)),
        ("Columns", phrases.columns(spec)),
    ]
    if spec.custom:
        found.append(("Own columns", "; ".join(f"{column.header} = {column.expression}" for column in spec.custom)))
    return [*found, ("File", phrases.file_format(spec.format))]


def _zone(spec: ReportSpec) -> str:
    return "UTC" if spec.schedule is None else spec.schedule.time_zone


def coming(name: str, zone: str, slots: Sequence[Slot], timezone: str, period: Period | None = None) -> list[Coming]:
    """Planned runs in words.

    Args:
        zone: of the schedule.
        timezone: of the workspace.
        period: for the days they are about; None while it is not known.
    """
    own, theirs = ZoneInfo(zone), ZoneInfo(timezone)
    found = []
    for slot in slots:
        local, here = slot.at.astimezone(own), slot.at.astimezone(theirs)
        same = local.replace(tzinfo=None) == here.replace(tzinfo=None)
        found.append(
            Coming(
                at=slot.at,
                when=f"{phrases.WEEKDAYS[local.weekday()]}, {formats.moment(local, zone)}",
                elsewhere="" if same else f"{here:%a} {formats.moment(here, timezone)} in {timezone}",
                file_name=f"{stem(name)}_{slot.file_date:%Y%m%d}",
                days="" if period is None else phrases.days(*covered(period, slot.file_date)),
            )
        )
    return found
