"""Recurrences: which local dates they name, and which instants those stand for (report specification 5.1).

Everything is computed from local dates and times of day, never by adding 24 hours. Pure: no clock, no database.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from itertools import islice
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

SPREAD_SECONDS = 300
"""Runs of one slot start within so many seconds, so that six o'clock is not a stampede."""

_LAST_DAY = date(9998, 12, 31).toordinal()
"""Recurrences end here: one more year, and some zone leaves the calendar of Python."""

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)

Kind = Literal["once", "daily", "weekly", "monthly", "custom"]
Unit = Literal["days", "weeks", "months"]


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When something is to be done. Members that do not belong to the kind are empty."""

    kind: Kind
    time_zone: str
    """IANA name; dates and times of day are those of this zone."""
    at: datetime | None = None
    """`once`: local date and time, without zone; empty means as soon as possible."""
    time_of_day: time | None = None
    """All other kinds: the local time of each slot."""
    start_date: date | None = None
    """All other kinds: no slot is earlier, and `every` is counted from here."""
    weekdays: tuple[int, ...] = ()
    """`weekly`, and `custom` in weeks: 1 (Monday) to 7, ascending."""
    day: int | Literal["last"] | None = None
    """`monthly`, and `custom` in months: 1 to 31; a shorter month has its last day instead."""
    every: int = 1
    """`custom`: every so many units."""
    unit: Unit | None = None
    """`custom` only."""
    end_date: date | None = None
    """The last date that may have a slot."""
    end_runs: int | None = None
    """How many slots there are at most."""

    @property
    def periodic(self) -> bool:
        return self.kind != "once"

    @property
    def step(self) -> Unit:
        """What a recurrence counts in."""
        steps: dict[Kind, Unit] = {"daily": "days", "weekly": "weeks", "monthly": "months"}
        return steps.get(self.kind) or self.unit or "days"


class Slot(msgspec.Struct, frozen=True, order=True):
    """The planned instant of one run."""

    at: datetime
    """In UTC."""
    file_date: date
    """The date in the zone of the schedule that the slot was planned for; the date in the name of the file."""


def next_slots(schedule: Schedule, after: datetime, count: int, *, used: int = 0) -> list[Slot]:
    """The first `count` slots later than `after`, fewer if the schedule ends before.

    A schedule that starts as soon as possible has one slot, which is `after` itself.

    Args:
        used: slots of this schedule that were run already; they count towards `end_runs`.
    """
    limit = schedule.end_runs if schedule.periodic else 1
    if limit is not None:
        count = min(count, limit - used)
    zone = ZoneInfo(schedule.time_zone)
    if schedule.kind == "once" and schedule.at is None:
        slots = iter([Slot(after.astimezone(UTC), after.astimezone(zone).date())])
    else:
        # A slot moved by a clock change lies after midnight of its date, hence one day more.
        first = after.astimezone(zone).date() - _DAY
        slots = (slot for slot in _slots(schedule, zone, first) if slot.at > after)
    return list(islice(slots, max(0, count)))


def slots_between(schedule: Schedule, first: date, last: date) -> list[Slot]:
    """The slots dated `first` to `last`, both inclusive, of a schedule that has a start date or a fixed instant.

    `end_runs` does not apply: it says when to stop, not which dates belong to the recurrence.
    """
    if schedule.kind == "once" and schedule.at is None:
        return []
    found = []
    for slot in _slots(schedule, ZoneInfo(schedule.time_zone), first):
        if slot.file_date > last:
            break
        found.append(slot)
    return found


def local_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant of a local date and time, in UTC.

    A time that occurs twice means the first one; a time that is skipped means the first instant after the gap, to the
    minute.
    """
    local = datetime.combine(day, at)
    while True:
        instant = local.replace(tzinfo=zone).astimezone(UTC)  # fold=0: the first of two
        if instant.astimezone(zone).replace(tzinfo=None) == local:
            return instant
        local = local.replace(second=0, microsecond=0) + _MINUTE


def spread(name: str) -> timedelta:
    """How long after its slot work of this name starts: 0 to 299 seconds, always the same for one name."""
    digest = blake2b(name.encode(), digest_size=8).digest()
    return timedelta(seconds=int.from_bytes(digest, "little") % SPREAD_SECONDS)


def _slots(schedule: Schedule, zone: ZoneInfo, first: date) -> Iterator[Slot]:
    """Slots dated `first` or later, in order. Of two dates whose slots coincide, the later one has it.

    They coincide where a zone left out a whole day, and nowhere else.
    """
    waiting: Slot | None = None
    for day, at in _moments(schedule, first):
        slot = Slot(local_instant(day, at, zone), day)
        if waiting is not None and waiting.at < slot.at:
            yield waiting
        waiting = slot
    if waiting is not None:
        yield waiting


def _moments(schedule: Schedule, first: date) -> Iterator[tuple[date, time]]:
    if schedule.at is not None:
        if schedule.at.date() >= first:
            yield schedule.at.date(), schedule.at.time()
    elif schedule.time_of_day is not None and schedule.start_date is not None:
        end = _LAST_DAY if schedule.end_date is None else min(schedule.end_date.toordinal(), _LAST_DAY)
        for ordinal in _days(schedule, schedule.start_date, max(first, schedule.start_date)):
            if ordinal > end:
                break
            yield date.fromordinal(ordinal), schedule.time_of_day


def _days(schedule: Schedule, start: date, first: date) -> Iterator[int]:
    """The dates of a recurrence from `first` on, as ordinals. `first` is not before `start`."""
    every = schedule.every
    match schedule.step:
        case "days":
            skipped = -(-(first - start).days // every)
            day = start.toordinal() + skipped * every
            while day <= _LAST_DAY:
                yield day
                day += every
        case "weeks":
            monday = start.toordinal() - start.weekday()
            monday += (first.toordinal() - monday) // 7 // every * every * 7
            while monday <= _LAST_DAY:
                yield from (day for number in schedule.weekdays if (day := monday + number - 1) >= first.toordinal())
                monday += every * 7
        case "months":
            month = start.year * 12 + start.month - 1
            month += (first.year * 12 + first.month - 1 - month) // every * every
            while month < 9999 * 12:
                day = _day_of_month(month, schedule.day)
                if day >= first.toordinal():
                    yield day
                month += every


def _day_of_month(month: int, day: int | Literal["last"] | None) -> int:
    """The ordinal of a day in a month counted from the year 0."""
    year, index = divmod(month, 12)
    last = monthrange(year, index + 1)[1]
    return date(year, index + 1, min(day, last) if isinstance(day, int) else last).toordinal()
