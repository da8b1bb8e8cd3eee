"""HTTP of the receivers: deliveries, hooks, dead letters, MoEngage (ingest specification 2, 3)."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

import anyio.to_thread
import msgspec
from litestar import Request, route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, SkipValidation

from campanile.clock import Clock
from campanile.errors import Conflict, InvalidInput, RateLimited, Unavailable, UnsupportedMediaType
from campanile.hooks.documents import HookChange, HookOrder, described, letter_document, note_document
from campanile.hooks.moengage.track_event import MAX_BODY_BYTES
from campanile.hooks.schemas import MAX_PAYLOAD_BYTES, Incoming, MadeHook
from campanile.hooks.service import HookService, Receipt
from campanile.http.auth import Gate, actor, require
from campanile.http.bodies import declared_length, read_body, stream_body
from campanile.http.context import context_of
from campanile.http.requests import number, query, read_json
from campanile.http.responses import ReadyResponse
from campanile.intake.service import IntakeService

MAX_MANAGEMENT_BYTES = 64 * 1024
"""Bytes of a request that creates or changes a hook."""
MAX_RETRIED = 1_000
"""Dead letters that one request may name."""
SHOWN_DELIVERIES = 100
"""Deliveries listed at most."""
NO_STORE = {"Cache-Control": "no-store"}


class HookGate(Gate, Protocol):
    """What these routes need of the services."""

    @property
    def hooks(self) -> HookService: ...
    @property
    def intake(self) -> IntakeService: ...
    @property
    def clock(self) -> Clock: ...


Services = NamedDependency[SkipValidation[HookGate]]
Asked = Request[Any, Any, Any]


def hook_routes() -> list[HTTPRouteHandler]:
    """The routes of the receivers. Handlers get `services`."""
    return [
        post_delivery, get_handshake, create_hook, list_hooks, show_hook, rotate_hook, test_hook, list_deliveries,
        delete_hook, list_dead_letters, retry_dead_letters, post_streams, post_track_event,
    ]  # fmt: skip


# --- deliveries


@route("/v1/hooks/{provider:str}/{address:str}", http_method=["POST"], status_code=200, tags=["hooks"])
async def post_delivery(
    request: Asked, services: Services, provider: FromPath[str], address: FromPath[str]
) -> ReadyResponse:
    """What a provider posts. The signature is its credential; 2xx means that nothing of it can be lost any more."""
    located = await anyio.to_thread.run_sync(services.hooks.locate, provider, address)
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType("Deliveries must not be compressed.")
    if located is None:
        raise services.hooks.refuse_unknown(await _incoming(request, services))
    context = context_of(request.scope)
    context.workspace_id = located.workspace.id
    try:
        with services.hooks.admit(located.workspace, declared_length(request) or 0) as ticket:
            incoming = await _incoming(request, services)
            ticket.resize(len(incoming.body))
            receipt = await services.hooks.receive(located, incoming, context.request_id, ticket.spend)
    except RateLimited as error:  # some providers take any 4xx for a final answer
        raise Unavailable(error.message, retry_after=error.retry_after, type="overloaded") from error
    if receipt.status == HTTPStatus.NO_CONTENT:
        return ReadyResponse(b"", status_code=receipt.status, headers=NO_STORE)
    return _json(_receipt(receipt), receipt.status)


@route("/v1/hooks/{provider:str}/{address:str}", http_method=["GET"], status_code=200, tags=["hooks"])
async def get_handshake(
    request: Asked, services: Services, provider: FromPath[str], address: FromPath[str]
) -> ReadyResponse:
    """Meta asks here whether a subscription is wanted."""
    located = await anyio.to_thread.run_sync(services.hooks.locate, provider, address)
    challenge = services.hooks.handshake(located, request.query_params)
    return ReadyResponse(challenge.encode(), headers={"Content-Type": "text/plain; charset=utf-8", **NO_STORE})


async def _incoming(request: Asked, services: HookGate) -> Incoming:
    body = await read_body(request, limit=MAX_PAYLOAD_BYTES)
    return Incoming(
        body=body,
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.scope["headers"]},
        path=request.scope["path"],
        query=request.scope["query_string"].decode("latin-1"),
        received_at=services.clock.now(),
    )


def _receipt(receipt: Receipt) -> dict[str, Any]:
    delivered = receipt.delivered
    if delivered.spooled:
        return {"status": "success", "durability": "spooled", "ignored": receipt.ignored}
    return {
        "status": "success",
        "accepted": delivered.accepted,
        "duplicates": delivered.duplicates,
        "ignored": receipt.ignored,
        "waiting": delivered.waiting,
        "dead_lettered": delivered.dead,
    }


# --- management


@route("/v1/hooks", http_method=["POST"], status_code=201, summary="Create a hook", tags=["hooks"])
async def create_hook(request: Asked, services: Services) -> ReadyResponse:
    """A new address for a provider. Secrets that are made here are shown this once."""
    principal = await require(request, services, "hooks:write")
    order = await _order(request, HookOrder)
    create = partial(
        services.hooks.hooks.create,
        principal.workspace.id,
        order.provider,
        name=order.name,
        secret=order.secret,
        options=order.options,
        by=actor(principal),
    )
    made = await anyio.to_thread.run_sync(create)
    return _json(_made(services, made), HTTPStatus.CREATED)


@route("/v1/hooks", http_method=["GET"], status_code=200, summary="List hooks", tags=["hooks"])
async def list_hooks(request: Asked, services: Services) -> ReadyResponse:
    """All hooks of the workspace, without secrets."""
    principal = await require(request, services, "hooks:read")
    query(request)
    hooks = await anyio.to_thread.run_sync(services.hooks.hooks.list, principal.workspace.id)
    return _json({"hooks": [described(hook, services.hooks.url(hook)) for hook in hooks]})


@route("/v1/hooks/{hook_id:str}", http_method=["GET"], status_code=200, summary="Show a hook", tags=["hooks"])
async def show_hook(request: Asked, services: Services, hook_id: FromPath[str]) -> ReadyResponse:
    """One hook, without secrets."""
    principal = await require(request, services, "hooks:read")
    query(request)
    hook = await anyio.to_thread.run_sync(services.hooks.hooks.get, principal.workspace.id, hook_id)
    return _json(described(hook, services.hooks.url(hook)))


@route("/v1/hooks/{hook_id:str}/rotate", http_method=["POST"], status_code=200, summary="Rotate", tags=["hooks"])
async def rotate_hook(request: Asked, services: Services, hook_id: FromPath[str]) -> ReadyResponse:
    """A new secret, and a new address if wanted; the previous ones work for another day."""
    principal = await require(request, services, "hooks:write")
    order = await _order(request, HookChange, optional=True)
    rotate = partial(
        services.hooks.hooks.rotate,
        principal.workspace.id,
        hook_id,
        secret=order.secret,
        address=order.address,
        by=actor(principal),
    )
    return _json(_made(services, await anyio.to_thread.run_sync(rotate)))


@route("/v1/hooks/{hook_id:str}/test", http_method=["POST"], status_code=200, summary="Try a hook", tags=["hooks"])
async def test_hook(request: Asked, services: Services, hook_id: FromPath[str]) -> ReadyResponse:
    """What a delivery would do. The body is a delivery, without its signature; empty: a sample of the provider."""
    principal = await require(request, services, "hooks:write")
    incoming = await _incoming(request, services)
    trial = await services.hooks.try_out(
        principal.workspace, hook_id, incoming if incoming.body else None, context_of(request.scope).request_id
    )
    return _json(trial)


@route("/v1/hooks/{hook_id:str}/deliveries", http_method=["GET"], status_code=200, summary="Deliveries", tags=["hooks"])
async def list_deliveries(request: Asked, services: Services, hook_id: FromPath[str]) -> ReadyResponse:
    """The last deliveries to a hook and what became of them, the newest first."""
    principal = await require(request, services, "hooks:read")
    most = number(query(request, "limit"), "limit", 1, SHOWN_DELIVERIES, SHOWN_DELIVERIES)
    read = partial(services.hooks.hooks.deliveries, principal.workspace.id, hook_id, most)
    return _json({"deliveries": [note_document(note) for note in await anyio.to_thread.run_sync(read)]})


@route("/v1/hooks/{hook_id:str}", http_method=["DELETE"], status_code=200, summary="Delete a hook", tags=["hooks"])
async def delete_hook(request: Asked, services: Services, hook_id: FromPath[str]) -> ReadyResponse:
    """From now on deliveries to its address are refused; what it brought stays."""
    principal = await require(request, services, "hooks:write")
    query(request)
    delete = partial(services.hooks.hooks.delete, principal.workspace.id, hook_id, by=actor(principal))
    await anyio.to_thread.run_sync(delete)
    return ReadyResponse(b"", status_code=HTTPStatus.NO_CONTENT)


@route("/v1/dead-letters", http_method=["GET"], status_code=200, summary="Dead letters", tags=["hooks"])
async def list_dead_letters(request: Asked, services: Services) -> ReadyResponse:
    """Events of receivers that could not be stored, without personal data, the newest first."""
    principal = await require(request, services, "hooks:read")
    query(request)
    letters = await anyio.to_thread.run_sync(services.hooks.dead_letters, principal.workspace.id)
    return _json({"dead_letters": [letter_document(letter) for letter in letters]})


@route("/v1/dead-letters/retry", http_method=["POST"], status_code=200, summary="Try again", tags=["hooks"])
async def retry_dead_letters(request: Asked, services: Services) -> ReadyResponse:
    """Try dead letters again: those named in `ids`, or all. Whatever fails again stays."""
    principal = await require(request, services, "hooks:write")
    _, content = await read_json(request, limit=MAX_MANAGEMENT_BYTES, optional=True)
    ids = content.get("ids") if isinstance(content, dict) else ()
    if ids is not None and not (
        isinstance(ids, list)
        and len(ids) <= MAX_RETRIED
        and all(isinstance(name, str) and name.isprintable() for name in ids)
    ):
        raise InvalidInput(f"ids must list at most {MAX_RETRIED} dead letters.", attribute="ids", type="invalid_value")
    request_id = context_of(request.scope).request_id
    delivered = await services.hooks.retry(principal.workspace, ids, request_id, by=actor(principal))
    return _json({
        "accepted": delivered.accepted, "duplicates": delivered.duplicates, "waiting": delivered.waiting,
        "dead_lettered": delivered.dead,
    })  # fmt: skip


# --- MoEngage


@route("/v1/streams/moengage", http_method=["POST"], status_code=200, summary="MoEngage Streams", tags=["hooks"])
async def post_streams(request: Asked, services: Services) -> ReadyResponse:
    """A batch of MoEngage Streams. Bad events in it go to the dead letters and never fail it."""
    principal = await require(request, services, "ingest:write")
    query(request)
    request_id = context_of(request.scope).request_id
    try:
        with services.intake.admit(principal.workspace, declared_length(request) or 0) as ticket:
            body = await _plain(request, services)
            ticket.resize(len(body))
            receipt = await services.hooks.receive_streams(principal.workspace, body, request_id, ticket.spend)
    except RateLimited as error:
        raise Unavailable(error.message, retry_after=error.retry_after, type="overloaded") from error
    answer = {"request_id": request_id, **_receipt(receipt)}
    answer.pop("waiting", None)
    return _json(answer)


@route("/v1/event/{workspace_id:str}", http_method=["POST"], status_code=200, summary="Track events", tags=["hooks"])
async def post_track_event(request: Asked, services: Services, workspace_id: FromPath[str]) -> ReadyResponse:
    """Actions of a user in the form of the Track Event API; stored when the answer arrives."""
    principal = await require(request, services, "ingest:write")
    query(request, "app_id")
    if principal.workspace.id != workspace_id:
        raise Conflict("The path names another workspace than the credentials.", type="workspace_mismatch")
    request_id = context_of(request.scope).request_id
    with services.intake.admit(principal.workspace, declared_length(request) or 0) as ticket:
        body, _ = await read_json(request, limit=MAX_BODY_BYTES)
        ticket.resize(len(body))
        await services.hooks.receive_track_event(principal.workspace, body, request_id)
    return _json({"status": "success", "message": "The events are stored.", "request_id": request_id})


async def _plain(request: Asked, services: HookGate) -> bytes:
    """The body of a request, unpacked."""
    decoder = services.intake.unpacker(request.headers.get("content-encoding"), declared_length(request))
    async for chunk in stream_body(request, limit=MAX_PAYLOAD_BYTES):
        decoder.feed(chunk)
    return await anyio.to_thread.run_sync(decoder.finish)


# --- shared


async def _order(request: Asked, kind: type[Any], *, optional: bool = False) -> Any:
    _, content = await read_json(request, limit=MAX_MANAGEMENT_BYTES, optional=optional)
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error), attribute="body", type="invalid_value") from error


def _made(services: HookGate, made: MadeHook) -> dict[str, Any]:
    document = described(made.hook, services.hooks.url(made.hook))
    if made.secret:
        document["secret"] = made.secret
    if made.verify_token:
        document["verify_token"] = made.verify_token
    return document


def _json(content: Any, status: int = HTTPStatus.OK) -> ReadyResponse:
    return ReadyResponse(msgspec.json.encode(content), status_code=status, headers=NO_STORE)
