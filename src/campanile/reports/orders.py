"""What callers may ask of a definition beyond its schedule: a run now, runs for past slots (report specification 8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from campanile.jobs.schedule import Slot, slots_between
from campanile.reports.periods import MOST_DAYS
from campanile.reports.reading import Fields, Findings
from campanile.reports.schemas import ReportSpec

BACKFILLED_SLOTS = 31
"""Past slots that one request may ask for."""
BACKFILLED_DAYS = 366
"""Days in which these may lie."""
FILE_DATE_DAYS = 90
"""How far back the file date of a run that somebody starts may lie."""


class RunOrder(NamedTuple):
    """A run that somebody starts."""

    file_date: date
    window: tuple[date, date] | None
    """Other days than those of the specification."""


class BackfillOrder(NamedTuple):
    """Runs for past slots."""

    slots: Sequence[Slot]
    """Oldest first, at least one."""
    overwrite: bool


def read_run(raw: object, spec: ReportSpec, *, timezone: str, now: datetime) -> RunOrder:
    """
    Args:
        raw: `{"window": {"start", "end"}, "file_date"}`, everything optional.
        timezone: of the workspace, for specifications without a schedule.

    Raises:
        InvalidInput, Unprocessable: everything wrong with `raw`.
    """
    today = now.astimezone(ZoneInfo(timezone if spec.schedule is None else spec.schedule.time_zone)).date()
    find = Findings()
    fields = Fields(find, raw)
    window = _window(fields.fields("window"), today)
    file_date = fields.day("file_date", compact=True) or today
    if not today - timedelta(days=FILE_DATE_DAYS) <= file_date <= today:
        fields.wrong("file_date", "invalid_value", f"must be today or one of the {FILE_DATE_DAYS} days before")
    fields.close()
    find.raise_any(raw)
    return RunOrder(file_date, window)


def _window(fields: Fields | None, today: date) -> tuple[date, date] | None:
    if fields is None:
        return None
    first, last = fields.day("start", required=True), fields.day("end", required=True)
    fields.close()
    if first is None or last is None:
        return None
    if first > last:
        fields.wrong("end", "range_inverted", "must not be before the start")
    elif (last - first).days > MOST_DAYS:
        fields.wrong("end", "range_too_long", f"must not be more than {MOST_DAYS} days after the start")
    if first > today:
        fields.wrong("start", "range_in_future", "must not lie in the future")
    return first, last


def read_backfill(raw: object, spec: ReportSpec, *, now: datetime) -> BackfillOrder:
    """
    Args:
        raw: `{"from", "to", "overwrite"}`: dates of the first and the last slot.

    Raises:
        InvalidInput, Unprocessable: everything wrong with `raw`.
    """
    find = Findings()
    fields = Fields(find, raw)
    first, last = fields.day("from", required=True), fields.day("to", required=True)
    overwrite = fields.boolean("overwrite")
    fields.close()
    slots: list[Slot] = []
    if first is not None and last is not None:
        slots = _slots(fields, spec, first, last, now)
    find.raise_any(raw)
    return BackfillOrder(slots, overwrite)


def _slots(fields: Fields, spec: ReportSpec, first: date, last: date, now: datetime) -> list[Slot]:
    if first > last:
        fields.wrong("to", "range_inverted", "must not be before from")
        return []
    if (last - first).days >= BACKFILLED_DAYS:
        fields.wrong("to", "range_too_long", f"must be less than {BACKFILLED_DAYS} days after from")
        return []
    slots = [] if spec.schedule is None else slots_between(spec.schedule, first, last)
    past = [slot for slot in slots if slot.at <= now]
    if not past:
        fields.wrong("from", "schedule_empty", "begins a range without past slots")
    elif len(past) > BACKFILLED_SLOTS:
        fields.wrong("to", "range_too_long", f"must be at most {BACKFILLED_SLOTS} slots after from")
    return past
