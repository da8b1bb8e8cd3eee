"""Definitions in the database: names, versions, states, slots. On SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text

from campanile.clock import FixedClock
from campanile.errors import CampanileError, Conflict, InvalidInput, NotFound, PreconditionFailed, Unprocessable
from campanile.jobs.schedule import Slot, spread
from campanile.metadata import Metadata
from campanile.metadata.models import ReportFileRow, ReportRunRow
from campanile.reports import definitions, repository
from campanile.reports.definitions import View
from campanile.reports.listing import Query
from campanile.reports.schemas import Change
from campanile.reports.slots import Due, suspend, take_due
from tests.reports.samples import CAMPAIGN, DEFINITION, GONE, NOW, SMALL, changed
from tests.reports.shops import Shop, open_shop

DAY = timedelta(days=1)
SIX = datetime(2025, 3, 6, 0, 30, tzinfo=UTC)
"""The next six o'clock in Kolkata."""
DRAFT = changed(SMALL, state="DRAFT", schedule=GONE, delivery=GONE)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def shop(metadata: Metadata, clock: FixedClock) -> Shop:
    return open_shop(metadata, clock)


def create(shop: Shop, base: dict[str, Any] = SMALL, **members: Any) -> View:
    return shop.definitions.create(shop.workspace, "ana", changed(base, **members))


def patch(shop: Shop, made: View, **members: Any) -> View:
    return shop.definitions.patch(shop.workspace, "ben", made.definition.id, members)


def replace(shop: Shop, made: View, raw: dict[str, Any], **options: Any) -> View:
    return shop.definitions.replace(shop.workspace, "ben", made.definition.id, raw, **options)


