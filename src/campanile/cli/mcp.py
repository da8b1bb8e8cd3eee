"""`campanile mcp`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from cyclopts import Parameter

from campanile.cli.connection import DEFAULT_SERVER, ClientKey, Server, Workspace, server_address
from campanile.cli.options import WrongUsage
from campanile.client import Client, RetryPolicy

ATTEMPTS = 3
"""Times a question is sent; an agent is waiting, and may ask again itself."""


def mcp(
    *,
    transport: Annotated[Literal["stdio", "http"], Parameter(help="How agents reach it.", show_default=True)] = "stdio",
    host: Annotated[str, Parameter(help="Address to listen on (http).", show_default=True)] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen on (http).", show_default=True)] = 8090,
    allowed_host: Annotated[
        list[str] | None, Parameter(negative="", help="Name under which it is reached from elsewhere (http).")
    ] = None,
    server: Server = DEFAULT_SERVER,
    workspace: Workspace = "",
    key: ClientKey = "",
) -> int:
    """Serve statistics to agents by the Model Context Protocol, read-only.

    On standard input and output it speaks for one workspace with its report key. Over HTTP, under /mcp, every request
    brings the workspace id and key of its caller as Basic credentials.
    """
    from campanile.mcp.server import basic_credentials, build

    if transport == "stdio" and not (workspace and key):
        raise WrongUsage("say for which workspace: --workspace and --key, or CAMPANILE_WORKSPACE and CAMPANILE_KEY")
    if transport == "http" and (workspace or key):
        raise WrongUsage("over http every caller brings its own credentials: leave --workspace and --key out")

    address = server_address(server)

    @contextmanager
    def connect(header: str | None) -> Iterator[Client]:
        who, secret = (workspace, key) if transport == "stdio" else basic_credentials(header)
        with Client(address, who, secret, retry=RetryPolicy(attempts=ATTEMPTS)) as client:
            yield client

    built = build(connect)
    if transport == "stdio":
        built.run("stdio")
        return 0
    import uvicorn

    from campanile.mcp.web import application

    hosts = [f"{name}:{port}" for name in (host, "localhost", "127.0.0.1", "[::1]")] + (allowed_host or [])
    uvicorn.run(application(built, hosts), host=host, port=port, log_level="warning")
    return 0
