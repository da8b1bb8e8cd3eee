"""`POST /core-services/v1/campaign-stats`; the order of checks is part of its contract (Stats API 2)."""

from __future__ import annotations

from typing import Any, Protocol

from litestar import Request, route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import SkipValidation

from campanile.errors import Forbidden, RateLimited, Unauthenticated, UnsupportedMediaType
from campanile.http.auth import Gate, app_keys, authenticate
from campanile.http.bodies import read_body
from campanile.http.context import context_of
from campanile.http.responses import JSON, ReadyResponse
from campanile.stats.schemas import MAX_BODY_BYTES, InvalidField, parse_request
from campanile.stats.service import StatsService
from campanile.workspaces.schemas import Principal

PATH = "/core-services/v1/campaign-stats"
SCOPE = "stats:read"


class StatsGate(Gate, Protocol):
    """What this route needs of the services."""

    @property
    def stats(self) -> StatsService: ...


def stats_routes() -> list[HTTPRouteHandler]:
    """The routes of the Stats API."""
    return [campaign_stats]


@route(PATH, http_method=["POST"], status_code=200, summary="Statistics of campaigns", tags=["stats"])
async def campaign_stats(
    request: Request[Any, Any, Any], services: NamedDependency[SkipValidation[StatsGate]]
) -> ReadyResponse:
    """Path, method and their 404 and 405 are settled by the router; everything else is settled here, in order."""
    body = await read_body(request, limit=MAX_BODY_BYTES)
    principal = await authenticate(request, services)
    _check_app_key(request, principal)
    await _count(request, services, principal)
    settings = principal.workspace.settings
    if not settings.stats_enabled or SCOPE not in principal.scopes:
        raise Forbidden("Statistics are not enabled for this workspace or key.")
    media_type = request.headers.get("content-type", "").partition(";")[0]
    if media_type.strip().lower() != JSON:
        raise UnsupportedMediaType("Content-Type must be application/json.")
    query = parse_request(body, max_campaign_ids=settings.max_campaign_ids)
    dialect = principal.stats_dialect or settings.stats_dialect
    answer = await services.stats.answer(principal.workspace, query, dialect)
    return ReadyResponse(answer, headers={"Cache-Control": "no-store"})


def _check_app_key(request: Request[Any, Any, Any], principal: Principal) -> None:
    given = app_keys(request)
    if not given and principal.workspace.settings.missing_appkey_status == 400:
        raise InvalidField("app_key", None)
    if not given or any(value != principal.workspace.id.encode() for value in given):
        raise Unauthenticated("MOE-APPKEY is missing or names another workspace than the credentials.")


async def _count(request: Request[Any, Any, Any], services: StatsGate, principal: Principal) -> None:
    """Count the request for its workspace; from here on every response carries the rate limit headers."""
    workspace = principal.workspace
    quota = await services.limiter.hit(f"stats:{workspace.id}", workspace.settings.rate_limit)
    context_of(request.scope).headers.update(quota.headers())
    if not quota.allowed:
        raise RateLimited("Too many requests.", retry_after=quota.retry_after)
