"""Schedules, file dates, windows and next runs together: as definitions move from slot to slot, in every zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import pytest

from campanile.clock import FixedClock
from campanile.jobs.schedule import Schedule
from campanile.kit.times import Window
from campanile.reports.periods import Period, RollingPeriod, complete_at, covered, resolve
from campanile.reports.schemas import ChannelSelection, ReportDefinition, ReportSpec, RestDelivery
from campanile.reports.slots import due_at, placed

DAY = timedelta(days=1)
ZONES = sorted(available_timezones() - {"localtime"})
YESTERDAY = RollingPeriod(preset="yesterday")


class Seen(NamedTuple):
    """One slot as a scheduler meets it."""

    at: datetime
    file_date: date
    days: Window
    """Of the workspace."""
    due: datetime
    """When the run is made, and the clock stands."""


def slots(clock: FixedClock, schedule: Schedule, period: Period, zone: str, count: int) -> Iterator[Seen]:
    """The next `count` slots of an active definition; the clock is set to each."""
    definition = placed(defined(schedule, period, clock.now()), clock.now())
    for _ in range(count):
        due = due_at(definition)
        assert due is not None
        assert definition.next_slot is not None
        assert definition.next_file_date is not None
        clock.set(due)
        yield Seen(
            definition.next_slot, definition.next_file_date, resolve(period, definition.next_file_date, zone), due
        )
        definition = placed(definition, definition.next_slot)


def defined(schedule: Schedule, period: Period, now: datetime) -> ReportDefinition:
    spec = ReportSpec(
        name="Daily",
        channels=(ChannelSelection("PUSH"),),
        period=period,
        delivery=(RestDelivery(),),
        schedule=schedule,
    )
    return ReportDefinition(
        id="rep_1",
        workspace_id="w",
        spec=spec,
        version=1,
        state="DRAFT",
        created_at=now,
        updated_at=now,
        created_by="key_1",
        next_slot=None,
        next_file_date=None,
        slots_used=0,
    )


def daily(zone: str, at: time) -> Schedule:
    return Schedule(kind="daily", time_zone=zone, time_of_day=at, start_date=date(2024, 1, 1))


def edges(zone: ZoneInfo) -> list[datetime]:
    """Days of 2025 on which the offset of a zone changes; a leap day where it never does."""
    noons = [datetime(2025, 1, 1, 12, tzinfo=UTC) + n * DAY for n in range(366)]
    found = [
        before
        for before, after in pairwise(noons)
        if before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset()
    ]
    return found or [datetime(2024, 2, 28, 12, tzinfo=UTC)]


@pytest.mark.parametrize("name", ZONES)
def test_every_day_is_reported_once_around_both_edges_of_every_zone(name: str) -> None:
    """Whatever the clocks do: one file per date, about the day before it; days neither overlap nor leave gaps."""
    zone = ZoneInfo(name)
    for edge in edges(zone):
        for at in (time(0), time(2, 30), time(23, 45)):
            clock = FixedClock(edge - 3 * DAY)
            seen = list(slots(clock, daily(name, at), YESTERDAY, name, 6))
            for slot in seen:
                assert slot.days.first == slot.days.last == slot.file_date - DAY
                assert slot.days.start.astimezone(zone).date() == slot.days.first
                assert (slot.days.end - timedelta(milliseconds=1)).astimezone(zone).date() == slot.days.last
                assert slot.days.end <= slot.at <= slot.due < slot.at + timedelta(minutes=5)
                assert complete_at(slot.days, slot.file_date) == slot.days.end, "it does not have to wait"
                planned = datetime.combine(slot.file_date, at)
                shown = slot.at.astimezone(zone).replace(tzinfo=None)
                assert planned <= shown <= planned + timedelta(hours=2)
            for slot, following in pairwise(seen):
                assert following.file_date - slot.file_date == DAY
                assert following.days.start == slot.days.end
                assert timedelta(hours=21) <= following.at - slot.at <= timedelta(hours=27)


@pytest.mark.parametrize("schedule_zone", ["Etc/GMT-14", "Etc/GMT+12", "Pacific/Kiritimati", "Asia/Shanghai"])
@pytest.mark.parametrize("name", ["Etc/GMT-14", "Etc/GMT+12", "UTC", "America/New_York", "Australia/Lord_Howe"])
def test_a_schedule_far_from_its_workspace(schedule_zone: str, name: str) -> None:
    """The file is named after the date of the schedule; its day is one of the workspace, and has to be over."""
    clock = FixedClock(datetime(2025, 3, 7, tzinfo=UTC))
    seen = list(slots(clock, daily(schedule_zone, time(5)), YESTERDAY, name, 4))
    for slot in seen:
        assert slot.at.astimezone(ZoneInfo(schedule_zone)).replace(tzinfo=None) == datetime.combine(
            slot.file_date, time(5)
        )
        assert slot.days.first == slot.file_date - DAY
        ready = complete_at(slot.days, slot.file_date)
        assert ready == slot.days.end
        assert ready - slot.at <= timedelta(hours=26)
    for slot, following in pairwise(seen):
        assert following.days.start == slot.days.end


@pytest.mark.parametrize("name", ["UTC", "Asia/Kolkata", "America/New_York", "Pacific/Apia", "Africa/Casablanca"])
def test_months_follow_each_other_over_month_ends_and_a_leap_day(name: str) -> None:
    clock = FixedClock(datetime(2023, 12, 15, tzinfo=UTC))
    first = Schedule(kind="monthly", time_zone=name, time_of_day=time(0, 15), start_date=date(2023, 12, 15), day=1)
    seen = list(slots(clock, first, RollingPeriod(preset="previous_month"), name, 15))
    assert [slot.file_date for slot in seen[:3]] == [date(2024, month, 1) for month in (1, 2, 3)]
    assert (seen[2].days.first, seen[2].days.last) == (date(2024, 2, 1), date(2024, 2, 29))
    for slot, following in pairwise(seen):
        assert following.days.start == slot.days.end
    clock = FixedClock(datetime(2023, 12, 15, tzinfo=UTC))
    last = Schedule(kind="monthly", time_zone=name, time_of_day=time(23, 45), start_date=date(2023, 12, 15), day=31)
    dates = [slot.file_date for slot in slots(clock, last, YESTERDAY, name, 15)]
    assert dates[:4] == [date(2023, 12, 31), date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)]
    assert all((day + DAY).day == 1 for day in dates)


def test_weekly_at_five_in_shanghai() -> None:
    """Monday morning there is Sunday evening in UTC: the file still is Monday's, and the week before is complete."""
    clock = FixedClock(datetime(2025, 12, 20, tzinfo=UTC))
    weekly = Schedule(
        kind="weekly", time_zone="Asia/Shanghai", time_of_day=time(5), start_date=date(2025, 12, 1), weekdays=(1,)
    )
    for period in (RollingPeriod(preset="last_7_days"), RollingPeriod(preset="previous_week")):
        clock.set(datetime(2025, 12, 20, tzinfo=UTC))
        seen = list(slots(clock, weekly, period, "Asia/Shanghai", 3))
        assert [slot.at for slot in seen] == [datetime(2025, 12, 21, 21, tzinfo=UTC) + n * 7 * DAY for n in range(3)]
        assert [slot.file_date for slot in seen] == [date(2025, 12, 22), date(2025, 12, 29), date(2026, 1, 5)]
        assert (seen[1].days.first, seen[1].days.last) == (date(2025, 12, 22), date(2025, 12, 28))
        assert (seen[1].days.start, seen[1].days.end) == (
            datetime(2025, 12, 21, 16, tzinfo=UTC),
            datetime(2025, 12, 28, 16, tzinfo=UTC),
        )
        assert covered(period, date(2026, 1, 5)) == (date(2025, 12, 29), date(2026, 1, 4)), "over the turn of the year"
