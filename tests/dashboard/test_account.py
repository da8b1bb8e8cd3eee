"""Signing in over HTTP: cookies, where one comes out, and the pages for people without an account."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from campanile.http.pages import local_path
from campanile.http.visits import make_cookie
from campanile.settings import Settings
from tests.dashboard.site import PASSWORD, Site


def test_the_session_cookie(site: Site) -> None:
    answer = site.visitor().sign_in("viewer@example.com")
    (cookie,) = [text for text in answer.headers.get_list("set-cookie") if text.startswith("campanile_session=")]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Max-Age=2592000" in cookie
    assert "Secure" not in cookie


@pytest.mark.parametrize("strict", [True, False])
def test_cookies_over_https(strict: bool) -> None:
    services: Any = SimpleNamespace(settings=Settings(base_url="https://campanile.example.com/"))
    header = make_cookie(services, "session", "value", strict=strict).to_header()
    assert "__Host-campanile_session=value" in header
    assert "Secure" in header
    assert f"SameSite={'strict' if strict else 'lax'}" in header
    assert "Domain" not in header


def test_the_form_before_signing_in_is_strict(site: Site) -> None:
    (cookie,) = site.visitor().get("/sign-in").headers.get_list("set-cookie")
    assert cookie.startswith("campanile_form=")
    assert "SameSite=strict" in cookie
    assert "HttpOnly" in cookie


def test_after_signing_in_one_is_where_one_wanted_to_be(site: Site) -> None:
    person = site.visitor()
    answer = person.get(f"/w/{site.id}/settings/audit?before=7")
    assert answer.headers["location"] == "/sign-in?next=%2Fw%2FWSHOP%2Fsettings%2Faudit%3Fbefore%3D7"
    page = person.get(answer.headers["location"])
    assert 'name="next" value="/w/WSHOP/settings/audit?before=7"' in page.text
    done = person.post(
        "/sign-in",
        {"email": "admin@example.com", "password": PASSWORD, "next": "/w/WSHOP/settings/audit?before=7"},
    )
    assert done.headers["location"] == "/w/WSHOP/settings/audit?before=7"
    assert person.get("/sign-in?next=/me").headers["location"] == "/me"


@pytest.mark.parametrize(
    "wanted", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "me", "/\nx", ""]
)
def test_nobody_is_sent_elsewhere(site: Site, wanted: str) -> None:
    assert local_path(wanted) is None
    person = site.visitor()
    person.get("/sign-in")
    done = person.post("/sign-in", {"email": "viewer@example.com", "password": PASSWORD, "next": wanted})
    assert done.headers["location"] == "/"


def test_home_is_the_workspace_looked_at_last(site: Site) -> None:
    person = site.visitor()
    assert person.get("/").headers["location"] == "/sign-in"
    site.services.users.create("both@example.com", password=PASSWORD, role="viewer", workspace_id="WOTHER", name="Both")
    site.services.users.members.set_role("WSHOP", site.services.users.get("both@example.com").id, "viewer")
    person.sign_in("both@example.com")
    assert person.get("/").headers["location"].startswith("/w/WOTHER")  # first by name
    person.get("/w/WSHOP/settings/apis")
    assert person.get("/").headers["location"].startswith("/w/WSHOP")
    person.cookies["campanile_workspace"] = "NOBODY"
    assert person.get("/").headers["location"].startswith("/w/WOTHER")
    listed = person.get("/workspaces").text
    assert "Other" in listed
    assert "Shop" in listed


def test_setup_is_closed_when_there_are_users(site: Site) -> None:
    person = site.visitor()
    assert person.get("/setup?token=0123456789abcdef").status_code == 404
    person.get("/sign-in")
    fields = {"token": "x", "email": "x@example.com", "password": PASSWORD, "password_again": PASSWORD}
    assert person.post("/setup", fields).status_code == 404


def test_an_invitation_is_used_once(site: Site) -> None:
    token = site.services.users.members.invite(site.id, "new@example.com", "viewer")
    person = site.visitor()
    assert "new@example.com is invited as viewer" in person.get(f"/join?token={token}").text
    wrong = person.post("/join", {"token": token, "name": "New", "password": PASSWORD, "password_again": "x"})
    assert wrong.status_code == 422
    assert "The two passwords differ." in wrong.text
    joined = person.post("/join", {"token": token, "name": "New", "password": PASSWORD, "password_again": PASSWORD})
    assert joined.headers["location"] == "/w/WSHOP"
    assert person.get("/w/WSHOP/settings/apis").status_code == 200
    assert site.visitor().get(f"/join?token={token}").status_code == 404


def test_an_invitation_of_somebody_known(site: Site) -> None:
    token = site.services.users.members.invite(site.id, "stranger@example.com", "analyst")
    assert "Sign in to join" in site.visitor().get(f"/join?token={token}").text
    viewer, stranger = site.viewer, site.people["stranger"]
    assert "you are signed in as viewer@example.com" in viewer.get(f"/join?token={token}").text
    assert viewer.post("/join/accept", {"token": token}).status_code == 409
    stranger.get(f"/join?token={token}")
    assert stranger.post("/join/accept", {"token": token}).headers["location"] == "/w/WSHOP"
    site.services.users.members.remove(site.id, site.services.users.get("stranger@example.com").id)


def test_errors_are_pages_for_people_and_json_for_programs(site: Site) -> None:
    client = site.server.client
    for path in ("/w/x/y/z", "/nothing"):
        page = client.get(path, headers={"Accept": "text/html,*/*"}, follow_redirects=False)
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["x-request-id"] in page.text
    for path, accept in (("/nothing", "*/*"), ("/v1/nothing", "text/html"), ("/v1/reports", "text/html")):
        answer = client.get(path, headers={"Accept": accept}, follow_redirects=False)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["error"]["type"]


def test_a_part_of_a_page_sends_the_whole_page_to_sign_in(site: Site) -> None:
    answer = site.visitor().get("/me", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in")


def test_assets_are_kept_for_good(site: Site) -> None:
    url = site.services.pages.assets.url("app.css")
    answer = site.server.client.get(url, headers={"Accept-Encoding": "br"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "br"
    assert answer.headers["content-type"].startswith("text/css")
    assert site.server.client.get(url.replace("app.css", "../assets.py")).status_code == 404
