"""Reports: the list, one report, one run, its file, and what may be done with them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

import anyio.to_thread
from litestar import route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, SkipValidation

from campanile.dashboard.reports import phrases
from campanile.dashboard.reports.service import ReportPages, run_row
from campanile.dashboard.reports.snippets import KEY, snippets
from campanile.errors import CampanileError, Conflict, InvalidInput, NotFound, Unprocessable
from campanile.http.files import FileResponse
from campanile.http.idempotency import Answer, IdempotencyKeys, once
from campanile.http.pages import PAGE_HEADERS, PageResponse
from campanile.http.responses import ReadyResponse
from campanile.http.visits import AnyRequest, PageGate, Visit, enter_workspace
from campanile.reports.schemas import State
from campanile.reports.service import DefinitionService, DownloadService, Query, RunService, ready_at

BASE = "/w/{workspace_id:str}/reports"
SEARCH_CHARACTERS = 200
"""Longest text that is looked for."""
CURSOR_CHARACTERS = 500
MEDIA_TYPES = {"zip": "application/zip", "tar": "application/x-tar", "gz": "application/gzip"}

_STATES: dict[str, State | None] = {"": None, "ACTIVE": "ACTIVE", "PAUSED": "PAUSED", "DRAFT": "DRAFT",
                                    "COMPLETED": "COMPLETED"}  # fmt: skip
_Result = TypeVar("_Result")


class ReportGate(PageGate, Protocol):
    """What these pages need of the services."""

    @property
    def definitions(self) -> DefinitionService: ...
    @property
    def runs(self) -> RunService: ...
    @property
    def downloads(self) -> DownloadService: ...
    @property
    def idempotency(self) -> IdempotencyKeys: ...


Services = NamedDependency[SkipValidation[ReportGate]]
Id = FromPath[str]


def report_pages() -> list[HTTPRouteHandler]:
    """The routes of these pages; the builder has its own."""
    return [report_list, report_page, before_deleting, delete_report, change_report, run_page, change_run, run_file]


def _pages(services: ReportGate) -> ReportPages:
    return ReportPages(services.definitions, services.runs)


async def in_thread(work: Callable[[], _Result]) -> _Result:
    return await anyio.to_thread.run_sync(work)


def new_ticket() -> str:
    """What makes a form count once, however often it is sent."""
    return secrets.token_urlsafe(16)


# --- looking


@route(BASE, http_method=["GET"], include_in_schema=False)
async def report_list(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """Definitions by name and state, with their last runs, and the newest runs of all."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    parameters = request.query_params
    text, state = parameters.get("q", "")[:SEARCH_CHARACTERS], parameters.get("state", "")
    if state not in _STATES:
        raise InvalidInput("state is unknown.", attribute="state", type="invalid_value")
    cursor = parameters.get("cursor", "")[:CURSOR_CHARACTERS]
    query = Query(text=text, state=_STATES[state], cursor=cursor)
    found = await in_thread(partial(_pages(services).list, visit.workspace, query))
    kept = {name: value for name, value in (("q", text), ("state", state)) if value}
    following = f"?{urlencode({**kept, 'cursor': found.next_cursor})}" if found.next_cursor else ""
    return await visit.render(
        "reports/list.html",
        found=found,
        text=text,
        state=state,
        states=phrases.STATES,
        filtered=bool(kept or cursor),
        following=following,
        first=f"?{urlencode(kept)}" if cursor else "",
        here=_here(request),
        ticket=new_ticket(),
        base=visit.url("/reports"),
    )


@route(BASE + "/{report_id:str}", http_method=["GET"], include_in_schema=False)
async def report_page(request: AnyRequest, services: Services, workspace_id: Id, report_id: Id) -> PageResponse:
    """A definition in words, its next runs, and those it had."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    return await _report(visit, services, report_id)


async def _report(
    visit: Visit, services: ReportGate, report_id: str, error: CampanileError | None = None
) -> PageResponse:
    cursor = visit.request.query_params.get("cursor", "")[:CURSOR_CHARACTERS]
    found = await in_thread(partial(_pages(services).one, visit.workspace, report_id, cursor))
    return await visit.render(
        "reports/page.html",
        status=200 if error is None else error.status,
        title=found.row.view.definition.spec.name,
        report=found,
        problems=[] if error is None else [problem.message for problem in error.problems],
        changed=phrases.change,
        here=_here(visit.request) if visit.request.method == "GET" else visit.url(f"/reports/{report_id}"),
        newest=visit.url(f"/reports/{report_id}") if cursor else "",
        ticket=new_ticket(),
        base=visit.url("/reports"),
    )


@route(BASE + "/runs/{run_id:str}", http_method=["GET"], include_in_schema=False)
async def run_page(request: AnyRequest, services: Services, workspace_id: Id, run_id: Id) -> PageResponse:
    """A run: how it went, what its files hold, and how a program fetches them."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    return await _run(visit, services, run_id)


async def _run(visit: Visit, services: ReportGate, run_id: str, error: CampanileError | None = None) -> PageResponse:
    run = await in_thread(partial(services.runs.get, visit.workspace.id, run_id))
    row = run_row(run)
    return await visit.render(
        "reports/run.html",
        status=200 if error is None else error.status,
        title=row.name,
        row=row,
        run=run,
        channel=phrases.channel,
        waits_until=ready_at(run, visit.workspace.settings.timezone) if run.state == "WAITING_FOR_DATA" else None,
        problem="" if error is None else str(error),
        snippets=snippets(run, services.settings.resolved_base_url) if row.downloadable else None,
        key_variable=KEY,
        here=visit.url(f"/reports/runs/{run.id}"),
        base=visit.url("/reports"),
    )


