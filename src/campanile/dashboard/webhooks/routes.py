"""Settings > Webhooks: the addresses to which providers post, what arrived there, and what could not be stored."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

import anyio.to_thread
from litestar import route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, SkipValidation

from campanile.clock import Clock
from campanile.dashboard.webhooks import service as shown
from campanile.errors import CampanileError, Conflict, InvalidInput, NotFound
from campanile.hooks.schemas import MadeHook, ProviderCard
from campanile.hooks.service import HookService, Trial
from campanile.http.context import context_of
from campanile.http.pages import PageResponse
from campanile.http.visits import AnyRequest, PageGate, Visit, enter_workspace

BASE = "/w/{workspace_id:str}/settings/webhooks"
DELIVERIES = 50
"""Deliveries on the page of a hook."""
LETTERS = 100
"""Dead letters on one page."""


class HookPagesGate(PageGate, Protocol):
    """What these pages need of the services."""

    @property
    def hooks(self) -> HookService: ...
    @property
    def clock(self) -> Clock: ...


Services = NamedDependency[SkipValidation[HookPagesGate]]
Id = FromPath[str]


def webhook_routes() -> list[HTTPRouteHandler]:
    """The pages of the receiving hooks."""
    return [
        webhooks,
        new,
        create,
        dead_letters,
        retry,
        one,
        try_out,
        before_rotating,
        rotate,
        before_deleting,
        delete,
    ]


@route(BASE, http_method=["GET"], include_in_schema=False)
async def webhooks(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """All hooks with their last delivery, and the providers that one more can be made for."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")

    def look() -> tuple[list[shown.Listed], int, int]:
        cards = {card.name: card.label for card in services.hooks.providers()}
        last = services.hooks.hooks.last_deliveries(workspace_id)
        listed = [
            shown.Listed(hook, cards[hook.provider], services.hooks.url(hook), last.get(hook.id))
            for hook in services.hooks.hooks.list(workspace_id)
        ]
        return listed, services.hooks.dead(workspace_id), services.hooks.waiting(workspace_id)

    listed, dead, waiting = await anyio.to_thread.run_sync(look)
    return await visit.render(
        "webhooks/list.html",
        hooks=listed,
        dead=dead,
        waiting=waiting,
        cards=services.hooks.providers(),
        shown=shown,
    )


# --- making one


@route(BASE + "/new/{provider:str}", http_method=["GET"], include_in_schema=False)
async def new(request: AnyRequest, services: Services, workspace_id: Id, provider: Id) -> PageResponse:
    """The form of a provider."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    return await _form(visit, _card(services, provider))


@route(BASE + "/new/{provider:str}", http_method=["POST"], status_code=200, include_in_schema=False)
async def create(request: AnyRequest, services: Services, workspace_id: Id, provider: Id) -> PageResponse:
    """A hook; what the provider has to know is on the page that answers, secrets nowhere else."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    card = _card(services, provider)
    make = partial(
        services.hooks.hooks.create,
        workspace_id,
        card.name,
        name=visit.form.text("name"),
        secret=visit.form.text("secret") or None,
        options=shown.ordered(card, visit.form.fields),
        by=visit.user.email,
    )
    try:
        made = await anyio.to_thread.run_sync(make)
    except (InvalidInput, Conflict) as error:
        return await _form(visit, card, error)
    return await _value(visit, services, made)


async def _form(visit: Visit, card: ProviderCard, error: CampanileError | None = None) -> PageResponse:
    return await visit.render(
        "webhooks/new.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        card=card,
        form=visit.form,
        errors=_errors(error),
    )


async def _value(visit: Visit, services: HookPagesGate, made: MadeHook, *, old: bool = False) -> PageResponse:
    return await visit.render(
        "webhooks/value.html",
        hook=made.hook,
        card=_card(services, made.hook.provider),
        url=services.hooks.url(made.hook),
        secret=made.secret,
        verify_token=made.verify_token,
        old=old,
    )


# --- what could not be stored


