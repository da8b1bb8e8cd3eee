"""People look for a campaign, change what they look at, and see the Stats API's numbers, while events arrive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from campanile.demo.plans import PLANS
from tests.browser.conftest import Opener
from tests.browser.shop import Shop

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

pytestmark = pytest.mark.slow

SALE = next(plan for plan in PLANS if plan.name.startswith("Summer Sale"))
GERMAN = next(plan for plan in PLANS if "Größenberatung" in plan.name)
PATIENCE = 15_000
"""Milliseconds to wait for something to appear."""
LIVE = re.compile(r"/live\?")
JAPANESE = next(plan for plan in PLANS if plan.name.startswith("夏"))


@pytest.fixture(scope="module", autouse=True)
def _dialect(shop: Shop) -> Iterator[None]:
    """The dialect that has a node over all platforms, as the page does."""
    shop.server.run("workspace", "set", shop.id, "stats_dialect=live")
    yield
    shop.server.run("workspace", "set", shop.id, "stats_dialect=docs")


def stats(shop: Shop, campaign_id: str, tab: Tab, metric_type: str) -> Any:
    """What the Stats API says about the node over all platforms, for what the page's pickers say."""
    body = {
        "request_id": "browser",
        "campaign_ids": [campaign_id],
        "start_date": tab.input_value("#p-from"),
        "end_date": tab.input_value("#p-to"),
        "attribution_type": tab.input_value("#p-attribution"),
        "metric_type": metric_type,
    }
    answer = shop.must(
        shop.keys.report_key, "POST", "/core-services/v1/campaign-stats", json=body, headers={"MOE-APPKEY": shop.id}
    )
    platforms = answer["data"][campaign_id][0]["platforms"]
    return platforms["ALL_PLATFORMS"]["locales"]["all_locale"]["variations"]["all_variations"]


def compare(shop: Shop, tab: Tab, campaign_id: str) -> None:
    """Every number on the page against the Stats API, as people read them."""
    total, unique = (stats(shop, campaign_id, tab, metric_type) for metric_type in ("TOTAL", "UNIQUE"))
    rows = tab.locator("[data-metric]")
    assert rows.count() > 5
    for row in rows.all():
        field = row.get_attribute("data-metric")
        shown = [number(text) for text in row.locator("td.num").all_inner_texts()[:2]]
        assert shown == [total["performance_stats"][field], unique["performance_stats"][field]], field
    for step in tab.locator("[data-step]").all():
        assert number(step.locator("strong").inner_text()) == total["delivery_funnel"][step.get_attribute("data-step")]
    for reason in tab.locator("[data-reason]").all():
        key = reason.get_attribute("data-reason")
        assert number(reason.locator("strong").inner_text()) == total["failure_breakdown"][key]
    goal = next(iter(total["conversion_goal_stats"].values()))
    cells = tab.locator("[data-goal]").first.locator("td.num").all_inner_texts()
    assert [number(text) for text in cells[:3]] == [goal["total"], goal["unique"], goal["cvr"]]
    assert number(cells[4]) == goal["revenue"]


def number(text: str) -> float:
    """`7.20 %` or `1,234.50 EUR` as a number."""
    return float(re.sub(r"[^0-9.−-]", "", text).replace("−", "-"))


def test_find_a_campaign_and_compare_every_number(open_page: Opener, shop: Shop) -> None:
    tab = open_page("viewer")
    tab.goto(shop.url + "/")
    tab.get_by_role("link", name="Campaigns", exact=True).click()
    tab.get_by_label("Search").fill("summer sale")
    row = tab.get_by_role("row").filter(has_text=SALE.name)
    row.wait_for()
    expect(tab.locator("#results tbody tr")).to_have_count(1, timeout=PATIENCE)
    assert "q=summer" in tab.url
    row.get_by_role("link", name=SALE.name).click()
    tab.wait_for_url(re.compile(SALE.campaign_id))
    compare(shop, tab, SALE.campaign_id)
    tab.select_option("#p-attribution", "CLICK_THROUGH")
    tab.wait_for_url(re.compile("attribution=CLICK_THROUGH"))
    compare(shop, tab, SALE.campaign_id)
    last = datetime.now(UTC).date() - timedelta(days=SALE.days_ago - 1)
    tab.fill("#p-from", str(last - timedelta(days=3)))
    tab.fill("#p-to", str(last))
    tab.locator("#p-to").blur()
    tab.wait_for_url(re.compile(f"to={last}"))
    compare(shop, tab, SALE.campaign_id)
    tab.set_default_timeout(60_000)  # five times the questions of one page
    tab.get_by_role("link", name="Compare attribution types").click()
    tab.locator("[data-attribution]").first.wait_for()
    assert tab.locator("[data-attribution]").count() == 5


