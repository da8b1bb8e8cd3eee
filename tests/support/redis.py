"""A Redis server for tests."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from functools import partial

from tests.support.processes import DIE_WITH_PARENT, Died, free_ports, scratch_folder, stop, wait_until

STARTS = 3
"""Attempts: another process may take the port between our look and the server's bind."""


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """An empty Redis on loopback that keeps nothing on disk; yields `redis://127.0.0.1:<port>/0`."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise RuntimeError("redis-server is not installed; `make setup` installs it")
    with scratch_folder("redis") as folder:
        process, port = _start(binary, str(folder))
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            stop(process, gently=5)


def _start(binary: str, folder: str) -> tuple[subprocess.Popen[bytes], int]:
    for attempt in range(1, STARTS + 1):
        (port,) = free_ports(1)
        process = subprocess.Popen(
            [
                *DIE_WITH_PARENT,
                binary,
                "--bind",
                "127.0.0.1",
                "--port",
                str(port),
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
                folder,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(partial(_answers, port), process, what="redis-server")
        except Died:
            if attempt == STARTS:
                raise
        except TimeoutError:
            stop(process)
            raise
        else:
            return process, port
    raise AssertionError("unreachable")


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
