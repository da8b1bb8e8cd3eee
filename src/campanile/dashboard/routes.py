"""All pages of the dashboard, and the files they load."""

from __future__ import annotations

from typing import Protocol

import anyio.to_thread
from litestar import route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, SkipValidation

from campanile.dashboard.account.routes import account_routes
from campanile.dashboard.arrival.routes import arrival_routes
from campanile.dashboard.assets import ROOT
from campanile.dashboard.builder.routes import builder_routes
from campanile.dashboard.campaigns.routes import campaign_pages
from campanile.dashboard.navigation import MAIN
from campanile.dashboard.overview.routes import overview_pages
from campanile.dashboard.people.routes import people_routes
from campanile.dashboard.rendering import Renderer
from campanile.dashboard.reports.routes import report_pages
from campanile.dashboard.settings.routes import settings_routes
from campanile.dashboard.webhooks.routes import webhook_routes
from campanile.http.pages import PageResponse, redirect
from campanile.http.responses import ReadyResponse
from campanile.http.visits import WORKSPACE, AnyRequest, PageGate, enter, read_cookie

ASSET_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class AssetGate(Protocol):
    """What the files need of the services."""

    @property
    def pages(self) -> Renderer: ...


def dashboard_routes() -> list[HTTPRouteHandler]:
    """Every route of the dashboard. Handlers get `services`."""
    return [
        home,
        workspaces,
        asset,
        *account_routes(),
        *arrival_routes(),
        *people_routes(),
        *overview_pages(),
        *campaign_pages(),
        *report_pages(),
        *builder_routes(),
        *settings_routes(),
        *webhook_routes(),
    ]


@route("/", http_method=["GET"], include_in_schema=False)
async def home(request: AnyRequest, services: NamedDependency[SkipValidation[PageGate]]) -> PageResponse:
    """On to the workspace looked at last, else to the first one. Without any user yet: to the page that says how."""
    if not read_cookie(request, services, "session"):
        return redirect(request, "/sign-in")
    visit = await enter(request, services)
    known = dict(await anyio.to_thread.run_sync(services.users.members.workspaces, visit.user))
    last = read_cookie(request, services, WORKSPACE)
    chosen = last if last in known else next(iter(known), "")
    return redirect(request, f"/w/{chosen}{MAIN[0].path}" if chosen else "/workspaces")


@route("/workspaces", http_method=["GET"], include_in_schema=False)
async def workspaces(request: AnyRequest, services: NamedDependency[SkipValidation[PageGate]]) -> PageResponse:
    """All workspaces of the user."""
    visit = await enter(request, services)
    return await visit.render("workspaces.html", start=MAIN[0].path)


@route(ROOT + "/{version:str}/{name:path}", http_method=["GET"], include_in_schema=False)
async def asset(
    request: AnyRequest,
    services: NamedDependency[SkipValidation[AssetGate]],
    version: FromPath[str],
    name: FromPath[str],
) -> ReadyResponse:
    """A style sheet, a script, a picture; kept by browsers for good."""
    accepted = request.headers.get("accept-encoding", "")
    found = await anyio.to_thread.run_sync(services.pages.assets.get, version, name.strip("/"), accepted)
    headers = {**ASSET_HEADERS, "Content-Encoding": found.coding} if found.coding else ASSET_HEADERS
    return ReadyResponse(found.content, media_type=found.media_type, headers=headers)
