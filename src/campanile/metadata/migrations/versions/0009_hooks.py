"""Hooks, their last deliveries, events that wait and events that could not be stored."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "hooks",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("previous_address", sa.String, nullable=True),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("rotated_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_hooks"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_hooks_workspace_id"),
    )
    op.create_index("ix_hooks_workspace_id_created_at_id", "hooks", ["workspace_id", "created_at", "id"])
    op.create_index("ix_hooks_address", "hooks", ["address"], unique=True)
    op.create_index("ix_hooks_previous_address", "hooks", ["previous_address"])
    op.create_table(
        "hook_deliveries",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("hook_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("accepted", sa.Integer, nullable=False),
        sa.Column("duplicates", sa.Integer, nullable=False),
        sa.Column("ignored", sa.Integer, nullable=False),
        sa.Column("waiting", sa.Integer, nullable=False),
        sa.Column("dead", sa.Integer, nullable=False),
        sa.Column("error", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hook_deliveries"),
        sa.ForeignKeyConstraint(["hook_id"], ["hooks.id"], name="fk_hook_deliveries_hook_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_hook_deliveries_workspace_id"),
    )
    op.create_index("ix_hook_deliveries_hook_id_at", "hook_deliveries", ["hook_id", "at"])
    op.create_table(
        "pending_events",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("hook_id", sa.String, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("message_id", sa.String, nullable=False),
        sa.Column("draft", sa.Text, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pending_events"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_pending_events_workspace_id"),
    )
    op.create_index("ix_pending_events_workspace_id_expires_at", "pending_events", ["workspace_id", "expires_at"])
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("hook_id", sa.String, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("field", sa.String, nullable=False),
        sa.Column("message", sa.String, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("retriable", sa.Boolean, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_dead_letters_workspace_id"),
    )
    op.create_index("ix_dead_letters_workspace_id_at_id", "dead_letters", ["workspace_id", "at", "id"])
    op.create_index("ix_dead_letters_expires_at", "dead_letters", ["expires_at"])
