"""Which days a run covers (report specification 2.3, 6.1)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal

import msgspec

from campanile.kit.times import Window, window

MOST_DAYS = 90
"""Days between the first and the last day of an absolute range, and length of a rolling one."""
MOST_OFFSET_DAYS = 365
"""Days a rolling range may end before the day it would end on otherwise."""

Preset = Literal[
    "today",
    "yesterday",
    "last_7_days",
    "last_30_days",
    "last_90_days",
    "previous_week",
    "previous_month",
    "month_to_date",
]

_LENGTHS: dict[Preset, int] = {"yesterday": 1, "last_7_days": 7, "last_30_days": 30, "last_90_days": 90}
_DAY = timedelta(days=1)


class AbsolutePeriod(msgspec.Struct, frozen=True, tag="absolute", tag_field="type"):
    """Fixed days, both inclusive."""

    first: date
    last: date
    """May lie in the future: a run stops at its own date."""


class RollingPeriod(msgspec.Struct, frozen=True, tag="rolling", tag_field="type", omit_defaults=True):
    """Days that move with the file date: a preset, or `days` days that end `offset_days` before yesterday."""

    preset: Preset | None = None
    days: int = 0
    offset_days: int = 0


Period = AbsolutePeriod | RollingPeriod


def covered(period: Period, file_date: date) -> tuple[date, date]:
    """First and last day of a run, both inclusive. All rolling ranges but `today` end before the file date."""
    yesterday = file_date - _DAY
    if isinstance(period, AbsolutePeriod):
        return period.first, max(period.first, min(period.last, file_date))
    match period.preset:
        case None:
            last = yesterday - timedelta(days=period.offset_days)
            return last - timedelta(days=period.days - 1), last
        case "today":
            return file_date, file_date
        case "previous_week":
            monday = file_date - timedelta(days=file_date.weekday() + 7)
            return monday, monday + timedelta(days=6)
        case "previous_month":
            last = file_date.replace(day=1) - _DAY
            return last.replace(day=1), last
        case "month_to_date":
            return yesterday.replace(day=1), yesterday
        case _:
            return file_date - timedelta(days=_LENGTHS[period.preset]), yesterday


def resolve(period: Period, file_date: date, timezone: str) -> Window:
    """The days of a run as instants of the workspace's zone."""
    first, last = covered(period, file_date)
    return window(first, last, timezone)


def complete_at(days: Window, file_date: date) -> datetime | None:
    """When the last day of a run is over, so that it can be counted; None if the run is about an unfinished day.

    The workspace may be behind the zone of the schedule: then this is later than the slot.
    """
    return days.end if days.last < file_date else None
