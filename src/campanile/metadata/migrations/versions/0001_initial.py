"""Workspaces, keys, campaigns."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("value", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_installation"),
    )
    op.create_table(
        "workspaces",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("pseudonym_key", sa.LargeBinary, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("campaigns_version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workspaces"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=True),
        sa.Column("sealed", sa.LargeBinary, nullable=True),
        sa.Column("scopes", sa.String, nullable=False),
        sa.Column("stats_dialect", sa.String, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("regenerated_at", INSTANT, nullable=True),
        sa.Column("archived_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_api_keys_workspace_id"),
    )
    op.create_index("ix_api_keys_workspace_id_digest", "api_keys", ["workspace_id", "digest"], unique=True)
    op.create_index("ix_api_keys_digest", "api_keys", ["digest"])
    op.create_table(
        "campaigns",
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("campaign_id", sa.String, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("delivery_type", sa.String, nullable=True),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=True),
        sa.Column("parent_id", sa.String, nullable=True),
        sa.Column("flow_id", sa.String, nullable=True),
        sa.Column("flow_name", sa.String, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("sent_time", INSTANT, nullable=True),
        sa.Column("traits", sa.Text, nullable=False),
        sa.Column("observed", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("first_event_at", INSTANT, nullable=True),
        sa.Column("last_event_at", INSTANT, nullable=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "campaign_id", name="pk_campaigns"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_campaigns_workspace_id"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "parent_id"],
            ["campaigns.workspace_id", "campaigns.campaign_id"],
            name="fk_campaigns_workspace_id_parent_id",
        ),
    )
    op.create_index(
        "ix_campaigns_workspace_id_created_at_campaign_id", "campaigns", ["workspace_id", "created_at", "campaign_id"]
    )
    op.create_index("ix_campaigns_workspace_id_parent_id", "campaigns", ["workspace_id", "parent_id"])
    op.create_index("ix_campaigns_workspace_id_version", "campaigns", ["workspace_id", "version"])
