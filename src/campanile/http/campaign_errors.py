"""Errors of the companion campaign APIs in the forms that their clients know (campaign specification 1.4, 6)."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Any

import msgspec

from campanile.errors import Problem
from campanile.http.context import RequestContext
from campanile.http.errors import BASIC_CHALLENGE, Envelope, Failure, answer
from campanile.http.responses import ReadyResponse

NO_APP_KEY = "missing_app_key"
"""Type of the problem that `MOE-APPKEY` was not sent."""

_V1_CODES = {401: "401 Authentication error", 413: "413 Payload Too Large", 429: "429 conflict"}
_BROKEN = "Something went wrong. Please try again later."
_UNAUTHENTICATED = "Authentication required"
_V5_CODES = {400: "VALIDATION_FAILED", 429: "RATE_LIMITED", 500: "INTERNAL_ERROR"}


def campaign_envelopes() -> dict[str, Envelope]:
    """Path prefix → the form of errors there, for the error renderer."""
    return {"/core-services/v1/campaigns/": v1_envelope, "/v5/campaigns/": v5_envelope}


def v1_envelope(failure: Failure, context: RequestContext) -> ReadyResponse:
    """`{"error": {code, message, target, details, request_id}, "message"}`; the last is what some clients read."""
    status = _status(failure)
    message, target, details = _told(status, failure)
    code = _V1_CODES.get(status, f"{status.value} {status.phrase}")
    request_id = "" if status == HTTPStatus.UNAUTHORIZED else context.named
    error = {"code": code, "message": message, "target": target, "details": details, "request_id": request_id}
    return answer(status, msgspec.json.encode({"error": error, "message": message}), failure, BASIC_CHALLENGE)


def v5_envelope(failure: Failure, context: RequestContext) -> ReadyResponse:
    """`{"response_id", "error": {code, message, target, details, request_id}}`."""
    status = _status(failure)
    message, target, details = _told(status, failure)
    if status == HTTPStatus.BAD_REQUEST:
        message = "One or more fields failed validation."
    code = _V5_CODES.get(status, status.phrase.upper().replace(" ", "_"))
    error = {"code": code, "message": message, "target": target, "details": details, "request_id": context.named}
    body = {"response_id": response_id(context), "error": error}
    return answer(status, msgspec.json.encode(body), failure, BASIC_CHALLENGE)


def response_id(context: RequestContext) -> str:
    """The caller's id of the request, else a UUID made of ours."""
    return context.named or str(uuid.uuid5(uuid.NAMESPACE_OID, context.request_id))


def _status(failure: Failure) -> HTTPStatus:
    """Outages are 500: clients know no 503."""
    return HTTPStatus(failure.status if failure.status < HTTPStatus.INTERNAL_SERVER_ERROR else 500)


def _told(status: HTTPStatus, failure: Failure) -> tuple[str, str, list[dict[str, Any]]]:
    """Message, target and details."""
    first = failure.first
    if status == HTTPStatus.UNAUTHORIZED and first.type != NO_APP_KEY:
        inner = {"code": "InvalidValue", "target": "APP_SECRET_KEY", "message": "Invalid APP_SECRET_KEY is provided."}
        return _UNAUTHENTICATED, "", [{**inner, "message": [inner]}]
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limit", "", [_detail(Problem("", "Rate limiting breached", "rate_limit"))]
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _BROKEN, "", [_detail(Problem("", _BROKEN))]
    return first.message, first.attribute, [_detail(problem) for problem in failure.problems]


def _detail(problem: Problem) -> dict[str, Any]:
    return {"target": problem.attribute, "message": problem.message}
