"""Recurrences, against calendars walked day by day and zones walked minute by minute."""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate, islice, pairwise, product
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campanile.jobs.schedule import (
    SPREAD_SECONDS,
    Schedule,
    Slot,
    local_instant,
    next_slots,
    slots_between,
    spread,
)
from tests.reports.vectors import vectors

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
NOON = time(12)
KOLKATA = "Asia/Kolkata"
ZONES = sorted(available_timezones() - {"localtime"})
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def schedule(kind: Any, **members: Any) -> Schedule:
    members = {"time_zone": KOLKATA, "time_of_day": time(6), "start_date": date(2025, 3, 1), **members}
    return Schedule(kind=kind, **members)


def dates(slots: list[Slot]) -> list[date]:
    return [slot.file_date for slot in slots]


# --- vectors


@pytest.mark.parametrize("vector", vectors("slot"))
def test_instants(vector: dict[str, Any]) -> None:
    day = date.fromisoformat(vector["local_date"])
    instant = local_instant(day, time.fromisoformat(vector["time"]), ZoneInfo(vector["zone"]))
    assert instant == datetime.fromisoformat(vector["instant"])
    assert day.strftime("%Y%m%d") == vector["file_date"]


@pytest.mark.parametrize("vector", vectors("slots"))
def test_recurrences(vector: dict[str, Any]) -> None:
    given = vector["schedule"]
    found = next_slots(
        schedule(
            given["type"],
            start_date=date.fromisoformat(given["start_date"]),
            weekdays=tuple(given.get("weekdays", ())),
            day=given.get("day"),
            every=given.get("every", 1),
            unit=given.get("unit"),
        ),
        datetime(2025, 1, 1, tzinfo=UTC),
        4,
    )
    assert [day.strftime("%Y%m%d") for day in dates(found)] == vector["file_dates"]


# --- instants


def transitions(zone: ZoneInfo, first: datetime, last: datetime) -> Iterator[datetime]:
    """The minutes at which the offset changes."""
    moment = first
    while moment < last:
        after = moment + timedelta(days=7)
        if moment.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            low, high = moment, after
            while high - low > MINUTE:
                middle = low + (high - low) // MINUTE // 2 * MINUTE
                if middle.astimezone(zone).utcoffset() == moment.astimezone(zone).utcoffset():
                    low = middle
                else:
                    high = middle
            yield high
        moment = after


def check_around(zone: ZoneInfo, edge: datetime, hours: int) -> None:
    """Compare every tenth minute around `edge` with a clock that is watched minute by minute.

    The watched clock answers: when does it first show this time, or a later one?
    """
    start = edge - timedelta(hours=hours)
    shown = [(start + n * MINUTE).astimezone(zone).replace(tzinfo=None) for n in range(hours * 120 + 1)]
    latest = list(accumulate(shown, max))
    wanted = latest[0].replace(minute=0) + timedelta(hours=1)
    while wanted < latest[-1]:
        expected = start + bisect_left(latest, wanted) * MINUTE
        assert local_instant(wanted.date(), wanted.time(), zone) == expected, (zone.key, wanted)
        wanted += 10 * MINUTE


@pytest.mark.parametrize("name", ZONES)
def test_both_edges_of_every_zone(name: str) -> None:
    zone = ZoneInfo(name)
    edges = list(transitions(zone, datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)))
    for edge in edges or [datetime(2024, 2, 29, 12, tzinfo=UTC)]:
        check_around(zone, edge, 4)


@pytest.mark.parametrize(
    ("name", "edge"),
    [
        ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # 30 December did not happen
        ("Pacific/Kwajalein", datetime(1993, 8, 21, 12, tzinfo=UTC)),
        ("Asia/Pyongyang", datetime(2018, 5, 4, 15, tzinfo=UTC)),  # a gap across midnight
        ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),  # midnight is missing
        ("America/Havana", datetime(2025, 11, 2, 5, tzinfo=UTC)),  # midnight occurs twice
        ("Australia/Lord_Howe", datetime(2025, 4, 5, 15, tzinfo=UTC)),  # half an hour
        ("America/Caracas", datetime(2007, 12, 9, 7, tzinfo=UTC)),
    ],
)
def test_memorable_edges(name: str, edge: datetime) -> None:
    check_around(ZoneInfo(name), edge, 30)


