"""Signing in and out, in a real browser: what people do, and what they are kept from."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Opener, sign_in
from tests.browser.shop import PASSWORD, Shop

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow


def add_user(shop: Shop, email: str) -> None:
    shop.server.run(
        "user", "create", email, "--role", "viewer", "--workspace", shop.id, "--password-stdin", stdin=PASSWORD
    )


def notice(page: Page) -> str:
    return page.locator(".notice").first.inner_text()


def test_in_and_out(open_page: Opener, shop: Shop) -> None:
    add_user(shop, "inout@example.com")
    page = open_page(None)
    page.goto(shop.path("/w/{workspace}/settings/numbers"))
    assert "/sign-in?next=" in page.url
    page.get_by_label("E-mail").fill("InOut@Example.com ")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/settings/numbers")
    (cookie,) = [cookie for cookie in page.context.cookies() if cookie["name"] == "campanile_session"]
    assert cookie["httpOnly"] is True
    assert cookie["sameSite"] == "Lax"
    page.locator(".menu.end summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.goto(shop.path("/w/{workspace}/settings/numbers"))
    assert "/sign-in" in page.url


def test_a_wrong_password_says_no_more_than_that(open_page: Opener, shop: Shop) -> None:
    page = open_page(None)
    said = set()
    for email in ("viewer@example.com", "nobody@example.com"):
        sign_in(page, shop, email, "a wrong password")
        said.add(notice(page))
        assert page.get_by_label("E-mail").input_value() == email
        assert page.get_by_label("Password").input_value() == ""
    assert said == {"The e-mail address or the password is wrong."}


def test_many_failures_lock_the_account(open_page: Opener, shop: Shop) -> None:
    add_user(shop, "locked@example.com")
    page = open_page(None)
    for _ in range(10):
        sign_in(page, shop, "locked@example.com", "a wrong password")
    sign_in(page, shop, "locked@example.com")
    assert "Too many failed attempts. Try again in 15 minutes." in notice(page)
    shop.server.run("user", "reset-password", "locked@example.com", "--password-stdin", stdin="another good one")
    sign_in(page, shop, "locked@example.com", "another good one")
    assert "/sign-in" not in page.url


def test_sign_out_everywhere(open_page: Opener, shop: Shop) -> None:
    add_user(shop, "twice@example.com")
    first, second = open_page(None), open_page(None)
    for page in (first, second):
        sign_in(page, shop, "twice@example.com")
    first.goto(shop.url + "/me")
    assert first.get_by_role("table").get_by_role("row").count() == 3
    first.get_by_role("button", name="Sign out everywhere").click()
    first.get_by_role("dialog").get_by_role("button", name="Sign out everywhere").click()
    first.wait_for_url("**/sign-in")
    second.goto(shop.url + "/me")
    assert "/sign-in" in second.url


def test_changing_the_password(open_page: Opener, shop: Shop) -> None:
    add_user(shop, "changes@example.com")
    page = open_page(None)
    sign_in(page, shop, "changes@example.com")
    page.goto(shop.url + "/me")

    def change(old: str, new: str, again: str) -> None:
        page.get_by_label("Current password").fill(old)
        page.get_by_label("New password (required)", exact=True).fill(new)
        page.get_by_label("New password again").fill(again)
        page.get_by_role("button", name="Change password").click()
        page.wait_for_load_state()

    change(PASSWORD, "short", "short")
    assert "10 to 256 characters" in page.locator("#e-password").inner_text()
    change(PASSWORD, "a long enough one", "another one")
    assert "differ" in page.locator("#e-password_again").inner_text()
    change("not the old one", "a long enough one", "a long enough one")
    assert "not the current password" in page.locator("#e-old_password").inner_text()
    change(PASSWORD, "a long enough one", "a long enough one")
    assert notice(page) == "Your password is changed."
    other = open_page(None)
    sign_in(other, shop, "changes@example.com")
    assert "/sign-in" in other.url
    sign_in(other, shop, "changes@example.com", "a long enough one")
    assert "/sign-in" not in other.url


def test_an_invitation(open_page: Opener, shop: Shop) -> None:
    admin = open_page("admin", permissions=["clipboard-read", "clipboard-write"])
    admin.goto(shop.path("/w/{workspace}/settings/users"))
    admin.get_by_label("E-mail").fill("guest@example.com")
    admin.locator("#f-role").select_option("analyst")
    admin.get_by_role("button", name="Make a link").click()
    admin.get_by_role("button", name="Copy link").click()
    admin.get_by_role("button", name="Copied link").wait_for()
    link = admin.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{shop.url}/join?token=")
    guest = open_page(None)
    guest.goto(link)
    guest.get_by_label("Name").fill("Gäste <b>")
    guest.get_by_label("Choose a password").fill(PASSWORD)
    guest.get_by_label("Password again").fill(PASSWORD)
    guest.get_by_role("button", name="Join").click()
    guest.wait_for_url(re.compile(f"/w/{shop.id}"))
    users = json.loads(shop.server.run("user", "list", "--json"))
    (joined,) = [user for user in users if user["email"] == "guest@example.com"]
    assert joined["workspaces"] == {shop.id: "analyst"}
    again = open_page(None)
    again.goto(link)
    assert again.get_by_role("heading").inner_text() == "There is nothing here"


def test_the_theme_is_kept(open_page: Opener, shop: Shop) -> None:
    page = open_page("viewer")
    page.goto(shop.url + "/me")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator(".menu.end summary").click()
    page.get_by_text("Dark", exact=True).click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    assert 'data-theme="dark"' in page.content()
