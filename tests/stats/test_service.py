"""Which campaigns a request means, and which of them are on its page."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import UTC, date, datetime, timedelta
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.campaigns.order import Order, Place
from campanile.campaigns.schemas import Campaign
from campanile.kit.times import Window
from campanile.stats.numbers import CampaignNumbers
from campanile.stats.schemas import StatsRequest
from campanile.stats.service import StatsService
from campanile.stats.wire import StatsPage, encode_page
from campanile.workspaces.schemas import Workspace, WorkspaceSettings
from tests.stats.examples import CREATED, campaign, numbers

DAY = date(2024, 12, 22)


class FakeCampaigns:
    def __init__(self, *known: Campaign) -> None:
        self.known = {one.campaign_id: one for one in known}
        self.at_hand = False

    def get_many(self, workspace_id: str, ids: Sequence[str]) -> dict[str, Campaign]:
        assert workspace_id == "WS1"
        return {one: self.known[one.lower()] for one in reversed(list(ids)) if one.lower() in self.known}

    def recall(self, workspace_id: str, ids: Sequence[str]) -> dict[str, Campaign] | None:
        return self.get_many(workspace_id, ids) if self.at_hand else None

    def order(self, workspace_id: str) -> Order:
        assert workspace_id == "WS1"
        return Order(
            Place(one.created_at, one.campaign_id, one.parent_id, one.delivery_type, one.archived)
            for one in self.known.values()
        )


class FakeNumbers:
    def __init__(self, active: Set[str] = frozenset()) -> None:
        self.ids = set(active)
        self.windows: list[Window] = []
        self.measured: list[tuple[list[str], str, bool]] = []
        self.stands: object | None = None

    async def active(self, workspace: Workspace, window: Window) -> set[str]:
        self.windows.append(window)
        return self.ids

    async def measure(
        self,
        workspace: Workspace,
        campaigns: Sequence[Campaign],
        window: Window,
        attribution: str,
        *,
        all_platforms: bool,
        entries: object = None,
    ) -> dict[str, CampaignNumbers]:
        self.windows.append(window)
        self.measured.append(([one.campaign_id for one in campaigns], attribution, all_platforms))
        return {one.campaign_id: numbers(one) for one in campaigns}

    async def entries(self, workspace: Workspace, campaigns: Sequence[Campaign]) -> dict[str, object]:
        return {one.campaign_id: self.stands for one in campaigns if self.stands is not None}


def ask(
    campaigns: FakeCampaigns, found: FakeNumbers, *ids: str, settings: dict[str, Any] | None = None, **changes: Any
) -> StatsPage:
    fields: dict[str, Any] = {
        "request_id": "t",
        "campaign_ids": ids,
        "first": DAY,
        "last": DAY,
        "attribution": "VIEW_THROUGH",
        "metric_type": "TOTAL",
    }
    request = StatsRequest(**(fields | changes))
    owner = Workspace("WS1", "One", WorkspaceSettings(**(settings or {})), CREATED, b"")
    services: tuple[Any, Any] = (campaigns, found)

    async def run() -> StatsPage:
        return await StatsService(*services).page(owner, request, all_platforms=True)

    return anyio.run(run)


def born(minute: int) -> datetime:
    return CREATED + timedelta(minutes=minute)


def listed(page: StatsPage) -> list[str]:
    return list(page.trees)


# --- with ids


def test_named_campaigns_in_the_order_of_the_request() -> None:
    known = FakeCampaigns(campaign("a"), campaign("b"), campaign("c", status="ARCHIVED"))
    page = ask(known, FakeNumbers(), "c", "unknown", "a", "b")
    assert listed(page) == ["c", "a", "b"]
    assert page.total_campaigns == 3


def test_campaigns_triggered_by_api_calls_never_appear() -> None:
    silent = campaign("a", delivery_type="API_TRIGGERED")
    assert listed(ask(FakeCampaigns(silent), FakeNumbers({"a"}), "a")) == []
    assert listed(ask(FakeCampaigns(silent), FakeNumbers({"a"}))) == []


def test_two_spellings_of_an_id_are_one_campaign() -> None:
    page = ask(FakeCampaigns(campaign("a"), campaign("b")), FakeNumbers(), "A", "b", "a")
    assert (listed(page), page.total_campaigns) == (["a", "b"], 2)


# --- without ids


def test_active_campaigns_in_order_of_creation_then_id() -> None:
    known = FakeCampaigns(
        campaign("d", created_at=born(1)),
        campaign("c", created_at=born(2)),
        campaign("b", created_at=born(2)),
        campaign("quiet", created_at=born(0)),
    )
    assert listed(ask(known, FakeNumbers({"b", "c", "d", "unregistered"}))) == ["d", "b", "c"]


def test_a_parent_is_active_when_a_child_is() -> None:
    known = FakeCampaigns(
        campaign("parent", created_at=born(0)),
        campaign("child", created_at=born(1), parent_id="parent"),
        campaign("other", created_at=born(2), parent_id="parent"),
    )
    assert listed(ask(known, FakeNumbers({"child"}))) == ["parent", "child"]


def test_archived_campaigns_are_left_out_and_still_make_their_parent_active() -> None:
    known = FakeCampaigns(
        campaign("parent"),
        campaign("child", parent_id="parent", status="ARCHIVED"),
        campaign("old", status="ARCHIVED"),
        campaign("old child", parent_id="old"),
    )
    assert listed(ask(known, FakeNumbers({"child", "old", "old child"}))) == ["old child", "parent"]


def test_inactive_campaigns_on_request() -> None:
    known = FakeCampaigns(campaign("b", created_at=born(1)), campaign("a"), campaign("c", status="ARCHIVED"))
    found = FakeNumbers({"b"})
    assert listed(ask(known, found, settings={"list_inactive": True})) == ["a", "b"]
    assert listed(ask(known, found)) == ["b"]


# --- paging

MANY = FakeCampaigns(*(campaign(f"{number:02}", created_at=born(number)) for number in range(25)))
EVERYTHING = set(MANY.known)


@pytest.mark.parametrize(
    ("offset", "limit", "first", "size", "current", "pages"),
    [
        (0, 10, "00", 10, 1, 3),
        (20, 10, "20", 5, 3, 3),
        (50, 10, "", 0, 6, 3),
        (3, 2, "03", 2, 2, 13),
        (24, 1, "24", 1, 25, 25),
        (10**400, 10, "", 0, 10**399 + 1, 3),
    ],
)
def test_pages(offset: int, limit: int, first: str, size: int, current: int, pages: int) -> None:
    page = ask(MANY, FakeNumbers(EVERYTHING), offset=offset, limit=limit)
    assert (page.total_campaigns, page.current_page, page.total_pages) == (25, current, pages)
    assert (len(page.trees), next(iter(page.trees), "")) == (size, first)


def test_an_empty_result_has_one_page() -> None:
    page = ask(MANY, FakeNumbers())
    assert (page.total_campaigns, page.current_page, page.total_pages, page.trees) == (0, 1, 1, {})


def test_named_campaigns_are_paged_too() -> None:
    page = ask(MANY, FakeNumbers(), "03", "02", "nobody", "01", offset=1, limit=1)
    assert (listed(page), page.total_campaigns, page.current_page, page.total_pages) == (["02"], 3, 2, 3)


@given(st.integers(0, 25), st.integers(1, 10))
def test_walking_the_pages_visits_every_campaign_once(total: int, limit: int) -> None:
    """All four ways in which clients stop come true on the last page, and not before."""
    known = FakeCampaigns(*(campaign(f"{number:02}", created_at=born(number)) for number in range(total)))
    visited: list[str] = []
    offset = 0
    while True:
        page = ask(known, FakeNumbers(set(known.known)), offset=offset, limit=limit)
        visited += listed(page)
        last = page.current_page >= page.total_pages
        assert last == (offset + limit >= page.total_campaigns)
        if len(page.trees) < limit:
            assert last
        if last:
            break
        offset += limit
    assert visited == sorted(known.known)
    assert listed(ask(known, FakeNumbers(set(known.known)), offset=offset + limit, limit=limit)) == []


def test_only_the_page_is_measured() -> None:
    found = FakeNumbers(EVERYTHING)
    ask(MANY, found, offset=20, limit=2, attribution="IN_SESSION")
    assert found.measured == [(["20", "21"], "IN_SESSION", True)]


# --- days


def test_days_are_those_of_the_workspace() -> None:
    found = FakeNumbers({"00"})
    ask(MANY, found, settings={"timezone": "America/New_York"}, last=DAY + timedelta(days=1))
    assert {(window.start, window.end) for window in found.windows} == {
        (datetime(2024, 12, 22, 5, tzinfo=UTC), datetime(2024, 12, 24, 5, tzinfo=UTC))
    }


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(1970, 1, 1), date(1970, 1, 31)),
        (date(2199, 12, 31), date(2200, 1, 2)),
        (date(9999, 12, 1), date(9999, 12, 31)),
    ],
)
def test_the_ends_of_the_calendar_are_days_like_any_other(zone: str, first: date, last: date) -> None:
    found = FakeNumbers()
    assert listed(ask(MANY, found, settings={"timezone": zone}, first=first, last=last)) == []
    assert all(window.start < window.end for window in found.windows)


# --- texts


def test_what_stands_still_is_written_once() -> None:
    known, found = FakeCampaigns(campaign("a"), campaign("b")), FakeNumbers()
    known.at_hand = True
    owner = Workspace("WS1", "One", WorkspaceSettings(), CREATED, b"")
    request = StatsRequest(
        request_id="t", campaign_ids=("b", "a"), first=DAY, last=DAY, attribution="VIEW_THROUGH", metric_type="TOTAL"
    )
    services: tuple[Any, Any] = (known, found)

    async def run() -> list[int]:
        service = StatsService(*services)
        page = await service.page(owner, request, all_platforms=False)
        counts = []
        for stands in (None, None, "one", "one", "other", "other"):
            found.stands, found.measured = stands, []
            assert await service.answer(owner, request, "docs") == encode_page(page, "docs", owner.settings)
            counts.append(len(found.measured))
        return counts

    assert anyio.run(run) == [1, 1, 1, 0, 1, 0]
