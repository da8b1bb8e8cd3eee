"""SQL of the companion APIs; ids are those of one workspace."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, false, func, or_, select
from sqlalchemy.orm import aliased

from campanile.campaigns.companion.schemas import MAX_OFFSET, CampaignFilter
from campanile.kit.times import epoch_milliseconds
from campanile.metadata.models import CampaignRow, CampaignTagRow, ListedCampaignRow

_Row = ListedCampaignRow


class Execution(NamedTuple):
    """A run of a parent."""

    campaign_id: str
    sent_time: datetime | None
    status: str


def matching(
    connection: Connection, workspace_id: str, wanted: CampaignFilter, *, limit: int, offset: int
) -> tuple[list[str], int]:
    """Ids of one page, newest first, and how many campaigns match in all. Reads the narrow rows of the list only."""
    conditions = _conditions(workspace_id, wanted)
    total = connection.execute(select(func.count()).select_from(_Row).where(*conditions)).scalar_one()
    if offset >= min(total, MAX_OFFSET):
        return [], total
    page = select(_Row.campaign_id).where(*conditions)
    page = page.order_by(_Row.created.desc(), _Row.campaign_id.desc()).limit(limit).offset(offset)
    return list(connection.execute(page).scalars()), total


def executions(
    connection: Connection, workspace_id: str, parent_id: str, *, limit: int, offset: int
) -> list[Execution]:
    """Runs of a parent, earliest first, those that have not sent last."""
    if offset > MAX_OFFSET:
        return []
    statement = (
        select(CampaignRow.campaign_id, CampaignRow.sent_time, CampaignRow.status)
        .where(CampaignRow.workspace_id == workspace_id, CampaignRow.parent_id == parent_id)
        .order_by(CampaignRow.sent_time.is_(None), CampaignRow.sent_time, CampaignRow.campaign_id)
        .limit(limit)
        .offset(offset)
    )
    return [Execution(*row) for row in connection.execute(statement)]


def _conditions(workspace_id: str, wanted: CampaignFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_Row.workspace_id == workspace_id]
    if wanted.ids is not None:
        found.append(_Row.campaign_id.in_(sorted(wanted.ids)))
    if not wanted.children:
        found += [_Row.parent_id.is_(None), _Row.flow_id.is_(None)]
    hidden = {"ARCHIVED"} if not wanted.archived else set()
    if wanted.statuses is None:
        found.append(_Row.status.not_in(sorted({"DRAFT", *hidden})))
    else:
        found.append(_Row.status.in_(sorted(wanted.statuses - hidden)))
    if wanted.channels is not None:
        found.append(_Row.channel.in_(sorted(wanted.channels)))
    if wanted.delivery_types is not None:
        typed = _Row.delivery_type.in_(sorted(wanted.delivery_types))
        found.append(or_(typed, _Row.flow_id.is_not(None)) if "ONE_TIME" in wanted.delivery_types else typed)
    if wanted.created_from is not None:
        found.append(_Row.created >= epoch_milliseconds(wanted.created_from))
    if wanted.created_to is not None:
        found.append(_Row.created <= epoch_milliseconds(wanted.created_to))
    if wanted.name:
        found.append(_Row.name_key.contains(wanted.name, autoescape=True) if wanted.name.isprintable() else false())
    if wanted.tags is not None:
        tags = select(CampaignTagRow.campaign_id).where(
            CampaignTagRow.workspace_id == workspace_id, CampaignTagRow.tag_key.in_(_storable(wanted.tags))
        )
        found.append(_Row.tagged_as.in_(tags))
    if wanted.created_by is not None:
        authors = _storable(wanted.created_by)
        above = aliased(_Row)
        theirs = select(above.campaign_id).where(above.workspace_id == workspace_id, above.author.in_(authors))
        found.append(or_(_Row.author.in_(authors), and_(_Row.author.is_(None), _Row.parent_id.in_(theirs))))
    return found


def _storable(texts: frozenset[str]) -> list[str]:
    """Stored texts have no control characters, and databases refuse some of those as parameters."""
    return [text for text in sorted(texts) if text.isprintable()]
