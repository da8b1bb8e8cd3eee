"""Report definitions and their history; idempotency keys that are in use."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "report_definitions",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("stem_key", sa.String, nullable=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("periodic", sa.Boolean, nullable=True),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_by", sa.String, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("next_slot", INSTANT, nullable=True),
        sa.Column("next_file_date", sa.Date, nullable=True),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("slots_used", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_report_definitions"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_report_definitions_workspace_id"),
    )
    op.create_index(
        "ix_report_definitions_workspace_id_stem_key", "report_definitions", ["workspace_id", "stem_key"], unique=True
    )
    op.create_index(
        "ix_report_definitions_workspace_id_created_at_id", "report_definitions", ["workspace_id", "created_at", "id"]
    )
    op.create_index("ix_report_definitions_due_at", "report_definitions", ["due_at"])
    op.create_table(
        "report_versions",
        sa.Column("definition_id", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("saved_by", sa.String, nullable=False),
        sa.Column("saved_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("definition_id", "version", name="pk_report_versions"),
        sa.ForeignKeyConstraint(["definition_id"], ["report_definitions.id"], name="fk_report_versions_definition_id"),
    )
    op.add_column("idempotency_keys", sa.Column("busy_until", INSTANT, nullable=True))
