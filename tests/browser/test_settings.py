"""Keys, switches, intake and audit log, in a real browser and against the API."""

from __future__ import annotations

import json

import pytest

from tests.browser.conftest import Opener
from tests.browser.shop import NASTY, Shop

pytestmark = pytest.mark.slow

STATUS = "/v1/ingest/status"


def test_a_regenerated_key_replaces_the_old_one(open_page: Opener, shop: Shop) -> None:
    made = json.loads(shop.server.run("key", "create", shop.id, "ingest", "--name", "sender", "--json"))
    assert shop.api(made["value"], "GET", STATUS).status_code == 200
    page = open_page("admin", permissions=["clipboard-read", "clipboard-write"])
    page.goto(shop.path("/w/{workspace}/settings/apis"))
    page.get_by_role("row", name=made["key_id"]).get_by_role("link", name="Regenerate").click()
    page.get_by_role("button", name="Regenerate").click()
    page.get_by_role("heading", name="Copy the new key now").wait_for()
    page.get_by_role("button", name="Copy key").click()
    page.get_by_role("button", name="Copied key").wait_for()
    value = page.evaluate("navigator.clipboard.readText()")
    assert value.startswith("cmpi_")
    assert shop.api(value, "GET", STATUS).status_code == 200
    assert shop.api(made["value"], "GET", STATUS).status_code == 401
    page.goto(shop.path("/w/{workspace}/settings/apis"))
    assert value not in page.content()
    page.get_by_role("row", name=made["key_id"]).get_by_role("link", name="Archive").click()
    page.get_by_role("button", name="Archive for good").click()
    assert "is archived" in page.locator(".notice").first.inner_text()
    assert shop.api(value, "GET", STATUS).status_code == 401
    page.goto(shop.path("/w/{workspace}/settings/audit"))
    changes = [row for row in page.get_by_role("row").all_inner_texts() if made["key_id"] in row]
    assert ["key." in row for row in changes] == [True, True, True]
    assert "admin@example.com" in changes[0]
    assert value not in page.content()


def test_a_new_key_is_shown_once(open_page: Opener, shop: Shop) -> None:
    page = open_page("admin")
    page.goto(shop.path("/w/{workspace}/settings/apis"))
    page.locator("#f-name").fill(NASTY)
    page.locator("#f-kind").select_option("manage")
    page.get_by_role("button", name="Create key").click()
    value = page.locator(".copyable code").inner_text()
    assert shop.api(value, "GET", "/v1/ingest/status").status_code == 200
    page.get_by_role("link", name="I have copied it").click()
    page.get_by_role("heading", name="Keys", exact=True).wait_for()
    assert value not in page.content()


def test_switches_say_what_is_wrong_beside_the_field(open_page: Opener, shop: Shop) -> None:
    page = open_page("admin")
    page.goto(shop.path("/w/{workspace}/settings/stats-api"))
    page.get_by_label("Requests per minute").fill("many")
    page.get_by_label("Campaigns per request").fill("51")
    page.get_by_role("button", name="Save").click()
    assert "whole number" in page.locator("#e-rate_limit").inner_text()
    assert "from 1 to 50" in page.locator("#e-max_campaign_ids").inner_text()
    assert page.get_by_label("Requests per minute").input_value() == "many"
    assert page.get_by_label("Requests per minute").get_attribute("aria-invalid") == "true"
    page.get_by_label("Requests per minute").fill("90")
    page.get_by_label("Campaigns per request").fill("20")
    page.get_by_label("List campaigns without events in the range").check()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    settings = json.loads(shop.server.run("workspace", "set", shop.id, "--json"))["settings"]
    assert (settings["rate_limit"], settings["max_campaign_ids"], settings["list_inactive"]) == (90, 20, True)
    page.get_by_label("Requests per minute").fill("")
    page.get_by_label("List campaigns without events in the range").uncheck()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    settings = json.loads(shop.server.run("workspace", "set", shop.id, "--json"))["settings"]
    assert (settings["rate_limit"], settings["list_inactive"]) == (100, False)


def test_viewers_see_switches_and_cannot_move_them(open_page: Opener, shop: Shop) -> None:
    page = open_page("viewer")
    page.goto(shop.path("/w/{workspace}/settings/numbers"))
    assert page.get_by_label("Time zone").is_disabled()
    assert page.get_by_role("button", name="Save").count() == 0
    assert page.get_by_role("link", name="Users").count() == 0
    answer = page.goto(shop.path("/w/{workspace}/settings/users"))
    assert answer is not None
    assert answer.status == 403


def test_intake_health_tells_what_was_refused(open_page: Opener, shop: Shop) -> None:
    status = shop.must(shop.keys.ingest_key, "GET", STATUS)
    page = open_page("viewer")
    page.goto(shop.path("/w/{workspace}/settings/health"))
    numbers = page.locator(".kpi-value").all_inner_texts()
    assert numbers[:3] == [f"{status[name]:,}" for name in ("accepted", "duplicates", "rejected")]
    rejects = shop.must(shop.keys.ingest_key, "GET", "/v1/ingest/rejects")["rejects"]
    assert rejects[0]["code"] in page.get_by_role("table").first.inner_text()
