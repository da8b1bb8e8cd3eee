"""Child processes of the tests: free ports, waiting, and nothing left behind."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
"""Prefix of a command: the kernel kills the program when the thread that started it ends, however that happens."""
SHARED_MEMORY = Path("/dev/shm")
SHARED_MEMORY_FREE = 4 * 1024**3
"""Bytes that must be free before test data goes to memory instead of a disk."""

PATIENCE = 120
"""Seconds to wait for what should take a moment: a busy machine is no fault, and only a failure waits to the end."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that were free a moment ago, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for candidate in sockets:
            candidate.bind(("127.0.0.1", 0))
        return [candidate.getsockname()[1] for candidate in sockets]


class Died(RuntimeError):
    """A server ended before it answered."""


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes] | None = None, *, seconds: float = PATIENCE, what: str
) -> None:
    """Ask `ready` until it says yes.

    Raises:
        Died: `process` ended first.
        TimeoutError: it did not say yes within `seconds`.
    """
    end = time.monotonic() + seconds
    while not ready():
        if process is not None and process.poll() is not None:
            raise Died(f"{what} ended with status {process.returncode} before it answered")
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not answer within {seconds:.0f} seconds")
        time.sleep(0.02)


def status_of(url: str, method: str = "GET") -> int:
    """The status a server on this machine answers with; 0 if nobody answers.

    Cheap enough to ask again and again: the usual client reads all certificates for every call.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=5)
    try:
        connection.request(method, parts.path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def stop(process: subprocess.Popen[bytes], *, gently: float = 0) -> None:
    """End one process that we started: with `gently` seconds of grace, or at once."""
    if process.poll() is None and gently:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(gently)
    if process.poll() is None:
        process.kill()
    process.wait()


@contextlib.contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A folder for throw-away data: in memory when there is room, so that fsync costs the tests nothing."""
    with_room = SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK)
    with_room = with_room and shutil.disk_usage(SHARED_MEMORY).free > SHARED_MEMORY_FREE
    base = SHARED_MEMORY if with_room else Path(tempfile.gettempdir())
    _sweep(base)
    folder = Path(tempfile.mkdtemp(prefix=f"campanile-{os.getpid()}-{prefix}-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take the write permission from every folder in `folder`, itself included."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    modes = [path.stat().st_mode for path in folders]
    for path, mode in zip(folders, modes, strict=True):
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in zip(folders, modes, strict=True):
            with contextlib.suppress(FileNotFoundError):  # the engine may have cleaned up meanwhile
                path.chmod(mode)


def _sweep(base: Path) -> None:
    """Remove the folders of test processes that were killed."""
    for folder in base.glob("campanile-*-*-*"):
        process = folder.name.split("-")[1]
        if process.isdigit() and not Path("/proc", process).exists():
            shutil.rmtree(folder, ignore_errors=True)