@pytest.mark.parametrize("plan", [GERMAN, JAPANESE], ids=["german", "japanese"])
def test_names_in_any_script_are_found(open_page: Opener, shop: Shop, plan: Any) -> None:
    tab = open_page("viewer", width=360)
    tab.goto(shop.path("/w/{workspace}/campaigns"))
    tab.get_by_label("Search").fill(plan.name[:8].upper())
    expect(tab.locator("#results tbody tr")).to_have_count(1, timeout=PATIENCE)
    tab.get_by_role("link", name=plan.name).click()
    assert tab.get_by_role("heading", level=1).inner_text() == plan.name


def test_a_page_updates_itself_without_losing_anybodys_place(open_page: Opener, shop: Shop) -> None:
    campaign_id = "feedfeedfeedfeedfeedfee1"
    shop.must(
        shop.keys.manage_key, "PUT", f"/v1/campaigns/{campaign_id}",
        json={"channel": "EMAIL", "campaign_delivery_type": "EVENT_TRIGGERED", "name": "Live one"},
    )  # fmt: skip

    def send(name: str, kind: str) -> None:
        moment = datetime.now(UTC).isoformat()
        event = {"event_id": f"live-{name}", "type": kind, "time": moment, "campaign_id": campaign_id,
                 "channel": "EMAIL", "user_id": f"u-{name}"}  # fmt: skip
        shop.must(shop.keys.ingest_key, "POST", "/v1/events", json=[event])

    for user in range(3):
        send(f"first-{user}", "sent")
    tab = open_page("viewer")
    tab.goto(shop.url + f"/w/{shop.id}/campaigns/{campaign_id}")
    sent = tab.locator('[data-metric="sent"] td').first
    expect(sent).to_have_text("3", timeout=PATIENCE)
    term = tab.locator('[data-metric="sent"] .term-word')
    term.focus()
    tab.locator(".chart-table summary").click()
    term.focus()
    tab.evaluate("window.kept = document.querySelector('[data-part=failures]').firstElementChild")
    with tab.expect_response(LIVE) as unchanged:
        pass
    assert unchanged.value.status == 204
    send("second", "sent")
    with tab.expect_response(lambda answer: bool(LIVE.search(answer.url)) and answer.status == 200):
        pass
    expect(sent).to_have_text("4", timeout=PATIENCE)
    assert tab.evaluate("document.activeElement === document.querySelector('[data-metric=sent] .term-word')")
    assert tab.evaluate("document.querySelector('.chart-table').open")
    assert tab.evaluate("window.kept.isConnected"), "parts that are the same were replaced"


def test_pages_rest_while_nobody_looks(open_page: Opener, shop: Shop) -> None:
    tab = open_page("viewer")
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url) if "/live?" in request.url else None)
    tab.goto(shop.url + f"/w/{shop.id}/campaigns/{SALE.campaign_id}")
    with tab.expect_request(LIVE):
        pass
    tab.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    before = len(asked)
    tab.clock.install()
    tab.clock.run_for(20_000)
    assert len(asked) == before
    with tab.expect_request(LIVE):
        tab.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")


def test_charts_are_drawn_from_their_tables(open_page: Opener, shop: Shop) -> None:
    tab = open_page("viewer")
    tab.goto(shop.url + f"/w/{shop.id}/campaigns/{SALE.campaign_id}")
    tab.locator(".chart canvas").wait_for()
    assert tab.locator("[data-place]").get_attribute("aria-hidden") == "true"
    tab.get_by_text("Activity as a table").click()
    table = tab.get_by_role("table", name="Activity")
    totals = [number(text) for text in table.locator("tbody tr td:nth-child(2)").all_inner_texts()]
    assert sum(totals) == number(tab.locator('[data-metric="sent"] td').first.inner_text())


def test_definitions_open_by_keyboard_and_close_with_escape(open_page: Opener, shop: Shop) -> None:
    tab = open_page("viewer", width=360)
    tab.goto(shop.url + f"/w/{shop.id}/campaigns/{SALE.campaign_id}")
    term = tab.locator('[data-metric="ctr"] .term')
    term.locator("button").focus()
    tip = term.locator(".tip")
    assert tip.is_visible()
    assert "clicks ÷ impressions" in tip.inner_text()
    box = tip.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    tab.keyboard.press("Escape")
    assert not tip.is_visible()
    assert "clicks ÷ impressions" in (term.locator("button").text_content() or "")  # for screen readers


def test_the_experiment_says_what_it_shows(open_page: Opener, shop: Shop) -> None:
    tab = open_page("viewer")
    tab.goto(shop.url + f"/w/{shop.id}/campaigns/{SALE.campaign_id}")
    panel = tab.locator("#experiment")
    panel.locator(".verdict").first.wait_for()
    assert "95 % interval" in panel.inner_text()


def test_the_overview_leads_to_campaigns(open_page: Opener, shop: Shop) -> None:
    tab = open_page("viewer")
    tab.goto(shop.path("/w/{workspace}"))
    tab.locator(".chart canvas").wait_for()
    tab.get_by_role("link", name="WhatsApp").click()
    tab.wait_for_url(re.compile("channel=WHATSAPP"))
    assert tab.get_by_role("link", name=GERMAN.name).is_visible()
