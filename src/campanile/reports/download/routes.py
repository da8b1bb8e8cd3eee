"""Routes that send files. The order of checks and the errors of those by name are a contract (report API 5 to 9)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Protocol

import anyio.to_thread
import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, SkipValidation

from campanile.errors import NotFound, RateLimited
from campanile.http.auth import Gate, source_of
from campanile.http.context import RequestContext, context_of
from campanile.http.errors import Envelope, Failure
from campanile.http.files import EmptyJson, FileResponse
from campanile.http.responses import ReadyResponse
from campanile.reports.download.conditions import http_date, select
from campanile.reports.download.request import given_signature, read_path
from campanile.reports.download.service import BadSignature, DownloadService, Parser, daily_name, report_name
from campanile.reports.routes import admitted
from campanile.reports.runs.schemas import File

FAILED_SIGNATURES = 60
"""Failed signatures per source address and minute."""
CHALLENGE = 'Signature realm="campaign-reports"'
REPORTS = ("campaign_reports", "rest_api")
DAILY = ("dailyCampaignReportDump",)
DAILY_V1 = ("v1", "dailyCampaignReportDump")
MEDIA_TYPES = {".zip": "application/zip", ".tar": "application/x-tar", ".gz": "application/gzip"}

AnyRequest = Request[Any, Any, Any]
RunId = Annotated[str, Parameter(description="Id of the run.")]
Token = Annotated[str, Parameter(description="The secret of the link.")]


class DownloadGate(Gate, Protocol):
    """What these routes need of the services."""

    @property
    def downloads(self) -> DownloadService: ...


Services = NamedDependency[SkipValidation[DownloadGate]]


def download_routes() -> list[HTTPRouteHandler]:
    """The routes that send files. Handlers get `services`."""
    return [get_report_file, get_daily_file, get_daily_file_v1, get_run_file, get_linked_file]


@route("/campaign_reports/rest_api/{rest:path}", http_method=["GET", "HEAD"], tags=["report files"])
async def get_report_file(request: AnyRequest, services: Services) -> ReadyResponse:
    """A finished report by its name, signed with a report key of the workspace."""
    return await _named(request, services, REPORTS, report_name)


@route("/dailyCampaignReportDump/{rest:path}", http_method=["GET", "HEAD"], tags=["report files"])
async def get_daily_file(request: AnyRequest, services: Services) -> ReadyResponse:
    """The daily dump of a day, signed in the same way."""
    context_of(request.scope).headers["Deprecation"] = "true"
    return await _named(request, services, DAILY, daily_name)


@route("/v1/dailyCampaignReportDump/{rest:path}", http_method=["GET", "HEAD"], tags=["report files"])
async def get_daily_file_v1(request: AnyRequest, services: Services) -> ReadyResponse:
    """The same under another path that is in use."""
    context_of(request.scope).headers["Deprecation"] = "true"
    return await _named(request, services, DAILY_V1, daily_name)


@route("/v1/report-runs/{run_id:str}/file", http_method=["GET", "HEAD"], tags=["report runs"])
async def get_run_file(request: AnyRequest, services: Services, run_id: RunId) -> ReadyResponse:
    """The file of a run. Scope: `reports:read`."""
    principal = await admitted(request, services, "reports:read")
    file = await anyio.to_thread.run_sync(services.downloads.by_run, principal.workspace.id, run_id)
    return await _sent(request, services, file, _media_type(file))


@route("/v1/export/file/{token:str}", http_method=["GET", "HEAD"], tags=["report files"])
async def get_linked_file(request: AnyRequest, services: Services, token: Token) -> ReadyResponse:
    """The file that the link of an e-mail opens. Some links need a key with `reports:read`, too."""
    await _refuse_guessers(request, services, "link")
    try:
        linked = await anyio.to_thread.run_sync(services.downloads.by_link, token)
    except NotFound as error:
        if error.status == HTTPStatus.NOT_FOUND:
            await _note_failure(request, services, "link")
        raise
    if linked.require_login:
        principal = await admitted(request, services, "reports:read")
        if principal.workspace.id != linked.workspace_id:
            raise NotFound("There is no such link.", attribute="token")
    return await _sent(request, services, linked.file, _media_type(linked.file))


def download_envelopes() -> dict[str, Envelope]:
    """Path prefix → the form of errors there, for the error renderer."""
    prefixes = ("/campaign_reports/", "/dailyCampaignReportDump/", "/v1/dailyCampaignReportDump/")
    return dict.fromkeys(prefixes, download_envelope)


def download_envelope(failure: Failure, context: RequestContext) -> ReadyResponse:
    """`{"error": {attribute, message, type, request_id}}`; 401 and 429 have no body (report API 7)."""
    status = HTTPStatus(failure.status if failure.status < HTTPStatus.INTERNAL_SERVER_ERROR else 500)
    headers = dict(failure.headers)
    if status == HTTPStatus.UNAUTHORIZED:
        return EmptyJson(status_code=status, headers={**headers, "WWW-Authenticate": CHALLENGE})
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return EmptyJson(status_code=status, headers=headers)
    first = failure.first
    broken = status == HTTPStatus.INTERNAL_SERVER_ERROR
    error = {
        "attribute": "" if broken else first.attribute,
        "message": "Internal error" if broken else first.message,
        "type": status.phrase.upper(),
        "request_id": context.error_code,
    }
    return ReadyResponse(msgspec.json.encode({"error": error}), status_code=status, headers=headers)


async def _named(request: AnyRequest, services: DownloadGate, prefix: tuple[str, ...], parse: Parser) -> ReadyResponse:
    scope = request.scope
    asked = read_path(scope.get("raw_path"), scope["path"], prefix)
    await _refuse_guessers(request, services, "signature")
    signature = given_signature(scope["headers"], scope["query_string"])
    try:
        await anyio.to_thread.run_sync(services.downloads.check, asked, signature)
    except BadSignature:
        await _note_failure(request, services, "signature")
        raise
    context_of(scope).workspace_id = asked.app_id
    file = await anyio.to_thread.run_sync(services.downloads.by_name, asked, parse)
    return await _sent(request, services, file, services.settings.report_content_type)


async def _refuse_guessers(request: AnyRequest, services: DownloadGate, what: str) -> None:
    """
    Raises:
        RateLimited: this address failed too often within a minute.
    """
    quota = await services.limiter.peek(f"{what}:{source_of(request)}", FAILED_SIGNATURES)
    if not quota.allowed:
        raise RateLimited("Too many failed attempts; try again later.", retry_after=quota.retry_after)


async def _note_failure(request: AnyRequest, services: DownloadGate, what: str) -> None:
    await services.limiter.hit(f"{what}:{source_of(request)}", FAILED_SIGNATURES)


async def _sent(request: AnyRequest, services: DownloadGate, file: File, media_type: str) -> ReadyResponse:
    """The file, or the part that is asked for, or that the caller has it already."""
    etag = f'"{file.sha256}"'
    selection = select(request.scope["headers"], size=file.size, etag=etag, modified=file.generated_at)
    headers = {
        "ETag": etag,
        "Last-Modified": http_date(file.generated_at),
        "Cache-Control": "private, no-store",
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }
    if selection.status == HTTPStatus.NOT_MODIFIED:
        return ReadyResponse(b"", status_code=304, headers=headers)
    if selection.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return ReadyResponse(b"", status_code=416, headers={**headers, "Content-Range": f"bytes */{file.size}"})
    first, last = selection.first, selection.last
    headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
    if selection.status == HTTPStatus.PARTIAL_CONTENT:
        headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
    # Opened for HEAD, too: it must not promise what GET cannot keep.
    chunks = await services.downloads.read(file, first, last)
    return FileResponse(
        None if request.method == "HEAD" else chunks,
        length=last - first + 1,
        media_type=media_type,
        headers=headers,
        status_code=selection.status,
    )


def _media_type(file: File) -> str:
    return MEDIA_TYPES["." + file.name.rpartition(".")[2]]
