"""Signing in and out, and one's own account."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

import anyio.to_thread
from litestar import route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import SkipValidation

from campanile.errors import InvalidInput, Unauthenticated
from campanile.http.auth import source_of
from campanile.http.pages import PageResponse, local_path, redirect
from campanile.http.visits import AnyRequest, PageGate, Visit, enter, make_cookie, read_cookie, welcome
from campanile.users.schemas import SESSION_MOST, LockedOut, SignedIn, User

Services = NamedDependency[SkipValidation[PageGate]]
EMAIL_CHARACTERS = 254
PASSWORD_CHARACTERS = 256
"""What is looked at of longer ones; no account has such."""


def account_routes() -> list[HTTPRouteHandler]:
    """The pages around the account of a user."""
    return [sign_in_page, sign_in, sign_out, me, change_password, sign_out_everywhere]


@route("/sign-in", http_method=["GET"], include_in_schema=False)
async def sign_in_page(request: AnyRequest, services: Services) -> PageResponse:
    """The form; somebody who is signed in goes on."""
    wanted = local_path(request.query_params.get("next", "")) or "/"
    token = read_cookie(request, services, "session")
    if token and await anyio.to_thread.run_sync(services.users.sessions.get, token) is not None:
        return redirect(request, wanted)
    guest = await welcome(request, services)
    nobody = await anyio.to_thread.run_sync(services.users.setup_token) is not None
    return guest.render("account/sign_in.html", email="", next=wanted, message="", nobody=nobody)


@route("/sign-in", http_method=["POST"], status_code=200, include_in_schema=False)
async def sign_in(request: AnyRequest, services: Services) -> PageResponse:
    """A session, or the form again with the reason."""
    guest = await welcome(request, services)
    email, password = guest.form.text("email").strip().lower(), guest.form.text("password")
    wanted = local_path(guest.form.text("next")) or "/"
    attempt = partial(
        services.users.sessions.sign_in,
        email[:EMAIL_CHARACTERS],
        password[:PASSWORD_CHARACTERS],
        address=source_of(request),
        browser=request.headers.get("user-agent", ""),
    )
    try:
        signed_in = await anyio.to_thread.run_sync(attempt)
    except (Unauthenticated, LockedOut) as error:
        status = HTTPStatus.TOO_MANY_REQUESTS if isinstance(error, LockedOut) else HTTPStatus.UNPROCESSABLE_ENTITY
        return guest.render(
            "account/sign_in.html", status=status, email=email, next=wanted, message=error.message, nobody=False
        )
    return _signed_in(request, services, signed_in, wanted)


@route("/sign-out", http_method=["POST"], status_code=200, include_in_schema=False)
async def sign_out(request: AnyRequest, services: Services) -> PageResponse:
    """End this session."""
    visit = await enter(request, services)
    await anyio.to_thread.run_sync(services.users.sessions.close, visit.token)
    return _signed_out(request, services)


@route("/me", http_method=["GET"], include_in_schema=False)
async def me(request: AnyRequest, services: Services) -> PageResponse:
    """One's own account: password, and where one is signed in."""
    return await _account_page(await enter(request, services))


@route("/me/password", http_method=["POST"], status_code=200, include_in_schema=False)
async def change_password(request: AnyRequest, services: Services) -> PageResponse:
    """Another password; all other browsers are signed out, this one gets a new session."""
    visit = await enter(request, services)
    old, new = visit.form.text("old_password"), visit.form.text("password")
    if new != visit.form.text("password_again"):
        return await _account_page(visit, {"password_again": "The two passwords differ."})
    change = partial(
        services.users.change_password,
        visit.user,
        old[:PASSWORD_CHARACTERS],
        new[: PASSWORD_CHARACTERS + 1],  # one more, so that a longer one is refused, not cut
        address=source_of(request),
    )
    try:
        await anyio.to_thread.run_sync(change)
    except InvalidInput as error:
        return await _account_page(visit, {"password": error.message})
    except LockedOut as error:
        return await _account_page(visit, {"old_password": error.message})
    except Unauthenticated:
        return await _account_page(visit, {"old_password": "This is not the current password."})
    return await open_session(request, services, visit.user, "/me", flash="Your password is changed.")


@route("/me/sign-out-everywhere", http_method=["POST"], status_code=200, include_in_schema=False)
async def sign_out_everywhere(request: AnyRequest, services: Services) -> PageResponse:
    """End all sessions of the user, this one included."""
    visit = await enter(request, services)
    end = partial(services.users.sessions.close_all, visit.user, by=visit.user.email, address=source_of(request))
    await anyio.to_thread.run_sync(end)
    return _signed_out(request, services)


async def open_session(
    request: AnyRequest, services: PageGate, user: User, path: str, *, flash: str | None = None
) -> PageResponse:
    """Sign somebody in who has shown who they are, and go on to a page."""
    begin = partial(services.users.sessions.open, user, browser=request.headers.get("user-agent", ""), flash=flash)
    return _signed_in(request, services, await anyio.to_thread.run_sync(begin), path)


def _signed_in(request: AnyRequest, services: PageGate, signed_in: SignedIn, path: str) -> PageResponse:
    seconds = int(SESSION_MOST.total_seconds())  # the server ends idle sessions earlier
    cookie = make_cookie(services, "session", signed_in.token, seconds=seconds)
    return redirect(request, path, cookies=[cookie])


def _signed_out(request: AnyRequest, services: PageGate) -> PageResponse:
    return redirect(request, "/sign-in", cookies=[make_cookie(services, "session", "")])


async def _account_page(visit: Visit, errors: dict[str, str] | None = None) -> PageResponse:
    sessions = await anyio.to_thread.run_sync(visit.services.users.sessions.list, visit.user)
    return await visit.render(
        "account/me.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        sessions=sessions,
        current=visit.session.id,
        errors=errors or {},
    )
