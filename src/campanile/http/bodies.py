"""Reads request bodies: bounded in bytes and in time, refused before the first byte where possible."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
from litestar import Request

from campanile.errors import InvalidInput, PayloadTooLarge, RequestTimeout

BODY_SECONDS = 30.0
"""Seconds a caller has to deliver the whole body; slower ones would hold a connection each for nothing."""


async def read_body(request: Request[Any, Any, Any], *, limit: int, seconds: float = BODY_SECONDS) -> bytes:
    """The whole body, at most `limit` bytes.

    Raises:
        PayloadTooLarge: more than `limit` bytes are declared (nothing is read) or arrive.
        RequestTimeout: the body is not complete after `seconds`.
        InvalidInput: ambiguous or wrong length, or the caller went away.
    """
    return b"".join([chunk async for chunk in stream_body(request, limit=limit, seconds=seconds)])


async def stream_body(
    request: Request[Any, Any, Any], *, limit: int, seconds: float = BODY_SECONDS
) -> AsyncIterator[bytes]:
    """The body chunk by chunk, under the rules of `read_body`."""
    declared = declared_length(request)
    if declared is not None and declared > limit:
        raise PayloadTooLarge(f"The body may have at most {limit} bytes.")
    deadline = anyio.current_time() + seconds
    received = 0
    while True:
        with anyio.move_on_after(deadline - anyio.current_time()) as scope:
            message = await request.receive()
        if scope.cancelled_caught:
            raise RequestTimeout(f"The body did not arrive within {seconds:g} seconds.")
        if message["type"] != "http.request":
            raise InvalidInput("The body ended before its declared length.", type="incomplete_body")
        chunk = message.get("body", b"")
        received += len(chunk)
        if received > limit:
            raise PayloadTooLarge(f"The body may have at most {limit} bytes.")
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            break
    if declared is not None and received != declared:
        raise InvalidInput("The body does not have its declared length.", type="incomplete_body")


def declared_length(request: Request[Any, Any, Any]) -> int | None:
    """The value of `Content-Length`, or None.

    Raises:
        InvalidInput: the header is no number, given twice with different values, or stands beside
            `Transfer-Encoding` (two readers of such a request may disagree on where it ends).
    """
    headers = request.scope["headers"]
    lengths = {value for name, value in headers if name == b"content-length"}
    if not lengths:
        return None
    if len(lengths) > 1 or any(name == b"transfer-encoding" for name, _ in headers):
        raise InvalidInput("The length of the body is ambiguous.", type="ambiguous_length")
    text = lengths.pop()
    if not text.isdigit():
        raise InvalidInput("Content-Length is not a number.", type="ambiguous_length")
    return int(text[:20])  # 20 digits exceed every limit; longer ones need no exact value
