"""The metadata database (SQLite or PostgreSQL): workspaces, keys, campaigns, people. Events are in the log."""

from sqlalchemy import Connection

from campanile.metadata import hooks, people  # their tables belong to the same schema
from campanile.metadata.migrate import migrate, pending
from campanile.metadata.session import AnyRow, Metadata, open_metadata

__all__ = ["AnyRow", "Connection", "Metadata", "hooks", "migrate", "open_metadata", "pending", "people"]
