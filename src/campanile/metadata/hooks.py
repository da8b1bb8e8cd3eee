"""The tables of the receivers, as SQLAlchemy sees them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from campanile.metadata.models import Base


class HookRow(Base):
    """An address to which a provider posts."""

    __tablename__ = "hooks"
    __table_args__ = (
        Index(None, "workspace_id", "created_at", "id"),
        Index(None, "address", unique=True),
        Index(None, "previous_address"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    provider: Mapped[str]
    name: Mapped[str]
    address: Mapped[str]
    """Last part of the URL."""
    previous_address: Mapped[str | None]
    options: Mapped[str] = mapped_column(Text)
    """JSON object of what differs from the defaults."""
    sealed: Mapped[bytes]
    """JSON of the secrets, encrypted."""
    created_at: Mapped[datetime]
    rotated_at: Mapped[datetime | None]
    """A day later the previous secret and address stop working."""


class HookDeliveryRow(Base):
    """One of the last deliveries to a hook."""

    __tablename__ = "hook_deliveries"
    __table_args__ = (Index(None, "hook_id", "at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    hook_id: Mapped[str] = mapped_column(ForeignKey("hooks.id", ondelete="CASCADE"))
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    at: Mapped[datetime]
    outcome: Mapped[str]
    bytes: Mapped[int] = mapped_column(Integer)
    accepted: Mapped[int] = mapped_column(Integer)
    duplicates: Mapped[int] = mapped_column(Integer)
    ignored: Mapped[int] = mapped_column(Integer)
    waiting: Mapped[int] = mapped_column(Integer)
    dead: Mapped[int] = mapped_column(Integer)
    error: Mapped[str]
    """Code of what was wrong."""


class PendingEventRow(Base):
    """An event that waits for the message it belongs to. No personal data."""

    __tablename__ = "pending_events"
    __table_args__ = (Index(None, "workspace_id", "expires_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    """Made of workspace, event id and type: the same event waits once."""
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    source: Mapped[str]
    hook_id: Mapped[str]
    provider: Mapped[str]
    message_id: Mapped[str]
    draft: Mapped[str] = mapped_column(Text)
    """JSON."""
    received_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class DeadLetterRow(Base):
    """An event that could not be stored. No personal data."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        Index(None, "workspace_id", "at", "id"),
        Index(None, "expires_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    source: Mapped[str]
    hook_id: Mapped[str]
    """Empty for receivers that are no hooks; the hook may be gone."""
    at: Mapped[datetime]
    code: Mapped[str]
    field: Mapped[str]
    message: Mapped[str]
    content: Mapped[str] = mapped_column(Text)
    """JSON."""
    retriable: Mapped[bool]
    expires_at: Mapped[datetime]
