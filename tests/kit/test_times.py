"""Days of a time zone begin at their first existing instant, in every zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.kit.times import day_start, epoch_milliseconds, is_timezone, window

ZONES = sorted(available_timezones() - {"localtime", "Factory"})


@given(st.sampled_from(ZONES), st.dates(date(1971, 1, 1), date(2035, 12, 31)))
def test_a_day_begins_where_the_day_before_ends(name: str, day: date) -> None:
    zone = ZoneInfo(name)
    start = day_start(day, zone)
    assert start.astimezone(zone).date() >= day
    assert (start - timedelta(microseconds=1)).astimezone(zone).date() < day
    assert timedelta(0) <= day_start(day + timedelta(days=1), zone) - start <= timedelta(hours=26)


@pytest.mark.parametrize(
    ("zone", "day", "start"),
    [
        ("UTC", date(2025, 3, 30), datetime(2025, 3, 30, tzinfo=UTC)),
        ("Europe/Berlin", date(2025, 3, 31), datetime(2025, 3, 30, 22, tzinfo=UTC)),
        ("Asia/Kolkata", date(2025, 3, 10), datetime(2025, 3, 9, 18, 30, tzinfo=UTC)),
        # Midnight did not exist: the clock went from 00:00 to 01:00.
        ("America/Sao_Paulo", date(2018, 11, 4), datetime(2018, 11, 4, 3, tzinfo=UTC)),
        # Midnight existed twice: the clock went from 01:00 back to 00:00.
        ("America/Havana", date(2025, 11, 2), datetime(2025, 11, 2, 4, tzinfo=UTC)),
        # The whole day did not exist: Samoa crossed the date line.
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ],
)
def test_clock_changes(zone: str, day: date, start: datetime) -> None:
    assert day_start(day, ZoneInfo(zone)) == start


@pytest.mark.parametrize(("day", "hours"), [(date(2025, 3, 30), 23), (date(2025, 10, 26), 25), (date(2025, 6, 1), 24)])
def test_days_have_the_hours_they_have(day: date, hours: int) -> None:
    days = window(day, day, "Europe/Berlin")
    assert days.end - days.start == timedelta(hours=hours)


def test_milliseconds_are_whole_and_exact() -> None:
    assert epoch_milliseconds(datetime(1970, 1, 1, 0, 0, 1, 999, tzinfo=UTC)) == 1000
    assert epoch_milliseconds(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)) == -1000


@pytest.mark.parametrize("name", ["", "Nowhere/City", "../etc/passwd", "/etc/localtime", "UTC\0", "Europe"])
def test_other_names_are_no_zones(name: str) -> None:
    assert not is_timezone(name)
