"""`/setup` makes the first account, `/join` is where invitations lead."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import anyio.to_thread
from litestar import route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import SkipValidation

from campanile.dashboard.account.routes import PASSWORD_CHARACTERS, open_session
from campanile.errors import Conflict, InvalidInput, NotFound
from campanile.http.forms import Form
from campanile.http.pages import PageResponse
from campanile.http.visits import AnyRequest, Guest, PageGate, enter, read_cookie, welcome
from campanile.users.schemas import Invitation

Services = NamedDependency[SkipValidation[PageGate]]
TOKEN_CHARACTERS = 64
"""What is looked at of longer ones; none has more."""


def arrival_routes() -> list[HTTPRouteHandler]:
    """The pages for people without an account."""
    return [setup_page, setup, join_page, join, accept]


@route("/setup", http_method=["GET"], include_in_schema=False)
async def setup_page(request: AnyRequest, services: Services) -> PageResponse:
    """The form of the first account, for whoever has the link from the log of the server.

    Raises:
        NotFound: a wrong link, or there is an account.
    """
    guest = await welcome(request, services)
    token = request.query_params.get("token", "")[:TOKEN_CHARACTERS]
    await anyio.to_thread.run_sync(services.users.check_setup, token)
    return guest.render("arrival/setup.html", token=token, values={}, errors={})


@route("/setup", http_method=["POST"], status_code=200, include_in_schema=False)
async def setup(request: AnyRequest, services: Services) -> PageResponse:
    """Make the account and sign it in."""
    guest = await welcome(request, services)
    form = guest.form
    token = form.text("token")[:TOKEN_CHARACTERS]
    make = partial(
        services.users.set_up,
        token,
        email=form.text("email"),
        name=form.text("name"),
        password=_password(form),
    )
    try:
        _compare(form)
        user = await anyio.to_thread.run_sync(make)
    except InvalidInput as error:
        values = {"email": form.text("email"), "name": form.text("name")}
        return _again(guest, "arrival/setup.html", error, token=token, values=values)
    return await open_session(request, services, user, "/")


@route("/join", http_method=["GET"], include_in_schema=False)
async def join_page(request: AnyRequest, services: Services) -> PageResponse:
    """What the invitation is for, and the next step: an account, signing in, or just joining.

    Raises:
        NotFound: the invitation is not valid any more.
    """
    guest = await welcome(request, services)
    token = request.query_params.get("token", "")[:TOKEN_CHARACTERS]
    context = await _invited(services, token)
    if await anyio.to_thread.run_sync(services.users.sessions.get, read_cookie(request, services, "session")):
        visit = await enter(request, services)
        return await visit.render("arrival/accept.html", **context)
    return guest.render("arrival/join.html", values={}, errors={}, **context)


@route("/join", http_method=["POST"], status_code=200, include_in_schema=False)
async def join(request: AnyRequest, services: Services) -> PageResponse:
    """An account for the invited address, signed in."""
    guest = await welcome(request, services)
    form = guest.form
    token = form.text("token")[:TOKEN_CHARACTERS]
    context = await _invited(services, token)
    try:
        _compare(form)
        make = partial(services.users.join, token, name=form.text("name"), password=_password(form))
        user = await anyio.to_thread.run_sync(make)
    except (InvalidInput, Conflict) as error:
        return _again(guest, "arrival/join.html", error, values={"name": form.text("name")}, **context)
    return await open_session(request, services, user, f"/w/{context['invitation'].workspace_id}")


@route("/join/accept", http_method=["POST"], status_code=200, include_in_schema=False)
async def accept(request: AnyRequest, services: Services) -> PageResponse:
    """Somebody who is signed in joins one more workspace.

    Raises:
        NotFound: the invitation is not valid any more. Conflict: it is for somebody else.
    """
    visit = await enter(request, services)
    token = visit.form.text("token")[:TOKEN_CHARACTERS]
    join_workspace = partial(services.users.members.accept, token, visit.user)
    workspace_id = await anyio.to_thread.run_sync(join_workspace)
    return await visit.redirect(f"/w/{workspace_id}", flash="You have joined this workspace.")


async def _invited(services: PageGate, token: str) -> dict[str, Any]:
    def look() -> tuple[Invitation, str, bool]:
        invitation = services.users.members.invitation(token)
        workspace = services.workspaces.get(invitation.workspace_id)
        if workspace is None:
            raise NotFound("This invitation is not valid any more.")
        return invitation, workspace.name, services.users.has_account(invitation.email)

    invitation, name, known = await anyio.to_thread.run_sync(look)
    back = quote(f"/join?token={token}", safe="")
    return {"invitation": invitation, "workspace_name": name, "known": known, "token": token, "back": back}


def _password(form: Form) -> str:
    return form.text("password")[: PASSWORD_CHARACTERS + 1]  # one more, so that a longer one is refused, not cut


def _compare(form: Form) -> None:
    if form.text("password") != form.text("password_again"):
        raise InvalidInput("The two passwords differ.", attribute="password_again")


def _again(guest: Guest, template: str, error: InvalidInput | Conflict, **context: Any) -> PageResponse:
    errors: Mapping[str, str] = {problem.attribute: problem.message for problem in error.problems}
    return guest.render(template, status=HTTPStatus.UNPROCESSABLE_ENTITY, errors=errors, **context)
