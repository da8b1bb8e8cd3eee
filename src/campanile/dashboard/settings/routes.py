"""Settings: keys and addresses of the APIs, the switches of the workspace, how the intake is doing."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Protocol, cast
from zoneinfo import available_timezones

import anyio.to_thread
from litestar import route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, SkipValidation

from campanile.dashboard.navigation import SETTINGS
from campanile.dashboard.settings import groups
from campanile.dashboard.settings.service import reasons
from campanile.errors import CampanileError, Conflict, InvalidInput, NotFound
from campanile.hooks.service import HookService
from campanile.http.pages import PageResponse, redirect
from campanile.http.visits import AnyRequest, PageGate, Visit, enter_workspace
from campanile.intake.service import IntakeService
from campanile.workspaces.schemas import KEY_KINDS, Key, KeyKind

REJECTS_SHOWN = 100
"""Refused records on the page of the intake."""
BASE = "/w/{workspace_id:str}/settings"


class SettingsGate(PageGate, Protocol):
    """What these pages need of the services."""

    @property
    def intake(self) -> IntakeService: ...
    @property
    def hooks(self) -> HookService: ...


Services = NamedDependency[SkipValidation[SettingsGate]]
Id = FromPath[str]


def settings_routes() -> list[HTTPRouteHandler]:
    """The pages of the settings."""
    return [
        settings_home,
        apis,
        create_key,
        before_regenerating,
        regenerate_key,
        before_archiving,
        archive_key,
        switches,
        change,
        intake,
    ]


@route(BASE, http_method=["GET"], include_in_schema=False)
async def settings_home(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """On to the first page of the settings."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    return redirect(request, visit.url(SETTINGS[0].path))


# --- account > APIs


