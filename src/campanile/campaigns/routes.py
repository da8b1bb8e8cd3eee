"""`/v1/campaigns`: one document in or out, many documents in."""

from __future__ import annotations

import re
import zlib
from functools import partial
from typing import Annotated, Any, Literal, Protocol, cast, get_args

import anyio
import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, SkipValidation

from campanile.campaigns.schemas import ImportMode, ImportReport, Revisions
from campanile.campaigns.service import DOCUMENT_BYTES, IMPORT_BYTES, CampaignService
from campanile.errors import InvalidInput, NotFound, PayloadTooLarge, UnsupportedMediaType
from campanile.http.auth import Gate, require
from campanile.http.bodies import read_body
from campanile.http.context import context_of
from campanile.http.responses import JSON, ReadyResponse

NDJSON = frozenset({"application/x-ndjson", "application/jsonl", "application/x-jsonlines"})
IMPORT_SECONDS = 120.0
"""Seconds a caller has to deliver an import."""

_ENTITY_TAGS = re.compile(r'\s*(?:(?:W/)?"[^"]*"\s*(?:,\s*|$))+')
_ENTITY_TAG = re.compile(r'(W/)?"([^"]*)"')


class CampaignGate(Gate, Protocol):
    """What these routes need of the services."""

    @property
    def campaigns(self) -> CampaignService: ...


CampaignId = Annotated[str, Parameter(description="24 hexadecimal digits.")]


def campaign_routes() -> list[HTTPRouteHandler]:
    """The routes of campaign documents."""
    return [get_campaign, put_campaign, import_campaigns]


@route("/v1/campaigns/{campaign_id:str}", http_method=["GET"], summary="A campaign document", tags=["campaigns"])
async def get_campaign(
    request: Request[Any, Any, Any], services: NamedDependency[SkipValidation[CampaignGate]], campaign_id: CampaignId
) -> ReadyResponse:
    """The canonical document, complete with what events showed. Scope: `campaigns:read`."""
    principal = await require(request, services, "campaigns:read")
    found = await anyio.to_thread.run_sync(services.campaigns.document, principal.workspace.id, campaign_id)
    if found is None:
        raise NotFound("There is no such campaign.", attribute="campaign_id")
    return _answer(found.document, revision=found.revision)


@route(
    "/v1/campaigns/{campaign_id:str}",
    http_method=["PUT"],
    status_code=200,
    summary="Create or replace a campaign document",
    tags=["campaigns"],
)
async def put_campaign(
    request: Request[Any, Any, Any], services: NamedDependency[SkipValidation[CampaignGate]], campaign_id: CampaignId
) -> ReadyResponse:
    """201 when the campaign is new, else 200; `ETag` is the revision. Scope: `campaigns:write`."""
    principal = await require(request, services, "campaigns:write")
    body = await read_body(request, limit=DOCUMENT_BYTES)
    if _media_type(request) != JSON or _coding(request) != "identity":
        raise UnsupportedMediaType("Content-Type must be application/json, without Content-Encoding.")
    put = partial(
        services.campaigns.put,
        principal.workspace.id,
        campaign_id,
        _json(body),
        if_match=_revisions(request, "if-match"),
        if_none_match=_revisions(request, "if-none-match"),
    )
    written = await anyio.to_thread.run_sync(put)
    return _answer(written, revision=written.revision, status=201 if written.result == "created" else 200)


@route(
    "/v1/campaigns/import",
    http_method=["POST"],
    status_code=200,
    summary="Import many campaign documents",
    tags=["campaigns"],
)
async def import_campaigns(
    request: Request[Any, Any, Any], services: NamedDependency[SkipValidation[CampaignGate]]
) -> ReadyResponse:
    """NDJSON in, one document per line; a report out. Scope: `campaigns:write`.

    Query: `mode` = `replace`, `merge` or `skip`; `on_error` = `continue` or `abort`; `dry_run` = `true` or `false`.
    """
    principal = await require(request, services, "campaigns:write")
    body = await read_body(request, limit=IMPORT_BYTES, seconds=IMPORT_SECONDS)
    coding = _coding(request)
    if _media_type(request) not in NDJSON or coding not in ("identity", "gzip"):
        raise UnsupportedMediaType("Content-Type must be application/x-ndjson, Content-Encoding absent or gzip.")
    take = partial(
        services.campaigns.import_lines,
        principal.workspace.id,
        mode=cast(ImportMode, _choice(request, "mode", get_args(ImportMode))),
        abort_on_error=_choice(request, "on_error", ("continue", "abort")) == "abort",
        dry_run=_choice(request, "dry_run", ("false", "true")) == "true",
    )

    def work() -> ImportReport:
        return take(_unpacked(body) if coding == "gzip" else body)

    return _report(request, await anyio.to_thread.run_sync(work))


def _report(request: Request[Any, Any, Any], report: ImportReport) -> ReadyResponse:
    members = msgspec.structs.asdict(report)
    if not members.pop("aborted"):
        return _answer(members)
    error = {
        "type": "import_aborted",
        "message": "Nothing was imported because some lines are wrong.",
        "attribute": "",
        "request_id": context_of(request.scope).request_id,
    }
    return _answer({"error": error, **members}, status=422)


def _answer(content: object, *, revision: int | None = None, status: int = 200) -> ReadyResponse:
    headers = {"Cache-Control": "no-store"}
    if revision is not None:
        headers["ETag"] = f'"{revision}"'
    return ReadyResponse(msgspec.json.encode(content), status_code=status, headers=headers)


def _json(body: bytes) -> object:
    try:
        content: object = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput("The body is not valid JSON.", attribute="body", type="json") from error
    return content


def _media_type(request: Request[Any, Any, Any]) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _coding(request: Request[Any, Any, Any]) -> str:
    return request.headers.get("content-encoding", "").strip().lower() or "identity"


def _unpacked(body: bytes) -> bytes:
    decoder = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        unpacked = decoder.decompress(body, IMPORT_BYTES + 1)
    except zlib.error as error:
        raise InvalidInput("The body is not valid gzip.", attribute="body", type="invalid_encoding") from error
    if len(unpacked) > IMPORT_BYTES:
        raise PayloadTooLarge(f"The unpacked body may have at most {IMPORT_BYTES} bytes.")
    if not decoder.eof or decoder.unused_data:
        raise InvalidInput("The body is not one complete gzip stream.", attribute="body", type="invalid_encoding")
    return unpacked


def _choice(request: Request[Any, Any, Any], name: str, allowed: tuple[str, ...]) -> str:
    """A query parameter; the first of the allowed values is the default."""
    value = request.query_params.get(name, allowed[0])
    if value not in allowed:
        raise InvalidInput(f"{name} must be one of: {', '.join(allowed)}.", attribute=name, type="invalid_value")
    return value


def _revisions(request: Request[Any, Any, Any], name: Literal["if-match", "if-none-match"]) -> Revisions | None:
    """The revisions that a conditional header names; weak tags count for `If-None-Match` only (RFC 9110, 13.1)."""
    text = request.headers.get(name)
    if text is None:
        return None
    if text.strip() == "*":
        return "*"
    if _ENTITY_TAGS.fullmatch(text) is None:
        raise InvalidInput(f"{name} must be * or a list of quoted revisions.", attribute=name, type="invalid_value")
    tags = [tag for weak, tag in _ENTITY_TAG.findall(text) if not weak or name == "if-none-match"]
    return frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) < 19)
