"""What holds for every page of the list: readable, usable, small, and deaf to markup in names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Opener, serious_findings
from tests.browser.shop import MARKER, NASTY, SHORT, Shop
from tests.dashboard.pages import PAGES, Page

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

pytestmark = pytest.mark.slow

SCREENSHOTS = Path(__file__).parent.parent.parent / "build" / "screenshots"
PAGE_BYTES = 200_000
"""Files a page may load, compressed."""
WIDTHS = (360, 1440)
SCHEMES = ("light", "dark")


def visit(tab: Tab, shop: Shop, page: Page) -> None:
    tab.goto(shop.path(page.path))
    tab.wait_for_selector(page.ready)
    tab.wait_for_load_state()
    tab.wait_for_selector(".htmx-request", state="detached")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_widths_screenshots_and_axe(open_page: Opener, shop: Shop, page: Page) -> None:
    """No page scrolls sideways, axe finds nothing serious, and pictures of all of them are in build/screenshots."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        for width in WIDTHS:
            tab = open_page("admin" if page.role else None, width=width, scheme=scheme)
            visit(tab, shop, page)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, (scheme, width)
            tab.screenshot(path=SCREENSHOTS / f"{page.name}-{scheme}-{width}.png", full_page=True)
            if width == max(WIDTHS):
                assert serious_findings(tab) == [], scheme


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_names_stay_names_and_pages_are_small(open_page: Opener, shop: Shop, page: Page) -> None:
    tab = open_page("admin" if page.role else None)
    tab.on("dialog", lambda dialog: pytest.fail(f"a name opened a dialog: {dialog.message}"))
    loaded: dict[str, int] = {}
    tab.on("requestfinished", lambda request: loaded.update({request.url: request.sizes()["responseBodySize"]}))
    visit(tab, shop, page)
    assert tab.locator(f"[{MARKER}]").count() == 0
    assert tab.locator("img[src='x']").count() == 0
    if page.role is not None:  # the name of the user is in every header
        assert NASTY[:12] in (tab.locator(".menu.end summary").text_content() or "")
    if page.name == "campaign-nasty":
        assert NASTY in tab.locator("h1").inner_text()
        assert SHORT in tab.locator("main").inner_text()
    assets = {url: size for url, size in loaded.items() if "/assets/" in url}
    assert assets
    assert sum(assets.values()) < PAGE_BYTES, assets


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_keyboard_reaches_everything(open_page: Opener, shop: Shop, page: Page) -> None:
    """Tab visits every control in the order of the document, shows where it is, and finds the way out again."""
    tab = open_page("admin" if page.role else None)
    visit(tab, shop, page)
    wanted = tab.evaluate(
        """() => [...document.querySelectorAll(
             'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
           .filter((it) => it.checkVisibility() && !it.disabled && !it.closest('fieldset[disabled]')
              && (it.type !== 'radio' || it.checked))
           .map((it, number) => (it.dataset.number = number))"""
    )
    reached: list[str] = []
    stops = len(wanted) + 4 * tab.locator("input[type=date]").count()  # a date has parts of its own
    for _ in range(stops + 3):
        tab.keyboard.press("Tab")
        number, outlined = tab.evaluate(
            """() => { const it = document.activeElement, style = getComputedStyle(it);
               const shown = it.type === 'radio' ? getComputedStyle(it.nextElementSibling) : style;
               return [it.dataset.number ?? '', shown.outlineStyle !== 'none'] }"""
        )
        if number:
            assert outlined, f"control {number} does not show that it has the focus"
            if number not in reached:
                reached.append(number)
    assert sorted(reached, key=int) == [str(number) for number in wanted]
    assert reached == sorted(reached, key=int)
