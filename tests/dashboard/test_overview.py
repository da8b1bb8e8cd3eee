"""The first page: the same numbers as everywhere, changes against before, and alerts by their rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from campanile.dashboard.overview import alerts
from campanile.dashboard.overview.service import rank, tiles
from campanile.metrics.pairs import Pair
from campanile.stats.schemas import GroupTotals, Point, Series, Totals
from tests.conftest import NOW
from tests.dashboard.site import Site
from tests.support.log import campaign_of

pytestmark = pytest.mark.slow

USUAL = [(1000, 990)] * alerts.FAILURE_USUAL_DAYS


def series(days: list[tuple[int, int]]) -> Series:
    """Attempted and sent messages per day."""
    points = [
        Point(NOW + timedelta(days=number), {"attempted": Pair(tried, tried), "sent": Pair(sent, sent)})
        for number, (tried, sent) in enumerate(days)
    ]
    return Series("day", tuple(points), False)


@pytest.mark.parametrize(
    ("recent", "alarming"),
    [
        ([(1000, 990), (1000, 990)], False),
        ([(1000, 960), (1000, 960)], False),  # four times the usual rate, but daily life
        ([(1000, 900), (1000, 900)], True),
        ([(0, 0), (90, 20)], False),  # too few to say
        ([(0, 0), (100, 20)], True),
    ],
)
def test_a_jump_of_the_failure_rate(recent: list[tuple[int, int]], alarming: bool) -> None:
    found = alerts.failure_jumps({"PUSH": series(USUAL + recent), "": series([(1000, 0)] * 9)})
    assert [alert.kind for alert in found] == (["failure_rate"] if alarming else [])


def test_a_rate_that_has_always_been_high_is_no_jump() -> None:
    high = [(1000, 900)] * alerts.FAILURE_USUAL_DAYS
    assert alerts.failure_jumps({"PUSH": series([*high, (1000, 850), (1000, 850)])}) == []
    new = [(0, 0)] * alerts.FAILURE_USUAL_DAYS
    (alert,) = alerts.failure_jumps({"PUSH": series([*new, (1000, 850), (1000, 850)])})
    assert "nothing was sent in the week before" in alert.text
    assert alerts.failure_jumps({"OTHER": series(USUAL + [(1000, 0)] * 2)}) == []


@pytest.mark.parametrize(
    ("ago", "alarming"),
    [(None, False), (timedelta(minutes=59), False), (timedelta(hours=1), True), (timedelta(days=8), False)],
)
def test_silence(ago: timedelta | None, alarming: bool) -> None:
    found = alerts.silence(None if ago is None else NOW - ago, NOW, "Tuesday")
    assert [alert.kind for alert in found] == (["silence"] if alarming else [])


def test_failed_reports_are_named() -> None:
    moment = datetime(2026, 3, 17, tzinfo=UTC)
    failure = {"id": "run_1", "name": "Daily", "at": moment, "message": "No room."}
    (alert,) = alerts.failed_reports([failure], {moment: "yesterday"})
    assert alert.path == "/reports/runs/run_1"
    assert (alert.title, alert.text) == ("Report Daily failed", "yesterday. No room.")


def group(clicks: int, delivered: int, conversions: int = 0, failed: int = 0) -> GroupTotals:
    counts = {"sent": delivered, "delivered": delivered, "impression": 0, "click": clicks, "unsubscribe": 0}
    rates = {"ctr": 100 * clicks / delivered if delivered else 0, "failure_rate": failed}
    return GroupTotals(
        campaigns=1, total={**counts, **rates}, unique=counts,
        fractions={"ctr": (clicks, delivered), "failure_rate": (failed, 100)},
        conversions=conversions, converted=conversions, revenue={},
    )  # fmt: skip


def test_changes_say_more_and_better() -> None:
    found = {tile.label: tile for tile in tiles(group(30, 300, 5, failed=4), group(20, 200, 0, failed=2))}
    assert (found["Sent"].change, found["Sent"].tone) == (Decimal("50.0"), "good")
    assert (found["Failure rate"].change, found["Failure rate"].tone) == (Decimal("2.00"), "bad")
    assert (found["Click rate"].change, found["Click rate"].tone) == (Decimal("0.00"), "")
    assert found["Conversions"].change is None
    assert "Unsubscribes" not in found


def test_campaigns_are_ranked_within_their_channel() -> None:
    campaigns = [campaign_of({"campaign_id": str(number), "channel": "EMAIL"}) for number in range(4)]
    groups = [group(50, 1000), group(200, 1000), group(9, 99), group(0, 1000)]
    whole = group(259, 3099)
    totals = Totals(whole, {"EMAIL": whole}, tuple(zip(campaigns, groups, strict=True)))
    ranked = rank(totals)
    assert [item.campaign.campaign_id for item in ranked] == ["1", "0", "3"]  # one is too small
    assert (ranked[0].index, ranked[0].parts) == (239, (200, 1000))


MAIL, MAILED = "a" * 24, 150


def test_the_page_agrees_with_the_stats_api(site: Site) -> None:
    def send(kind: str, people: int, **more: Any) -> list[dict[str, Any]]:
        moment = (NOW - timedelta(days=1)).isoformat()
        return [
            {"event_id": f"{kind}-{user}", "type": kind, "time": moment, "campaign_id": MAIL, "channel": "EMAIL",
             "user_id": f"u{user}", **more}
            for user in range(people)
        ]  # fmt: skip

    assert "No activity in these days" in site.viewer.get(f"/w/{site.id}").text
    site.server.send_events(site.owner, send("attempted", MAILED) + send("sent", 60) + send("failed", 90, reason="x"))
    text = site.viewer.get(f"/w/{site.id}?range=7d").text
    answer = site.server.stats(site.owner, request_id="x", campaign_ids=[MAIL], start_date="2026-03-12",
                               end_date="2026-03-18", attribution_type="VIEW_THROUGH", metric_type="TOTAL")  # fmt: skip
    node = answer["data"][MAIL][0]["platforms"]["EMAIL"]["locales"]["all_locales"]["variations"]["all_variations"]
    assert node["performance_stats"]["sent"] == 60
    assert 'data-channel="EMAIL"' in text
    assert 'data-field="sent" data-value="60"' in text
    assert 'data-alert="failure_rate"' in text
    assert "90 of 150 in the last 2 days; nothing was sent in the week before." in text
    assert 'data-alert="silence"' in text
