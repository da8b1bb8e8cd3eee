"""`/docs`: every operation with its fields, answers and a command that works, made once from the API description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from litestar import route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import SkipValidation

from campanile.dashboard.reference.views import chapters
from campanile.dashboard.rendering import Renderer
from campanile.http.pages import PageResponse, theme_of
from campanile.http.visits import AnyRequest
from campanile.settings import Settings


class ReferenceGate(Protocol):
    """What the page needs of the services."""

    @property
    def pages(self) -> Renderer: ...
    @property
    def settings(self) -> Settings: ...


def reference_route(document: Mapping[str, Any]) -> HTTPRouteHandler:
    """The route of the page over an OpenAPI document. It shows nothing of any workspace and asks for no login."""
    rendered: dict[str, bytes] = {}

    @route("/docs", http_method=["GET"], include_in_schema=False, sync_to_thread=False)
    def reference(request: AnyRequest, services: NamedDependency[SkipValidation[ReferenceGate]]) -> PageResponse:
        theme = theme_of(request)
        if theme not in rendered:
            base = services.settings.resolved_base_url
            context = {"chapters": chapters(document, base), "base": base, "theme": theme, "title": "API reference"}
            rendered[theme] = services.pages.render("reference/page.html", context)
        return PageResponse(rendered[theme], headers={"Cache-Control": "no-cache"})

    return reference
