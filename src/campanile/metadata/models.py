"""The tables, as SQLAlchemy sees them. `migrations/` creates them; a test proves that both agree."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite has no zones, so the zone is dropped on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Instant(), str: String(), bytes: LargeBinary()}


class InstallationRow(Base):
    """Facts about this installation as a whole, by name; such as the fingerprint of the master key."""

    __tablename__ = "installation"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class WorkspaceRow(Base):
    """A tenant."""

    __tablename__ = "workspaces"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    settings: Mapped[str] = mapped_column(Text)
    """JSON object of the settings that differ from the defaults by somebody's decision."""
    pseudonym_key: Mapped[bytes]
    """Sealed by the master key."""
    created_at: Mapped[datetime]
    campaigns_version: Mapped[int] = mapped_column(BigInteger)
    """Grows with every transaction that changes a campaign of the workspace; its row lock orders those transactions."""


class KeyRow(Base):
    """An API key. An archived one keeps its row and loses its secrets."""

    __tablename__ = "api_keys"
    __table_args__ = (
        Index(None, "workspace_id", "digest", unique=True),
        Index(None, "digest"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    kind: Mapped[str]
    name: Mapped[str]
    digest: Mapped[bytes | None]
    """Keyed BLAKE2 of the value; what authentication looks for."""
    sealed: Mapped[bytes | None]
    """The value itself, encrypted; report keys only."""
    scopes: Mapped[str]
    """Space-separated; empty means the scopes of the kind."""
    stats_dialect: Mapped[str | None]
    created_at: Mapped[datetime]
    regenerated_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]


class CampaignRow(Base):
    """A campaign: written, imported, or registered by its first event (campaign specification 8.2)."""

    __tablename__ = "campaigns"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "parent_id"], ["campaigns.workspace_id", "campaigns.campaign_id"]),
        Index(None, "workspace_id", "created_at", "campaign_id"),
        Index(None, "workspace_id", "parent_id"),
        Index(None, "workspace_id", "version"),
    )

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    campaign_id: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str]
    delivery_type: Mapped[str | None]
    status: Mapped[str]
    name: Mapped[str | None]
    """Empty for a child that uses the name of its parent."""
    parent_id: Mapped[str | None]
    flow_id: Mapped[str | None]
    flow_name: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    sent_time: Mapped[datetime | None]
    traits: Mapped[str] = mapped_column(Text)
    """JSON: what the numbers need to know of the document."""
    observed: Mapped[str] = mapped_column(Text)
    """JSON: platforms, locales and variations seen in events."""
    document: Mapped[str] = mapped_column(Text)
    """JSON: the canonical document as written, without what the server adds."""
    source: Mapped[str]
    first_event_at: Mapped[datetime | None]
    last_event_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(BigInteger)
    """`campaigns_version` of the workspace when this row changed last."""


class IdempotencyRow(Base):
    """A key under which a caller sent a request, and the answer; both are kept for a day."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "expires_at"),)

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    """Of everything that decides what the request does."""
    status: Mapped[int | None] = mapped_column(Integer)
    """HTTP status of the answer; empty while there is none."""
    answer: Mapped[bytes | None]
    busy_until: Mapped[datetime | None]
    """Until then the request may be at work; for requests that must not be done twice at a time."""
    expires_at: Mapped[datetime]


class ReportDefinitionRow(Base):
    """A report definition; the members that lists and the scheduler ask for, and the specification as JSON."""

    __tablename__ = "report_definitions"
    __table_args__ = (
        Index(None, "workspace_id", "stem_key", unique=True),
        Index(None, "workspace_id", "created_at", "id"),
        Index(None, "due_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    name: Mapped[str]
    stem_key: Mapped[str | None]
    """What makes two names collide; empty once the definition is deleted, so that its name is free."""
    state: Mapped[str]
    periodic: Mapped[bool | None]
    """Empty without a schedule."""
    spec: Mapped[str] = mapped_column(Text)
    """JSON of the specification of `version`."""
    version: Mapped[int] = mapped_column(Integer)
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    next_slot: Mapped[datetime | None]
    next_file_date: Mapped[date | None]
    due_at: Mapped[datetime | None]
    """When the next slot is to become a run; empty unless active."""
    slots_used: Mapped[int] = mapped_column(Integer)


class ReportVersionRow(Base):
    """One save of a report definition; runs refer to the version they began with."""

    __tablename__ = "report_versions"

    definition_id: Mapped[str] = mapped_column(ForeignKey("report_definitions.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    spec: Mapped[str] = mapped_column(Text)
    changes: Mapped[str] = mapped_column(Text)
    """JSON array: paths of the members that differ from the version before."""
    saved_by: Mapped[str]
    saved_at: Mapped[datetime]
