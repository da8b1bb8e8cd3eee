"""What holds for every route of the dashboard, taken from the list of its routes."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from campanile.dashboard.routes import dashboard_routes
from campanile.http.pages import POLICY
from campanile.users.schemas import ROLES
from tests.dashboard.pages import PAGES, Page
from tests.dashboard.site import Site

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
OWN = frozenset({"/sign-in", "/sign-out", "/setup", "/join", "/join/accept", "/me/password", "/me/sign-out-everywhere"})
"""Unsafe routes that everybody may use: they concern the one who calls."""
OPEN = frozenset({"/sign-in", "/setup", "/join"})
"""Routes for people without a session."""


class Route(NamedTuple):
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def filled(self, site: Site) -> str:
        """The path with ids in it: of the workspace, and made-up ones, since roles are looked at first."""
        parts = self.path.replace("{workspace_id:str}", site.id).split("/")
        return "/".join("something" if part.startswith("{") else part for part in parts)


ROUTES = sorted(
    Route(method, path)
    for handler in dashboard_routes()
    for path in handler.paths
    for method in handler.http_methods
    if not path.startswith("/assets/")
)
UNSAFE_ROUTES = [route for route in ROUTES if route.method in UNSAFE]


def test_there_are_routes() -> None:
    assert len(UNSAFE_ROUTES) > 10
    assert {route.path for route in UNSAFE_ROUTES} >= OWN


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_nobody_gets_in_without_signing_in(site: Site, route: Route) -> None:
    if route.path in OPEN:
        return
    answer = site.visitor().send(route.method, route.filled(site))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("route", UNSAFE_ROUTES, ids=str)
@pytest.mark.parametrize("who", [*ROLES, "nobody"])
def test_forged_forms_are_refused(site: Site, route: Route, who: str) -> None:
    """Without the token, with somebody else's, and sent by another site, whoever is asked to send it."""
    if who == "nobody" and route.path not in OPEN:
        return
    person = site.visitor() if who == "nobody" else site.people[who]
    stranger = site.people["stranger"]
    if who == "nobody":
        person.get("/sign-in")
    path = route.filled(site)
    for fields in ({}, {"csrf": ""}, {"csrf": stranger.csrf}, {"csrf": "ä"}):
        answer = person.send(route.method, path, fields)
        assert answer.status_code == 403, fields
    token = person.csrf
    assert token
    answer = person.send(route.method, path, {"csrf": token}, {"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


@pytest.mark.parametrize("route", [route for route in UNSAFE_ROUTES if route.path not in OWN], ids=str)
def test_viewers_change_nothing(site: Site, route: Route) -> None:
    viewer = site.viewer
    before = site.services.audit.page(site.id)
    answer = (
        viewer.post(route.filled(site))
        if route.method == "POST"
        else viewer.send(route.method, route.filled(site), {"csrf": viewer.csrf})
    )
    assert answer.status_code == 403
    assert "You may not do this" in answer.text
    assert site.services.audit.page(site.id) == before


@pytest.mark.parametrize("route", [route for route in ROUTES if "{workspace_id" in route.path], ids=str)
def test_strangers_see_what_nobody_has(site: Site, route: Route) -> None:
    """Somebody else's workspace answers like one that does not exist."""
    stranger = site.people["stranger"]
    path = route.filled(site)
    given = stranger.send(route.method, path, {"csrf": stranger.csrf} if route.method in UNSAFE else None)
    unknown = stranger.send(
        route.method, path.replace(site.id, "NOBODY"), {"csrf": stranger.csrf} if route.method in UNSAFE else None
    )
    assert given.status_code == unknown.status_code == 404
    assert "There is no such workspace" in given.text


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_pages_carry_their_headers(site: Site, page: Page) -> None:
    person = site.visitor() if page.role is None else site.admin
    answer = person.get(page.path.format_map(_Anything(workspace=site.id, key=site.key_id())))
    headers = answer.headers
    assert headers["content-type"] == "text/html; charset=utf-8" or answer.status_code == 303
    assert headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "private, no-store"


class _Anything(dict[str, str]):
    """Ids of other tests' things; pages without them are 404 pages, with the same headers."""

    def __missing__(self, key: str) -> str:
        return "0" * 24
