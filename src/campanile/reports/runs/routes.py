"""`/v1/report-runs`: what became of reports (report specification 15.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Annotated, Any, Protocol, TypeVar, cast

import anyio.to_thread
import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, SkipValidation

from campanile.errors import InvalidInput
from campanile.http.auth import Gate
from campanile.http.idempotency import Answer, IdempotencyKeys, once
from campanile.http.requests import chosen, number, query, read_json
from campanile.http.responses import ReadyResponse
from campanile.reports.delivery.secrets import webhook_secret
from campanile.reports.listing import LARGEST_PAGE, PAGE
from campanile.reports.parts import recipients
from campanile.reports.reading import Fields, Findings, parse_date
from campanile.reports.routes import admitted
from campanile.reports.runs.schemas import STATES, Run, RunState
from campanile.reports.runs.service import Query, RunService
from campanile.workspaces.schemas import Workspace

PATH = "/v1/report-runs"
BODY_BYTES = 16 * 1024
"""Size of a request about a run."""
ID_CHARACTERS = 100
"""Longest id that is looked for."""

_Result = TypeVar("_Result")
AnyRequest = Request[Any, Any, Any]


class RunGate(Gate, Protocol):
    """What these routes need of the services."""

    @property
    def runs(self) -> RunService: ...
    @property
    def idempotency(self) -> IdempotencyKeys: ...


Services = NamedDependency[SkipValidation[RunGate]]
RunId = Annotated[str, Parameter(description="Id of the run.")]


def run_routes() -> list[HTTPRouteHandler]:
    """The routes of runs. Handlers get `services`."""
    return [list_runs, get_run, get_manifest, cancel_run, retry_run, send_run, get_webhook_secret]


@route(PATH, http_method=["GET"], status_code=200, summary="Report runs", tags=["report runs"])
async def list_runs(request: AnyRequest, services: Services) -> ReadyResponse:
    """A page of runs, newest first. Scope: `reports:read`."""
    principal = await admitted(request, services, "reports:read")
    names = ("definition_id", "status", "file_date_from", "file_date_to", "limit", "cursor")
    parameters = query(request, *names)
    wanted = Query(
        definition_id=_id(parameters.get("definition_id")),
        state=cast("RunState | None", chosen(parameters, "status", ("", *STATES)) or None),
        first=_day(parameters, "file_date_from"),
        last=_day(parameters, "file_date_to"),
        limit=number(parameters, "limit", 1, LARGEST_PAGE, PAGE),
        cursor=parameters.get("cursor", ""),
    )
    runs, cursor = await _in_thread(partial(services.runs.page, principal.workspace.id, wanted))
    return _answer({"runs": [run.document() for run in runs], "next_cursor": cursor})


@route(PATH + "/{run_id:str}", http_method=["GET"], status_code=200, summary="A report run", tags=["report runs"])
async def get_run(request: AnyRequest, services: Services, run_id: RunId) -> ReadyResponse:
    """State, progress, warnings, files and deliveries of a run. Scope: `reports:read`."""
    principal = await admitted(request, services, "reports:read")
    query(request)
    run = await _in_thread(partial(services.runs.get, principal.workspace.id, run_id))
    return _answer(run.document())


@route(
    PATH + "/{run_id:str}/manifest",
    http_method=["GET"],
    status_code=200,
    summary="What the files of a run hold",
    tags=["report runs"],
)
async def get_manifest(request: AnyRequest, services: Services, run_id: RunId) -> ReadyResponse:
    """Files with their rows, columns and checksums. Scope: `reports:read`."""
    principal = await admitted(request, services, "reports:read")
    query(request)
    run = await _in_thread(partial(services.runs.with_file, principal.workspace.id, run_id))
    return _answer(run.manifest())


@route(PATH + "/{run_id:str}/cancel", http_method=["POST"], status_code=202, summary="End a run", tags=["report runs"])
async def cancel_run(request: AnyRequest, services: Services, run_id: RunId) -> ReadyResponse:
    """It leaves no file; again is harmless. Scope: `reports:write`."""
    return await _changed(request, services, partial(services.runs.cancel, run_id=run_id))


@route(
    PATH + "/{run_id:str}/retry",
    http_method=["POST"],
    status_code=202,
    summary="Carry out a failed run once more",
    tags=["report runs"],
)
async def retry_run(request: AnyRequest, services: Services, run_id: RunId) -> ReadyResponse:
    """With its slot and its file date. Scope: `reports:write`."""
    return await _changed(request, services, partial(services.runs.retry, run_id=run_id))


@route(PATH + "/{run_id:str}/send", http_method=["POST"], status_code=202, summary="Mail a file", tags=["report runs"])
async def send_run(request: AnyRequest, services: Services, run_id: RunId) -> ReadyResponse:
    """The link to the file of a run, to other people: `{"recipients": […]}`. Scope: `reports:write`."""
    principal = await admitted(request, services, "reports:write")
    query(request)
    body, raw = await read_json(request, limit=BODY_BYTES)
    addresses = _recipients(raw, principal.workspace)

    async def act() -> ReadyResponse:
        run = await _in_thread(partial(services.runs.send, principal.workspace.id, run_id, addresses))
        return _answer(run.document(), status=202)

    return await once(request, services.idempotency, principal.workspace.id, body, act, _again)


@route(
    "/v1/report-webhook-secret",
    http_method=["GET"],
    status_code=200,
    summary="What webhooks are signed with",
    tags=["report runs"],
)
async def get_webhook_secret(request: AnyRequest, services: Services) -> ReadyResponse:
    """For receivers, in the form of the Standard Webhooks scheme. Scope: `reports:write`."""
    principal = await admitted(request, services, "reports:write")
    query(request)
    return _answer({"secret": webhook_secret(principal.workspace)})


async def _changed(request: AnyRequest, services: RunGate, change: Callable[..., Run]) -> ReadyResponse:
    principal = await admitted(request, services, "reports:write")
    query(request)
    body, raw = await read_json(request, limit=BODY_BYTES, optional=True)
    if raw != {}:
        raise InvalidInput("This request takes no body.", attribute="body", type="unknown_field")

    async def act() -> ReadyResponse:
        run = await _in_thread(partial(change, principal.workspace.id, by=principal.key_id))
        return _answer(run.document(), status=202)

    return await once(request, services.idempotency, principal.workspace.id, body, act, _again)


def _recipients(raw: object, workspace: Workspace) -> tuple[str, ...]:
    """
    Raises:
        InvalidInput, Unprocessable: everything wrong with the body.
    """
    find = Findings()
    fields = Fields(find, raw)
    found = recipients(fields, allowed=workspace.settings.may_mail)
    fields.close()
    find.raise_any(raw)
    return found


def _id(text: str | None) -> str | None:
    """An id that is looked for; databases refuse NUL in a text."""
    if text is not None and ("\0" in text or len(text) > ID_CHARACTERS):
        message = "definition_id must be the id of a report."
        raise InvalidInput(message, attribute="definition_id", type="invalid_parameter")
    return text


def _day(parameters: Mapping[str, str], name: str) -> date | None:
    """A file date, as file names spell it or with hyphens."""
    text = parameters.get(name)
    if text is None:
        return None
    found = parse_date(f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else text)
    if found is None:
        message = f"{name} must be a date such as 2025-03-01 or 20250301."
        raise InvalidInput(message, attribute=name, type="invalid_parameter")
    return found


def _again(answer: Answer) -> ReadyResponse:
    return ReadyResponse(answer.body, status_code=answer.status, headers={"Cache-Control": "no-store"})


def _answer(content: object, *, status: int = 200) -> ReadyResponse:
    return ReadyResponse(msgspec.json.encode(content), status_code=status, headers={"Cache-Control": "no-store"})


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    return await anyio.to_thread.run_sync(work)
