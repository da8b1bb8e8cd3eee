"""States of definitions, their slots, and runs that somebody asks for. On SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from campanile.clock import FixedClock
from campanile.errors import Conflict, InvalidInput, Unprocessable
from campanile.jobs.schedule import Slot, spread
from campanile.metadata import Metadata
from campanile.reports.slots import suspend, take_due
from tests.reports.defining import DAY, DRAFT, SIX, create, due, patch, refusal, replace
from tests.reports.samples import NOW, SMALL, changed
from tests.reports.shops import Shop, open_shop


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def shop(metadata: Metadata, clock: FixedClock) -> Shop:
    return open_shop(metadata, clock)


# --- states and slots


def test_pausing_and_resuming(shop: Shop) -> None:
    made = create(shop)
    paused = shop.definitions.pause(shop.workspace, made.definition.id).definition
    assert (paused.state, paused.next_slot) == ("PAUSED", None)
    assert shop.definitions.pause(shop.workspace, made.definition.id).definition == paused
    shop.clock.advance(3 * DAY.total_seconds())
    assert due(shop) == []
    resumed = shop.definitions.resume(shop.workspace, made.definition.id).definition
    assert (resumed.state, resumed.next_slot, resumed.version) == ("ACTIVE", SIX + 3 * DAY, 1), "the next future slot"
    assert shop.definitions.resume(shop.workspace, made.definition.id).definition == resumed


def test_a_report_whose_slots_are_over_stays_paused(shop: Shop) -> None:
    made = create(shop, schedule__end={"type": "on_date", "date": "2025-03-07"})
    shop.definitions.pause(shop.workspace, made.definition.id)
    shop.clock.advance(7 * DAY.total_seconds())
    assert refusal(Unprocessable, lambda: shop.definitions.resume(shop.workspace, made.definition.id)) == (
        "schedule_empty"
    )
    assert shop.definitions.get("SHOP", made.definition.id).state == "PAUSED"
    revived = patch(shop, made, schedule={"end": {"type": "never", "date": None}}).definition
    assert revived.state == "PAUSED"
    assert shop.definitions.resume(shop.workspace, made.definition.id).definition.next_slot == SIX + 7 * DAY


def test_what_the_system_pauses_can_be_resumed(shop: Shop) -> None:
    made = create(shop)
    with shop.metadata.begin() as connection:
        assert suspend(connection, "SHOP", made.definition.id, shop.clock.now())
        assert not suspend(connection, "SHOP", made.definition.id, shop.clock.now())
        assert not suspend(connection, "STRANGER", made.definition.id, shop.clock.now())
    assert shop.definitions.resume(shop.workspace, made.definition.id).definition.next_slot == SIX


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("pause", "DRAFT"),
        ("resume", "DRAFT"),
        ("pause", "COMPLETED"),
        ("resume", "COMPLETED"),
        ("activate", "COMPLETED"),
    ],
)
def test_actions_that_a_state_does_not_have(shop: Shop, action: str, state: str) -> None:
    made = create(shop, schedule={"type": "once", "at": "asap"}, state="DRAFT" if state == "DRAFT" else "ACTIVE")
    due(shop)
    assert shop.definitions.get("SHOP", made.definition.id).state == state
    act = getattr(shop.definitions, action)
    assert refusal(Conflict, lambda: act(shop.workspace, made.definition.id)) == "invalid_state"


@pytest.mark.parametrize(("wanted", "state"), [("ACTIVE", "DRAFT"), ("DRAFT", "ACTIVE"), ("PAUSED", "ACTIVE")])
def test_a_document_does_not_change_the_state(shop: Shop, wanted: str, state: str) -> None:
    made = create(shop, state=state)
    raw = changed(SMALL, state=wanted)
    assert refusal(Conflict, lambda: replace(shop, made, raw)) == "invalid_state"
    assert replace(shop, made, changed(SMALL, state=state, name="New")).definition.state == state


def test_a_slot_becomes_due_once_and_the_definition_moves_on(shop: Shop) -> None:
    made = create(shop)
    delay = spread(made.definition.id)
    shop.clock.set(SIX + delay - timedelta(seconds=1))
    assert due(shop) == []
    shop.clock.advance(1)
    ((before, slots),) = due(shop)
    assert before == made.definition
    assert slots == (Slot(SIX, date(2025, 3, 6)),)
    assert due(shop) == []
    after = shop.definitions.get("SHOP", made.definition.id)
    assert (after.next_slot, after.slots_used, after.version, after.updated_at) == (SIX + DAY, 1, 1, NOW)


def test_a_transaction_that_fails_leaves_the_slot_where_it_was(shop: Shop) -> None:
    create(shop)
    shop.clock.set(SIX + DAY / 2)
    with pytest.raises(ZeroDivisionError), shop.metadata.begin() as connection:
        assert len(take_due(connection, shop.clock.now(), 10)) == 1
        raise ZeroDivisionError
    assert len(due(shop)) == 1


def test_two_schedulers_share_the_work(shop: Shop) -> None:
    for number in range(12):
        create(shop, name=f"Report {number}")
    shop.clock.set(SIX + DAY / 2)
    with ThreadPoolExecutor(4) as pool:
        taken = [item.definition.id for found in pool.map(lambda _: due(shop, 5), range(12)) for item in found]
    assert len(taken) == len(set(taken)) == 12


def test_after_a_downtime_all_passed_slots_are_told(shop: Shop) -> None:
    made = create(shop)
    shop.clock.set(SIX + 3 * DAY + timedelta(hours=1))
    ((_, slots),) = due(shop)
    assert [slot.file_date for slot in slots] == [date(2025, 3, day) for day in (6, 7, 8, 9)]
    after = shop.definitions.get("SHOP", made.definition.id)
    assert (after.next_slot, after.slots_used) == (SIX + 4 * DAY, 4)


def test_reports_made_once_complete(shop: Shop) -> None:
    at = create(shop, name="At", schedule={"type": "once", "at": "2025-03-05T20:00"}).definition
    asap = create(shop, name="Asap", schedule={"type": "once", "at": "asap"}).definition
    assert (asap.state, asap.next_slot, asap.next_file_date) == ("ACTIVE", NOW, date(2025, 3, 5))
    ((taken, slots),) = due(shop)
    assert (taken.id, slots) == (asap.id, (Slot(NOW, date(2025, 3, 5)),))
    shop.clock.set(datetime(2025, 3, 5, 14, 30, tzinfo=UTC))
    ((taken, slots),) = due(shop)
    assert (taken.id, slots[0].at) == (at.id, shop.clock.now()), "without delay"
    for done in (at, asap):
        found = shop.definitions.get("SHOP", done.id)
        assert (found.state, found.next_slot, found.slots_used) == ("COMPLETED", None, 1)
        assert shop.definitions.view(shop.workspace, done.id).slots == []


def test_a_schedule_ends_after_its_runs_and_a_new_one_begins_anew(shop: Shop) -> None:
    made = create(shop, schedule__end={"type": "after_runs", "runs": 2})
    assert len(made.slots) == 2
    shop.clock.set(SIX + timedelta(hours=1))
    due(shop)
    assert len(shop.definitions.view(shop.workspace, made.definition.id).slots) == 1
    shop.definitions.pause(shop.workspace, made.definition.id)
    shop.clock.set(SIX + 5 * DAY)
    resumed = shop.definitions.resume(shop.workspace, made.definition.id)
    assert len(resumed.slots) == 1, "a paused report loses no runs"
    shop.clock.set(SIX + 6 * DAY + timedelta(hours=1))
    due(shop)
    assert shop.definitions.get("SHOP", made.definition.id).state == "COMPLETED"
    renamed = patch(shop, made, name="Done").definition
    assert (renamed.state, renamed.version) == ("COMPLETED", 2)
    revived = patch(shop, made, schedule={"time": "07:00"}, state="ACTIVE").definition
    assert (revived.state, revived.slots_used) == ("ACTIVE", 0)
    assert revived.next_slot == SIX + 7 * DAY + timedelta(hours=1)


def test_changing_other_things_keeps_the_place_in_the_schedule(shop: Shop) -> None:
    made = create(shop, schedule__end={"type": "after_runs", "runs": 2})
    shop.clock.set(SIX + timedelta(hours=1))
    due(shop)
    found = patch(shop, made, name="Other", schedule={"end": {"type": "after_runs", "runs": 2}}).definition
    assert (found.slots_used, found.next_slot) == (1, SIX + DAY)


def test_changing_the_schedule_of_a_paused_report_leaves_it_paused(shop: Shop) -> None:
    made = create(shop)
    shop.definitions.pause(shop.workspace, made.definition.id)
    found = patch(shop, made, schedule={"time": "09:00"}).definition
    assert (found.state, found.next_slot) == ("PAUSED", None)
    assert due(shop) == []


# --- runs that somebody asks for


def test_run_now(shop: Shop) -> None:
    made = create(shop)
    shop.clock.set(datetime(2025, 3, 5, 19, 0, tzinfo=UTC))
    run = shop.definitions.run(shop.workspace, made.definition.id, {})
    assert run == {"id": "run-1", "file_date": date(2025, 3, 6)}, "it is tomorrow already in Kolkata"
    window = {"start": "2025-01-01", "end": "2025-03-31"}
    shop.definitions.run(shop.workspace, made.definition.id, {"file_date": "2024-12-06", "window": window})
    assert shop.runs.calls[1][3:5] == (date(2024, 12, 6), (date(2025, 1, 1), date(2025, 3, 31)))
    shop.definitions.run(shop.workspace, made.definition.id, {"file_date": "20250301"})
    assert shop.runs.calls[2][3] == date(2025, 3, 1), "as file names and runs spell it"


@pytest.mark.parametrize(
    ("raw", "code", "attribute"),
    [
        ({"file_date": "2025-03-06"}, "invalid_value", "file_date"),
        ({"file_date": "2024-12-04"}, "invalid_value", "file_date"),
        ({"file_date": "20250306"}, "invalid_value", "file_date"),
        ({"file_date": "20250230"}, "invalid_value", "file_date"),
        ({"file_date": 20250305}, "invalid_type", "file_date"),
        ({"window": {"start": "2025-03-02", "end": "2025-03-01"}}, "range_inverted", "window.end"),
        ({"window": {"start": "2024-11-01", "end": "2025-03-01"}}, "range_too_long", "window.end"),
        ({"window": {"start": "2025-03-06", "end": "2025-03-07"}}, "range_in_future", "window.start"),
        ({"window": {"start": "2025-03-01"}}, "required", "window.end"),
        ({"when": "now"}, "unknown_field", "when"),
        ([], "invalid_type", ""),
    ],
)
def test_runs_that_cannot_be(shop: Shop, raw: Any, code: str, attribute: str) -> None:
    made = create(shop)
    with pytest.raises((InvalidInput, Unprocessable)) as caught:
        shop.definitions.run(shop.workspace, made.definition.id, raw)
    assert (caught.value.error_type, caught.value.attribute) == (code, attribute)
    assert shop.runs.calls == []


def test_backfill(shop: Shop) -> None:
    made = create(shop, schedule__start_date="2025-02-01")
    backfill = shop.definitions.backfill
    runs = backfill(shop.workspace, made.definition.id, {"from": "2025-03-03", "to": "2025-03-31", "overwrite": True})
    days = [date(2025, 3, day) for day in (3, 4, 5)]
    assert runs == [{"id": f"run-{day}"} for day in days]
    assert shop.runs.calls == [("backfill", made.definition.id, days, True)]


@pytest.mark.parametrize(
    ("raw", "code", "attribute"),
    [
        ({"from": "2025-03-06", "to": "2025-03-31"}, "schedule_empty", "from"),
        ({"from": "2025-01-01", "to": "2025-01-31"}, "schedule_empty", "from"),
        ({"from": "2025-02-02", "to": "2025-03-05"}, "range_too_long", "to"),
        ({"from": "2024-02-02", "to": "2025-03-05"}, "range_too_long", "to"),
        ({"from": "2025-03-02", "to": "2025-03-01"}, "range_inverted", "to"),
        ({"from": "2025-03-01"}, "required", "to"),
        ({"from": "2025-03-01", "to": "2025-03-02", "dry_run": True}, "unknown_field", "dry_run"),
    ],
)
def test_backfills_that_cannot_be(shop: Shop, raw: Any, code: str, attribute: str) -> None:
    made = create(shop, schedule__start_date="2025-02-01")
    with pytest.raises((InvalidInput, Unprocessable)) as caught:
        shop.definitions.backfill(shop.workspace, made.definition.id, raw)
    assert (caught.value.error_type, caught.value.attribute) == (code, attribute)


def test_drafts_do_not_run(shop: Shop) -> None:
    made = create(shop, DRAFT)
    assert refusal(Conflict, lambda: shop.definitions.run(shop.workspace, made.definition.id, {})) == "invalid_state"
    raw = {"from": "2025-03-01", "to": "2025-03-02"}
    backfill = shop.definitions.backfill
    assert refusal(Conflict, lambda: backfill(shop.workspace, made.definition.id, raw)) == "invalid_state"
