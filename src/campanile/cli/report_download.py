"""`campanile report download`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from campanile.cli.connection import DEFAULT_SERVER, ClientKey, Server, Workspace, connect
from campanile.cli.options import Json, WrongUsage
from campanile.cli.output import print_json, stderr, stdout
from campanile.client import Client, Downloaded, NotReady
from campanile.client.downloads import Progress

WAIT_SECONDS = 15.0
"""Pause between two requests for a report that is not ready."""


def download(
    file: Annotated[str, Parameter(help="Name of the file, such as Daily_sales_20250302.zip.")],
    /,
    *,
    output: Annotated[
        Path | None, Parameter(name=("--output", "-o"), help="Where to put it: a file or a folder; here if not given.")
    ] = None,
    daily: Annotated[bool, Parameter(negative="", help="It is a daily dump, YYYYMMDD.zip.")] = False,
    wait: Annotated[float, Parameter(help="Minutes to wait for a report that is not ready.")] = 0,
    json: Json = False,
    server: Server = DEFAULT_SERVER,
    workspace: Workspace = "",
    key: ClientKey = "",
) -> int:
    """Download a report file by its name, signed with the report key; from Campanile or from MoEngage.

    An interrupted download goes on where it ended. The file appears when it is complete and its checksum is right.
    """
    target = _target(file, output)
    with connect(server, workspace, key) as client, _display(file) as progress:
        done = _fetch(client, file, target, daily, wait * 60, progress)
    if json:
        print_json(
            {
                "file": str(done.path),
                "size": done.size,
                "sha256": done.sha256,
                "checked": done.checked,
                "resumed_at": done.resumed_at,
            }
        )
    else:
        checked = "checksum is right" if done.checked else "the server named no checksum"
        stdout().print(f"{done.path}: {done.size:,} bytes, {checked}")
    return 0


def _fetch(
    client: Client, file: str, target: Path, daily: bool, patience: float, progress: Progress | None
) -> Downloaded:
    end = time.monotonic() + patience
    while True:
        try:
            return client.download(file, target, daily=daily, progress=progress)
        except NotReady:
            if time.monotonic() + WAIT_SECONDS > end:
                raise
            time.sleep(WAIT_SECONDS)


def _target(file: str, output: Path | None) -> Path:
    """Where the file goes. Its name is used only if it is a plain one."""
    if output is not None and not output.is_dir():
        if not output.parent.is_dir():
            raise WrongUsage(f"there is no folder {output.parent}")
        return output
    name = Path(file).name
    if name != file or name in ("", ".", ".."):
        raise WrongUsage(f"{file!r} cannot be the name of a file here; say --output")
    name = name if name.endswith(".zip") else f"{name}.zip"
    return (output or Path()) / name


@contextmanager
def _display(file: str) -> Iterator[Progress | None]:
    """A bar on a terminal, nothing elsewhere."""
    console = stderr()
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, TimeRemainingColumn(), console=console, transient=True) as bars:
        task = bars.add_task(file, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
