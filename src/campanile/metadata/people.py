"""The tables of people: who may sign in, where they may do what, and what was done."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from campanile.metadata.models import Base


class UserRow(Base):
    """Somebody who signs in to the dashboard."""

    __tablename__ = "users"
    __table_args__ = (Index(None, "email", unique=True),)

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str]
    """In lower case."""
    name: Mapped[str]
    password: Mapped[str]
    """argon2id with its parameters."""
    role: Mapped[str | None]
    """Role in every workspace, those to come included; empty for people who belong to single ones."""
    created_at: Mapped[datetime]
    password_at: Mapped[datetime]
    """When the password was set."""


class MembershipRow(Base):
    """What somebody may do in one workspace."""

    __tablename__ = "memberships"
    __table_args__ = (Index(None, "workspace_id"),)

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    role: Mapped[str]
    created_at: Mapped[datetime]


class InvitationRow(Base):
    """A link with which one person may join a workspace; the row goes when it is used or taken back."""

    __tablename__ = "invitations"
    __table_args__ = (Index(None, "digest", unique=True), Index(None, "workspace_id"))

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    email: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    expires_at: Mapped[datetime]


class SessionRow(Base):
    """A browser that is signed in."""

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "user_id"), Index(None, "expires_at"))

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    """Keyed BLAKE2 of what the cookie holds."""
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    browser: Mapped[str]
    """What the browser calls itself, shortened."""
    flash: Mapped[str | None] = mapped_column(Text)
    """A sentence to show once."""


class SignInFailureRow(Base):
    """Failed attempts to sign in: of one account or from one address."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (Index(None, "since"),)

    subject: Mapped[bytes] = mapped_column(primary_key=True)
    """Digest of the account or the address."""
    failures: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime]
    """The first of them."""
    locked_until: Mapped[datetime | None]


class AuditRow(Base):
    """Something that was changed."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "workspace_id", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    workspace_id: Mapped[str | None] = mapped_column(ForeignKey("workspaces.id"))
    """Empty for what concerns the installation."""
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    before: Mapped[str] = mapped_column(Text)
    """JSON object: names and values before, without secrets."""
    after: Mapped[str] = mapped_column(Text)
