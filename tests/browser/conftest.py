"""A real browser on a real server. Each test gets a fresh browser profile; the server is shared by the process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from campanile.users.schemas import Role
from tests.browser.shop import PASSWORD, Shop, served_shop
from tests.support.processes import scratch_folder

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

AXE = Path(__file__).parent.parent / "node_modules" / "axe-core" / "axe.min.js"
TIMEOUT = 30_000
"""Milliseconds to wait for anything: a busy machine is not what is tested."""
EXPECTED = ("Failed to load resource: the server responded with a status of 4",)
"""What the console says of refusals that tests provoke."""


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    with scratch_folder("browser") as folder, served_shop(folder / "data") as shop:
        yield shop


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Closed after each file: while it is open, an event loop runs in this thread, and no other test can start one."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "Chromium is missing: make setup"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def sessions(shop: Shop, chromium: Browser) -> dict[str, Any]:
    """The cookies of somebody of each role, signed in once per file."""
    states: dict[str, Any] = {}
    for role in ("admin", "analyst", "viewer"):
        context = chromium.new_context()
        page = context.new_page()
        sign_in(page, shop, f"{role}@example.com")
        states[role] = context.storage_state()
        context.close()
    return states


Opener = Callable[..., "Page"]
"""`open_page(role, width=1440, scheme="light", …)`: an empty page; role None for nobody."""


@pytest.fixture
def open_page(shop: Shop, chromium: Browser, sessions: dict[str, Any]) -> Iterator[Opener]:
    """Pages that fail the test when a script fails, the content policy is broken, or something is fetched elsewhere."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_(role: Role | None, *, width: int = 1440, scheme: str = "light", **options: Any) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            storage_state=sessions[role] if role else None,
            reduced_motion="reduce",
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT)
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        page.on(
            "console",
            lambda message: (
                complaints.append(f"console: {message.text}")
                if message.type in ("error", "warning") and not message.text.startswith(EXPECTED)
                else None
            ),
        )
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((shop.url, "data:")) else complaints.append(f"fetched {request.url}")
            ),
        )
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def sign_in(page: Page, shop: Shop, email: str, password: str = PASSWORD) -> None:
    """Fill the form and wait for the page after it."""
    page.goto(shop.url + "/sign-in")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()


def serious_findings(page: Page) -> list[str]:
    """What axe finds serious or worse on the page, readable."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{item['id']}: {item['help']}: {node['html'][:200]}"
        for item in found["violations"]
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]
