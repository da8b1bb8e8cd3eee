"""Settings: keys and addresses of the APIs."""

from __future__ import annotations

import anyio.to_thread
from litestar import route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, SkipValidation

from campanile.dashboard.navigation import SETTINGS
from campanile.http.pages import PageResponse, redirect
from campanile.http.visits import AnyRequest, PageGate, enter_workspace

Services = NamedDependency[SkipValidation[PageGate]]


def settings_routes() -> list[HTTPRouteHandler]:
    """The pages of the settings."""
    return [settings_home, apis]


@route("/w/{workspace_id:str}/settings", http_method=["GET"], include_in_schema=False)
async def settings_home(request: AnyRequest, services: Services, workspace_id: FromPath[str]) -> PageResponse:
    """On to the first page of the settings."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    return redirect(request, visit.url(SETTINGS[0].path))


@route("/w/{workspace_id:str}/settings/apis", http_method=["GET"], include_in_schema=False)
async def apis(request: AnyRequest, services: Services, workspace_id: FromPath[str]) -> PageResponse:
    """Workspace id, address of the server, keys without their values."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    keys = await anyio.to_thread.run_sync(services.workspaces.list_keys, workspace_id)
    return await visit.render(
        "settings/apis.html", keys=keys, base_url=services.settings.resolved_base_url, title="APIs"
    )