@pytest.mark.parametrize("name", ZONES)
def test_daily_slots_cover_every_date_once_in_every_zone(name: str) -> None:
    """Whatever the zone does, there is one slot per date, and it shows the wanted time unless that was skipped."""
    zone = ZoneInfo(name)
    spring, autumn = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 9, 1, tzinfo=UTC)
    for at, after in product((time(0), time(2, 30), time(23, 45)), (spring, autumn)):
        daily = schedule("daily", time_zone=name, time_of_day=at, start_date=date(2024, 1, 1))
        slots = next_slots(daily, after, 66)
        for slot, following in pairwise(slots):
            assert following.file_date - slot.file_date == DAY
            assert slot.at < following.at
        for slot in slots:
            local = slot.at.astimezone(zone)
            wanted = datetime.combine(slot.file_date, at, zone)
            assert local.replace(tzinfo=None) >= wanted.replace(tzinfo=None)
            moved = local.replace(tzinfo=None) != wanted.replace(tzinfo=None)
            assert not moved or (slot.at - MINUTE).astimezone(zone).utcoffset() != local.utcoffset()


def test_a_gap_that_ends_at_midnight() -> None:
    """The slot is that of its planned date, although the clock shows the next one by then."""
    daily = schedule("daily", time_zone="America/Nuuk", time_of_day=time(23, 30), start_date=date(2025, 3, 1))
    slots = next_slots(daily, datetime(2025, 3, 29, 12, tzinfo=UTC), 2)
    assert dates(slots) == [date(2025, 3, 29), date(2025, 3, 30)]
    assert slots[0].at == datetime(2025, 3, 30, 1, tzinfo=UTC)
    assert slots[0].at.astimezone(ZoneInfo("America/Nuuk")).isoformat() == "2025-03-30T00:00:00-01:00"


def test_a_date_that_a_zone_left_out() -> None:
    """Its slot is the first instant after the gap, under its own file date, so that no day goes uncounted."""
    daily = schedule("daily", time_zone="Pacific/Apia", start_date=date(2011, 12, 1))
    slots = next_slots(daily, datetime(2011, 12, 29, tzinfo=UTC), 4)
    assert dates(slots) == [date(2011, 12, day) for day in (29, 30, 31)] + [date(2012, 1, 1)]
    assert slots[1].at == datetime(2011, 12, 30, 10, tzinfo=UTC)
    assert slots[2].at == datetime(2011, 12, 30, 16, tzinfo=UTC)


def test_two_dates_never_share_an_instant() -> None:
    daily = schedule("daily", time_zone="Pacific/Apia", time_of_day=time(0), start_date=date(2011, 12, 1))
    slots = next_slots(daily, datetime(2011, 12, 28, 20, tzinfo=UTC), 3)
    assert dates(slots) == [date(2011, 12, 29), date(2011, 12, 31), date(2012, 1, 1)]


@pytest.mark.parametrize(("name", "hours"), [("Etc/GMT-14", 14), ("Etc/GMT+12", -12), ("Pacific/Kiritimati", 14)])
def test_zones_far_from_utc(name: str, hours: int) -> None:
    daily = schedule("daily", time_zone=name, time_of_day=time(5))
    (slot,) = next_slots(daily, datetime(2025, 3, 10, 12, tzinfo=UTC), 1)
    assert slot.at + timedelta(hours=hours) == datetime.combine(slot.file_date, time(5), UTC)
    assert slot.at > datetime(2025, 3, 10, 12, tzinfo=UTC)
    assert slot.at - datetime(2025, 3, 10, 12, tzinfo=UTC) <= DAY


# --- recurrences

