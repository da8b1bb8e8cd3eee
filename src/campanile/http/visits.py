"""Who looks at a page, and what they may do there: sessions, workspaces, roles, and forms that nobody can forge."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import anyio.to_thread
from litestar import Request
from litestar.datastructures import Cookie

from campanile.errors import Forbidden, NotFound, Unauthenticated
from campanile.http.auth import Gate
from campanile.http.context import context_of
from campanile.http.forms import FORM_BYTES, Form, read_form
from campanile.http.pages import PageResponse, Pages, redirect, theme_of
from campanile.users.schemas import Role, Session, User, at_least

if TYPE_CHECKING:
    from campanile.users.service import UserService
    from campanile.workspaces.schemas import Workspace

SAFE_METHODS = frozenset({"GET", "HEAD"})
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
WORKSPACE = "workspace"
"""Cookie of the workspace looked at last: where `/` leads."""
SAME_ORIGIN = frozenset({"same-origin", "none", ""})
"""What a browser says of requests from our own pages; old ones say nothing."""

AnyRequest = Request[Any, Any, Any]


class PageGate(Gate, Protocol):
    """What every page needs of the services."""

    @property
    def users(self) -> UserService: ...
    @property
    def pages(self) -> Pages: ...


class Guest:
    """Somebody who is not signed in, on one of the few pages for that."""

    def __init__(self, request: AnyRequest, services: PageGate, cookie: str, form: Form) -> None:
        self.request = request
        self.services = services
        self.form = form
        self._cookie = cookie

    def render(self, template: str, *, status: int = 200, **context: Any) -> PageResponse:
        """A page from a template; it sets the cookie that its form belongs to."""
        values = {
            "csrf": self.services.users.sessions.form_token(self._cookie),
            "theme": theme_of(self.request),
            "path": self.request.scope["path"],
            **context,
        }
        cookie = make_cookie(self.services, "form", self._cookie, strict=True)
        html = self.services.pages.render(template, values)
        return PageResponse(html, status_code=status, cookies=[cookie])


class Visit:
    """A signed-in user on a page. `workspace` and `role` belong to pages of a workspace."""

    def __init__(
        self,
        request: AnyRequest,
        services: PageGate,
        token: str,
        session: Session,
        form: Form,
        workspace: Workspace | None = None,
        role: Role | None = None,
    ) -> None:
        self.request = request
        self.services = services
        self.session = session
        self.form = form
        self.role = role
        self._token = token
        self._workspace = workspace

    @property
    def user(self) -> User:
        return self.session.user

    @property
    def workspace(self) -> Workspace:
        if self._workspace is None:
            raise LookupError("this page belongs to no workspace")
        return self._workspace

    @property
    def token(self) -> str:
        """What the cookie holds."""
        return self._token

    def url(self, path: str = "") -> str:
        """A path below the workspace: `/campaigns` becomes `/w/{id}/campaigns`."""
        return f"/w/{self.workspace.id}{path}"

    async def render(
        self, template: str, *, status: int = 200, cookies: Iterable[Cookie] = (), **context: Any
    ) -> PageResponse:
        """A page or a part of one. Templates know `user`, `role`, `workspace`, `workspaces`, `csrf`, `flash`, `theme`,
        `path` and what the route passes."""

        def make() -> bytes:
            if self.session.flash is not None:
                self.services.users.sessions.set_flash(self._token, None)
            values = {
                "user": self.user,
                "role": self.role,
                "workspace": self._workspace,
                "workspaces": self.services.users.members.workspaces(self.user),
                "csrf": self.session.csrf,
                "flash": self.session.flash,
                "theme": theme_of(self.request),
                "path": self.request.scope["path"],
                **context,
            }
            return self.services.pages.render(template, values)

        html = await anyio.to_thread.run_sync(make)
        kept = list(cookies)
        if self._workspace is not None and read_cookie(self.request, self.services, WORKSPACE) != self._workspace.id:
            kept.append(make_cookie(self.services, WORKSPACE, self._workspace.id))
        return PageResponse(html, status_code=status, cookies=kept)

    async def redirect(self, path: str, *, flash: str | None = None, cookies: Iterable[Cookie] = ()) -> PageResponse:
        """Send the browser on after a change; `flash` is a sentence that the next page shows."""
        if flash is not None:
            await anyio.to_thread.run_sync(self.services.users.sessions.set_flash, self._token, flash)
        return redirect(self.request, path, cookies=cookies)


async def welcome(request: AnyRequest, services: PageGate) -> Guest:
    """Whoever it is, on a page that needs no session. Forms are read and checked here.

    Raises:
        Forbidden: `csrf`: the form does not come from our own page.
    """
    cookie = read_cookie(request, services, "form")
    usable = 16 <= len(cookie) <= 64 and cookie.isascii()
    form = await _checked_form(request, services, cookie if usable else None, FORM_BYTES)
    return Guest(request, services, cookie if usable else secrets.token_urlsafe(24), form)


async def enter(request: AnyRequest, services: PageGate, *, form_bytes: int = FORM_BYTES) -> Visit:
    """The signed-in user of a page outside of workspaces. Forms are read and checked here, so no route can forget it.

    Raises:
        Unauthenticated: not signed in. Forbidden: `csrf`.
    """
    token = read_cookie(request, services, "session")
    session = await anyio.to_thread.run_sync(services.users.sessions.get, token) if token else None
    if session is None:
        raise Unauthenticated("Sign in to see this page.")
    context_of(request.scope).key_id = session.user.id
    form = await _checked_form(request, services, token, form_bytes)
    return Visit(request, services, token, session, form)


async def enter_workspace(
    request: AnyRequest, services: PageGate, workspace_id: str, needed: Role, *, form_bytes: int = FORM_BYTES
) -> Visit:
    """The signed-in user of a page of a workspace, who must hold the role `needed` there or a greater one.

    Raises:
        Unauthenticated: not signed in. Forbidden: `csrf`, `missing_role`.
        NotFound: no such workspace, or the user does not belong to it: the two look alike.
    """
    visit = await enter(request, services, form_bytes=form_bytes)
    role = visit.user.role_in(workspace_id)
    workspace = await anyio.to_thread.run_sync(services.workspaces.get, workspace_id) if role else None
    if role is None or workspace is None:
        raise NotFound("There is no such workspace, or you do not belong to it.")
    context_of(request.scope).workspace_id = workspace.id
    if not at_least(role, needed):
        raise Forbidden(f"This needs the role {needed}; you are {role} here.", type="missing_role")
    return Visit(request, services, visit.token, visit.session, visit.form, workspace, role)


def make_cookie(services: Gate, name: str, value: str, *, strict: bool = False, seconds: int | None = None) -> Cookie:
    """A cookie that scripts cannot read and other sites cannot use for changes.

    Args:
        value: empty to remove it.
        strict: other sites cannot use it for reading either, so links from elsewhere come without it.
        seconds: how long the browser keeps it; without, until it is closed.
    """
    return Cookie(
        key=cookie_name(services, name),
        value=value,
        path="/",
        httponly=True,
        secure=is_https(services),
        samesite="strict" if strict else "lax",
        max_age=seconds if value else 0,
    )


def read_cookie(request: AnyRequest, services: Gate, name: str) -> str:
    """The value of one of our cookies, or an empty text."""
    return request.cookies.get(cookie_name(services, name), "")


def cookie_name(services: Gate, name: str) -> str:
    """Over HTTPS with the prefix that keeps other hosts of the domain from setting it."""
    return f"__Host-campanile_{name}" if is_https(services) else f"campanile_{name}"


def is_https(services: Gate) -> bool:
    """Whether people reach this server over HTTPS."""
    return services.settings.resolved_base_url.startswith("https://")


async def _checked_form(request: AnyRequest, services: PageGate, cookie: str | None, limit: int) -> Form:
    """The form of a request that may change something; an empty one for others."""
    if request.method in SAFE_METHODS:
        return Form()
    if request.headers.get("sec-fetch-site", "") not in SAME_ORIGIN:
        raise Forbidden("This form was sent from another site.", type="csrf")
    form = await read_form(request, limit=limit)
    given = request.headers.get(CSRF_HEADER) or form.text(CSRF_FIELD)
    expected = services.users.sessions.form_token(cookie) if cookie else ""
    if not expected or not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
        raise Forbidden("This page was open for too long. Go back, load it again, and repeat.", type="csrf")
    return form
