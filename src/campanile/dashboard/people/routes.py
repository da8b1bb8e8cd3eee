"""Users of a workspace, invitations, and the audit log; for administrators."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Protocol, cast

import anyio.to_thread
from litestar import route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, SkipValidation

from campanile.audit.schemas import Accounts
from campanile.audit.service import AuditService
from campanile.errors import CampanileError, Conflict, InvalidInput
from campanile.http.pages import PageResponse
from campanile.http.requests import number
from campanile.http.visits import AnyRequest, PageGate, Visit, enter_workspace
from campanile.users.schemas import ROLES, Role
from campanile.users.service import checked_email

BASE = "/w/{workspace_id:str}/settings"
ENTRIES = 50
"""Changes on one page of the audit log."""
LAST_ENTRY = 999_999_999


class PeopleGate(PageGate, Protocol):
    """What these pages need of the services."""

    @property
    def audit(self) -> AuditService: ...


Services = NamedDependency[SkipValidation[PeopleGate]]
Id = FromPath[str]


def people_routes() -> list[HTTPRouteHandler]:
    """Users, invitations, audit log."""
    return [users, invite, withdraw, set_role, remove, audit]


@route(BASE + "/users", http_method=["GET"], include_in_schema=False)
async def users(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """Who belongs to the workspace, and who is invited."""
    return await _users(await enter_workspace(request, services, workspace_id, "admin"))


@route(BASE + "/users/invitations", http_method=["POST"], status_code=200, include_in_schema=False)
async def invite(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """A link for one person, on the page that answers and nowhere else."""
    visit = await enter_workspace(request, services, workspace_id, "admin")

    def make() -> tuple[str, str]:
        email = checked_email(visit.form.text("email"))
        role = cast(Role, visit.form.text("role"))  # the service refuses other words
        return email, services.users.members.invite(workspace_id, email, role, by=visit.user.email)

    try:
        email, token = await anyio.to_thread.run_sync(make)
    except (InvalidInput, Conflict) as error:
        return await _users(visit, error)
    link = f"{services.settings.resolved_base_url}/join?token={token}"
    return await visit.render("people/invited.html", email=email, link=link)


@route(
    BASE + "/users/invitations/{invitation_id:str}/withdraw",
    http_method=["POST"],
    status_code=200,
    include_in_schema=False,
)
async def withdraw(request: AnyRequest, services: Services, workspace_id: Id, invitation_id: Id) -> PageResponse:
    """Take an invitation back."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    take = partial(services.users.members.withdraw, workspace_id, invitation_id, by=visit.user.email)
    await anyio.to_thread.run_sync(take)
    return await visit.redirect(visit.url("/settings/users"), flash="The invitation is withdrawn.")


@route(BASE + "/users/{user_id:str}/role", http_method=["POST"], status_code=200, include_in_schema=False)
async def set_role(request: AnyRequest, services: Services, workspace_id: Id, user_id: Id) -> PageResponse:
    """Another role for a member."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    role = cast(Role, visit.form.text("role"))
    change = partial(services.users.members.set_role, workspace_id, user_id, role, by=visit.user.email, joins=False)
    try:
        await anyio.to_thread.run_sync(change)
    except (InvalidInput, Conflict) as error:
        return await _users(visit, error)
    return await visit.redirect(visit.url("/settings/users"), flash="The role is changed.")


@route(BASE + "/users/{user_id:str}/remove", http_method=["POST"], status_code=200, include_in_schema=False)
async def remove(request: AnyRequest, services: Services, workspace_id: Id, user_id: Id) -> PageResponse:
    """End a membership."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    end = partial(services.users.members.remove, workspace_id, user_id, by=visit.user.email)
    try:
        await anyio.to_thread.run_sync(end)
    except Conflict as error:
        return await _users(visit, error)
    here = user_id != visit.user.id or visit.user.role is not None
    return await visit.redirect(visit.url("/settings/users") if here else "/", flash="The membership is ended.")


async def _users(visit: Visit, error: CampanileError | None = None) -> PageResponse:
    members = visit.services.users.members
    listed = await anyio.to_thread.run_sync(members.list, visit.workspace.id)
    invitations = await anyio.to_thread.run_sync(members.invitations, visit.workspace.id)
    return await visit.render(
        "people/users.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        members=listed,
        invitations=invitations,
        roles=[(role, role) for role in reversed(ROLES)],
        errors={problem.attribute: problem.message for problem in error.problems} if error else {},
        given={"email": visit.form.text("email"), "role": visit.form.text("role", "viewer")},
    )


@route(BASE + "/audit", http_method=["GET"], include_in_schema=False)
async def audit(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """What was changed, newest first."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    before = number(request.query_params, "before", 1, LAST_ENTRY, LAST_ENTRY)
    accounts: Accounts = "members" if visit.user.role is None else "all"
    look = partial(services.audit.page, workspace_id, before=before, limit=ENTRIES + 1, accounts=accounts)
    entries = await anyio.to_thread.run_sync(look)
    shown = entries[:ENTRIES]
    older = visit.url(f"/settings/audit?before={shown[-1].id}") if len(entries) > ENTRIES else ""
    return await visit.render(
        "people/audit.html",
        entries=shown,
        everybody=accounts == "all",
        older=older,
        newest=visit.url("/settings/audit") if before < LAST_ENTRY else "",
    )
