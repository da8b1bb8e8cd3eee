"""Definitions in the database: names, versions, states, slots. On SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from campanile.clock import FixedClock
from campanile.errors import Conflict, InvalidInput, NotFound, PreconditionFailed, Unprocessable
from campanile.metadata import Metadata
from campanile.metadata.models import ReportFileRow, ReportRunRow
from campanile.reports import definitions, repository
from campanile.reports.definitions import View
from campanile.reports.listing import Query
from campanile.reports.schemas import Change
from tests.reports.defining import DAY, DRAFT, SIX, create, patch, refusal, replace
from tests.reports.samples import DEFINITION, NOW, SMALL, changed
from tests.reports.shops import Shop, open_shop


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def shop(metadata: Metadata, clock: FixedClock) -> Shop:
    return open_shop(metadata, clock)


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
