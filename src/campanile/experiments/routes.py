"""`GET /v1/campaigns/{campaign_id}/experiment`."""

from __future__ import annotations

from typing import Annotated, Any, Protocol, cast, get_args

import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, SkipValidation

from campanile.errors import RateLimited
from campanile.experiments.schemas import ExperimentRequest
from campanile.experiments.service import ExperimentService
from campanile.http.auth import Gate, require
from campanile.http.context import context_of
from campanile.http.requests import day, query, several
from campanile.http.responses import ReadyResponse
from campanile.stats.schemas import Attribution

PATH = "/v1/campaigns/{campaign_id}/experiment"
SCOPE = "stats:read"
REQUESTS_PER_MINUTE = 60
"""Of one workspace. An answer costs some dozen questions to the store, several times one of the Stats API."""
GOAL_CHARACTERS = 128
"""Longest name of a goal."""


class ExperimentGate(Gate, Protocol):
    """What this route needs of the services."""

    @property
    def experiments(self) -> ExperimentService: ...


CampaignId = Annotated[str, Parameter(description="24 hexadecimal digits.")]


def experiment_routes() -> list[HTTPRouteHandler]:
    """The routes of experiments."""
    return [get_experiment]


@route(
    "/v1/campaigns/{campaign_id:str}/experiment",
    http_method=["GET"],
    summary="The experiments of a campaign",
    tags=["campaigns"],
)
async def get_experiment(
    request: Request[Any, Any, Any], services: NamedDependency[SkipValidation[ExperimentGate]], campaign_id: CampaignId
) -> ReadyResponse:
    """Control groups and variations, goal by goal. Scope: `stats:read`."""
    principal = await require(request, services, SCOPE)
    parameters = query(request, "start_date", "end_date", "attribution_type", "goal")
    goal = parameters.get("goal")
    wanted = ExperimentRequest(
        first=day(parameters, "start_date"),
        last=day(parameters, "end_date"),
        attributions=cast(tuple[Attribution, ...], several(parameters, "attribution_type", get_args(Attribution))),
        goal=None if goal is None else goal[: GOAL_CHARACTERS + 1],  # a longer one is none of any campaign
    )
    quota = await services.limiter.hit(f"experiments:{principal.workspace.id}", REQUESTS_PER_MINUTE)
    context_of(request.scope).headers.update(quota.headers())
    if not quota.allowed:
        raise RateLimited("Too many requests for experiments.", retry_after=quota.retry_after)
    found = await services.experiments.result(principal.workspace, campaign_id, wanted)
    return ReadyResponse(msgspec.json.encode(found), headers={"Cache-Control": "no-store"})
