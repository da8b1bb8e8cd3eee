"""Definitions of others, lists of them, and what is said about them. On SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from campanile.clock import FixedClock
from campanile.errors import InvalidInput, NotFound, Unprocessable
from campanile.metadata import Metadata
from campanile.reports.definitions import View
from campanile.reports.listing import Query
from tests.reports.defining import create, patch, refusal
from tests.reports.samples import CAMPAIGN, NOW, SMALL
from tests.reports.shops import Shop, open_shop


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def shop(metadata: Metadata, clock: FixedClock) -> Shop:
    return open_shop(metadata, clock)


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
