"""`/v1/reports`, `/v1/report-previews`, `/v1/report-columns`: definitions of reports (report specification 15)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Protocol, TypeVar, cast, get_args

import anyio.to_thread
import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, SkipValidation

from campanile.errors import InvalidInput
from campanile.http.auth import Gate, require_within
from campanile.http.idempotency import Answer, IdempotencyKeys, once
from campanile.http.requests import MERGE_PATCH, chosen, if_match, number, query, read_json
from campanile.http.responses import JSON, ReadyResponse
from campanile.reports import views
from campanile.reports.definitions import DefinitionService, View
from campanile.reports.listing import LARGEST_PAGE, PAGE, Query, Sort
from campanile.reports.preview import PreviewService
from campanile.reports.reading import Fields, Findings
from campanile.reports.schemas import CHANNELS, State
from campanile.workspaces.schemas import Principal

BODY_BYTES = 256 * 1024
"""Size of one definition."""
PATH = "/v1/reports"

_STATES: dict[str, State | None] = {
    "": None,
    "DRAFT": "DRAFT",
    "ACTIVE": "ACTIVE",
    "PAUSED": "PAUSED",
    "COMPLETED": "COMPLETED",
}
_KINDS = {"": None, "one_time": False, "periodic": True}
_SORTS = ("-created_at", *(sort for sort in get_args(Sort) if sort != "-created_at"))
_MODELS = ("", "all_interactions", "last_interaction")

_Result = TypeVar("_Result")


class ReportGate(Gate, Protocol):
    """What these routes need of the services."""

    @property
    def definitions(self) -> DefinitionService: ...
    @property
    def previews(self) -> PreviewService: ...
    @property
    def idempotency(self) -> IdempotencyKeys: ...


Services = NamedDependency[SkipValidation[ReportGate]]
ReportId = Annotated[str, Parameter(description="Id of the definition.")]
AnyRequest = Request[Any, Any, Any]


async def admitted(request: AnyRequest, services: Gate, scope: str) -> Principal:
    """The caller of a route of reports, who must hold `scope`, if its key may call once more within this minute."""
    limit = services.settings.report_calls
    return await require_within(request, services, scope, purpose="reports", limit=limit)


def report_routes() -> list[HTTPRouteHandler]:
    """The routes of report definitions. Handlers get `services`."""
    return [
        list_reports,
        create_report,
        get_report,
        put_report,
        patch_report,
        delete_report,
        duplicate_report,
        activate_report,
        pause_report,
        resume_report,
        run_report,
        backfill_report,
        preview_report,
        report_versions,
        preview_document,
        report_columns,
    ]


@route(PATH, http_method=["GET"], status_code=200, summary="Report definitions", tags=["reports"])
async def list_reports(request: AnyRequest, services: Services) -> ReadyResponse:
    """A page of definitions. Scope: `reports:read`."""
    principal = await admitted(request, services, "reports:read")
    parameters = query(request, "q", "status", "report_type", "created_by", "sort", "limit", "cursor")
    wanted = Query(
        text=parameters.get("q", ""),
        state=_STATES[chosen(parameters, "status", tuple(_STATES))],
        periodic=_KINDS[chosen(parameters, "report_type", tuple(_KINDS))],
        created_by=parameters.get("created_by", ""),
        sort=cast(Sort, chosen(parameters, "sort", _SORTS)),
        limit=number(parameters, "limit", 1, LARGEST_PAGE, PAGE),
        cursor=parameters.get("cursor", ""),
    )
    page = await _in_thread(partial(services.definitions.page, principal.workspace, wanted))
    shown = [views.definition(principal.workspace, view) for view in page.views]
    return _answer({"reports": shown, "next_cursor": page.next_cursor})


@route(PATH, http_method=["POST"], status_code=201, summary="Create a report definition", tags=["reports"])
async def create_report(request: AnyRequest, services: Services) -> ReadyResponse:
    """201 with the definition; with `dry_run=true` 200 with what it would be. Scope: `reports:write`."""
    principal = await admitted(request, services, "reports:write")
    dry = chosen(query(request, "dry_run"), "dry_run", ("false", "true")) == "true"
    body, raw = await read_json(request, limit=BODY_BYTES)
    if dry:
        draft = await _in_thread(partial(services.definitions.check, principal.workspace, raw))
        return _answer(views.draft(principal.workspace, draft))
    create = partial(services.definitions.create, principal.workspace, principal.key_id, raw)
    return await _created(request, services, principal, body, create)


@route(PATH + "/{report_id:str}", http_method=["GET"], status_code=200, summary="A report definition", tags=["reports"])
async def get_report(request: AnyRequest, services: Services, report_id: ReportId) -> ReadyResponse:
    """The definition; `ETag` is its version. Scope: `reports:read`."""
    principal = await admitted(request, services, "reports:read")
    query(request)
    return _definition(principal, await _in_thread(partial(services.definitions.view, principal.workspace, report_id)))


@route(
    PATH + "/{report_id:str}",
    http_method=["PUT"],
    status_code=200,
    summary="Replace a report definition",
    tags=["reports"],
)
async def put_report(request: AnyRequest, services: Services, report_id: ReportId) -> ReadyResponse:
    """Saves another document as the next version. Scope: `reports:write`."""
    principal = await admitted(request, services, "reports:write")
    query(request)
    _, raw = await read_json(request, limit=BODY_BYTES)
    replace = partial(
        services.definitions.replace,
        principal.workspace,
        principal.key_id,
        report_id,
        raw,
        if_match=if_match(request),
    )
    return _definition(principal, await _in_thread(replace))


@route(
    PATH + "/{report_id:str}",
    http_method=["PATCH"],
    status_code=200,
    summary="Change members of a report definition",
    tags=["reports"],
)
async def patch_report(request: AnyRequest, services: Services, report_id: ReportId) -> ReadyResponse:
    """Applies a JSON merge patch. Scope: `reports:write`."""
    principal = await admitted(request, services, "reports:write")
    query(request)
    _, raw = await read_json(request, limit=BODY_BYTES, media=(MERGE_PATCH, JSON))
    change = partial(
        services.definitions.patch,
        principal.workspace,
        principal.key_id,
        report_id,
        raw,
        if_match=if_match(request),
    )
    return _definition(principal, await _in_thread(change))


@route(
    PATH + "/{report_id:str}",
    http_method=["DELETE"],
    status_code=200,  # what the framework expects of a handler that returns something; the answer is 204
    summary="Delete a report definition",
    tags=["reports"],
)
async def delete_report(request: AnyRequest, services: Services, report_id: ReportId) -> ReadyResponse:
    """Ends its runs, purges its files and frees its name. Scope: `reports:write`."""
    principal = await admitted(request, services, "reports:write")
    query(request)
    delete = services.definitions.delete
    await _in_thread(
        partial(delete, principal.workspace.id, report_id, if_match=if_match(request), by=principal.key_id)
    )
    return ReadyResponse(b"", status_code=204)


@route(
    PATH + "/{report_id:str}/duplicate",
    http_method=["POST"],
    status_code=201,
    summary="Copy a report definition",
    tags=["reports"],
)
async def duplicate_report(request: AnyRequest, services: Services, report_id: ReportId) -> ReadyResponse:
    """A draft with everything of the original, under another name. Scope: `reports:write`."""
    principal = await admitted(request, services, "reports:write")
    query(request)
    body, raw = await read_json(request, limit=BODY_BYTES, optional=True)
    find = Findings()
    fields = Fields(find, raw)
    name = fields.text("name")
    fields.close()
    find.raise_any(raw)
    copy = partial(services.definitions.duplicate, principal.workspace, principal.key_id, report_id, name)
    return await _created(request, services, principal, body, copy)


@route(
    PATH + "/{report_id:str}/activate",
    http_method=["POST"],
    status_code=200,
    summary="Switch a draft or a paused report on",
    tags=["reports"],
)
async def activate_report(request: AnyRequest, services: Services, report_id: ReportId) -> ReadyResponse:
    """It starts with its next slot; again is harmless. Scope: `reports:write`."""
    return await _move(request, services, services.definitions.activate, report_id)


@route(
    PATH + "/{report_id:str}/pause",
    http_method=["POST"],
    status_code=200,
    summary="Let slots pass without runs",
    tags=["reports"],
)
async def pause_report(request: AnyRequest, services: Services, report_id: ReportId) -> ReadyResponse:
    """Again is harmless. Scope: `reports:write`."""
    return await _move(request, services, services.definitions.pause, report_id)


@route(
    PATH + "/{report_id:str}/resume",
    http_method=["POST"],
    status_code=200,
    summary="Switch a paused report on again",
    tags=["reports"],
)
async def resume_report(request: AnyRequest, services: Services, report_id: ReportId) -> ReadyResponse:
    """It goes on with its next slot; again is harmless. Scope: `reports:write`."""
    return await _move(request, services, services.definitions.resume, report_id)


@route(
    PATH + "/{report_id:str}/run",
    http_method=["POST"],
    status_code=202,
    summary="Run a report now",
    tags=["reports"],
)
async def run_report(request: AnyRequest, services: Services, report_id: ReportId) -> ReadyResponse:
    """A run apart from the schedule: `{"window": {"start", "end"}, "file_date"}`. Scope: `reports:write`."""
    principal = await admitted(request, services, "reports:write")
    query(request)
    body, raw = await read_json(request, limit=BODY_BYTES, optional=True)
    start = partial(services.definitions.run, principal.workspace, report_id, raw, by=principal.key_id)

    async def act() -> ReadyResponse:
        return _answer(await _in_thread(start), status=202)

    return await once(request, services.idempotency, principal.workspace.id, body, act, _again)


@route(
    PATH + "/{report_id:str}/backfill",
    http_method=["POST"],
    status_code=202,
    summary="Run a report for past slots",
    tags=["reports"],
)
async def backfill_report(request: AnyRequest, services: Services, report_id: ReportId) -> ReadyResponse:
    """One run per past slot: `{"from", "to", "overwrite"}`. Scope: `reports:write`."""
    principal = await admitted(request, services, "reports:write")
    query(request)
    body, raw = await read_json(request, limit=BODY_BYTES)
    start = partial(services.definitions.backfill, principal.workspace, report_id, raw, by=principal.key_id)

    async def act() -> ReadyResponse:
        return _answer({"runs": await _in_thread(start)}, status=202)

    return await once(request, services.idempotency, principal.workspace.id, body, act, _again)


@route(
    PATH + "/{report_id:str}/preview",
    http_method=["POST"],
    status_code=200,
    summary="First rows of a report",
    tags=["reports"],
)
async def preview_report(request: AnyRequest, services: Services, report_id: ReportId) -> ReadyResponse:
    """Headers and up to 20 rows per channel, as files would show them now. Scope: `reports:read`."""
    principal = await admitted(request, services, "reports:read")
    query(request)
    await _nothing(request)
    found = await _in_thread(partial(services.definitions.get, principal.workspace.id, report_id))
    return _answer(await _in_thread(partial(services.previews.preview, principal.workspace, found.spec)))


@route(
    "/v1/report-previews",
    http_method=["POST"],
    status_code=200,
    summary="First rows of a report that is not stored",
    tags=["reports"],
)
async def preview_document(request: AnyRequest, services: Services) -> ReadyResponse:
    """The same for a definition in the body. Scope: `reports:read`."""
    principal = await admitted(request, services, "reports:read")
    query(request)
    _, raw = await read_json(request, limit=BODY_BYTES)
    spec = await _in_thread(partial(services.definitions.spec, principal.workspace, raw))
    return _answer(await _in_thread(partial(services.previews.preview, principal.workspace, spec)))


@route(
    PATH + "/{report_id:str}/versions",
    http_method=["GET"],
    status_code=200,
    summary="History of a report definition",
    tags=["reports"],
)
async def report_versions(request: AnyRequest, services: Services, report_id: ReportId) -> ReadyResponse:
    """Who saved what and when, newest first. Scope: `reports:read`."""
    principal = await admitted(request, services, "reports:read")
    query(request)
    found = await _in_thread(partial(services.definitions.versions, principal.workspace.id, report_id))
    return _answer({"versions": found})


@route("/v1/report-columns", http_method=["GET"], status_code=200, summary="Columns of reports", tags=["reports"])
async def report_columns(request: AnyRequest, services: Services) -> ReadyResponse:
    """What files can show, per channel. Scope: `reports:read`."""
    principal = await admitted(request, services, "reports:read")
    parameters = query(request, "channel", "q", "attribution_model")
    channel = chosen(parameters, "channel", ("", *CHANNELS)) or None
    model = chosen(parameters, "attribution_model", _MODELS) or principal.workspace.settings.attribution_model
    found = await _in_thread(partial(views.columns, channel, parameters.get("q", ""), model))
    return _answer({"columns": found})


async def _move(request: AnyRequest, services: ReportGate, move: Callable[..., View], report_id: str) -> ReadyResponse:
    principal = await admitted(request, services, "reports:write")
    query(request)
    body = await _nothing(request)

    async def act() -> ReadyResponse:
        moved = await _in_thread(partial(move, principal.workspace, report_id, by=principal.key_id))
        return _definition(principal, moved)

    return await once(request, services.idempotency, principal.workspace.id, body, act, _again)


async def _created(
    request: AnyRequest, services: ReportGate, principal: Principal, body: bytes, create: Callable[[], View]
) -> ReadyResponse:
    async def act() -> ReadyResponse:
        return _definition(principal, await _in_thread(create), status=201)

    return await once(request, services.idempotency, principal.workspace.id, body, act, _again)


def _definition(principal: Principal, view: View, *, status: int = 200) -> ReadyResponse:
    found = view.definition
    content = msgspec.json.encode(views.definition(principal.workspace, view))
    return ReadyResponse(content, status_code=status, headers=_headers(status, found.id, found.version))


class _Named(msgspec.Struct):
    """The members of a stored answer that its headers repeat."""

    id: str = ""
    version: int | None = None


def _again(answer: Answer) -> ReadyResponse:
    named = msgspec.json.decode(answer.body, type=_Named)
    headers = _headers(answer.status, named.id, named.version)
    return ReadyResponse(answer.body, status_code=answer.status, headers=headers)


def _headers(status: int, report_id: str, version: int | None) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if version is not None:
        headers["ETag"] = f'"{version}"'
    if status == 201:
        headers["Location"] = f"{PATH}/{report_id}"
    return headers


def _answer(content: object, *, status: int = 200) -> ReadyResponse:
    return ReadyResponse(msgspec.json.encode(content), status_code=status, headers={"Cache-Control": "no-store"})


async def _nothing(request: AnyRequest) -> bytes:
    """The body of a request that needs none: empty, or an empty object."""
    body, raw = await read_json(request, limit=BODY_BYTES, optional=True)
    if raw != {}:
        raise InvalidInput("This request takes no body.", attribute="body", type="unknown_field")
    return body


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    return await anyio.to_thread.run_sync(work)
