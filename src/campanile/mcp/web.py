"""The agents' server over HTTP: every request brings credentials of its own, and nothing is kept between two."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from campanile.mcp.server import BadCredentials, basic_credentials

MAX_BODY_BYTES = 256 * 1024
"""Largest request; calls of tools are short."""


class RequireCredentials:
    """Answers 401 to requests without Basic credentials. Whether they are right, the Campanile server decides."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
            try:
                basic_credentials(given[0] if len(given) == 1 else None)
            except BadCredentials:
                headers = [(b"www-authenticate", b'Basic realm="campanile"'), (b"content-length", b"0")]
                await send({"type": "http.response.start", "status": 401, "headers": headers})
                await send({"type": "http.response.body", "body": b""})
                return
        await self._app(scope, receive, send)


def application(server: MCPServer[Any], hosts: list[str]) -> RequireCredentials:
    """An ASGI application with the server under `/mcp`.

    Args:
        hosts: values of the `Host` header that are accepted, so that web pages cannot reach it through other names.
    """
    security = TransportSecuritySettings(
        allowed_hosts=hosts, allowed_origins=[f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    )
    return RequireCredentials(
        server.streamable_http_app(
            stateless_http=True,
            json_response=True,
            max_request_body_size=MAX_BODY_BYTES,
            transport_security=security,
        )
    )
