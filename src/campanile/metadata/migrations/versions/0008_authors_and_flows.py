"""Lists of campaigns by author and flow, and by tags in any case."""

import json
import unicodedata
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 1_000


def upgrade() -> None:
    op.add_column("listed_campaigns", sa.Column("flow_id", sa.String, nullable=True))
    op.add_column("listed_campaigns", sa.Column("author", sa.String, nullable=True))
    tags = _tags()
    connection = op.get_bind()
    names = ("workspace_id", "campaign_id", "flow_id", "document")
    campaigns = sa.table("campaigns", *(sa.column(name) for name in names))
    listed = sa.table("listed_campaigns", *(sa.column(name) for name in (*names[:3], "author")))
    fill = (
        sa.update(listed)
        .where(
            listed.c.workspace_id == sa.bindparam("of_workspace"), listed.c.campaign_id == sa.bindparam("of_campaign")
        )
        .values(flow_id=sa.bindparam("flow"), author=sa.bindparam("by"))
    )
    for rows in connection.execute(sa.select(campaigns)).partitions(ROWS_AT_ONCE):
        documents = [(row, json.loads(row.document)) for row in rows]
        connection.execute(fill, [_filling(row, document) for row, document in documents])
        words = [
            {"workspace_id": row.workspace_id, "tag": tag, "campaign_id": row.campaign_id, "tag_key": _key(tag)}
            for row, document in documents
            for tag in dict.fromkeys(document.get("basic_details", {}).get("tags") or ())
        ]
        if words:
            connection.execute(sa.insert(tags), words)


def _tags() -> sa.Table:
    """The table of tags made anew: everything in it comes from the documents."""
    op.drop_table("campaign_tags")
    table = op.create_table(
        "campaign_tags",
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("tag", sa.String, nullable=False),
        sa.Column("campaign_id", sa.String, nullable=False),
        sa.Column("tag_key", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "tag", "campaign_id", name="pk_campaign_tags"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_campaign_tags_workspace_id"),
    )
    op.create_index("ix_campaign_tags_workspace_id_campaign_id", "campaign_tags", ["workspace_id", "campaign_id"])
    op.create_index(
        "ix_campaign_tags_workspace_id_tag_key_campaign_id", "campaign_tags", ["workspace_id", "tag_key", "campaign_id"]
    )
    return table


def _filling(row: Any, document: dict[str, Any]) -> dict[str, Any]:
    author = document.get("created_by")
    return {
        "of_workspace": row.workspace_id,
        "of_campaign": row.campaign_id,
        "flow": row.flow_id,
        "by": None if author is None else _key(author),
    }


def _key(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()[:200]