def refusal(kind: type[CampanileError], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    return caught.value.error_type


def due(shop: Shop, limit: int = 100) -> list[Due]:
    with shop.metadata.begin() as connection:
        return take_due(connection, shop.clock.now(), limit)


# --- create, read, change


def test_what_is_created_can_be_read(shop: Shop) -> None:
    made = create(shop, DEFINITION)
    definition = made.definition
    assert shop.definitions.get("SHOP", definition.id) == definition
    assert (definition.state, definition.version, definition.created_by) == ("ACTIVE", 1, "ana")
    assert (definition.created_at, definition.updated_at) == (NOW, NOW)
    assert (definition.next_slot, definition.next_file_date) == (SIX, date(2025, 3, 6))
    assert definition.stem == "Daily_campaigns_T-1"
    assert [slot.at for slot in made.slots] == [SIX + number * DAY for number in range(5)]
    assert shop.definitions.view(shop.workspace, definition.id) == made


def test_a_draft_has_no_slots_until_it_is_activated(shop: Shop) -> None:
    made = create(shop, changed(SMALL, state="DRAFT"))
    assert (made.definition.state, made.definition.next_slot) == ("DRAFT", None)
    assert len(made.slots) == 5, "as if it were activated now"
    shop.clock.advance(DAY.total_seconds())
    active = shop.definitions.activate(shop.workspace, made.definition.id).definition
    assert (active.state, active.next_slot, active.version) == ("ACTIVE", SIX + DAY, 1)
    assert shop.definitions.activate(shop.workspace, made.definition.id).definition == active, "again is harmless"


def test_an_incomplete_draft_cannot_be_activated(shop: Shop) -> None:
    made = create(shop, DRAFT)
    with pytest.raises(Unprocessable) as caught:
        shop.definitions.activate(shop.workspace, made.definition.id)
    assert [(problem.type, problem.attribute) for problem in caught.value.problems] == [
        ("required", "schedule"),
        ("required", "delivery"),
    ]
    patch(shop, made, schedule={"type": "daily", "time": "06:00"}, delivery={"rest_api": True})
    assert shop.definitions.activate(shop.workspace, made.definition.id).definition.state == "ACTIVE"


def test_a_draft_whose_moment_has_passed_cannot_be_activated(shop: Shop) -> None:
    made = create(shop, schedule={"type": "once", "at": "2025-03-05T18:00"}, state="DRAFT")
    shop.clock.advance(3600)
    assert refusal(Unprocessable, lambda: shop.definitions.activate(shop.workspace, made.definition.id)) == (
        "schedule_empty"
    )


def test_nothing_is_stored_when_something_is_wrong(shop: Shop) -> None:
    with pytest.raises(Unprocessable):
        create(shop, name="1")
    with pytest.raises(InvalidInput):
        create(shop, colour="red")
    assert shop.definitions.page(shop.workspace, Query()).views == []


def test_a_check_stores_nothing_and_says_what_would_be(shop: Shop) -> None:
    draft = shop.definitions.check(shop.workspace, SMALL)
    assert (draft.spec.name, draft.state, len(draft.slots)) == ("Small", "ACTIVE", 5)
    assert shop.definitions.page(shop.workspace, Query()).views == []
    create(shop)
    assert refusal(Conflict, lambda: shop.definitions.check(shop.workspace, SMALL)) == "name_conflict"


def test_every_save_is_a_version_with_its_author_and_changes(shop: Shop) -> None:
    made = create(shop)
    shop.clock.advance(60)
    second = patch(shop, made, schedule={"time": "07:30"}, selection={"date_range": {"preset": "last_7_days"}})
    assert second.definition.version == 2
    assert second.definition.next_slot == SIX + timedelta(minutes=90)
    assert patch(shop, made, name="Small").definition == second.definition, "nothing changes, nothing is saved"
    found = shop.definitions.versions("SHOP", made.definition.id)
    assert [(version.version, version.saved_by, version.saved_at) for version in found] == [
        (2, "ben", NOW + timedelta(minutes=1)),
        (1, "ana", NOW),
    ]
    assert found[1].changes == ()
    assert found[0].changes == (
        Change("selection.date_range.preset", "yesterday", "last_7_days"),
        Change("schedule.time", "06:00", "07:30"),
    )
    with shop.metadata.read() as connection:
        first = repository.spec_of(connection, made.definition.id, 1)
        assert first == made.definition.spec
        assert repository.spec_of(connection, made.definition.id, 3) is None


def test_a_history_shows_the_newest_versions(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "VERSIONS", 2)
    made = create(shop)
    for number in range(3):
        patch(shop, made, schedule={"time": f"0{number}:00"})
    found = shop.definitions.versions("SHOP", made.definition.id)
    assert [version.version for version in found] == [4, 3]
    assert [len(version.changes) for version in found] == [1, 1]


def test_a_condition_on_the_version_holds_or_nothing_happens(shop: Shop) -> None:
    made = create(shop)
    patch(shop, made, on_empty="header_only")
    other = changed(SMALL, name="Other")
    stale = frozenset({1})
    assert refusal(PreconditionFailed, lambda: replace(shop, made, other, if_match=stale)) == "version_mismatch"
    delete = shop.definitions.delete
    assert refusal(PreconditionFailed, lambda: delete("SHOP", made.definition.id, if_match=stale)) == "version_mismatch"
    assert shop.definitions.get("SHOP", made.definition.id).version == 2
    assert replace(shop, made, other, if_match=frozenset({1, 2})).definition.version == 3


def test_a_patch_takes_members_out(shop: Shop) -> None:
    made = create(shop, DEFINITION)
    found = patch(shop, made, content={"columns": {"PUSH": None}, "custom_attributes": None}, delivery={"email": None})
    assert (found.definition.spec.columns, found.definition.spec.custom) == ({}, ())
    assert len(found.definition.spec.delivery) == 1


@pytest.mark.parametrize("raw", [None, [], "x", {"name": "1"}, {"schedule": None}, {"id": "x", "colour": 1}])
def test_a_wrong_patch_changes_nothing(shop: Shop, raw: Any) -> None:
    made = create(shop)
    with pytest.raises((InvalidInput, Unprocessable)):
        shop.definitions.patch(shop.workspace, "ben", made.definition.id, raw)
    assert shop.definitions.get("SHOP", made.definition.id) == made.definition


# --- names


def test_names_that_give_the_same_files_collide(shop: Shop) -> None:
    made = create(shop, name="Report test")
    with pytest.raises(Conflict) as caught:
        create(shop, name="REPORT_test")
    assert caught.value.error_type == "name_conflict"
    assert "Report test" in caught.value.message
    assert made.definition.id in caught.value.message
    other = create(shop, name="Report-test")
    assert refusal(Conflict, lambda: patch(shop, other, name="report test")) == "name_conflict"
    assert patch(shop, made, name="REPORT TEST").definition.version == 2, "its own stem is no obstacle"


def test_workspaces_have_names_of_their_own(shop: Shop) -> None:
    create(shop)
    stranger = shop.stranger.workspace
    assert shop.definitions.create(stranger, "eve", SMALL).definition.workspace_id == "STRANGER"


def test_a_deleted_report_frees_its_name(shop: Shop) -> None:
    made = create(shop)
    shop.definitions.delete("SHOP", made.definition.id)
    assert shop.runs.calls == [("retire", "SHOP", made.definition.id)]
    assert refusal(NotFound, lambda: shop.definitions.get("SHOP", made.definition.id)) == "not_found"
    assert refusal(NotFound, lambda: shop.definitions.delete("SHOP", made.definition.id)) == "not_found"
    assert refusal(NotFound, lambda: shop.definitions.versions("SHOP", made.definition.id)) == "not_found"
    again = create(shop)
    shop.definitions.delete("SHOP", again.definition.id)
    assert create(shop).definition.id != made.definition.id


def test_a_file_keeps_the_name_it_was_made_under(shop: Shop) -> None:
    """Whoever asks for it must not get the file of another report."""
    made = create(shop, name="Old name")
    add_file(shop, made, "Old_name", expires=NOW + DAY)
    patch(shop, made, name="New name")
    assert refusal(Conflict, lambda: create(shop, name="old NAME")) == "name_conflict"
    assert patch(shop, made, name="Old name").definition.version == 3, "its own files are no obstacle"
    patch(shop, made, name="New name")
    shop.clock.advance(DAY.total_seconds())
    assert create(shop, name="old NAME")


def add_file(shop: Shop, made: View, stem: str, expires: datetime) -> None:
    """A finished file of a definition."""
    now = shop.clock.now()
    run = {"id": "run", "workspace_id": "SHOP", "definition_id": made.definition.id, "definition_version": 1,
           "stem": stem, "trigger": "manual", "file_date": NOW.date(), "first_day": NOW.date(), "last_day": NOW.date(),
           "state": "SUCCESSFUL", "by_name": True, "attempt": 1, "progress": 1.0, "created_at": now,
           "warnings": "[]", "parts": "[]"}  # fmt: skip
    file = {"id": "file", "workspace_id": "SHOP", "run_id": "run", "stem": stem, "file_date": NOW.date(),
            "name": f"{stem}_20250305.zip", "size": 1, "sha256": "", "generated_at": now,
            "expires_at": expires, "forgotten_at": expires}  # fmt: skip
    with shop.metadata.begin() as connection:
        connection.execute(insert(ReportRunRow), run)
        connection.execute(insert(ReportFileRow), file)


def test_of_simultaneous_creations_one_succeeds(shop: Shop) -> None:
    def attempt(number: int) -> str:
        try:
            return create(shop, name="Same name" if number % 2 else "SAME_NAME").definition.id
        except Conflict as error:
            return error.error_type

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(attempt, range(8)))
    assert outcomes.count("name_conflict") == 7
    assert len(shop.definitions.page(shop.workspace, Query()).views) == 1


