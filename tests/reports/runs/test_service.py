"""Planning, listing, cancelling, retrying and cleaning up runs, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from campanile.errors import Conflict, InvalidInput, NotFound
from campanile.jobs.schedule import Schedule, Slot
from campanile.metadata import Metadata
from campanile.reports import repository as definitions
from campanile.reports.runs.orders import RUN_JOB
from campanile.reports.runs.service import Query
from campanile.reports.schemas import EmailDelivery
from tests.reports.runs.world import DAILY, NOW, World, states

DAY = 24 * 3600
SLOT = NOW.replace(hour=6)


def test_a_slot_becomes_a_run_after_its_share_of_the_spread(world: World) -> None:
    definition = world.define()
    world.clock.set(SLOT - timedelta(seconds=1))
    assert world.runs.plan() == 0
    world.clock.set(SLOT + timedelta(seconds=300))
    assert world.runs.plan() == 1
    assert world.runs.plan() == 0
    (run,) = world.all_runs()
    assert (run.trigger, run.slot_at, run.file_date, run.first_day, run.last_day) == (
        "schedule",
        SLOT,
        date(2025, 3, 2),
        date(2025, 3, 1),
        date(2025, 3, 1),
    )
    assert run.definition_id == definition.id
    world.clock.advance(DAY)
    assert world.runs.plan() == 1
    assert [found.file_date for found in world.all_runs()] == [date(2025, 3, 2), date(2025, 3, 3)]


def test_one_time_as_soon_as_possible(world: World) -> None:
    world.define(schedule=Schedule(kind="once", time_zone="UTC"))
    assert world.runs.plan() == 1
    assert world.work() == 1
    assert states(world.all_runs()) == ["SUCCESSFUL"]
    assert world.runs.plan() == 0


def test_after_a_downtime_the_newest_missed_slot_is_made_up_for(world: World) -> None:
    world.define()
    world.clock.set(SLOT + timedelta(days=3, hours=2))
    assert world.runs.plan() == 4
    runs = sorted(world.all_runs(), key=lambda run: run.file_date)
    assert states(runs) == ["MISSED", "MISSED", "MISSED", "QUEUED"]
    assert [run.file_date.day for run in runs] == [2, 3, 4, 5]
    assert world.work() == 1


def test_a_slot_older_than_a_day_is_missed(world: World) -> None:
    monthly = Schedule(kind="monthly", time_zone="UTC", time_of_day=time(6), start_date=date(2025, 3, 2), day=2)
    world.define(schedule=monthly)
    world.clock.set(SLOT + timedelta(hours=24, seconds=1))
    assert world.runs.plan() == 1
    assert (states(world.all_runs()), world.work()) == (["MISSED"], 0)


def test_many_planners_make_one_run_per_slot(world: World) -> None:
    for number in range(8):
        world.define(f"Report {number}")
    world.clock.set(SLOT + timedelta(seconds=300))
    with ThreadPoolExecutor(6) as pool:
        planned = sum(pool.map(lambda _: world.runs.plan(), range(6)))
    runs = world.all_runs()
    assert (planned, len(runs)) == (8, 8)
    assert len({(run.definition_id, run.slot_at) for run in runs}) == 8
    assert world.queue.waiting([RUN_JOB]) == 8


def test_a_slot_that_was_planned_already_makes_no_second_run(world: World) -> None:
    """Even if the definition was put back to the same slot, by whatever defect: the database refuses."""
    definition = world.define()
    for _ in range(2):
        with world.metadata.begin() as connection:
            definitions.change(connection, definition, NOW)
        world.clock.set(SLOT + timedelta(seconds=300))
        world.runs.plan()
    assert len(world.all_runs()) == 1
    assert world.queue.waiting([RUN_JOB]) == 1


def test_planned_runs_of_one_definition_wait_for_each_other(world: World) -> None:
    definition = world.define()
    world.rows.before = _hang
    world.clock.set(SLOT + timedelta(seconds=300))
    world.runs.plan()
    first = world.queue.claim([RUN_JOB])
    assert first is not None
    world.clock.advance(DAY)
    world.queue.prolong(first)
    world.runs.plan()
    assert world.queue.claim([RUN_JOB]) is None
    asked = world.start(definition)
    job = world.queue.claim([RUN_JOB])
    assert job is not None
    assert job.key == asked.id, "runs that somebody asked for do not wait"


def _hang() -> None:
    raise AssertionError("nothing is to be written here")


def test_a_workspace_has_four_runs_at_once(world: World) -> None:
    world.workspace("V")
    mine, other = world.define(), world.define(workspace_id="V")
    for _ in range(5):
        world.start(mine)
    world.start(other)
    jobs = [world.queue.claim([RUN_JOB]) for _ in range(6)]
    assert sorted(str(job.workspace_id) for job in jobs if job is not None) == ["V", "W", "W", "W", "W"]


@pytest.mark.parametrize("vector", [("Asia/Kolkata", "America/New_York", "2025-03-05T00:30Z", "2025-03-05T05:00Z")])
def test_a_run_waits_for_the_end_of_its_last_day(metadata: Metadata, clock: Any, tmp_path: Any, vector: Any) -> None:
    """The schedule is ahead of the workspace: at the slot, yesterday is not over there."""
    schedule_zone, workspace_zone, slot, ready = vector
    world = World(metadata, clock, tmp_path)
    world.workspace(timezone=workspace_zone)
    clock.set(datetime.fromisoformat(slot) - timedelta(minutes=5))
    daily = Schedule(kind="daily", time_zone=schedule_zone, time_of_day=time(6), start_date=date(2025, 3, 1))
    world.define(schedule=daily)
    clock.set(datetime.fromisoformat(slot) + timedelta(minutes=5))
    world.runs.plan()
    (run,) = world.all_runs()
    assert (run.state, run.first_day, run.last_day) == ("WAITING_FOR_DATA", date(2025, 3, 4), date(2025, 3, 4))
    clock.set(datetime.fromisoformat(ready) - timedelta(seconds=1))
    assert world.work() == 0
    clock.advance(1)
    assert world.work() == 1
    assert world.run(run).state == "SUCCESSFUL"


def test_a_run_that_somebody_starts_may_have_other_days(world: World) -> None:
    run = world.start(world.define(), window=(date(2025, 1, 1), date(2025, 1, 31)), day=date(2025, 2, 1))
    world.work()
    run = world.run(run)
    assert (run.first_day, run.last_day, run.slot_at) == (date(2025, 1, 1), date(2025, 1, 31), None)
    assert run.file is not None
    assert run.file.name == "Daily_20250201.zip"


def test_past_slots_are_filled_in(world: World) -> None:
    definition = world.define()
    slots = [Slot(SLOT - timedelta(days=back), date(2025, 3, 2) - timedelta(days=back)) for back in (3, 2, 1)]
    made = world.runs.backfill(definition, slots[:2], overwrite=False, by="ana")
    assert [run["file_date"] for run in made] == ["20250227", "20250228"]
    world.work()
    again = world.runs.backfill(definition, slots, overwrite=False, by="ana")
    assert [run["file_date"] for run in again] == ["20250301"]
    assert [(run["trigger"], run["slot_at"]) for run in again] == [("backfill", slots[2].at)]
    assert len(world.runs.backfill(definition, slots, overwrite=True, by="ana")) == 3


def test_the_newest_run_of_each_definition(world: World) -> None:
    first, second, third = world.define("A"), world.define("B"), world.define("C")
    world.start(first)
    world.clock.advance(1)
    newest = world.start(first)
    world.start(second)
    found = world.runs.latest("W", [first.id, second.id, third.id])
    assert set(found) == {first.id, second.id}
    assert found[first.id]["id"] == newest.id
    assert world.runs.latest("W", []) == {}
    assert world.runs.latest("V", [first.id]) == {}


# --- listing


def test_pages_are_complete_and_do_not_repeat(world: World) -> None:
    definition = world.define()
    ids = []
    for number in range(7):
        ids.append(world.start(definition).id)
        world.clock.advance(number % 2)  # some have the same instant
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        runs, cursor = world.runs.page("W", Query(limit=3, cursor=cursor))
        seen += [run.id for run in runs]
        if cursor:
            world.start(definition)  # newer ones do not shift the older ones
    assert len(seen) == len(set(seen)) == 7
    assert set(seen) == set(ids)


def test_filters(world: World) -> None:
    first, second = world.define("A"), world.define("B")
    old = world.start(first, day=date(2025, 2, 1))
    done = world.start(second)
    world.work()
    waiting = world.start(second, day=date(2025, 2, 20))

    def found(**options: Any) -> set[str]:
        return {run.id for run in world.runs.page("W", Query(limit=100, **options))[0]}

    assert found(definition_id=first.id) == {old.id}
    assert found(state="QUEUED") == {waiting.id}
    assert found(state="SUCCESSFUL") == {old.id, done.id}
    assert found(first=date(2025, 2, 2)) == {done.id, waiting.id}
    assert found(last=date(2025, 2, 20)) == {old.id, waiting.id}
    assert found(first=date(2025, 2, 2), last=date(2025, 2, 20), state="FAILED") == set()
    world.clock.advance(7 * DAY)
    assert found(state="EXPIRED") == {old.id, done.id}
    assert found(state="SUCCESSFUL") == set()


@pytest.mark.parametrize("cursor", ["x", "AAAA", "ä", "WyIyMDI1Il0", "\0"])
def test_cursors_of_nobodys_making_are_refused(world: World, cursor: str) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        world.runs.page("W", Query(limit=3, cursor=cursor))


@pytest.mark.parametrize("run_id", ["", "run_1", "run_\0", "run_" + "0" * 20, "../x"])
def test_unknown_runs(world: World, run_id: str) -> None:
    for ask in (world.runs.get, world.runs.cancel, world.runs.retry):
        with pytest.raises(NotFound):
            ask("W", run_id)


def test_runs_of_another_workspace_are_unknown(world: World) -> None:
    world.workspace("V")
    run = world.start(world.define())
    for ask in (world.runs.get, world.runs.cancel, world.runs.retry):
        with pytest.raises(NotFound):
            ask("V", run.id)
    assert world.runs.page("V", Query(limit=10)) == ([], None)
    assert world.run(run).state == "QUEUED"


# --- cancelling, retrying


def test_finished_runs_cannot_be_cancelled(world: World) -> None:
    run = world.start(world.define())
    world.work()
    with pytest.raises(Conflict, match="SUCCESSFUL"):
        world.runs.cancel("W", run.id)
    assert len(world.stored()) == 1


def test_a_failed_run_can_be_tried_again(world: World) -> None:
    world.define()
    world.clock.set(SLOT + timedelta(seconds=300))
    world.runs.plan()
    world.rows.before = _hang
    world.work()
    (run,) = world.all_runs()
    assert (run.state, run.error) == ("FAILED", "internal")
    world.rows.before = lambda: None
    world.clock.advance(3 * DAY)  # also long after its first deadline
    again = world.runs.retry("W", run.id)
    assert (again.state, again.error, again.attempt, again.finished_at) == ("QUEUED", None, 0, None)
    world.work()
    done = world.run(run)
    assert (done.state, done.slot_at, done.file_date) == ("SUCCESSFUL", SLOT, date(2025, 3, 2))
    with pytest.raises(Conflict):
        world.runs.retry("W", run.id)


# --- cleaning up


def test_bytes_are_purged_once_they_have_expired(world: World) -> None:
    run = world.start(world.define())
    world.work()
    world.clock.advance(7 * DAY - 1)
    assert (world.runs.purge(), world.run(run).state) == (0, "SUCCESSFUL")
    world.clock.advance(1)
    assert world.run(run).state == "EXPIRED"
    assert (world.runs.purge(), world.stored()) == (1, [])
    assert world.runs.purge() == 0
    found = world.run(run)
    assert found.state == "EXPIRED"
    assert found.file is not None
    assert found.file.purged_at == world.clock.now()


def test_two_runs_of_one_date_keep_their_own_bytes(world: World) -> None:
    definition = world.define()
    first = world.start(definition)
    world.work()
    world.clock.advance(DAY)
    world.rows.batches = {"PUSH": [[("c9", 9)]]}
    second = world.start(definition)
    world.work()
    assert world.members(world.run(first)) != world.members(world.run(second))
    world.clock.advance(6 * DAY)
    world.runs.purge()
    assert states([world.run(first), world.run(second)]) == ["EXPIRED", "SUCCESSFUL"]
    assert world.members(world.run(second)) == {"Daily_PUSH_20250302.csv": b"Campaign ID,Sent\nc9,9\n"}


def test_a_deleted_definition_takes_its_files_along(world: World) -> None:
    definition, other = world.define(), world.define("Other")
    done, kept = world.start(definition), world.start(other)
    world.work()
    waiting = world.start(definition)
    world.runs.retire("W", definition.id)
    assert states([world.run(done), world.run(waiting), world.run(kept)]) == ["EXPIRED", "CANCELLED", "SUCCESSFUL"]
    assert len(world.stored()) == 1
    world.runs.retire("W", definition.id)


def test_old_runs_are_forgotten_with_everything_that_belongs_to_them(world: World) -> None:
    definition = world.define(delivery=(EmailDelivery(recipients=("a@example.com",)),))
    old = world.start(definition)
    world.work()
    unfinished = world.start(definition)
    world.clock.advance(90 * DAY)
    assert world.runs.forget(timedelta(days=90)) == 0, "its bytes are there"
    world.runs.purge()
    assert world.runs.forget(timedelta(days=90)) == 1
    with pytest.raises(NotFound):
        world.run(old)
    assert world.run(unfinished).state == "QUEUED"


def test_what_crashed_workers_left_is_swept_up(world: World) -> None:
    run = world.start(world.define())
    world.work()
    world.store.put("f" * 32, iter([b"left behind"]))
    assert world.runs.sweep(timedelta(0)) == 0, "the clock of the tests is before that of the machine"
    world.clock.set(datetime.now(UTC) + timedelta(days=1))
    assert world.runs.sweep(timedelta(hours=1)) == 1
    assert len(world.stored()) == 1
    assert world.content(world.run(run))


def test_a_once_a_day_schedule_of_another_zone(world: World) -> None:
    """The file date is the date of the slot where the schedule lives."""
    shanghai = Schedule(kind="daily", time_zone="Asia/Shanghai", time_of_day=time(5), start_date=date(2025, 3, 1))
    world.define(schedule=shanghai)
    world.clock.set(datetime(2025, 3, 2, 21, 5, tzinfo=UTC))
    world.runs.plan()
    (run,) = world.all_runs()
    assert (run.file_date, run.last_day, run.state) == (date(2025, 3, 3), date(2025, 3, 2), "WAITING_FOR_DATA")
    assert DAILY.time_zone == "UTC"
