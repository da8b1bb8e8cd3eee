"""Reaching a server from a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import Parameter

from campanile.cli.options import WrongUsage
from campanile.client import CampanileClient, ClientError, RetryPolicy
from campanile.errors import CampanileError

DEFAULT_SERVER = "http://127.0.0.1:8080"

Server = Annotated[
    str,
    Parameter(
        name=("--server", "--base-url"),
        env_var="CAMPANILE_BASE_URL",
        help="Address of the server.",
        show_default=True,
    ),
]
Workspace = Annotated[str, Parameter(env_var="CAMPANILE_WORKSPACE", help="Workspace id.")]
ClientKey = Annotated[str, Parameter(env_var="CAMPANILE_KEY", help="Key of the workspace.")]


class ServerFailed(CampanileError):
    """The server could not be reached or refused a request."""

    type = "server_failed"


@contextmanager
def connect(server: str, workspace: str, key: str, retry: RetryPolicy | None = None) -> Iterator[CampanileClient]:
    """A client whose errors end the command with one line.

    Raises:
        WrongUsage: workspace or key is missing. ServerFailed: the server cannot be reached or refuses.
    """
    if not workspace:
        raise WrongUsage("say which workspace: --workspace or CAMPANILE_WORKSPACE")
    if not key:
        raise WrongUsage("a key is needed: --key or CAMPANILE_KEY")
    try:
        with CampanileClient(server, workspace, key, retry=retry) as client:
            yield client
    except ClientError as error:
        raise ServerFailed(str(error)) from error