def test_of_simultaneous_changes_none_is_lost(shop: Shop) -> None:
    made = create(shop)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: patch(shop, made, schedule={"time": f"1{number}:00"}), range(6)))
    found = shop.definitions.versions("SHOP", made.definition.id)
    assert [version.version for version in found] == [7, 6, 5, 4, 3, 2, 1]


def test_the_number_of_reports_is_limited(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "DEFINITIONS", 2)
    made = create(shop, name="One")
    create(shop, name="Two")
    assert refusal(Conflict, lambda: create(shop, name="Three")) == "limit_reached"
    duplicate = shop.definitions.duplicate
    assert refusal(Conflict, lambda: duplicate(shop.workspace, "ana", made.definition.id)) == "limit_reached"
    shop.definitions.delete("SHOP", made.definition.id)
    assert create(shop, name="Three")


def test_duplicates_are_drafts_of_whoever_makes_them(shop: Shop) -> None:
    made = create(shop, DEFINITION)
    copies = [shop.definitions.duplicate(shop.workspace, "cem", made.definition.id).definition for _ in range(2)]
    assert [copy.spec.name for copy in copies] == [
        "Copy of Daily campaigns T-1",
        "Copy of Daily campaigns T-1 2",
    ]
    assert {(copy.state, copy.version, copy.created_by) for copy in copies} == {("DRAFT", 1, "cem")}
    assert copies[0].spec.delivery == made.definition.spec.delivery
    named = shop.definitions.duplicate(shop.workspace, "cem", made.definition.id, "Other").definition
    assert named.spec.name == "Other"
    duplicate = shop.definitions.duplicate
    assert refusal(Unprocessable, lambda: duplicate(shop.workspace, "c", made.definition.id, " x")) == "name_invalid"
    assert refusal(Conflict, lambda: duplicate(shop.workspace, "c", made.definition.id, "other")) == "name_conflict"


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


# --- other workspaces


