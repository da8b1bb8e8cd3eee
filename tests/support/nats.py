"""A NATS server with JetStream for tests."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.processes import DIE_WITH_PARENT, free_ports, scratch_folder, stop, wait_until


class NatsServer:
    """It keeps its streams on disk, so it can be stopped and started again at the same address."""

    def __init__(self, folder: Path) -> None:
        binary = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
        if binary is None:
            raise RuntimeError("nats-server is not installed; `make setup` installs it")
        (self._port,) = free_ports(1)
        self.url = f"nats://127.0.0.1:{self._port}"
        self._command = [
            *DIE_WITH_PARENT, binary, "--addr", "127.0.0.1", "--port", str(self._port), "--jetstream", "--store_dir",
            str(folder),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers, self._process, what="nats-server")

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process, gently=5)
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
                return connection.recv(5) == b"INFO "
        except OSError:
            return False


@contextlib.contextmanager
def nats_server() -> Iterator[NatsServer]:
    """A started server without streams."""
    with scratch_folder("nats") as folder:
        server = NatsServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