SCHEDULES = st.builds(
    lambda kind, zone, at, start, weekdays, day, every, end: Schedule(
        kind=kind if kind in ("daily", "weekly", "monthly") else "custom",
        time_zone=zone,
        time_of_day=at,
        start_date=start,
        weekdays=tuple(sorted(weekdays)) if kind in ("weekly", "weeks") else (),
        day=day if kind in ("monthly", "months") else None,
        every=every if kind in ("days", "weeks", "months") else 1,
        unit=kind if kind in ("days", "weeks", "months") else None,
        end_date=None if end is None else start + timedelta(days=end),
    ),
    st.sampled_from(["daily", "weekly", "monthly", "days", "weeks", "months"]),
    st.sampled_from(["UTC", KOLKATA, "America/New_York", "Europe/Berlin", "Pacific/Kiritimati", "Etc/GMT+12"]),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.dates(date(2019, 1, 1), date(2026, 12, 31)),
    st.sets(st.integers(1, 7), min_size=1),
    st.one_of(st.integers(1, 31), st.just("last")),
    st.integers(1, 12),
    st.none() | st.integers(0, 800),
)


def belongs(plan: Schedule, day: date) -> bool:
    """Whether a recurrence has a slot on `day`, looked at from the day."""
    start = plan.start_date
    assert start is not None
    if day < start or (plan.end_date is not None and day > plan.end_date):
        return False
    match plan.step:
        case "days":
            return (day - start).days % plan.every == 0
        case "weeks":
            weeks = ((day - timedelta(days=day.weekday())) - (start - timedelta(days=start.weekday()))).days // 7
            return day.isoweekday() in plan.weekdays and weeks % plan.every == 0
        case "months":
            months = (day.year - start.year) * 12 + day.month - start.month
            length = monthrange(day.year, day.month)[1]
            wanted = length if not isinstance(plan.day, int) else min(plan.day, length)
            return day.day == wanted and months % plan.every == 0


def walked(plan: Schedule, first: date) -> Iterator[Slot]:
    zone = ZoneInfo(plan.time_zone)
    assert plan.time_of_day is not None
    for number in range(5000):
        day = first + number * DAY
        if belongs(plan, day):
            yield Slot(local_instant(day, plan.time_of_day, zone), day)


@settings(deadline=None)
@given(SCHEDULES, st.datetimes(datetime(2018, 1, 1), datetime(2028, 1, 1)), st.integers(1, 6))  # noqa: DTZ001
def test_slots_are_those_of_a_calendar(plan: Schedule, moment: datetime, count: int) -> None:
    after = moment.replace(tzinfo=UTC)
    expected = (slot for slot in walked(plan, after.date() - 3 * DAY) if slot.at > after)
    assert next_slots(plan, after, count) == list(islice(expected, count))


@settings(deadline=None)
@given(SCHEDULES, st.dates(date(2018, 1, 1), date(2028, 1, 1)), st.integers(0, 60))
def test_slots_of_a_range_of_dates(plan: Schedule, first: date, days: int) -> None:
    last = first + days * DAY
    expected = [slot for slot in islice(walked(plan, first), 100) if first <= slot.file_date <= last]
    assert slots_between(plan, first, last) == expected


@settings(deadline=None)
@given(SCHEDULES, st.integers(1, 5))
def test_each_slot_follows_from_the_one_before(plan: Schedule, count: int) -> None:
    """A scheduler that asks for one slot at a time sees the same ones as a list of several."""
    several = next_slots(plan, LONG_AGO, count)
    after, single = LONG_AGO, []
    for _ in several:
        single += next_slots(plan, after, 1)
        after = single[-1].at
    assert single == several


def test_month_ends_and_the_leap_day() -> None:
    monthly = schedule("monthly", start_date=date(2023, 12, 31), day=31)
    assert dates(next_slots(monthly, LONG_AGO, 5)) == [
        date(2023, 12, 31),
        date(2024, 1, 31),
        date(2024, 2, 29),
        date(2024, 3, 31),
        date(2024, 4, 30),
    ]
    last = schedule("custom", start_date=date(2024, 2, 1), every=12, unit="months", day="last")
    assert dates(next_slots(last, LONG_AGO, 3)) == [date(2024, 2, 29), date(2025, 2, 28), date(2026, 2, 28)]
    thirtieth = schedule("monthly", start_date=date(2025, 1, 31), day=30)
    assert dates(next_slots(thirtieth, LONG_AGO, 2)) == [date(2025, 2, 28), date(2025, 3, 30)]


