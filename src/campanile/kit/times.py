"""Calendar days of a time zone as UTC instants: days of 23 or 25 hours, missing and doubled midnights."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Window(msgspec.Struct, frozen=True):
    """Calendar days `first`..`last` (both inclusive) of `timezone`, as the half-open instants [start, end)."""

    first: date
    last: date
    timezone: str
    start: datetime
    end: datetime


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first existing instant of a local day, in UTC.

    A midnight that exists twice counts as the earlier one; one that does not exist is replaced by the first
    instant after the gap.
    """
    local = datetime.combine(day, time.min, tzinfo=zone)  # fold=0: the earlier of two
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    # In a gap, fold=0 uses the offset before it: the instant lies after the gap by the part of the day that is
    # missing. The day starts where the gap ends, which is the transition itself.
    low, high = instant - timedelta(days=1), instant
    offset_before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        middle = middle.replace(microsecond=0)
        if middle in (low, high):
            break
        if middle.astimezone(zone).utcoffset() == offset_before:
            low = middle
        else:
            high = middle
    return high


def window(first: date, last: date, timezone: str) -> Window:
    """The window of the local days `first`..`last`."""
    zone = ZoneInfo(timezone)
    return Window(first, last, timezone, day_start(first, zone), day_start(last + timedelta(days=1), zone))


def is_timezone(name: str) -> bool:
    """Whether `name` is an IANA zone known here."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def epoch_milliseconds(instant: datetime) -> int:
    """Whole milliseconds since 1970-01-01 UTC."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)
