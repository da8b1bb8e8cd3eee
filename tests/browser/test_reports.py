"""Somebody builds a report in three steps, runs it, downloads it, and fetches it with the calls that are shown."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Opener
from tests.browser.shop import BEHIND, NASTY, SHORT, Shop

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

pytestmark = pytest.mark.slow

PATIENCE = 30_000
"""Milliseconds to wait for something to appear on a busy machine."""


def step(tab: Tab, number: int) -> None:
    tab.wait_for_selector(f"#builder[data-step='{number}']")


def build(tab: Tab, shop: Shop, name: str) -> None:
    """The whole way, with the mistakes people make."""
    tab.goto(shop.path("/w/{workspace}/reports"))
    tab.get_by_role("link", name="New report").click()
    tab.locator("#next").click()
    expect(tab.get_by_role("alert").first).to_contain_text("Name is required.")
    step(tab, 1)
    tab.get_by_label("Name of the report").fill(name)
    tab.locator("#channel-EMAIL").check()
    tab.get_by_label("Campaigns that were active in").select_option("last_30_days")
    tab.locator("#next").click()
    step(tab, 2)
    expect(tab.locator("#step-2")).to_be_focused()
    columns(tab)
    tab.locator("#next").click()
    step(tab, 3)
    tab.get_by_text("Weekly", exact=True).click()
    tab.get_by_label("Monday").uncheck()
    tab.get_by_label("Tuesday").check()
    tab.get_by_label("Time zone").fill(BEHIND)
    runs = tab.locator("#next-runs li")
    expect(runs).to_have_count(5, timeout=PATIENCE)
    expect(runs.first).to_contain_text("Tuesday", timeout=PATIENCE)
    expect(runs.first).to_contain_text("in UTC", timeout=PATIENCE)
    tab.locator("#save").click()
    tab.get_by_role("heading", name=name, level=1).wait_for()


def columns(tab: Tab) -> None:
    """Fewer columns, one more, and one of one's own, whose formula is wrong at first."""
    tab.locator("[id='remove-campaign.type']").click()
    tab.get_by_role("button", name="Back to the usual ones").wait_for()
    tab.get_by_label("Find more columns").fill("browser cl")
    tab.get_by_label("Find more columns").fill("sending type")
    tab.locator("[id='add-campaign.sending_type']").click()
    tab.locator("[id='up-campaign.sending_type']").wait_for()
    tab.get_by_role("button", name="Add an own column").click()
    tab.get_by_label("Header", exact=True).fill(NASTY[:100])
    formula = tab.get_by_label("Formula", exact=True)
    formula.fill("@{campaign-stats.sent} / @{campaign-stats.clickz}")
    fault = tab.locator("#custom-0-check")
    expect(fault).to_contain_text("similar: campaign-stats.clicks", timeout=PATIENCE)
    expect(tab.locator(".fault mark")).to_have_text("@{campaign-stats.clickz}")
    expect(formula).to_have_attribute("aria-invalid", "true")
    formula.fill("2 * ")
    tab.locator("#columns-chosen [data-insert='campaign-stats.sent']").click()
    expect(formula).to_have_value("2 * @{campaign-stats.sent}")
    expect(fault).to_contain_text("Reads Total Sent", timeout=PATIENCE)
    expect(formula).not_to_have_attribute("aria-invalid", "true")
    expect(tab.locator("#preview thead")).to_contain_text(NASTY[:20], timeout=PATIENCE)
    expect(tab.locator("#preview tbody")).to_contain_text(SHORT[:2], timeout=PATIENCE)


