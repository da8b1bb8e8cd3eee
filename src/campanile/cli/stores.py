"""Opening what the commands work on directly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from campanile.audit.service import AuditService
from campanile.clock import SystemClock
from campanile.metadata import migrate, open_metadata
from campanile.settings import Settings
from campanile.users.service import UserService
from campanile.workspaces.secrets import load_master_key
from campanile.workspaces.service import WorkspaceService


@contextmanager
def open_workspaces(settings: Settings) -> Iterator[WorkspaceService]:
    """The workspaces of a server; its metadata database is made or upgraded when needed.

    Raises:
        ConfigurationError, Unavailable: the database or the master key cannot be used.
    """
    metadata = open_metadata(settings.resolved_metadata_url)
    try:
        migrate(metadata.engine)
        yield WorkspaceService(metadata, load_master_key(settings), SystemClock())
    finally:
        metadata.close()


@contextmanager
def open_users(settings: Settings) -> Iterator[UserService]:
    """The users of a server, in the same database and under the same conditions as `open_workspaces`."""
    metadata = open_metadata(settings.resolved_metadata_url)
    clock = SystemClock()
    try:
        migrate(metadata.engine)
        master_key = load_master_key(settings)
        WorkspaceService(metadata, master_key, clock)  # refuses another key than the database was made with
        yield UserService(metadata, master_key, clock, AuditService(metadata, clock))
    finally:
        metadata.close()
