"""The metadata database (SQLite or PostgreSQL): workspaces, keys, campaigns. Events live elsewhere, in the log."""

from sqlalchemy import Connection

from campanile.metadata.migrate import migrate, pending
from campanile.metadata.session import AnyRow, Metadata, open_metadata

__all__ = ["AnyRow", "Connection", "Metadata", "migrate", "open_metadata", "pending"]
