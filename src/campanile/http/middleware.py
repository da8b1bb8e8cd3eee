"""Pure ASGI middleware around the whole application, unknown paths included."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any

import structlog
from litestar import Litestar
from prometheus_client import Counter, Histogram

from campanile.http.context import SCOPE_KEY, Ids, RandomIds, RequestContext, caller_request_id, context_of
from campanile.http.proxies import CallerMiddleware, Network

LOGGED_PATH_CHARACTERS = 256
"""Characters of a path that reach the access log."""

Scope = Any
"""An ASGI scope; untyped because we keep a key of our own in it."""

Message = Any
"""An ASGI message."""

Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that get a label of their own; the others are callers' inventions."""

_log = structlog.get_logger("campanile.access")
_requests = Counter("campanile_http_requests", "Requests answered", ["method", "route", "status"])
_seconds = Histogram("campanile_http_seconds", "Time from a request's arrival to its last byte", ["method", "route"])


class RequestContextMiddleware:
    """Gives each request its context; adds `X-Request-Id` and the collected headers to the response."""

    def __init__(self, app: ASGIApp, ids: Ids) -> None:
        self._app = app
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), None)
        context = RequestContext(caller_request_id(given) or self._ids.request_id())
        scope[SCOPE_KEY] = context

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = {"x-request-id": context.request_id, **context.headers}
                encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in added.items()]
                message["headers"] = [*message["headers"], *encoded]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class NoOptionsMiddleware:
    """Makes OPTIONS an unsupported method like any other: the framework would answer it on every route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            scope["method"] = "OPTIONS (unsupported)"
        await self._app(scope, receive, send)


class AccessMiddleware:
    """Reports each request once it is answered: a line in the log, a count and a duration in the metrics.

    The log has no query strings, no headers, no addresses. The metrics have routes, not paths: callers choose paths.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        method, path = scope["method"], scope["path"][:LOGGED_PATH_CHARACTERS]
        status, size = 0, 0

        async def send_and_count(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_and_count)
        finally:
            _report(scope, method, path, status, size, perf_counter() - started)


def _report(scope: Scope, method: str, path: str, status: int, size: int, seconds: float) -> None:
    context = context_of(scope)
    _log.info(
        "request",
        method=method,
        path=path,
        status=status,
        bytes=size,
        milliseconds=round(seconds * 1000, 2),
        request_id=context.request_id,
        workspace_id=context.workspace_id,
        key_id=context.key_id,
    )
    method = method if method in KNOWN_METHODS else "OTHER"
    route = scope.get("path_template") or "unmatched"
    _requests.labels(method, route, status).inc()
    _seconds.labels(method, route).observe(seconds)


def wrap(app: Litestar, *, ids: Ids | None = None, trusted: Sequence[Network] = ()) -> Litestar:
    """Put the middleware around `app`, outside its router, and return it; `trusted` are the proxies in front of it."""
    inner = RequestContextMiddleware(AccessMiddleware(NoOptionsMiddleware(app.asgi_handler)), ids or RandomIds())
    app.asgi_handler = CallerMiddleware(inner, trusted) if trusted else inner
    return app
