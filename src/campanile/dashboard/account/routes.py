"""Signing in and out."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

import anyio.to_thread
from litestar import route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import SkipValidation

from campanile.errors import Unauthenticated
from campanile.http.auth import source_of
from campanile.http.pages import PageResponse, local_path, redirect
from campanile.http.visits import AnyRequest, PageGate, enter, make_cookie, read_cookie, welcome
from campanile.users.schemas import SESSION_MOST, LockedOut, SignedIn

Services = NamedDependency[SkipValidation[PageGate]]


def account_routes() -> list[HTTPRouteHandler]:
    """The pages around the account of a user."""
    return [sign_in_page, sign_in, sign_out]


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
    return signed_in_answer(request, services, signed_in, wanted)


@route("/sign-out", http_method=["POST"], status_code=200, include_in_schema=False)
async def sign_out(request: AnyRequest, services: Services) -> PageResponse:
    """End this session."""
    visit = await enter(request, services)
    await anyio.to_thread.run_sync(services.users.sessions.close, visit.token)
    return redirect(request, "/sign-in", cookies=[make_cookie(services, "session", "")])


def signed_in_answer(request: AnyRequest, services: PageGate, signed_in: SignedIn, path: str) -> PageResponse:
    """The cookie of a new session, and on to a page."""
    seconds = int(SESSION_MOST.total_seconds())  # the server ends idle sessions earlier
    cookie = make_cookie(services, "session", signed_in.token, seconds=seconds)
    return redirect(request, path, cookies=[cookie])


EMAIL_CHARACTERS = 254
PASSWORD_CHARACTERS = 256
"""What is looked at of longer ones; no account has such."""