@route(BASE + "/dead-letters", http_method=["GET"], include_in_schema=False)
async def dead_letters(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """Events that could not be stored, newest first."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    letters = await anyio.to_thread.run_sync(services.hooks.dead_letters, workspace_id)
    hooks = await anyio.to_thread.run_sync(services.hooks.hooks.list, workspace_id)
    return await visit.render(
        "webhooks/dead_letters.html",
        letters=letters[:LETTERS],
        all=len(letters),
        names={hook.id: hook.name for hook in hooks},
        campaign_of=shown.campaign_of,
    )


@route(BASE + "/dead-letters/retry", http_method=["POST"], status_code=200, include_in_schema=False)
async def retry(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """Try dead letters again: the one in `id`, or all."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    named = visit.form.text("id")
    request_id = context_of(request.scope).request_id
    ids = [named] if named else None
    done = await services.hooks.retry(visit.workspace, ids, request_id, by=visit.user.email)
    stored = done.accepted + done.duplicates
    waits = f", {done.waiting} wait for their message" if done.waiting else ""
    flash = f"Tried again: {stored} stored{waits}, {done.dead} still cannot be stored."
    return await visit.redirect(visit.url("/settings/webhooks/dead-letters"), flash=flash)


# --- one hook


@route(BASE + "/{hook_id:str}", http_method=["GET"], include_in_schema=False)
async def one(request: AnyRequest, services: Services, workspace_id: Id, hook_id: Id) -> PageResponse:
    """Where the provider posts, what arrived, what was wrong with it."""
    return await _one(await enter_workspace(request, services, workspace_id, "viewer"), services, hook_id)


@route(BASE + "/{hook_id:str}/test", http_method=["POST"], status_code=200, include_in_schema=False)
async def try_out(request: AnyRequest, services: Services, workspace_id: Id, hook_id: Id) -> PageResponse:
    """What a delivery as the provider sends it would do; nothing is stored."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    trial = await services.hooks.try_out(visit.workspace, hook_id, None, context_of(request.scope).request_id)
    return await _one(visit, services, hook_id, trial)


@route(BASE + "/{hook_id:str}/rotate", http_method=["GET"], include_in_schema=False)
async def before_rotating(request: AnyRequest, services: Services, workspace_id: Id, hook_id: Id) -> PageResponse:
    """What happens if the hook gets another secret or address, and the form that does it."""
    return await _rotation(await enter_workspace(request, services, workspace_id, "admin"), services, hook_id)


@route(BASE + "/{hook_id:str}/rotate", http_method=["POST"], status_code=200, include_in_schema=False)
async def rotate(request: AnyRequest, services: Services, workspace_id: Id, hook_id: Id) -> PageResponse:
    """Another secret, another address, or both; the previous ones work for another day."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    change = partial(
        services.hooks.hooks.rotate,
        workspace_id,
        hook_id,
        secret=visit.form.text("secret") or None,
        address=visit.form.text("address") == "true",
        by=visit.user.email,
    )
    try:
        made = await anyio.to_thread.run_sync(change)
    except InvalidInput as error:
        return await _rotation(visit, services, hook_id, error)
    return await _value(visit, services, made, old=True)


@route(BASE + "/{hook_id:str}/delete", http_method=["GET"], include_in_schema=False)
async def before_deleting(request: AnyRequest, services: Services, workspace_id: Id, hook_id: Id) -> PageResponse:
    """What happens if the hook is deleted, and the button that does it."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    hook = await anyio.to_thread.run_sync(services.hooks.hooks.get, workspace_id, hook_id)
    return await visit.render("webhooks/delete.html", hook=hook, card=_card(services, hook.provider))


@route(BASE + "/{hook_id:str}/delete", http_method=["POST"], status_code=200, include_in_schema=False)
async def delete(request: AnyRequest, services: Services, workspace_id: Id, hook_id: Id) -> PageResponse:
    """Delete a hook; what it brought stays."""
    visit = await enter_workspace(request, services, workspace_id, "admin")
    remove = partial(services.hooks.hooks.delete, workspace_id, hook_id, by=visit.user.email)
    await anyio.to_thread.run_sync(remove)
    return await visit.redirect(visit.url("/settings/webhooks"), flash="The webhook is deleted.")


async def _one(visit: Visit, services: HookPagesGate, hook_id: str, trial: Trial | None = None) -> PageResponse:
    def look() -> dict[str, Any]:
        hook = services.hooks.hooks.get(visit.workspace.id, hook_id)
        notes = services.hooks.hooks.deliveries(visit.workspace.id, hook_id, DELIVERIES)
        return {
            "hook": hook,
            "notes": notes,
            "failures": shown.failures(notes),
            "facts": shown.facts(hook.options),
            "url": services.hooks.url(hook),
            "dead": len(shown.letters_of(services.hooks.dead_letters(visit.workspace.id), hook_id)),
            "overlap": shown.overlapping(hook, services.clock.now()),
        }

    looked = await anyio.to_thread.run_sync(look)
    return await visit.render(
        "webhooks/hook.html",
        card=_card(services, looked["hook"].provider),
        trial=trial,
        sample=shown.sample_rows(trial) if trial else [],
        shown=shown,
        **looked,
    )


async def _rotation(
    visit: Visit, services: HookPagesGate, hook_id: str, error: CampanileError | None = None
) -> PageResponse:
    hook = await anyio.to_thread.run_sync(services.hooks.hooks.get, visit.workspace.id, hook_id)
    return await visit.render(
        "webhooks/rotate.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        hook=hook,
        card=_card(services, hook.provider),
        form=visit.form,
        errors=_errors(error),
    )


def _card(services: HookPagesGate, name: str) -> ProviderCard:
    found = shown.card(services.hooks.providers(), name)
    if found is None:
        raise NotFound("There is no such provider.")
    return found


def _errors(error: CampanileError | None) -> dict[str, str]:
    return {problem.attribute: problem.message for problem in error.problems} if error else {}
