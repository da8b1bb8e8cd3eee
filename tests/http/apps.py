"""A small application with the shared HTTP parts and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from litestar import Litestar, Request, route
from litestar.handlers import HTTPRouteHandler

from campanile.http.errors import ErrorRenderer
from campanile.http.middleware import wrap
from campanile.http.responses import ReadyResponse

Action = Callable[[Request[Any, Any, Any]], Awaitable[ReadyResponse]]


class FixedIds:
    """Ids that tests can name."""

    def request_id(self) -> str:
        return "request-0001"

    def error_code(self) -> str:
        return "wUcwPRZF"


def app_with(*handlers: HTTPRouteHandler) -> Litestar:
    ids = FixedIds()
    app = Litestar(
        list(handlers), exception_handlers={Exception: ErrorRenderer(ids=ids)}, openapi_config=None, logging_config=None
    )
    return wrap(app, ids=ids)


def handler(path: str, action: Action) -> HTTPRouteHandler:
    """A POST route that does `action`."""

    @route(path, http_method=["POST"])
    async def act(request: Request[Any, Any, Any]) -> ReadyResponse:
        return await action(request)

    return act


def client_of(app: Litestar, *, address: str = "192.0.2.7") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 4321))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://campanile.test")
