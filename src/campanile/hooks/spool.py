"""Deliveries that wait on disk while the store is down (ingest specification 3.1).

One file per parcel, written and synced before the delivery is acknowledged, taken out in the order of arrival. What is
in it has no addresses any more, and is encrypted besides.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from campanile.errors import ConfigurationError, Unavailable
from campanile.hooks.inbox import scrubbed
from campanile.hooks.schemas import Draft, Parcel, Undraftable, Vault

SUFFIX = ".parcel"
DAMAGED = ".damaged"
PURPOSE = "spool"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_log = structlog.get_logger("campanile.hooks")


class Spooled(msgspec.Struct, frozen=True, kw_only=True):
    """A parcel on disk; the workspace is read anew when it is taken out."""

    workspace_id: str
    source: str
    hook_id: str
    request_id: str
    received_at: datetime
    drafts: list[Draft]
    undraftable: list[Undraftable]


class Spool:
    """A folder of parcels. Thread-safe."""

    def __init__(self, folder: Path, vault: Vault, limit_bytes: int) -> None:
        self._folder = folder
        self._vault = vault
        self._limit = limit_bytes
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for draft in folder.glob("*.new"):  # of a process that ended before it acknowledged anything
            draft.unlink(missing_ok=True)
        self._size = sum(path.stat().st_size for path in folder.glob(f"*{SUFFIX}"))

    @property
    def size_bytes(self) -> int:
        """Bytes that wait."""
        return self._size

    def add(self, parcel: Parcel) -> None:
        """Keep a parcel; durable when it returns.

        Raises:
            Unavailable: the spool is full, or cannot be written.
        """
        spooled = Spooled(
            workspace_id=parcel.workspace.id,
            source=parcel.source,
            hook_id=parcel.hook_id,
            request_id=parcel.request_id,
            received_at=parcel.received_at,
            drafts=[scrubbed(draft) for draft in parcel.drafts],
            undraftable=parcel.undraftable,
        )
        sealed = self._vault.seal(msgspec.json.encode(spooled), PURPOSE)
        with self._lock:
            if self._size + len(sealed) > self._limit:
                raise Unavailable("The store is down and the spool is full.", type="spool_full", retry_after=30)
            try:
                _write(self._folder, _name(parcel.received_at), sealed)
            except OSError as error:
                raise Unavailable("The spool cannot be written.", type="spool_unavailable", retry_after=30) from error
            self._size += len(sealed)

    def waiting(self) -> list[Path]:
        """The files, in the order of their arrival."""
        return sorted(self._folder.glob(f"*{SUFFIX}"))

    def read(self, path: Path) -> Spooled | None:
        """A parcel; None for a file that cannot be read, which is put aside."""
        try:
            return msgspec.json.decode(self._vault.open(path.read_bytes(), PURPOSE), type=Spooled)
        except FileNotFoundError:
            return None
        except (OSError, ConfigurationError, msgspec.MsgspecError) as error:
            _log.error("spooled_delivery_unreadable", file=path.name, error=type(error).__name__)
            with contextlib.suppress(FileNotFoundError):
                self._shrink(path.rename(path.with_suffix(DAMAGED)).stat().st_size)
            return None

    def remove(self, path: Path) -> None:
        """A parcel has been taken out for good."""
        with contextlib.suppress(FileNotFoundError):
            size = path.stat().st_size
            path.unlink()
            self._shrink(size)

    def _shrink(self, size: int) -> None:
        with self._lock:
            self._size -= size


def _name(received_at: datetime) -> str:
    return f"{(received_at - _EPOCH) // _MICROSECOND:020d}-{secrets.token_hex(8)}{SUFFIX}"


def _write(folder: Path, name: str, content: bytes) -> None:
    """Write under another name, sync, then give it its name: a file with a name is whole."""
    draft = folder / f"{name}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder / name)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