@route(BASE + "/runs/{run_id:str}/file", http_method=["GET"], include_in_schema=False)
async def run_file(request: AnyRequest, services: Services, workspace_id: Id, run_id: Id) -> ReadyResponse:
    """The archive of a run."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    file = await in_thread(partial(services.downloads.by_run, visit.workspace.id, run_id))
    chunks = await services.downloads.read(file, 0, file.size - 1)
    headers = {**PAGE_HEADERS, "Content-Disposition": f'attachment; filename="{file.name}"'}
    media_type = MEDIA_TYPES[file.name.rpartition(".")[2]]
    return FileResponse(chunks, length=file.size, media_type=media_type, headers=headers)


def _here(request: AnyRequest) -> str:
    """The address of this page, for parts of it that are loaded again."""
    query = urlencode(list(request.query_params.multi_items()))
    return str(request.scope["path"]) + (f"?{query}" if query else "")


# --- doing


@route(BASE + "/{report_id:str}/delete", http_method=["GET"], include_in_schema=False)
async def before_deleting(request: AnyRequest, services: Services, workspace_id: Id, report_id: Id) -> PageResponse:
    """What goes with a report, and the button that does it."""
    visit = await enter_workspace(request, services, workspace_id, "analyst")
    found = await in_thread(partial(services.definitions.get, visit.workspace.id, report_id))
    return await visit.render("reports/delete.html", report=found, base=visit.url("/reports"))


@route(BASE + "/{report_id:str}/delete", http_method=["POST"], status_code=200, include_in_schema=False)
async def delete_report(request: AnyRequest, services: Services, workspace_id: Id, report_id: Id) -> PageResponse:
    """End a report for good."""
    visit = await enter_workspace(request, services, workspace_id, "analyst")
    name = (await in_thread(partial(services.definitions.get, workspace_id, report_id))).spec.name
    await in_thread(partial(services.definitions.delete, workspace_id, report_id, by=visit.user.email))
    return await visit.redirect(visit.url("/reports"), flash=f"The report “{name}” is deleted.")


@route(BASE + "/{report_id:str}/{action:str}", http_method=["POST"], status_code=200, include_in_schema=False)
async def change_report(
    request: AnyRequest, services: Services, workspace_id: Id, report_id: Id, action: Id
) -> PageResponse:
    """Run, start, pause, resume or duplicate a report. What is refused is said on its page."""
    visit = await enter_workspace(request, services, workspace_id, "analyst")
    try:
        return await _change(visit, services, report_id, action)
    except (Conflict, Unprocessable) as error:
        return await _report(visit, services, report_id, error)


async def _change(visit: Visit, services: ReportGate, report_id: str, action: str) -> PageResponse:
    definitions, workspace, by = services.definitions, visit.workspace, visit.user.email
    page = visit.url(f"/reports/{report_id}")
    match action:
        case "run":
            run_id = await only_once(visit, services, lambda: definitions.run(workspace, report_id, {}, by=by)["id"])
            return await visit.redirect(visit.url(f"/reports/runs/{run_id}"))
        case "duplicate":
            copied = await only_once(
                visit, services, lambda: definitions.duplicate(workspace, by, report_id).definition.id
            )
            return await visit.redirect(visit.url(f"/reports/{copied}/edit"), flash="This is the copy, a draft.")
        case "activate":
            await in_thread(partial(definitions.activate, workspace, report_id, by=by))
            return await visit.redirect(page, flash="The report is active.")
        case "pause":
            await in_thread(partial(definitions.pause, workspace, report_id, by=by))
            return await visit.redirect(page, flash="The report is paused: its slots pass without runs.")
        case "resume":
            await in_thread(partial(definitions.resume, workspace, report_id, by=by))
            return await visit.redirect(page, flash="The report goes on with its next slot.")
        case _:
            raise NotFound("There is no such page.")


async def only_once(visit: Visit, services: ReportGate, act: Callable[[], Any]) -> str:
    """The id that `act` answers. A form that is sent again, by its ticket, gets the same id and does nothing.

    Raises:
        Conflict: the ticket belongs to another form.
    """

    async def respond() -> ReadyResponse:
        return ReadyResponse(str(await in_thread(act)).encode())

    def again(answer: Answer) -> ReadyResponse:
        return ReadyResponse(answer.body)

    body = urlencode(visit.form.fields).encode()
    ticket = visit.form.text("ticket") or new_ticket()
    made = await once(visit.request, services.idempotency, visit.workspace.id, body, respond, again, key=ticket)
    return made.content.decode()


@route(BASE + "/runs/{run_id:str}/{action:str}", http_method=["POST"], status_code=200, include_in_schema=False)
async def change_run(request: AnyRequest, services: Services, workspace_id: Id, run_id: Id, action: Id) -> PageResponse:
    """End a run, or try a failed one again."""
    visit = await enter_workspace(request, services, workspace_id, "analyst")
    known = {"cancel": services.runs.cancel, "retry": services.runs.retry}
    if action not in known:
        raise NotFound("There is no such page.")
    try:
        await in_thread(partial(known[action], visit.workspace.id, run_id, by=visit.user.email))
    except Conflict as error:
        return await _run(visit, services, run_id, error)
    return await visit.redirect(visit.url(f"/reports/runs/{run_id}"))
