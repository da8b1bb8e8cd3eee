"""The first page of a workspace."""

from __future__ import annotations

from typing import Protocol

from litestar import route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, SkipValidation

from campanile.campaigns.service import CampaignService
from campanile.clock import Clock
from campanile.dashboard.campaigns.routes import render_view, view_of
from campanile.dashboard.overview.service import Counting, OverviewPages, Reports
from campanile.http.pages import PageResponse
from campanile.http.visits import AnyRequest, PageGate, enter_workspace


class OverviewGate(PageGate, Protocol):
    """What this page needs of the services."""

    @property
    def clock(self) -> Clock: ...
    @property
    def campaigns(self) -> CampaignService: ...
    @property
    def analysis(self) -> Counting: ...
    @property
    def runs(self) -> Reports: ...


def overview_pages() -> list[HTTPRouteHandler]:
    """The routes of this page."""
    return [overview]


@route("/w/{workspace_id:str}", http_method=["GET"], include_in_schema=False)
async def overview(
    request: AnyRequest, services: NamedDependency[SkipValidation[OverviewGate]], workspace_id: FromPath[str]
) -> PageResponse:
    """Numbers of the workspace against the period before, channels, top and flop, alerts."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    view = view_of(visit, services)
    pages = OverviewPages(services.analysis, services.campaigns, services.runs)
    found = await pages.overview(visit.workspace, view, services.clock.now())
    return await render_view(visit, "overview/page.html", view, title="Overview", overview=found, base=visit.url())