def test_definitions_of_others_are_unknown(shop: Shop) -> None:
    made = create(shop).definition
    stranger, service = shop.stranger.workspace, shop.definitions
    calls: list[Callable[[], object]] = [
        lambda: service.get("STRANGER", made.id),
        lambda: service.view(stranger, made.id),
        lambda: service.versions("STRANGER", made.id),
        lambda: service.replace(stranger, "eve", made.id, SMALL),
        lambda: service.patch(stranger, "eve", made.id, {}),
        lambda: service.duplicate(stranger, "eve", made.id),
        lambda: service.activate(stranger, made.id),
        lambda: service.pause(stranger, made.id),
        lambda: service.resume(stranger, made.id),
        lambda: service.delete("STRANGER", made.id),
        lambda: service.run(stranger, made.id, {}),
        lambda: service.backfill(stranger, made.id, {}),
    ]
    assert [refusal(NotFound, call) for call in calls] == ["not_found"] * len(calls)
    assert service.get("SHOP", made.id) == made
    assert shop.runs.calls == []
    assert service.page(stranger, Query()).views == []


# --- lists


def test_a_list_shows_what_was_asked_for(shop: Shop) -> None:
    create(shop, name="Daily push")
    shop.clock.advance(1)
    once = create(shop, name="Once", schedule={"type": "once", "at": "2025-03-05T20:00"})
    shop.clock.advance(1)
    draft = shop.definitions.duplicate(shop.workspace, "cem", once.definition.id).definition
    shop.runs.newest[once.definition.id] = {"id": "run-9"}

    def names(**query: Any) -> list[str]:
        views = shop.definitions.page(shop.workspace, Query(**query)).views
        return [view.definition.spec.name for view in views]

    assert names() == ["Copy of Once", "Once", "Daily push"]
    assert names(sort="created_at") == ["Daily push", "Once", "Copy of Once"]
    assert names(sort="name") == ["Copy of Once", "Daily push", "Once"]
    assert names(sort="-name") == ["Once", "Daily push", "Copy of Once"]
    assert names(sort="next_run_at") == ["Once", "Daily push", "Copy of Once"]
    assert names(sort="-next_run_at") == ["Daily push", "Once", "Copy of Once"], "what has no next run is last"
    assert names(text="ONCE") == ["Copy of Once", "Once"]
    assert names(state="DRAFT") == ["Copy of Once"]
    assert names(periodic=True) == ["Daily push"]
    assert names(periodic=False) == ["Copy of Once", "Once"]
    assert names(created_by="cem") == [draft.spec.name]
    views = {view.definition.spec.name: view for view in shop.definitions.page(shop.workspace, Query()).views}
    assert views["Once"].last_run == {"id": "run-9"}
    assert views["Daily push"].last_run is None


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-name", "next_run_at", "-next_run_at"])
def test_pages_follow_each_other(shop: Shop, sort: Any) -> None:
    for number in range(7):
        create(shop, name=f"R{number}", state="DRAFT" if number % 3 == 0 else "ACTIVE")
        shop.clock.advance(number % 2)
    whole = [view.definition.id for view in shop.definitions.page(shop.workspace, Query(sort=sort)).views]
    assert len(whole) == 7
    for limit in (1, 2, 3, 7):
        cursor: str | None = ""
        found: list[str] = []
        while cursor is not None:
            page = shop.definitions.page(shop.workspace, Query(sort=sort, limit=limit, cursor=cursor))
            assert 0 < len(page.views) <= limit
            found += [view.definition.id for view in page.views]
            cursor = page.next_cursor
        assert found == whole


def test_a_page_goes_on_where_the_one_before_ended(shop: Shop) -> None:
    made = [create(shop, name=f"R{number}").definition for number in range(4)]
    first = shop.definitions.page(shop.workspace, Query(sort="name", limit=2))
    shop.definitions.delete("SHOP", made[1].id)
    create(shop, name="R0a")
    second = shop.definitions.page(shop.workspace, Query(sort="name", limit=2, cursor=first.next_cursor or ""))
    assert [view.definition.spec.name for view in second.views] == ["R2", "R3"]
    assert second.next_cursor is None


@pytest.mark.parametrize("cursor", ["x", "é", "AAAA", "W10", "WyJuYW1lIl0", "=" * 9])
def test_cursors_of_nobodys_making(shop: Shop, cursor: str) -> None:
    page = shop.definitions.page
    assert refusal(InvalidInput, lambda: page(shop.workspace, Query(cursor=cursor))) == "invalid_cursor"


