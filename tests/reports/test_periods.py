"""Which days a run covers."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.jobs.schedule import Schedule, local_instant, next_slots
from campanile.reports.periods import AbsolutePeriod, Preset, RollingPeriod, complete_at, covered, resolve
from tests.reports.vectors import vectors

DAY = timedelta(days=1)
DATES = st.dates(date(2000, 1, 1), date(2100, 12, 31))


def day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()


@pytest.mark.parametrize("vector", vectors("window"))
def test_presets(vector: dict[str, Any]) -> None:
    found = covered(RollingPeriod(vector["preset"]), day(vector["file_date"]))
    assert [moment.isoformat() for moment in found] == [vector["start"], vector["end"]]


@given(DATES)
def test_yesterday_is_always_the_day_before_the_file_date(file_date: date) -> None:
    assert covered(RollingPeriod("yesterday"), file_date) == (file_date - DAY, file_date - DAY)


@given(DATES, st.sampled_from(get_args(Preset)))
def test_presets_end_before_the_file_date_and_are_never_empty(file_date: date, preset: Preset) -> None:
    first, last = covered(RollingPeriod(preset), file_date)
    assert first <= last
    assert (last == file_date) == (preset == "today")
    assert last <= file_date


@given(DATES)
def test_weeks_and_months_are_whole(file_date: date) -> None:
    first, last = covered(RollingPeriod("previous_week"), file_date)
    assert (first.isoweekday(), last.isoweekday()) == (1, 7)
    assert 1 <= (file_date - last).days <= 7
    first, last = covered(RollingPeriod("previous_month"), file_date)
    assert (first.day, (last + DAY).day) == (1, 1)
    assert (first.year, first.month) == (last.year, last.month)
    assert (last + DAY).replace(day=1) == file_date.replace(day=1)
    first, last = covered(RollingPeriod("month_to_date"), file_date)
    assert (first.day, last) == (1, file_date - DAY)
    assert (first.year, first.month) == (last.year, last.month)


@given(DATES, st.integers(1, 90), st.integers(0, 365))
def test_counted_days_with_an_offset(file_date: date, days: int, offset: int) -> None:
    first, last = covered(RollingPeriod(days=days, offset_days=offset), file_date)
    assert (last - first).days + 1 == days
    assert (file_date - last).days == offset + 1


def test_fixed_days_stay_and_stop_at_the_file_date() -> None:
    period = AbsolutePeriod(date(2025, 3, 1), date(2025, 3, 10))
    assert covered(period, date(2025, 4, 1)) == (period.first, period.last)
    assert covered(period, date(2025, 3, 4)) == (period.first, date(2025, 3, 4))
    assert covered(period, date(2025, 2, 1)) == (period.first, period.first)


def test_days_are_days_of_the_workspace() -> None:
    days = resolve(RollingPeriod("yesterday"), date(2025, 3, 10), "America/New_York")
    assert (days.first, days.last) == (date(2025, 3, 9), date(2025, 3, 9))
    assert days.start == datetime(2025, 3, 9, 5, tzinfo=UTC)
    assert days.end == datetime(2025, 3, 10, 4, tzinfo=UTC), "a day of 23 hours"


@pytest.mark.parametrize("vector", vectors("wait"))
def test_a_run_waits_until_the_last_day_is_over_in_the_workspace(vector: dict[str, Any]) -> None:
    slot = datetime.fromisoformat(vector["slot"])
    file_date = slot.astimezone(ZoneInfo(vector["schedule_zone"])).date()
    days = resolve(RollingPeriod(vector["range"]), file_date, vector["workspace_zone"])
    assert days.first.isoformat() == vector["window"]
    assert complete_at(days, file_date) == datetime.fromisoformat(vector["not_before"])


def test_a_run_about_today_waits_for_nothing() -> None:
    days = resolve(RollingPeriod("today"), date(2025, 3, 5), "America/New_York")
    assert complete_at(days, date(2025, 3, 5)) is None
    days = resolve(AbsolutePeriod(date(2025, 3, 1), date(2025, 3, 9)), date(2025, 3, 5), "America/New_York")
    assert complete_at(days, date(2025, 3, 5)) is None


@pytest.mark.parametrize("schedule_zone", ["Pacific/Kiritimati", "Etc/GMT-14"])
def test_the_longest_wait_is_26_hours(schedule_zone: str) -> None:
    """The schedule is 14 hours ahead of UTC, the workspace 12 hours behind."""
    slot = local_instant(date(2025, 3, 5), time(0), ZoneInfo(schedule_zone))
    days = resolve(RollingPeriod("yesterday"), date(2025, 3, 5), "Etc/GMT+12")
    over = complete_at(days, date(2025, 3, 5))
    assert over is not None
    assert over - slot == timedelta(hours=26)


def test_weekly_at_five_in_shanghai() -> None:
    schedule = Schedule(
        kind="weekly",
        time_zone="Asia/Shanghai",
        time_of_day=time(5),
        start_date=date(2025, 1, 1),
        weekdays=(1,),
    )
    slots = next_slots(schedule, datetime(2025, 3, 1, tzinfo=UTC), 2)
    assert [slot.at for slot in slots] == [
        datetime(2025, 3, 2, 21, tzinfo=UTC),
        datetime(2025, 3, 9, 21, tzinfo=UTC),
    ], "still Sunday in UTC"
    assert [slot.file_date for slot in slots] == [date(2025, 3, 3), date(2025, 3, 10)]
    assert covered(RollingPeriod("last_7_days"), slots[0].file_date) == (date(2025, 2, 24), date(2025, 3, 2))
