"""Runs of reports, their files and deliveries; the queue of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "report_runs",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("definition_id", sa.String, nullable=True),
        sa.Column("definition_version", sa.Integer, nullable=False),
        sa.Column("stem", sa.String, nullable=False),
        sa.Column("by_name", sa.Boolean, nullable=False),
        sa.Column("trigger", sa.String, nullable=False),
        sa.Column("slot_at", INSTANT, nullable=True),
        sa.Column("slot_key", sa.String, nullable=True),
        sa.Column("file_date", sa.Date, nullable=False),
        sa.Column("first_day", sa.Date, nullable=False),
        sa.Column("last_day", sa.Date, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("progress", sa.Double, nullable=False),
        sa.Column("as_of", INSTANT, nullable=True),
        sa.Column("mark", sa.BigInteger, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("error", sa.String, nullable=True),
        sa.Column("warnings", sa.Text, nullable=False),
        sa.Column("parts", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_report_runs"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_report_runs_workspace_id"),
        sa.ForeignKeyConstraint(["definition_id"], ["report_definitions.id"], name="fk_report_runs_definition_id"),
    )
    op.create_index("ix_report_runs_slot_key", "report_runs", ["slot_key"], unique=True)
    op.create_index("ix_report_runs_workspace_id_created_at_id", "report_runs", ["workspace_id", "created_at", "id"])
    op.create_index("ix_report_runs_workspace_id_stem_file_date", "report_runs", ["workspace_id", "stem", "file_date"])
    op.create_index("ix_report_runs_definition_id_created_at", "report_runs", ["definition_id", "created_at"])
    op.create_table(
        "report_files",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("stem", sa.String, nullable=False),
        sa.Column("file_date", sa.Date, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("link_digest", sa.LargeBinary, nullable=True),
        sa.Column("generated_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("forgotten_at", INSTANT, nullable=False),
        sa.Column("purged_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_report_files"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_report_files_workspace_id"),
        sa.ForeignKeyConstraint(["run_id"], ["report_runs.id"], name="fk_report_files_run_id"),
    )
    op.create_index("ix_report_files_run_id", "report_files", ["run_id"], unique=True)
    op.create_index(
        "ix_report_files_workspace_id_stem_file_date", "report_files", ["workspace_id", "stem", "file_date"]
    )
    op.create_index("ix_report_files_link_digest", "report_files", ["link_digest"], unique=True)
    op.create_index("ix_report_files_expires_at", "report_files", ["expires_at"])
    op.create_table(
        "report_deliveries",
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_report_deliveries"),
        sa.ForeignKeyConstraint(["run_id"], ["report_runs.id"], name="fk_report_deliveries_run_id"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("lane", sa.String, nullable=True),
        sa.Column("workspace_id", sa.String, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("held_by", sa.String, nullable=True),
        sa.Column("held_until", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_jobs_workspace_id"),
    )
    op.create_index("ix_jobs_kind_key", "jobs", ["kind", "key"], unique=True)
    op.create_index("ix_jobs_due_at", "jobs", ["due_at"])
    op.create_index("ix_jobs_lane", "jobs", ["lane"])
