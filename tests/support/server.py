"""A real `campanile serve` process for tests that kill it, starve it or load it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import DIE_WITH_PARENT, free_ports, status_of, stop, wait_until

STOP_SECONDS = 20
WITHOUT_FILE_POWERS = (*DIE_WITH_PARENT[:-1], "--bounding-set=-dac_override,-dac_read_search,-fowner", "--")
"""Prefix of a command started by root: like `DIE_WITH_PARENT`, and file permissions count."""


class Credentials(NamedTuple):
    """What `campanile workspace create --json` prints."""

    workspace_id: str
    report_key: str
    ingest_key: str
    manage_key: str


class Campanile(ABC):
    """A command that runs until it is ended. Between `start` and `kill` or `stop` it does its work.

    `privileged=False` makes file permissions apply to it even when the tests run as root.
    """

    def __init__(self, data: Path, settings: Mapping[str, str] | None = None, *, privileged: bool = True) -> None:
        self.data = data
        self._prefix = DIE_WITH_PARENT if privileged or os.geteuid() else WITHOUT_FILE_POWERS
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMPANILE_")}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling everything doubles the time of a start
        changed = {f"CAMPANILE_{name.upper()}": value for name, value in (settings or {}).items()}
        self.environment = {**kept, **changed, "CAMPANILE_DATA": str(data)}
        self.log = data.parent / f"{data.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def command(self) -> list[str]:
        """Its arguments."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it does its work now."""

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            RuntimeError: it ended or did not become ready; the message ends with its log.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, *_command(*self.command)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_until(self.ready)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Ask `ready` until it says yes.

        Raises:
            RuntimeError: it ended, or took too long and was ended; the message ends with its log.
        """
        try:
            wait_until(ready, self._process, what=f"campanile {self.command[0]}")
        except (RuntimeError, TimeoutError) as error:
            self.kill()
            raise RuntimeError(f"{error}\n{self.log.read_text()[-4000:]}") from error

    def kill(self) -> None:
        """End it at once, as a power cut would: no signal handler runs."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ask it to end and wait for that."""
        if self._process is not None:
            stop(self._process, gently=STOP_SECONDS)
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run an admin command with the server's settings; returns what it printed.

        Raises:
            RuntimeError: it failed; the message is what it wrote.
        """
        done = subprocess.run(
            _command(*arguments), env=self.environment, input=stdin, capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            raise RuntimeError(f"campanile {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout


class Server(Campanile):
    """`campanile serve` on one data folder; it answers at `url`."""

    def __init__(self, data: Path, settings: Mapping[str, str] | None = None, *, privileged: bool = True) -> None:
        super().__init__(data, settings, privileged=privileged)
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def command(self) -> list[str]:
        return ["serve", "--port", str(self.port)]

    def ready(self) -> bool:
        """Whether `/readyz` says yes now."""
        return status_of(f"{self.url}/readyz") == 200

    def create_workspace(self, name: str) -> Credentials:
        made = json.loads(self.run("workspace", "create", name, "--json"))
        return Credentials(*(made[field] for field in Credentials._fields))


class WorkerProcess(Campanile):
    """`campanile worker`."""

    @property
    def command(self) -> list[str]:
        return ["worker"]

    def ready(self) -> bool:
        return b'"ready"' in self.log.read_bytes()

    def end(self, number: signal.Signals) -> int:
        """Send it a signal that ends it; its exit code."""
        assert self._process is not None, "not started"
        self._process.send_signal(number)
        return self._process.wait(STOP_SECONDS)


@contextlib.contextmanager
def running_server(data: Path, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A started server; ended with the block, whatever the test did to it."""
    server = Server(data, settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("campanile")), *arguments]
