"""One process per embedded data folder, held by a lock file that the operating system releases."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from campanile.errors import ConfigurationError

LOCK_NAME = "campanile.lock"


class FolderLock:
    """An exclusive lock on a folder for the life of the process.

    Raises:
        ConfigurationError: another process holds it; the message says which and what to do.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(f"cannot use the data folder {folder}: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise ConfigurationError(
                f"the data folder {folder} is in use by process {holder}: the embedded engine allows one process. "
                "Stop that process, talk to it over HTTP, or choose another folder with --data; "
                "several processes need a ClickHouse server (CAMPANILE_ENGINE_URL)."
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def lock_holder(folder: Path) -> int | None:
    """The process that holds the folder now, or None."""
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        text = os.read(descriptor, 32).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else -1
    finally:
        os.close(descriptor)
    return None