def test_weeks_are_counted_from_the_week_of_the_start() -> None:
    fortnightly = schedule("custom", start_date=date(2025, 3, 6), every=2, unit="weeks", weekdays=(1, 5))
    assert dates(next_slots(fortnightly, LONG_AGO, 4)) == [
        date(2025, 3, 7),
        date(2025, 3, 17),
        date(2025, 3, 21),
        date(2025, 3, 31),
    ]


# --- beginning and end


def test_a_slot_is_later_than_the_instant_asked_for() -> None:
    daily = schedule("daily")
    (slot,) = next_slots(daily, LONG_AGO, 1)
    assert slot == Slot(datetime(2025, 3, 1, 0, 30, tzinfo=UTC), date(2025, 3, 1))
    assert next_slots(daily, slot.at - timedelta(seconds=1), 1) == [slot]
    assert dates(next_slots(daily, slot.at, 1)) == [date(2025, 3, 2)]


def test_the_last_date_is_included() -> None:
    plan = schedule("daily", end_date=date(2025, 3, 3))
    assert dates(next_slots(plan, LONG_AGO, 9)) == [date(2025, 3, day) for day in (1, 2, 3)]


def test_an_end_after_some_runs() -> None:
    plan = schedule("daily", end_runs=3)
    assert len(next_slots(plan, LONG_AGO, 9)) == 3
    assert len(next_slots(plan, LONG_AGO, 9, used=2)) == 1
    assert next_slots(plan, LONG_AGO, 9, used=3) == []
    assert next_slots(plan, LONG_AGO, 9, used=4) == []
    assert len(slots_between(plan, date(2025, 3, 1), date(2025, 3, 9))) == 9


def test_once() -> None:
    plan = Schedule(kind="once", time_zone=KOLKATA, at=datetime(2025, 3, 1, 23, 30))  # noqa: DTZ001 - local
    slot = Slot(datetime(2025, 3, 1, 18, 0, tzinfo=UTC), date(2025, 3, 1))
    assert next_slots(plan, LONG_AGO, 5) == [slot]
    assert next_slots(plan, slot.at, 5) == []
    assert next_slots(plan, LONG_AGO, 5, used=1) == []
    assert slots_between(plan, date(2025, 3, 1), date(2025, 3, 2)) == [slot]
    assert slots_between(plan, date(2025, 3, 2), date(2025, 3, 2)) == []
    assert not plan.periodic


def test_as_soon_as_possible() -> None:
    plan = Schedule(kind="once", time_zone=KOLKATA)
    now = datetime(2025, 3, 1, 20, 0, tzinfo=UTC)
    assert next_slots(plan, now, 5) == [Slot(now, date(2025, 3, 2))], "it is tomorrow already in Kolkata"
    assert next_slots(plan, now, 5, used=1) == []
    assert slots_between(plan, date(2025, 3, 1), date(2025, 3, 3)) == []


def test_recurrences_end_with_the_calendar() -> None:
    for kind, members in (("daily", {}), ("weekly", {"weekdays": (1, 7)}), ("monthly", {"day": 31})):
        plan = schedule(kind, start_date=date(9998, 12, 1), **members)
        found = next_slots(plan, LONG_AGO, 1000)
        assert found
        assert max(dates(found)) <= date(9998, 12, 31)


def test_no_slots_are_asked_for() -> None:
    assert next_slots(schedule("daily"), LONG_AGO, 0) == []


def test_work_is_spread_evenly_and_always_alike() -> None:
    found = [spread(f"report-{number}") for number in range(3000)]
    assert found == [spread(f"report-{number}") for number in range(3000)]
    seconds = {delay.total_seconds() for delay in found}
    assert min(seconds) >= 0
    assert max(seconds) < SPREAD_SECONDS
    assert len(seconds) > SPREAD_SECONDS * 0.99
