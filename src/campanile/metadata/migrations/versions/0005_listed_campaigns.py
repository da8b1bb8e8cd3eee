"""What lists of campaigns are filtered and sorted by, made from the campaigns that are there."""

import json
import unicodedata
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 1_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def upgrade() -> None:
    op.create_table(
        "listed_campaigns",
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("campaign_id", sa.String, nullable=False),
        sa.Column("name_key", sa.String().with_variant(sa.String(collation="C"), "postgresql"), nullable=False),
        sa.Column("own_name", sa.Boolean, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("delivery_type", sa.String, nullable=False),
        sa.Column("own_delivery_type", sa.Boolean, nullable=False),
        sa.Column("parent_id", sa.String, nullable=True),
        sa.Column("tagged_as", sa.String, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("sent", sa.BigInteger, nullable=False),
        sa.Column("active", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "campaign_id", name="pk_listed_campaigns"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_listed_campaigns_workspace_id"),
    )
    for column in ("name_key", "created", "sent", "active"):
        op.create_index(
            f"ix_listed_campaigns_workspace_id_{column}_campaign_id",
            "listed_campaigns",
            ["workspace_id", column, "campaign_id"],
        )
    op.create_index("ix_listed_campaigns_workspace_id_parent_id", "listed_campaigns", ["workspace_id", "parent_id"])
    op.create_table(
        "campaign_tags",
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("tag", sa.String, nullable=False),
        sa.Column("campaign_id", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "tag", "campaign_id", name="pk_campaign_tags"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_campaign_tags_workspace_id"),
    )
    op.create_index("ix_campaign_tags_workspace_id_campaign_id", "campaign_tags", ["workspace_id", "campaign_id"])
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    instant = sa.DateTime(timezone=True)
    campaigns = sa.table(
        "campaigns",
        *(sa.column(name) for name in ("workspace_id", "campaign_id", "parent_id", "channel", "status", "name")),
        sa.column("delivery_type"),
        sa.column("document"),
        *(sa.column(name, instant) for name in ("created_at", "sent_time", "last_event_at")),
    )
    listed = sa.table("listed_campaigns", *(sa.column(name) for name in COLUMNS))
    tags = sa.table("campaign_tags", *(sa.column(name) for name in ("workspace_id", "tag", "campaign_id")))
    above = campaigns.alias("above")
    joined = campaigns.outerjoin(
        above,
        (campaigns.c.workspace_id == above.c.workspace_id) & (campaigns.c.parent_id == above.c.campaign_id),
    )
    found = connection.execute(
        sa.select(campaigns, above.c.name.label("above_name"), above.c.delivery_type.label("above_type")).select_from(
            joined
        )
    )
    for rows in found.partitions(ROWS_AT_ONCE):
        entries = [(row, json.loads(row.document).get("basic_details", {}).get("tags")) for row in rows]
        connection.execute(sa.insert(listed), [_values(row, own_tags is not None) for row, own_tags in entries])
        words = [
            {"workspace_id": row.workspace_id, "tag": tag, "campaign_id": row.campaign_id}
            for row, own_tags in entries
            for tag in dict.fromkeys(own_tags or ())
        ]
        if words:
            connection.execute(sa.insert(tags), words)


COLUMNS = (
    "workspace_id", "campaign_id", "name_key", "own_name", "channel", "status", "delivery_type", "own_delivery_type",
    "parent_id", "tagged_as", "created", "sent", "active",
)  # fmt: skip


def _values(row: Any, own_tags: bool) -> dict[str, Any]:
    name = row.name or row.above_name or row.campaign_id
    return {
        "workspace_id": row.workspace_id,
        "campaign_id": row.campaign_id,
        "name_key": unicodedata.normalize("NFKC", name).casefold()[:200],
        "own_name": bool(row.name),
        "channel": row.channel,
        "status": row.status,
        "delivery_type": row.delivery_type or row.above_type or "",
        "own_delivery_type": bool(row.delivery_type),
        "parent_id": row.parent_id,
        "tagged_as": row.campaign_id if own_tags or row.parent_id is None else row.parent_id,
        "created": _milliseconds(row.created_at),
        "sent": _milliseconds(row.sent_time),
        "active": _milliseconds(row.last_event_at),
    }


def _milliseconds(instant: datetime | None) -> int:
    if instant is None:
        return 0
    aware = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    return max(0, round((aware - EPOCH).total_seconds() * 1000))
