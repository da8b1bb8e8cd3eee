"""Responses whose bytes are ready: no second serialisation, and no `Content-Type` on an empty body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Response
from litestar.response.base import ASGIResponse

JSON = "application/json"


class ReadyResponse(Response[bytes]):
    """Sends `content` as it is; nothing of the route's configuration is merged in."""

    def __init__(
        self,
        content: bytes,
        *,
        status_code: int = 200,
        media_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(content, status_code=status_code, media_type=media_type, headers=dict(headers or {}))

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        response = ASGIResponse(
            body=self.content, headers=self.headers, media_type=self.media_type, status_code=self.status_code
        )
        if not self.content:
            response.headers.pop("content-type", None)
        return response
