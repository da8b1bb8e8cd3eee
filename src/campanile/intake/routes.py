"""HTTP of the intake: `/v1/events`, `/v1/funnel`, `/v1/ingest/*` (ingest specification 1.1, 1.5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import SkipValidation

from campanile.errors import InvalidInput
from campanile.http.auth import Gate, require
from campanile.http.bodies import declared_length, stream_body
from campanile.http.context import context_of
from campanile.http.idempotency import idempotency_key
from campanile.http.responses import ReadyResponse
from campanile.intake.decode import BodyDecoder, body_format, content_coding
from campanile.intake.limits import DEFAULT_ERRORS, MAX_ERRORS, MAX_WIRE_BYTES
from campanile.intake.pressure import Ticket
from campanile.intake.service import IntakeRequest, IntakeService, Reply
from campanile.workspaces.schemas import Workspace

FLAGS = ("dry_run", "atomic", "strict", "import")
"""Query parameters of the intake that are true or false; `max_errors` is a number."""

NO_STORE = {"Cache-Control": "no-store"}

Take = Callable[[IntakeRequest, BodyDecoder, Ticket], Awaitable[Reply]]


class IntakeGate(Gate, Protocol):
    """What these routes need of the services."""

    @property
    def intake(self) -> IntakeService: ...


Services = NamedDependency[SkipValidation[IntakeGate]]


def intake_routes() -> list[HTTPRouteHandler]:
    """The routes of the intake. Handlers get `services`."""
    return [post_events, post_funnel, get_status, get_rejects]


@route("/v1/events", http_method=["POST"], status_code=200, summary="Send events", tags=["intake"])
async def post_events(request: Request[Any, Any, Any], services: Services) -> ReadyResponse:
    """Store message, engagement, control-group, conversion and custom events; an event counts once."""
    return await _take(request, services, services.intake.take_events)


@route("/v1/funnel", http_method=["POST"], status_code=200, summary="Send counts", tags=["intake"])
async def post_funnel(request: Request[Any, Any, Any], services: Services) -> ReadyResponse:
    """Store counts of senders that know numbers but no users; a snapshot counts once."""
    return await _take(request, services, services.intake.take_snapshots)


@route("/v1/ingest/status", http_method=["GET"], status_code=200, summary="State of the intake", tags=["intake"])
async def get_status(request: Request[Any, Any, Any], services: Services) -> ReadyResponse:
    """How much waits, how the store is doing, and what the workspace has sent to this process."""
    principal = await require(request, services, "ingest:read")
    _only(request.query_params, ())
    return ReadyResponse(msgspec.json.encode(services.intake.status(principal.workspace)), headers=NO_STORE)


@route("/v1/ingest/rejects", http_method=["GET"], status_code=200, summary="Refused records", tags=["intake"])
async def get_rejects(request: Request[Any, Any, Any], services: Services) -> ReadyResponse:
    """The newest records that this process refused, without personal data, newest first."""
    principal = await require(request, services, "ingest:read")
    _only(request.query_params, ("since",))
    records = services.intake.rejects(principal.workspace, _instant(request.query_params.get("since")))
    return ReadyResponse(msgspec.json.encode({"rejects": records}), headers=NO_STORE)


async def _take(request: Request[Any, Any, Any], services: IntakeGate, take: Take) -> ReadyResponse:
    principal = await require(request, services, "ingest:write")
    workspace, context = principal.workspace, context_of(request.scope)
    order = _order(request, workspace, principal.key_id, context.request_id)
    declared = declared_length(request)
    body = services.intake.decoder(content_coding(request.headers.get("content-encoding")), declared)
    try:
        with services.intake.admit(workspace, declared or 0) as ticket:
            received = 0
            async for chunk in stream_body(request, limit=MAX_WIRE_BYTES):
                received += len(chunk)
                if received > ticket.size:
                    ticket.resize(received)
                body.feed(chunk)
            reply = await take(order, body, ticket)
    finally:
        context.headers.update(services.intake.rate_headers(workspace))
    headers = {}
    if reply.replayed:
        headers["Idempotent-Replay"] = "true"
    if reply.status == HTTPStatus.MULTI_STATUS:
        headers["X-Rejected-Count"] = str(reply.rejected)
    return ReadyResponse(reply.body, status_code=reply.status, headers=headers)


def _order(request: Request[Any, Any, Any], workspace: Workspace, key_id: str, request_id: str) -> IntakeRequest:
    parameters = request.query_params
    _only(parameters, (*FLAGS, "max_errors"))
    imported = _flag(parameters, "import")
    return IntakeRequest(
        workspace=workspace,
        request_id=request_id,
        format=body_format(request.headers.get("content-type")),
        source="import" if imported else "api",
        idempotency_key=idempotency_key(request),
        dry_run=_flag(parameters, "dry_run"),
        atomic=_flag(parameters, "atomic"),
        strict=_flag(parameters, "strict"),
        imported=imported,
        max_errors=_max_errors(parameters.get("max_errors")),
        key_id="" if imported else key_id,
    )


def _only(parameters: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Refuse other parameters: a misspelt `dry_run` must not store anything."""
    for name in parameters:
        if name not in known:
            raise InvalidInput(
                f"The query parameters here are: {', '.join(known) or 'none'}.",
                attribute=name,
                type="unknown_parameter",
            )


def _flag(parameters: Mapping[str, str], name: str) -> bool:
    text = parameters.get(name, "false").lower()
    if text not in ("true", "false"):
        raise InvalidInput(f"{name} must be true or false.", attribute=name, type="invalid_parameter")
    return text == "true"


def _max_errors(text: str | None) -> int:
    if text is None:
        return DEFAULT_ERRORS
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= MAX_ERRORS):
        raise InvalidInput(
            f"max_errors must be a number from 0 to {MAX_ERRORS}.", attribute="max_errors", type="invalid_parameter"
        )
    return int(text)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(
            "since must be a time with zone, such as 2026-03-01T12:00:00Z.", attribute="since", type="invalid_parameter"
        )
    return moment.astimezone(UTC)