def test_a_report_from_its_name_to_its_file(open_page: Opener, shop: Shop, tmp_path: Path) -> None:
    tab = open_page("analyst", accept_downloads=True)
    build(tab, shop, "Weekly mail")
    expect(tab.get_by_text(f"Every Tuesday at 06:00, {BEHIND}").first).to_be_visible()
    expect(tab.locator(".coming li")).to_have_count(5)
    tab.get_by_role("button", name="Run now").click()
    tab.get_by_role("link", name="Download").wait_for(timeout=PATIENCE)
    with tab.expect_download() as started:
        tab.get_by_role("link", name="Download").click()
    content = Path(started.value.path()).read_bytes()
    (member,) = zipfile.ZipFile(io.BytesIO(content)).namelist()
    header = zipfile.ZipFile(io.BytesIO(content)).read(member).decode().splitlines()[0]
    assert "Campaign Sending Type" in header
    assert "Campaign Type" not in header
    assert NASTY[:9].replace('"', '""') in header
    assert started.value.suggested_filename.startswith("Weekly_mail_")
    for command, code in ((["sh", "-ec"], "#call-curl"), ([sys.executable, "-c"], "#call-python")):
        assert fetched(command, tab.locator(code).inner_text(), shop, tmp_path) == content
    assert shop.keys.report_key not in tab.content()


def fetched(command: Sequence[str], code: str, shop: Shop, folder: Path) -> bytes:
    """What a call that a page shows leaves in an empty folder."""
    for old in folder.iterdir():
        old.unlink()
    environment = {**os.environ, "CAMPANILE_REPORT_KEY": shop.keys.report_key}
    subprocess.run([*command, code], cwd=folder, env=environment, check=True, timeout=60)
    (file,) = folder.iterdir()
    return file.read_bytes()


def test_viewers_look_and_download(open_page: Opener, shop: Shop) -> None:
    tab = open_page("viewer", accept_downloads=True)
    tab.goto(shop.path("/w/{workspace}/reports"))
    assert tab.get_by_role("link", name="New report").count() == 0
    tab.get_by_role("link", name="Daily mail", exact=True).click()
    assert tab.locator("main form").count() == 0
    with tab.expect_download() as started:
        tab.get_by_role("link", name=re.compile("Download Daily_mail")).first.click()
    assert Path(started.value.path()).stat().st_size > 0
    for path in ("/w/{workspace}/reports/new", "/w/{workspace}/reports/{report}/edit"):
        answer = tab.goto(shop.path(path))
        assert answer is not None
        assert answer.status == 403


def test_pausing_duplicating_and_deleting(open_page: Opener, shop: Shop) -> None:
    tab = open_page("analyst")
    tab.goto(shop.path("/w/{workspace}/reports/{report}"))
    tab.get_by_role("button", name="Pause").click()
    expect(tab.get_by_text("The report is paused")).to_be_visible()
    tab.get_by_role("button", name="Resume").click()
    expect(tab.get_by_text("goes on with its next slot")).to_be_visible()
    tab.get_by_role("button", name="Duplicate").click()
    expect(tab.get_by_label("Name of the report")).to_have_value("Copy of Daily mail")
    tab.get_by_role("button", name="Save as a draft").click()
    expect(tab.get_by_text("Saved as a draft.")).to_be_visible()
    tab.get_by_role("link", name="Delete").click()
    tab.get_by_role("button", name="Delete for good").click()
    expect(tab.get_by_text("“Copy of Daily mail” is deleted")).to_be_visible()
    assert tab.get_by_role("link", name="Copy of Daily mail").count() == 0


def test_chosen_campaigns(open_page: Opener, shop: Shop) -> None:
    tab = open_page("analyst")
    tab.goto(shop.path("/w/{workspace}/reports/new?campaign={nasty_campaign}"))
    expect(tab.locator("#picked")).to_contain_text(NASTY)
    tab.get_by_label("Find campaigns").fill("VOUCHER hut")
    expect(tab.locator("#campaign-matches li")).to_have_count(1, timeout=PATIENCE)
    tab.locator("#campaign-matches button").first.click()
    expect(tab.locator("#picked li")).to_have_count(2)
    tab.locator("#picked button").first.focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#picked li")).to_have_count(1)
    expect(tab.locator("#picked")).to_be_focused()
