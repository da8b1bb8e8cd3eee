"""The one place where errors become HTTP answers.

Every exception is first turned into a `Failure`; the path of the request then chooses the envelope it is written in.
Wire-compatible endpoints keep the envelope of their original, everything else uses the native one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request
from litestar.exceptions import HTTPException, ValidationException

from campanile.errors import CampanileError, EngineUnavailable, Problem, RateLimited, Unavailable
from campanile.http.context import Ids, RandomIds, RequestContext, context_of
from campanile.http.responses import ReadyResponse

NATIVE_CHALLENGE = 'Basic realm="campanile", Bearer realm="campanile"'
BASIC_CHALLENGE = 'Basic realm="campanile"'

_log = structlog.get_logger("campanile.http")


class Failure(msgspec.Struct, frozen=True):
    """An error without the dress of any API."""

    status: int
    problems: tuple[Problem, ...]
    """At least one; the first is the one that answers where only one can."""
    headers: dict[str, str]
    """`Retry-After` and `Allow`, where they apply."""

    @property
    def first(self) -> Problem:
        return self.problems[0]


Page = Callable[[Request[Any, Any, Any], Failure, RequestContext], ReadyResponse | None]
"""Writes a failure for a person who is looking; None for a program."""
Envelope = Callable[[Failure, RequestContext], ReadyResponse]
"""Writes a failure in the form of one API."""


class ErrorRenderer:
    """Exception handler for the whole application.

    Args:
        envelopes: path prefix → envelope; the longest matching prefix wins, without a match the native one.
        page: asked first.
        ids: source of the codes that name single occurrences.
    """

    def __init__(
        self, envelopes: Mapping[str, Envelope] | None = None, *, page: Page | None = None, ids: Ids | None = None
    ) -> None:
        table = {"/core-services/": stats_envelope, **(envelopes or {})}
        self._envelopes = sorted(table.items(), key=lambda item: -len(item[0]))
        self._page = page
        self._ids = ids or RandomIds()

    def __call__(self, request: Request[Any, Any, Any], error: Exception) -> ReadyResponse:
        failure = failure_of(error)
        context = context_of(request.scope)
        context.error_code = self._ids.error_code()
        _record(request, failure, context, error)
        page = self._page(request, failure, context) if self._page else None
        return page or self._envelope(request.scope["path"])(failure, context)

    def _envelope(self, path: str) -> Envelope:
        return next((envelope for prefix, envelope in self._envelopes if path.startswith(prefix)), native_envelope)


def failure_of(error: Exception) -> Failure:
    """What an exception means to the caller. Defects are 500 and say nothing: their texts may hold anything."""
    if isinstance(error, EngineUnavailable):  # its text is the store's, with addresses and statements: for the log only
        problem = Problem(error.error_type, "The event store cannot be reached or written now.")
        return Failure(error.status, (problem,), {"Retry-After": str(max(1, error.retry_after))})
    if isinstance(error, CampanileError) and error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
        headers = {}
        if isinstance(error, RateLimited | Unavailable):
            headers["Retry-After"] = str(max(1, error.retry_after))
        return Failure(error.status, error.problems, headers)
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _framework_failure(error)
    return Failure(500, (Problem("internal_error", "An unexpected error occurred."),), {})


def _framework_failure(error: HTTPException) -> Failure:
    status = HTTPStatus(error.status_code)
    headers = {}
    if allow := (error.headers or {}).get("allow"):
        # The framework lists OPTIONS on every route, where nothing of ours answers it.
        methods = sorted(name for name in allow.split(", ") if name != "OPTIONS")
        headers["Allow"] = ", ".join(methods)
    if isinstance(error, ValidationException) and isinstance(error.extra, list) and error.extra:
        problems = tuple(
            Problem("invalid_value", str(item.get("message", status.phrase)), str(item.get("key", "")))
            for item in error.extra
            if isinstance(item, Mapping)
        )
        return Failure(status.value, problems, headers)
    kinds = {400: "invalid_input", 401: "unauthenticated", 413: "body_too_large", 429: "rate_limited"}
    kind = kinds.get(status, status.phrase.lower().replace(" ", "_").replace("-", "_"))
    return Failure(status.value, (Problem(kind, _SENTENCES.get(status, status.phrase)),), headers)


_SENTENCES: dict[int, str] = {
    400: "The request is malformed.",
    404: "There is nothing at this path.",
    405: "This path does not accept this method.",
    413: "The request body is too large.",
}


def native_envelope(failure: Failure, context: RequestContext) -> ReadyResponse:
    """`{"error": {type, message, attribute, request_id}, "errors": [{type, message, attribute}, …]}`."""
    first = failure.first
    body = {
        "error": {
            "type": first.type,
            "message": first.message,
            "attribute": first.attribute,
            "request_id": context.request_id,
        },
        "errors": [
            {"type": problem.type, "message": problem.message, "attribute": problem.attribute}
            for problem in failure.problems
        ],
    }
    return answer(failure.status, msgspec.json.encode(body), failure, NATIVE_CHALLENGE)


def stats_envelope(failure: Failure, context: RequestContext) -> ReadyResponse:
    """`{"title", "description", "code"}`; 429 has no body (Stats API 8). Outages are 500: clients know no 503."""
    status = failure.status if failure.status < HTTPStatus.INTERNAL_SERVER_ERROR else 500
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return answer(status, b"", failure, BASIC_CHALLENGE)
    first = failure.first
    title, description = _STATS_TEXTS.get(status, (HTTPStatus(status).phrase, first.message))
    if status == HTTPStatus.BAD_REQUEST and first.attribute:
        title, description = "Invalid Field Value", first.message
    body = {"title": title, "description": description, "code": context.error_code}
    return answer(status, msgspec.json.encode(body), failure, BASIC_CHALLENGE)


_STATS_TEXTS: dict[int, tuple[str, str | None]] = {
    400: ("Invalid Request Body", "Request body is not a valid JSON object"),
    401: ("Authentication required", "Invalid identity information found."),
    403: ("Forbidden Request", None),
    404: ("Not Found", "There is nothing at this path."),
    405: ("Method Not Allowed", "This path does not accept this method."),
    413: ("Payload Too Large", "Request body is larger than 64 KiB"),
    415: ("Unsupported Media Type", "Content-Type must be application/json"),
    500: (
        "Server Error",
        "An unexpected error was encountered while processing this request. Please contact the administrator",
    ),
}

_LEAVES_BODY_UNREAD = frozenset({"request_timeout", "body_too_large", "ambiguous_length"})
"""After these the rest of the body is still on its way, or its end is unknown: the connection ends, too."""


def answer(status: int, body: bytes, failure: Failure, challenge: str) -> ReadyResponse:
    """A failure with its headers; `challenge` is what 401 asks for."""
    headers = dict(failure.headers)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = challenge
    if failure.first.type in _LEAVES_BODY_UNREAD:
        headers["Connection"] = "close"
    return ReadyResponse(body, status_code=status, headers=headers)


def _record(request: Request[Any, Any, Any], failure: Failure, context: RequestContext, error: Exception) -> None:
    fields = {
        "code": context.error_code,
        "request_id": context.request_id,
        "workspace_id": context.workspace_id,
        "status": failure.status,
        "type": failure.first.type,
        "attribute": failure.first.attribute,
        "path": request.scope["path"],
    }
    if isinstance(error, Unavailable):  # an outage brings many of these; where it was noticed says nothing
        _log.error("request_failed", **fields, reason=str(error))
    elif failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("request_failed", **fields, exc_info=error)
    else:
        _log.info("request_refused", **fields)
