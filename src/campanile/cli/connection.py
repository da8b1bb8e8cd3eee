"""Reaching a server from a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from campanile.cli.options import WrongUsage
from campanile.client import Client, ClientError, RetryPolicy, moengage
from campanile.errors import CampanileError

DEFAULT_SERVER = "http://127.0.0.1:8080"


def server_address(given: str) -> str:
    """The base URL of a server that was named by its URL, or by the number of a data centre of MoEngage.

    Raises:
        WrongUsage: it is neither.
    """
    try:
        if given.strip().isdigit():
            return moengage(given)
    except ValueError as error:
        raise WrongUsage(f"--server: {error}") from error
    if not given.startswith(("http://", "https://")):
        raise WrongUsage(
            f"--server begins with http:// or https://, or is a data centre of MoEngage: {given!r} is none"
        )
    return given


Server = Annotated[
    str,
    Parameter(
        name=("--server", "--base-url"),
        env_var="CAMPANILE_BASE_URL",
        help="Address of the server, or a data centre of MoEngage: 01 to 06 or 101.",
        show_default=True,
    ),
]
Workspace = Annotated[str, Parameter(env_var="CAMPANILE_WORKSPACE", help="Workspace id.")]
ClientKey = Annotated[str, Parameter(env_var="CAMPANILE_KEY", help="Key of the workspace.")]


class ServerFailed(CampanileError):
    """The server could not be reached or refused a request."""

    type = "server_failed"


@contextmanager
def connect(server: str, workspace: str, key: str, retry: RetryPolicy | None = None) -> Iterator[Client]:
    """A client whose errors end the command with one line.

    Raises:
        WrongUsage: workspace or key is missing. ServerFailed: the server cannot be reached or refuses.
    """
    if not workspace:
        raise WrongUsage("say which workspace: --workspace or CAMPANILE_WORKSPACE")
    if not key:
        raise WrongUsage("a key is needed: --key or CAMPANILE_KEY")
    try:
        with Client(server_address(server), workspace, key, retry=retry) as client:
            yield client
    except ClientError as error:
        raise ServerFailed(str(error)) from error


@Parameter(name="*")
@dataclass(frozen=True)
class Connection:
    """The flags that every command of a server's workspace has: `--server`, `--workspace`, `--key`."""

    server: Server = DEFAULT_SERVER
    workspace: Workspace = ""
    key: ClientKey = ""

    def open(self) -> AbstractContextManager[Client]:
        """As `connect`."""
        return connect(self.server, self.workspace, self.key)


USUAL = Connection()
"""What stands in the variables of the environment, else the defaults."""