def test_a_cursor_belongs_to_an_order(shop: Shop) -> None:
    create(shop, name="A")
    create(shop, name="B")
    page = shop.definitions.page
    cursor = page(shop.workspace, Query(sort="name", limit=1)).next_cursor or ""
    assert cursor
    assert refusal(InvalidInput, lambda: page(shop.workspace, Query(sort="-name", cursor=cursor))) == "invalid_cursor"


# --- warnings


def codes(view: View) -> list[str]:
    return [warning.code for warning in view.warnings]


def test_warnings(shop: Shop) -> None:
    assert codes(create(shop)) == []
    absolute = {"type": "absolute", "start": "2024-09-01", "end": "2024-09-30"}
    old = create(shop, name="Old", selection__date_range=absolute)
    assert codes(old) == ["fixed_range_on_periodic", "archived_may_be_missing"]
    filters = {"include_archived": True}
    assert codes(patch(shop, old, selection={"filters": filters})) == ["fixed_range_on_periodic"]
    scopes = [{"channel": "PUSH"}, {"channel": "MMS"}]
    push = create(
        shop,
        name="My push report",
        selection__scopes=scopes,
        content={"columns": {"PUSH": ["campaign.name", "campaign-stats.goal_1.total_conversions.total_revenue"]},
                 "split": {"locale": True}},
    )  # fmt: skip
    assert [(warning.code, warning.channel, warning.column) for warning in push.warnings] == [
        ("name_contains_channel", "", ""),
        ("no_campaign_id", "PUSH", ""),
        ("attribution_model_inactive", "PUSH", "campaign-stats.goal_1.total_conversions.total_revenue"),
        ("locale_split_ignored", "MMS", ""),
    ]
    shop.workspaces.update_settings("SHOP", {"attribution_model": "last_interaction"})
    view = shop.definitions.view(shop.workspace, push.definition.id)
    assert "attribution_model_inactive" not in codes(view)


def test_chosen_campaigns_that_do_not_exist(shop: Shop) -> None:
    document = {"channel": "EMAIL", "campaign_delivery_type": "ONE_TIME", "basic_details": {"name": "x"}}
    shop.campaigns.put("SHOP", CAMPAIGN, document)
    ids = [CAMPAIGN, *(f"{number:024x}" for number in range(11))]
    made = create(shop, selection__campaigns={"mode": "manual", "ids": ids})
    (warning,) = made.warnings
    assert (warning.code, warning.count) == ("campaign_not_found", 11)
    assert CAMPAIGN not in warning.message
    assert "and 1 more" in warning.message


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Asia/Kolkata", None),
        ("Asia/Calcutta", None),
        ("Asia/Colombo", None),
        ("America/New_York", "runs over"),
        ("Pacific/Auckland", "waits"),
    ],
)
def test_zones_that_differ(shop: Shop, zone: str, expected: str | None) -> None:
    made = create(shop, schedule__time_zone=zone)
    if expected is None:
        assert codes(made) == []
    else:
        (warning,) = made.warnings
        assert warning.code == "time_zone_differs"
        assert ("wait" in warning.message) == (expected == "waits")


def test_half_a_year_ago(shop: Shop) -> None:
    shop.clock.set(datetime(2025, 8, 31, 12, tzinfo=UTC))
    for start, warned in (("2025-02-28", False), ("2025-02-27", True)):
        absolute = {"type": "absolute", "start": start, "end": "2025-03-01"}
        once = {"type": "once", "at": "asap"}
        made = create(shop, name=f"From {start}", selection__date_range=absolute, schedule=once)
        assert ("archived_may_be_missing" in codes(made)) == warned


def test_recipients_outside_of_the_domains_of_the_workspace(shop: Shop) -> None:
    email = {"email": {"recipients": ["ops@example.com"]}}
    made = create(shop, delivery=email)
    shop.workspaces.update_settings("SHOP", {"report_email_domains": "example.org"})
    with pytest.raises(Unprocessable) as caught:
        create(shop, name="Other", delivery=email)
    assert caught.value.error_type == "recipient_not_allowed"
    assert shop.definitions.get("SHOP", made.definition.id).spec.delivery


# --- storage


def test_nothing_of_another_version_is_needed_to_read_a_definition(shop: Shop) -> None:
    """What is stored says everything that differs from a default, so later defaults do not change old reports."""
    made = create(shop)
    with shop.metadata.read() as connection:
        stored = connection.execute(text("SELECT spec FROM report_definitions")).scalar_one()
    for member in ("data_window", "rule", "formula_guard", "on_empty", "child"):
        assert member in stored
    assert shop.definitions.get("SHOP", made.definition.id).spec == made.definition.spec
