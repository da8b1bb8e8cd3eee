"""Who is calling: credentials of a request, checked against the workspaces."""

from __future__ import annotations

import base64
import binascii
from ipaddress import IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import anyio
import structlog
from litestar import Request

from campanile.errors import Forbidden, RateLimited, Unauthenticated
from campanile.http.context import context_of
from campanile.http.proxies import address_of
from campanile.http.rate_limit import Limiter
from campanile.settings import Settings

if TYPE_CHECKING:
    from campanile.workspaces.schemas import Principal
    from campanile.workspaces.service import WorkspaceService

APP_KEY_HEADER = b"moe-appkey"
IPV6_PREFIX = 64
"""Bits of an IPv6 address that name one source: smaller parts are handed out to a single machine."""

_log = structlog.get_logger("campanile.http")


class Gate(Protocol):
    """What authentication needs of the services."""

    @property
    def workspaces(self) -> WorkspaceService: ...
    @property
    def limiter(self) -> Limiter: ...
    @property
    def settings(self) -> Settings: ...


class Credentials(NamedTuple):
    """What an `Authorization` header says. `workspace_id` is None for a bearer key, which names its own."""

    workspace_id: str | None
    secret: str


async def require(request: Request[Any, Any, Any], services: Gate, scope: str) -> Principal:
    """The caller of one of our own endpoints, who must hold `scope`. Basic and Bearer are accepted.

    Raises:
        Unauthenticated: no credentials or wrong ones.
        Forbidden: the key lacks the scope, or `MOE-APPKEY` names another workspace (`workspace_mismatch`).
        RateLimited: too many failed attempts from this address.
    """
    principal = await authenticate(request, services, bearer=True)
    if any(value != principal.workspace.id.encode() for value in app_keys(request)):
        raise Forbidden("MOE-APPKEY names another workspace than the credentials.", type="workspace_mismatch")
    if scope not in principal.scopes:
        raise Forbidden(f"This key lacks the scope {scope}.", type="missing_scope")
    return principal


def actor(principal: Principal) -> str:
    """Who the audit log says it was when a key did it."""
    return f"key {principal.key_id}"


async def require_within(
    request: Request[Any, Any, Any], services: Gate, scope: str, *, purpose: str, limit: int
) -> Principal:
    """`require`, for `limit` requests per minute and key; `purpose` tells what is counted together.

    Raises:
        RateLimited: the key has used them up. Otherwise as `require`.
    """
    principal = await require(request, services, scope)
    quota = await services.limiter.hit(f"{purpose}:{principal.key_id}", limit)
    context_of(request.scope).headers.update(quota.headers())
    if not quota.allowed:
        raise RateLimited("Too many requests with this key; try again later.", retry_after=quota.retry_after)
    return principal


async def authenticate(request: Request[Any, Any, Any], services: Gate, *, bearer: bool = False) -> Principal:
    """The owner of the key in `Authorization`, whatever its scopes.

    An address that failed too often is refused before its next guess is looked at.

    Raises:
        Unauthenticated: no credentials, unreadable ones or wrong ones; never says which half was wrong.
        RateLimited: too many failed attempts from this address.
    """
    headers = [value for name, value in request.scope["headers"] if name == b"authorization"]
    if not headers:
        raise Unauthenticated("Credentials are required.")
    source = source_of(request)
    limit = services.settings.failed_logins_per_minute
    quota = await services.limiter.peek(f"login:{source}", limit)
    if not quota.allowed:
        _log.warning("logins_throttled", source=source)
        raise RateLimited("Too many failed attempts; try again later.", retry_after=quota.retry_after)
    principal = None
    if len(headers) == 1 and (credentials := parse_authorization(headers[0], bearer=bearer)) is not None:
        principal = services.workspaces.recall(*credentials)
        if principal is None:
            principal = await anyio.to_thread.run_sync(_look_up, services.workspaces, credentials)
    if principal is None:
        await services.limiter.hit(f"login:{source}", limit)
        raise Unauthenticated("The credentials are not valid.")
    context = context_of(request.scope)
    context.workspace_id, context.key_id = principal.workspace.id, principal.key_id
    return principal


def parse_authorization(header: bytes, *, bearer: bool) -> Credentials | None:
    """The credentials in one `Authorization` value; None if it cannot be understood.

    The scheme is case-insensitive; Basic credentials are UTF-8 and split at the first colon, nothing is trimmed.
    """
    scheme, _, token = header.partition(b" ")
    match scheme.lower():
        case b"basic":
            try:
                text = base64.b64decode(token, validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError):
                return None
            workspace_id, colon, secret = text.partition(":")
            usable = colon and "\0" not in text  # databases refuse NUL in a text
            return Credentials(workspace_id, secret) if usable else None
        case b"bearer" if bearer and token.isascii() and b"\0" not in token:
            return Credentials(None, token.decode("ascii"))
    return None


def app_keys(request: Request[Any, Any, Any]) -> list[bytes]:
    """All values of the header `MOE-APPKEY`, as sent."""
    return [value for name, value in request.scope["headers"] if name == APP_KEY_HEADER]


def source_of(request: Request[Any, Any, Any]) -> str:
    """The address that failed attempts are counted for: an IPv4 address or an IPv6 network."""
    client = request.scope.get("client")
    host = client[0] if client else ""
    address = address_of(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, IPV6_PREFIX), strict=False))
    return host if address is None else str(address)


def _look_up(workspaces: WorkspaceService, credentials: Credentials) -> Principal | None:
    if credentials.workspace_id is None:
        return workspaces.authenticate_bearer(credentials.secret)
    return workspaces.authenticate(credentials.workspace_id, credentials.secret)
