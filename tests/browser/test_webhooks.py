"""Connecting a provider in a real browser: what is copied from the page works, and stops working when it is deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.browser.conftest import Opener
from tests.browser.shop import NASTY, NASTY_CAMPAIGN, Shop
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.slow


def shown_deliveries(page: Page, count: int) -> Locator:
    """The rows of a webhook's deliveries, once there are so many: they are written down in the background."""
    rows = page.get_by_role("table", name="Last deliveries", exact=True).locator("tbody tr")

    def arrived() -> bool:
        page.reload()
        return rows.count() == count

    wait_until(arrived, what="the list of deliveries")
    return rows


def test_connecting_a_provider(open_page: Opener, shop: Shop) -> None:
    page = open_page("admin", permissions=["clipboard-read", "clipboard-write"])
    page.goto(shop.path("/w/{workspace}/settings/webhooks"))
    page.get_by_role("link", name="Postmark", exact=True).click()
    page.get_by_label("Name", exact=True).fill(NASTY[:80])
    page.get_by_label("Campaign of events that name none").fill("summer")
    page.get_by_role("button", name="Create").click()
    assert "24 hexadecimal digits" in page.locator("#e-campaign_id").inner_text()
    assert page.get_by_label("Name", exact=True).input_value() == NASTY[:80]
    page.get_by_label("Campaign of events that name none").fill(NASTY_CAMPAIGN)
    page.get_by_role("button", name="Create").click()
    page.get_by_role("heading", name="Enter this at Postmark").wait_for()
    url, secret = page.locator(".copyable code").all_inner_texts()
    page.get_by_role("button", name="Copy secret").click()
    page.get_by_role("button", name="Copied secret").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == secret

    def report(password: str) -> httpx.Response:
        body = {"RecordType": "Delivery", "MessageID": f"b-{secret}", "Recipient": "ada@example.net",
                "DeliveredAt": datetime.now(UTC).isoformat(), "Metadata": {"user_id": "n-7"}}  # fmt: skip
        return httpx.post(url, json=body, auth=("hook", password), timeout=60)

    assert report(secret).json()["accepted"] == 2
    assert report("wrong").status_code == 401
    page.get_by_role("link", name="I have copied it").click()
    page.wait_for_url("**/settings/webhooks/hk_*")
    assert secret not in page.content()
    deliveries = shown_deliveries(page, 2)
    assert sorted(deliveries.get_by_role("rowheader").all_inner_texts())[0].startswith("refused")
    assert (
        "The secret here is not the one"
        in page.get_by_role("table", name="Errors among the last deliveries").inner_text()
    )
    page.get_by_role("button", name="Test call").click()
    trial = page.get_by_role("table", name="Events of the test call")
    trial.wait_for()
    assert "delivered" in trial.inner_text()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    page.get_by_text("The webhook is deleted.").wait_for()
    assert report(secret).status_code == 404
    page.goto(shop.path("/w/{workspace}/settings/audit"))
    assert secret not in page.content()
    assert "hook.deleted" in page.get_by_role("table").inner_text()


def test_viewers_see_how_webhooks_are_doing_and_no_more(open_page: Opener, shop: Shop) -> None:
    page = open_page("viewer")
    page.goto(shop.path("/w/{workspace}/settings/webhooks/{hook}"))
    shown_deliveries(page, 3)
    assert page.get_by_role("button", name="Test call").count() == 0
    assert "/v1/hooks/" not in page.content()
    answer = page.goto(shop.path("/w/{workspace}/settings/webhooks/new/postmark"))
    assert answer is not None
    assert answer.status == 403
