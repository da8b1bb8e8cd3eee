"""The tables, as SQLAlchemy sees them. `migrations/` creates them; a test proves that both agree."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    false,
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
    merged_through: Mapped[int | None] = mapped_column(BigInteger)
    """Sequence of the last merge of users that is complete; 0 while the first one is made, empty before."""
    merge_begun: Mapped[bool] = mapped_column(server_default=false())
    """Whether somebody set out to merge users and did not say since that it is done."""


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


class ListedCampaignRow(Base):
    """What lists of campaigns are filtered and sorted by: one narrow row per campaign, made from `campaigns`.

    Inherited values are filled in. Instants are milliseconds since 1970, 0 for never, so that every column sorts the
    same way on every database.
    """

    __tablename__ = "listed_campaigns"
    __table_args__ = (
        Index(None, "workspace_id", "name_key", "campaign_id"),
        Index(None, "workspace_id", "created", "campaign_id"),
        Index(None, "workspace_id", "sent", "campaign_id"),
        Index(None, "workspace_id", "active", "campaign_id"),
        Index(None, "workspace_id", "parent_id"),
    )

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    campaign_id: Mapped[str] = mapped_column(primary_key=True)
    name_key: Mapped[str] = mapped_column(String().with_variant(String(collation="C"), "postgresql"))
    """The name without the differences that a search does not see."""
    own_name: Mapped[bool]
    channel: Mapped[str]
    status: Mapped[str]
    delivery_type: Mapped[str]
    """Empty where nothing says it."""
    own_delivery_type: Mapped[bool]
    parent_id: Mapped[str | None]
    flow_id: Mapped[str | None]
    author: Mapped[str | None]
    """Who made it, case folded; empty where a child does not say it: then it is the author of its parent."""
    tagged_as: Mapped[str]
    """Whose tags it has: its own id or that of its parent."""
    created: Mapped[int] = mapped_column(BigInteger)
    sent: Mapped[int] = mapped_column(BigInteger)
    active: Mapped[int] = mapped_column(BigInteger)


class CampaignTagRow(Base):
    """A tag of a campaign that has tags of its own."""

    __tablename__ = "campaign_tags"
    __table_args__ = (Index(None, "workspace_id", "campaign_id"), Index(None, "workspace_id", "tag_key", "campaign_id"))

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True)
    campaign_id: Mapped[str] = mapped_column(primary_key=True)
    tag_key: Mapped[str]
    """Without the differences that a search does not see, as `name_key`."""


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
    saved_by: Mapped[str]
    saved_at: Mapped[datetime]


class ReportRunRow(Base):
    """One execution of one version of a report definition, or of the daily dump."""

    __tablename__ = "report_runs"
    __table_args__ = (
        Index(None, "slot_key", unique=True),
        Index(None, "workspace_id", "created_at", "id"),
        Index(None, "workspace_id", "stem", "file_date"),
        Index(None, "definition_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    definition_id: Mapped[str | None] = mapped_column(ForeignKey("report_definitions.id"))
    """Empty for the daily dump."""
    definition_version: Mapped[int] = mapped_column(Integer)
    stem: Mapped[str]
    """Of the name the report had; empty for the daily dump."""
    by_name: Mapped[bool]
    """Whether its file can be asked for by its name."""
    trigger: Mapped[str]
    slot_at: Mapped[datetime | None]
    slot_key: Mapped[str | None]
    """Names the slot of a planned run. Unique: whoever plans a slot a second time fails."""
    file_date: Mapped[date]
    first_day: Mapped[date]
    last_day: Mapped[date]
    state: Mapped[str]
    attempt: Mapped[int] = mapped_column(Integer)
    progress: Mapped[float] = mapped_column(Double)
    as_of: Mapped[datetime | None]
    """When the last attempt began to read."""
    mark: Mapped[int | None] = mapped_column(BigInteger)
    """Sequence of the last events it saw."""
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None]
    """Code of what went wrong."""
    warnings: Mapped[str] = mapped_column(Text)
    """JSON array."""
    parts: Mapped[str] = mapped_column(Text)
    """JSON array: the files in the archive, with their rows, columns, sizes and checksums."""


class ReportFileRow(Base):
    """A finished archive. Only complete ones have a row, and only files with a row can be seen."""

    __tablename__ = "report_files"
    __table_args__ = (
        Index(None, "run_id", unique=True),
        Index(None, "workspace_id", "stem", "file_date"),
        Index(None, "link_digest", unique=True),
        Index(None, "expires_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    """Random; also the name of the object in the store."""
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspaces.id"))
    run_id: Mapped[str] = mapped_column(ForeignKey("report_runs.id"))
    stem: Mapped[str]
    file_date: Mapped[date]
    name: Mapped[str]
    """What the file is called when it is downloaded."""
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    link_digest: Mapped[bytes | None]
    """SHA-256 of the secret in the link that e-mails carry."""
    generated_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    forgotten_at: Mapped[datetime]
    """From then on the name answers as if the file had never existed."""
    purged_at: Mapped[datetime | None]
    """When the bytes were deleted."""


class ReportDeliveryRow(Base):
    """One message about a run: to one address or one server."""

    __tablename__ = "report_deliveries"

    run_id: Mapped[str] = mapped_column(ForeignKey("report_runs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    type: Mapped[str]
    target: Mapped[str]
    event: Mapped[str]
    """What it tells: state of the run that it reports."""
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime]
    """When the state was reached."""
    note: Mapped[str]
    """Why the last attempt failed."""


class JobRow(Base):
    """Work to be done once. Whoever works on it holds it for a while, under a number that grows with every holder."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index(None, "kind", "key", unique=True),
        Index(None, "due_at"),
        Index(None, "lane"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    key: Mapped[str]
    """What the work is about; the same work is not queued twice."""
    lane: Mapped[str | None]
    """Jobs of one lane are done one after the other, oldest first."""
    workspace_id: Mapped[str | None] = mapped_column(ForeignKey("workspaces.id"))
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(Integer)
    """Times it was begun."""
    fence: Mapped[int] = mapped_column(BigInteger)
    held_by: Mapped[str | None]
    held_until: Mapped[datetime | None]
