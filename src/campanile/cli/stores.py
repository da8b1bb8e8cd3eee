"""Opening what the commands work on directly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from campanile.clock import SystemClock
from campanile.metadata import migrate, open_metadata
from campanile.settings import Settings
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
