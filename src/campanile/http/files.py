"""Responses that send files: of known length, in pieces, never compressed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from litestar.response.base import ASGIResponse
from litestar.response.streaming import ASGIStreamingResponse

from campanile.http.responses import JSON, ReadyResponse


class FileResponse(ReadyResponse):
    """Sends `length` bytes from `chunks`, or just says that it would.

    Args:
        chunks: None for HEAD.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes] | None,
        *,
        length: int,
        media_type: str,
        headers: Mapping[str, str],
        status_code: int = 200,
    ) -> None:
        all_headers = {"Content-Type": media_type, "Content-Length": str(length), **headers}
        super().__init__(b"", status_code=status_code, media_type=media_type, headers=all_headers)
        self._chunks = chunks

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        if self._chunks is None:
            return ASGIResponse(headers=self.headers, status_code=self.status_code, is_head_response=True)
        return ASGIStreamingResponse(
            iterator=self._chunks, headers=self.headers, media_type=self.media_type, status_code=self.status_code
        )


class EmptyJson(ReadyResponse):
    """No body, and a `Content-Type` all the same: what some clients were promised."""

    def __init__(self, *, status_code: int, headers: Mapping[str, str]) -> None:
        super().__init__(b"", status_code=status_code, headers=headers)

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        headers = {"Content-Type": JSON, **self.headers}
        return ASGIResponse(body=b"", headers=headers, media_type=JSON, status_code=self.status_code)
