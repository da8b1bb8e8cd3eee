"""`/core-services/v1/campaigns/…` and `/v5/campaigns/…`; the order of checks is part of their contract."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Protocol

import anyio
import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, SkipValidation

from campanile.campaigns.companion.schemas import (
    BODY_BYTES,
    REQUEST_ID_CHARACTERS,
    Version,
    caller_id,
    decode_object,
    parse_page,
    parse_query,
)
from campanile.campaigns.companion.service import CompanionService, Found
from campanile.errors import Forbidden, InvalidInput, RateLimited, Unauthenticated, UnsupportedMediaType
from campanile.http.auth import Gate, app_keys, authenticate
from campanile.http.bodies import read_body
from campanile.http.campaign_errors import NO_APP_KEY, response_id
from campanile.http.context import context_of
from campanile.http.responses import JSON, ReadyResponse
from campanile.http.rolling import LONGEST, MINUTE, Rate
from campanile.settings import Settings
from campanile.workspaces.schemas import Principal, Workspace

V1 = "/core-services/v1/campaigns"
V5 = "/v5/campaigns"
SCOPE = "campaigns:read"
SECOND = 1_000
"""Milliseconds."""

AnyRequest = Request[Any, Any, Any]


class CompanionGate(Gate, Protocol):
    """What these routes need of the services."""

    @property
    def companion(self) -> CompanionService: ...


Services = NamedDependency[SkipValidation[CompanionGate]]
CampaignId = Annotated[str, Parameter(description="24 hexadecimal digits.")]


class Asked(msgspec.Struct, frozen=True):
    """A request that passed everything but its own fields."""

    workspace: Workspace
    body: dict[str, Any]


def companion_routes() -> list[HTTPRouteHandler]:
    """The routes of the companion APIs."""
    return [search, meta, executions, search_v5, meta_v5, campaign_v5]


@route(f"{V1}/search", http_method=["POST"], status_code=200, tags=["campaign lookup"])
async def search(request: AnyRequest, services: Services) -> ReadyResponse:
    """Rows with the whole configuration of campaigns."""
    asked = await _asked(request, services, "search", "v1")
    query = parse_query(asked.body, "search")
    return _rows(await anyio.to_thread.run_sync(services.companion.search, asked.workspace.id, query))


@route(f"{V1}/meta", http_method=["POST"], status_code=200, tags=["campaign lookup"])
async def meta(request: AnyRequest, services: Services) -> ReadyResponse:
    """Rows that label statistics, with parents and reach."""
    asked = await _asked(request, services, "meta", "v1")
    return _rows(await services.companion.meta(asked.workspace, parse_query(asked.body, "meta")))


@route(f"{V1}/{{parent_campaign_id:str}}/executions", http_method=["POST"], status_code=200, tags=["campaign lookup"])
async def executions(request: AnyRequest, services: Services, parent_campaign_id: CampaignId) -> ReadyResponse:
    """Runs of a parent campaign."""
    asked = await _asked(request, services, "executions", "v1")
    find = partial(services.companion.executions, asked.workspace.id, parent_campaign_id, parse_page(asked.body))
    return _answer(await anyio.to_thread.run_sync(find))


@route(f"{V5}/search", http_method=["POST"], status_code=200, tags=["campaign lookup"])
async def search_v5(request: AnyRequest, services: Services) -> ReadyResponse:
    """The same rows as version 1 in the wrapping of version 5."""
    asked = await _asked(request, services, "search", "v5")
    query = parse_query(asked.body, "search", "v5", _header_id(request))
    found = await anyio.to_thread.run_sync(services.companion.search, asked.workspace.id, query, "v5")
    return _wrapped(request, query.page.request_id, {"campaigns": found.rows}, found)


@route(f"{V5}/meta", http_method=["POST"], status_code=200, tags=["campaign lookup"])
async def meta_v5(request: AnyRequest, services: Services) -> ReadyResponse:
    """The same labels as version 1 in the wrapping of version 5."""
    asked = await _asked(request, services, "meta", "v5")
    query = parse_query(asked.body, "meta", "v5", _header_id(request))
    found = await services.companion.meta(asked.workspace, query, "v5")
    return _wrapped(request, query.page.request_id, {"campaigns": found.rows}, found)


@route(f"{V5}/{{campaign_id:str}}", http_method=["GET"], tags=["campaign lookup"])
async def campaign_v5(request: AnyRequest, services: Services, campaign_id: CampaignId) -> ReadyResponse:
    """One campaign, whatever its kind and status."""
    principal = await _caller(request, services, "search", app_key_required=False)
    context_of(request.scope).named = _header_id(request)[:REQUEST_ID_CHARACTERS]
    row = await anyio.to_thread.run_sync(services.companion.details, principal.workspace.id, campaign_id)
    return _wrapped(request, "", row)


async def _asked(request: AnyRequest, services: CompanionGate, endpoint: str, version: Version) -> Asked:
    """Everything up to the JSON of the body. Path and method are settled by the router."""
    body = await read_body(request, limit=BODY_BYTES)
    context = context_of(request.scope)
    context.named = _header_id(request)[:REQUEST_ID_CHARACTERS] if version == "v5" else ""
    try:
        principal = await _caller(request, services, endpoint, app_key_required=version == "v1")
        media_type = request.headers.get("content-type", "").partition(";")[0]
        if media_type.strip().lower() != JSON:
            raise UnsupportedMediaType("Content-Type must be application/json.")
    except (Forbidden, RateLimited, UnsupportedMediaType):
        context.named = _named_in(body) or context.named
        raise
    given = decode_object(body)
    context.named = caller_id(given) or context.named
    return Asked(principal.workspace, given)


async def _caller(request: AnyRequest, services: CompanionGate, endpoint: str, *, app_key_required: bool) -> Principal:
    principal = await authenticate(request, services)
    given = app_keys(request)
    if not given and app_key_required:
        message = "MOE-APPKEY missing in Authentication Header"
        raise Unauthenticated(message, attribute="MOE-APPKEY", type=NO_APP_KEY)
    if any(value != principal.workspace.id.encode() for value in given):
        raise Unauthenticated("MOE-APPKEY names another workspace than the credentials.")
    quota = await services.limiter.roll(f"{endpoint}:{principal.workspace.id}", rates(services.settings))
    context_of(request.scope).headers.update(quota.headers())
    if not quota.allowed:
        raise RateLimited("Too many requests.", retry_after=quota.retry_after)
    if SCOPE not in principal.scopes:
        raise Forbidden(f"This key lacks the scope {SCOPE}.")
    return principal


def rates(settings: Settings) -> list[Rate]:
    """Limits that are switched on."""
    rates = (
        Rate(SECOND, settings.campaign_calls_per_second),
        Rate(MINUTE, settings.campaign_calls_per_minute),
        Rate(LONGEST, settings.campaign_calls_per_hour),
    )
    return [rate for rate in rates if rate.calls > 0]


def _named_in(body: bytes) -> str:
    """The id of a request that is refused before its body matters."""
    try:
        return caller_id(decode_object(body))
    except InvalidInput:
        return ""


def _header_id(request: AnyRequest) -> str:
    return request.headers.get("x-moe-request-id", "").strip()


def _rows(found: Found) -> ReadyResponse:
    return _answer(found.rows, found)


def _wrapped(request: AnyRequest, request_id: str, data: object, found: Found | None = None) -> ReadyResponse:
    name = request_id or response_id(context_of(request.scope))
    return _answer({"response_id": name, "type": "campaign", "data": data}, found)


def _answer(content: object, found: Found | None = None) -> ReadyResponse:
    headers = {"Cache-Control": "no-store"}
    if found is not None:
        headers["X-Total-Count"] = str(found.total)
    return ReadyResponse(msgspec.json.encode(content), headers=headers)
