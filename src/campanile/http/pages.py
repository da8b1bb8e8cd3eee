"""HTML answers: the headers that every page has, cookies, redirects, and errors as pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote

from litestar import Request
from litestar.datastructures import Cookie
from litestar.response.base import ASGIResponse

from campanile.http.context import RequestContext
from campanile.http.errors import Failure
from campanile.http.responses import ReadyResponse

HTML = "text/html"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing from elsewhere, nothing inline: markup that slipped in could not run."""
PAGE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "private, no-store",
    "Vary": "Cookie, HX-Request",
}
"""Pages show what only their reader may see: nobody else keeps them."""

ROOTS = frozenset({"", "w", "workspaces", "sign-in", "sign-out", "setup", "join", "me"})
"""First parts of the paths of pages."""
APIS = ("/v1/", "/core-services/", "/campaign_reports/")
"""Beginnings of paths that are never pages, whatever a caller says it likes to read."""


class Pages(Protocol):
    """Turns templates into HTML."""

    def render(self, template: str, context: Mapping[str, Any]) -> bytes: ...


class PageResponse(ReadyResponse):
    """A page, a part of one, or a redirect to one."""

    def __init__(
        self,
        content: bytes,
        *,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        cookies: Iterable[Cookie] = (),
        media_type: str = HTML,
    ) -> None:
        super().__init__(
            content, status_code=status_code, media_type=media_type, headers={**PAGE_HEADERS, **(headers or {})}
        )
        self._set = tuple(cookies)

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        return ASGIResponse(
            body=self.content,
            headers=self.headers,
            media_type=self.media_type,
            status_code=self.status_code,
            cookies=self._set,
        )


def redirect(request: Request[Any, Any, Any], path: str, *, cookies: Iterable[Cookie] = ()) -> PageResponse:
    """Send the browser to another page of ours: with 303, or, when a script asked, in the way HTMX understands.

    Args:
        path: begins with one slash; see `local_path` for paths that callers name.
    """
    if is_partial(request):
        return PageResponse(b"", headers={"HX-Redirect": path}, cookies=cookies)
    return PageResponse(b"", status_code=HTTPStatus.SEE_OTHER, headers={"Location": path}, cookies=cookies)


def is_partial(request: Request[Any, Any, Any]) -> bool:
    """Whether HTMX asks for a part of a page."""
    return request.headers.get("hx-request") == "true"


def local_path(text: str) -> str | None:
    """A path on this server that a caller named, or None if it would lead elsewhere."""
    if not text.startswith("/") or text.startswith(("//", "/\\")) or not text.isprintable() or len(text) > 2000:
        return None
    return quote(text, safe="/?&=#%:@!$'()*+,;~-._[]")


def page_errors(pages: Pages) -> Callable[[Request[Any, Any, Any], Failure, RequestContext], ReadyResponse | None]:
    """Writes failures as pages where a person is looking; None where a program is."""

    def answer(request: Request[Any, Any, Any], failure: Failure, context: RequestContext) -> ReadyResponse | None:
        if not _is_for_people(request):
            return None
        headers = {**failure.headers, **context.headers}
        if failure.status == HTTPStatus.UNAUTHORIZED:
            return _to_sign_in(request)
        html = pages.render(
            "error.html",
            {
                "status": failure.status,
                "title": _TITLES.get(failure.status, HTTPStatus(failure.status).phrase),
                "message": failure.first.message,
                "request_id": context.request_id,
                "theme": theme_of(request),
                "path": request.scope["path"],
            },
        )
        return PageResponse(html, status_code=failure.status, headers=headers)

    return answer


def theme_of(request: Request[Any, Any, Any]) -> str:
    """The colours somebody chose: `light`, `dark`, or what the machine says."""
    chosen = request.cookies.get("campanile_theme", "")
    return chosen if chosen in ("light", "dark") else "auto"


def _to_sign_in(request: Request[Any, Any, Any]) -> PageResponse:
    if is_partial(request):
        return PageResponse(b"", status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": "/sign-in"})
    query = request.scope["query_string"].decode("latin-1")
    wanted = request.scope["path"] + (f"?{query}" if query else "")
    back = local_path(wanted) if request.method == "GET" else None
    suffix = f"?next={quote(back, safe='')}" if back and back != "/" else ""
    return PageResponse(b"", status_code=HTTPStatus.SEE_OTHER, headers={"Location": f"/sign-in{suffix}"})


def _is_for_people(request: Request[Any, Any, Any]) -> bool:
    path = request.scope["path"]
    if path.startswith(APIS):
        return False
    return path.split("/")[1] in ROOTS or HTML in request.headers.get("accept", "")


_TITLES = {
    400: "This request cannot be understood",
    403: "You may not do this",
    404: "There is nothing here",
    405: "This page does not work that way",
    408: "That took too long",
    413: "That is too much",
    429: "Too many requests",
    500: "Something went wrong on our side",
    503: "Not available right now",
}
