"""New runs: what they begin with, and when their days are over."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from campanile.jobs.queue import Queue
from campanile.jobs.schedule import Slot
from campanile.kit.times import window
from campanile.metadata import Connection
from campanile.reports.periods import complete_at
from campanile.reports.runs import repository
from campanile.reports.runs.schemas import Run, Trigger
from campanile.reports.schemas import ReportDefinition, RestDelivery

RUN_JOB = "report_run"
"""Kind of the jobs that carry out runs; their key is the id of the run."""


class Order(NamedTuple):
    """A run that is to be."""

    trigger: Trigger
    file_date: date
    days: tuple[date, date]
    """First and last, both inclusive."""
    slot: Slot | None = None


def new_run(definition: ReportDefinition, order: Order, now: datetime, *, missed: bool = False) -> Run:
    """A run of the present version."""
    return Run(
        id=repository.new_id(),
        workspace_id=definition.workspace_id,
        definition_id=definition.id,
        definition_version=definition.version,
        stem=definition.stem,
        by_name=any(isinstance(delivery, RestDelivery) for delivery in definition.spec.delivery),
        trigger=order.trigger,
        slot_at=None if order.slot is None else order.slot.at,
        file_date=order.file_date,
        first_day=order.days[0],
        last_day=order.days[1],
        state="MISSED" if missed else "QUEUED",
        created_at=now,
        finished_at=now if missed else None,
    )


def daily_run(workspace_id: str, day: date, now: datetime) -> Run:
    """A run of the daily dump, which is named after the day it is about."""
    return Run(
        id=repository.new_id(),
        workspace_id=workspace_id,
        definition_id=None,
        definition_version=0,
        stem="",
        by_name=True,
        trigger="daily",
        slot_at=None,
        file_date=day,
        first_day=day,
        last_day=day,
        state="QUEUED",
        created_at=now,
        finished_at=None,
    )


def slot_key(run: Run) -> str | None:
    """What only one run can have: its planned slot."""
    if run.trigger == "daily":
        return f"daily/{run.workspace_id}/{run.file_date:%Y%m%d}"
    if run.trigger == "schedule" and run.slot_at is not None:
        return f"{run.definition_id}/{run.slot_at:%Y%m%dT%H%M%SZ}"
    return None


def ready_at(run: Run, timezone: str) -> datetime | None:
    """When the days of a run are over; None if they may go on while it is carried out."""
    return complete_at(window(run.first_day, run.last_day, timezone), run.file_date)


def enqueue(connection: Connection, queue: Queue, run: Run, timezone: str, now: datetime) -> None:
    """Queue the work for a stored run.

    Planned runs of one definition are done one after the other; runs that somebody asked for do not wait for them.
    """
    ready = ready_at(run, timezone)
    lane = run.definition_id if run.trigger == "schedule" else None
    due_at = now if ready is None else max(now, ready)
    queue.add(connection, RUN_JOB, run.id, due_at=due_at, workspace_id=run.workspace_id, lane=lane)
    if due_at > now:
        repository.change_run(connection, run.id, state="WAITING_FOR_DATA")
