"""How far the merges of users have come, per workspace."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("merged_through", sa.BigInteger, nullable=True))
    op.add_column("workspaces", sa.Column("merge_begun", sa.Boolean, nullable=False, server_default=sa.false()))
