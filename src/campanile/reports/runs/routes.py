"""`/v1/report-runs`: what became of reports (report specification 15.1). Their files are sent by `reports.download`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Annotated, Any, Protocol

import anyio.to_thread
import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, SkipValidation

from campanile.errors import Conflict, InvalidInput
from campanile.http.auth import Gate, require
from campanile.http.idempotency import Answer, IdempotencyKeys, once
from campanile.http.requests import chosen, number, query, read_json
from campanile.http.responses import ReadyResponse
from campanile.reports.listing import LARGEST_PAGE, PAGE
from campanile.reports.reading import parse_date
from campanile.reports.runs.schemas import STATES, Run, RunState
from campanile.reports.runs.service import Query, RunService

PATH = "/v1/report-runs"
BODY_BYTES = 1024
"""Size of a body of a request that takes none."""
ID_CHARACTERS = 100
"""Longest id that is looked for."""

_STATES: dict[str, RunState | None] = {"": None, **{state: state for state in STATES}}


class RunGate(Gate, Protocol):
    """What these routes need of the services."""

    @property
    def runs(self) -> RunService: ...
    @property
    def idempotency(self) -> IdempotencyKeys: ...


Services = NamedDependency[SkipValidation[RunGate]]
RunId = Annotated[str, Parameter(description="Id of the run.")]
AnyRequest = Request[Any, Any, Any]


def run_routes() -> list[HTTPRouteHandler]:
    """The routes of runs. Handlers get `services`."""
    return [list_runs, get_run, get_manifest, cancel_run, retry_run]


@route(PATH, http_method=["GET"], status_code=200, summary="Runs of reports", tags=["report runs"])
async def list_runs(request: AnyRequest, services: Services) -> ReadyResponse:
    """A page of runs, newest first. Scope: `reports:read`."""
    principal = await require(request, services, "reports:read")
    parameters = query(request, "definition_id", "status", "file_date_from", "file_date_to", "limit", "cursor")
    wanted = Query(
        definition_id=_id(parameters.get("definition_id")),
        state=_STATES[chosen(parameters, "status", tuple(_STATES))],
        first=_day(parameters.get("file_date_from"), "file_date_from"),
        last=_day(parameters.get("file_date_to"), "file_date_to"),
        limit=number(parameters, "limit", 1, LARGEST_PAGE, PAGE),
        cursor=parameters.get("cursor", ""),
    )
    runs, cursor = await anyio.to_thread.run_sync(services.runs.page, principal.workspace.id, wanted)
    return _answer({"runs": [run.document() for run in runs], "next_cursor": cursor})


@route(PATH + "/{run_id:str}", http_method=["GET"], status_code=200, summary="A run of a report", tags=["report runs"])
async def get_run(request: AnyRequest, services: Services, run_id: RunId) -> ReadyResponse:
    """State, progress, warnings and file. Scope: `reports:read`."""
    principal = await require(request, services, "reports:read")
    query(request)
    return _answer((await anyio.to_thread.run_sync(services.runs.get, principal.workspace.id, run_id)).document())


@route(
    PATH + "/{run_id:str}/manifest",
    http_method=["GET"],
    status_code=200,
    summary="What is in the file of a run",
    tags=["report runs"],
)
async def get_manifest(request: AnyRequest, services: Services, run_id: RunId) -> ReadyResponse:
    """Files with their columns, rows, sizes and checksums. Scope: `reports:read`."""
    principal = await require(request, services, "reports:read")
    query(request)
    run = await anyio.to_thread.run_sync(services.runs.get, principal.workspace.id, run_id)
    if not run.final:
        raise Conflict("The run has not finished yet.", attribute="run_id", type="not_ready")
    return _answer(run.manifest())


@route(PATH + "/{run_id:str}/cancel", http_method=["POST"], status_code=202, summary="End a run", tags=["report runs"])
async def cancel_run(request: AnyRequest, services: Services, run_id: RunId) -> ReadyResponse:
    """It leaves no file; a second time changes nothing. Scope: `reports:write`."""
    return await _move(request, services, services.runs.cancel, run_id)


@route(
    PATH + "/{run_id:str}/retry",
    http_method=["POST"],
    status_code=202,
    summary="Carry out a failed run once more",
    tags=["report runs"],
)
async def retry_run(request: AnyRequest, services: Services, run_id: RunId) -> ReadyResponse:
    """With its slot and file date. Scope: `reports:write`."""
    return await _move(request, services, services.runs.retry, run_id)


async def _move(request: AnyRequest, services: RunGate, move: Callable[[str, str], Run], run_id: str) -> ReadyResponse:
    principal = await require(request, services, "reports:write")
    query(request)
    body, raw = await read_json(request, limit=BODY_BYTES, optional=True)
    if raw != {}:
        raise InvalidInput("This request takes no body.", attribute="body", type="unknown_field")

    async def act() -> ReadyResponse:
        run = await anyio.to_thread.run_sync(partial(move, principal.workspace.id, run_id))
        return _answer(run.document(), status=202)

    return await once(request, services.idempotency, principal.workspace.id, body, act, _again)


def _again(answer: Answer) -> ReadyResponse:
    return ReadyResponse(answer.body, status_code=answer.status, headers={"Cache-Control": "no-store"})


def _answer(content: object, *, status: int = 200) -> ReadyResponse:
    return ReadyResponse(msgspec.json.encode(content), status_code=status, headers={"Cache-Control": "no-store"})


def _id(text: str | None) -> str | None:
    """An id that is looked for; databases refuse NUL in a text."""
    if text is not None and ("\0" in text or len(text) > ID_CHARACTERS):
        raise InvalidInput(
            "definition_id must be the id of a report.", attribute="definition_id", type="invalid_parameter"
        )
    return text


def _day(text: str | None, name: str) -> date | None:
    if text is None:
        return None
    found = parse_date(f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else text)
    if found is None:
        message = f"{name} must be a date such as 2025-03-01 or 20250301."
        raise InvalidInput(message, attribute=name, type="invalid_parameter")
    return found
