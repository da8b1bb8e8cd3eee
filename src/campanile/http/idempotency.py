"""The header `Idempotency-Key` of requests: its form, and requests that are done once and answered again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import anyio
import anyio.to_thread
from litestar import Request

from campanile.errors import CampanileError, InvalidInput
from campanile.http.context import context_of
from campanile.http.responses import ReadyResponse
from campanile.metadata.idempotency import HEADER, Answer, IdempotencyKeys, InProgress, request_digest

__all__ = ["Answer", "IdempotencyKeys", "checked_key", "idempotency_key", "once"]

KEY_CHARACTERS = 128
"""Longest key, in characters."""

BUSY = timedelta(seconds=120)
"""How long a request may take before whoever works on it is taken for dead; several times the longest timeout."""


def idempotency_key(request: Request[Any, Any, Any]) -> str | None:
    """The key of a request, if it has one.

    Raises:
        InvalidInput: empty, too long, or characters other than visible ASCII.
    """
    return checked_key(request.headers.get(HEADER))


def checked_key(value: str | None) -> str | None:
    """The same for the value of the header."""
    if value is None:
        return None
    if not 1 <= len(value) <= KEY_CHARACTERS or any(not "!" <= character <= "~" for character in value):
        raise InvalidInput(
            f"{HEADER} must be 1 to {KEY_CHARACTERS} visible ASCII characters.",
            attribute=HEADER,
            type="invalid_idempotency_key",
        )
    return value


async def once(
    request: Request[Any, Any, Any],
    keys: IdempotencyKeys,
    workspace_id: str,
    body: bytes,
    act: Callable[[], Awaitable[ReadyResponse]],
    again: Callable[[Answer], ReadyResponse],
    *,
    key: str | None = None,
) -> ReadyResponse:
    """What `act` answers; under a key of the caller, the stored answer to the same request on the same path.

    Requests that failed or were refused keep the key and may be sent again.

    Args:
        again: makes a response of a stored answer, which has no headers.
        key: instead of the one in the header, for forms.

    Raises:
        Conflict: the key was used for another request on this path, or the request is being done elsewhere.
    """
    given = idempotency_key(request) if key is None else checked_key(key)
    if given is None:
        return await act()
    path = quote(request.scope["path"], errors="replace")  # databases refuse some characters that paths may have
    name = f"{given} {path}"  # no key has a space in it, so two pairs are never alike
    digest = request_digest(body, request.scope["query_string"].decode("latin-1"))
    async with keys.alone(workspace_id, name):
        try:
            earlier = await anyio.to_thread.run_sync(lambda: keys.claim(workspace_id, name, digest, busy=BUSY))
        except InProgress:
            context_of(request.scope).headers["Retry-After"] = "1"
            raise
        if earlier is not None:
            context_of(request.scope).headers["Idempotent-Replayed"] = "true"
            return again(earlier)
        try:
            response = await act()
        except CampanileError:
            await anyio.to_thread.run_sync(keys.release, workspace_id, name)
            raise
        answer = Answer(response.status_code or HTTPStatus.OK, response.content)
        await anyio.to_thread.run_sync(keys.keep, workspace_id, name, answer)
        return response