@route(BASE + "/apis", http_method=["GET"], include_in_schema=False)
async def apis(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """Workspace id, address of the server, keys without their values."""
    return await _apis(await enter_workspace(request, services, workspace_id, "viewer"), services)


@route(BASE + "/apis/keys", http_method=["POST"], status_code=200, include_in_schema=False)
async def create_key(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """One more key; its value is on the page that answers, and nowhere else."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    kind = visit.form.text("kind")
    create = partial(
        services.workspaces.create_key,
        workspace_id,
        cast(KeyKind, kind),  # the service refuses other words
        name=visit.form.text("name"),
        by=visit.user.email,
    )
    try:
        made = await anyio.to_thread.run_sync(create)
    except (InvalidInput, Conflict) as error:
        return await _apis(visit, services, error)
    return await visit.render("settings/key_value.html", key=made.key, value=made.value, old=False)


@route(BASE + "/apis/keys/{key_id:str}/regenerate", http_method=["GET"], include_in_schema=False)
async def before_regenerating(request: AnyRequest, services: Services, workspace_id: Id, key_id: Id) -> PageResponse:
    """What happens if the key gets a new value, and the button that does it."""
    return await _question(request, services, workspace_id, key_id, "regenerate")


@route(BASE + "/apis/keys/{key_id:str}/archive", http_method=["GET"], include_in_schema=False)
async def before_archiving(request: AnyRequest, services: Services, workspace_id: Id, key_id: Id) -> PageResponse:
    """What happens if the key is switched off, and the button that does it."""
    return await _question(request, services, workspace_id, key_id, "archive")


@route(BASE + "/apis/keys/{key_id:str}/regenerate", http_method=["POST"], status_code=200, include_in_schema=False)
async def regenerate_key(request: AnyRequest, services: Services, workspace_id: Id, key_id: Id) -> PageResponse:
    """A new value for a key, shown this once; the old one stops working at once."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    regenerate = partial(services.workspaces.regenerate_key, workspace_id, key_id, by=visit.user.email)
    made = await anyio.to_thread.run_sync(regenerate)
    return await visit.render("settings/key_value.html", key=made.key, value=made.value, old=True)


@route(BASE + "/apis/keys/{key_id:str}/archive", http_method=["POST"], status_code=200, include_in_schema=False)
async def archive_key(request: AnyRequest, services: Services, workspace_id: Id, key_id: Id) -> PageResponse:
    """Switch a key off for good."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    archive = partial(services.workspaces.archive_key, workspace_id, key_id, by=visit.user.email)
    key = await anyio.to_thread.run_sync(archive)
    return await visit.redirect(visit.url("/settings/apis"), flash=f"The key “{key.name}” is archived.")


async def _apis(visit: Visit, services: SettingsGate, error: CampanileError | None = None) -> PageResponse:
    keys = await anyio.to_thread.run_sync(services.workspaces.list_keys, visit.workspace.id)
    return await visit.render(
        "settings/apis.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        active=[key for key in keys if key.archived_at is None],
        archived=[key for key in keys if key.archived_at is not None],
        kinds=KEY_KINDS,
        base_url=services.settings.resolved_base_url,
        errors=_errors(error),
        given={"name": visit.form.text("name"), "kind": visit.form.text("kind", KEY_KINDS[0])},
    )


async def _question(
    request: AnyRequest, services: SettingsGate, workspace_id: str, key_id: str, action: str
) -> PageResponse:
    visit = await enter_workspace(request, services, workspace_id, "admin")
    key = await anyio.to_thread.run_sync(_active_key, services, workspace_id, key_id)
    return await visit.render("settings/key_question.html", key=key, action=action)


def _active_key(services: SettingsGate, workspace_id: str, key_id: str) -> Key:
    keys = services.workspaces.list_keys(workspace_id)
    found = next((key for key in keys if key.id == key_id and key.archived_at is None), None)
    if found is None:
        raise NotFound("There is no such key.")
    return found


# --- switches


@route(BASE + "/{group:str}", http_method=["GET"], include_in_schema=False)
async def switches(request: AnyRequest, services: Services, workspace_id: Id, group: Id) -> PageResponse:
    """A page of switches."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    return await _switches(visit, _group(group))


@route(BASE + "/{group:str}", http_method=["POST"], status_code=200, include_in_schema=False)
async def change(request: AnyRequest, services: Services, workspace_id: Id, group: Id) -> PageResponse:
    """Save a page of switches: all of it, or nothing."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    page = _group(group)
    given = groups.typed(page, dict(visit.form.fields))
    save = partial(services.workspaces.update_settings, workspace_id, given, by=visit.user.email)
    try:
        await anyio.to_thread.run_sync(save)
    except InvalidInput as error:
        return await _switches(visit, page, given, error)
    return await visit.redirect(visit.url(f"/settings/{page.path}"), flash="Saved.")


async def _switches(
    visit: Visit, page: groups.Group, given: dict[str, str] | None = None, error: CampanileError | None = None
) -> PageResponse:
    return await visit.render(
        "settings/switches.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        group=page,
        settings=groups.shown(page, visit.workspace.settings, given),
        errors=_errors(error),
        timezones=sorted(available_timezones()),
    )


def _group(path: str) -> groups.Group:
    found = groups.group(path)
    if found is None:
        raise NotFound("There is no such page.")
    return found


def _errors(error: CampanileError | None) -> dict[str, str]:
    return {problem.attribute: problem.message for problem in error.problems} if error else {}


# --- intake


@route(BASE + "/health", http_method=["GET"], include_in_schema=False)
async def intake(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """What this process accepted, knew already and refused since it started, and why."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    rejects = services.intake.rejects(visit.workspace)
    dead = await anyio.to_thread.run_sync(services.hooks.dead, workspace_id)
    waiting = await anyio.to_thread.run_sync(services.hooks.waiting, workspace_id)
    keys = await anyio.to_thread.run_sync(services.workspaces.list_keys, workspace_id)
    return await visit.render(
        "settings/health.html",
        status_now=services.intake.status(visit.workspace),
        reasons=reasons(rejects),
        rejects=rejects[:REJECTS_SHOWN],
        refused=len(rejects),
        dead=dead,
        waiting=waiting,
        key_names={key.id: key.name or key.kind for key in keys},
    )
