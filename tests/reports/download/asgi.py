"""Requests to an ASGI application without a client in between that tidies paths."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

from tests.reports.download.fixture import Answer


def ask(
    app: Any,
    method: str,
    raw_path: str,
    query: str = "",
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    *,
    with_raw_path: bool = True,
    client: str = "192.0.2.1",
) -> Answer:
    """The answer to one request whose path is sent as it is."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw_path),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"test"), *((name.lower().encode(), value.encode()) for name, value in pairs)],
        "client": (client, 1234),
        "server": ("test", 80),
        "state": {},
    }
    if with_raw_path:
        scope["raw_path"] = raw_path.encode()
    sent: list[dict[str, Any]] = []
    finished = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if sent and not sent[-1].get("more_body", True):
            return {"type": "http.disconnect"}
        if not asked:
            asked.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}
        await finished.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            finished.set()

    asked: list[bool] = []
    asyncio.run(app(scope, receive, send))
    start = sent[0]
    found = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    assert len(found) == len(start["headers"]), "no header is sent twice"
    return Answer(start["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))
