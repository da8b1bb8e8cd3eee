"""SQL of the campaign list. Every function runs in the transaction of the caller."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    tuple_,
    update,
)

from campanile.campaigns.listing.keys import name_key
from campanile.campaigns.records import StoredCampaign
from campanile.campaigns.schemas import COUNTED_CAMPAIGNS, ListQuery, SortKey
from campanile.kit.times import epoch_milliseconds
from campanile.metadata.models import CampaignTagRow, ListedCampaignRow

Position = tuple[str | int, str]

SEARCH_WORDS = 8
"""Words of a search; further ones are ignored."""

_SORTS: dict[SortKey, Any] = {
    "name": ListedCampaignRow.name_key,
    "created": ListedCampaignRow.created,
    "sent": ListedCampaignRow.sent,
    "active": ListedCampaignRow.active,
    "channel": ListedCampaignRow.channel,
    "status": ListedCampaignRow.status,
    "delivery_type": ListedCampaignRow.delivery_type,
}


class Found(msgspec.Struct, frozen=True):
    """Rows of one page, in order."""

    positions: list[Position]
    tagged_as: dict[str, str]
    """Whose tags a campaign has."""
    total: int
    """At most one more than are counted."""
    more_before: bool
    more_behind: bool


def page(connection: Connection, workspace_id: str, query: ListQuery) -> Found:
    """One page, found by its neighbour: the cost does not grow with the number of pages before it."""
    matching = _conditions(workspace_id, query)
    column = _SORTS[query.sort]
    backwards = query.before is not None
    start = query.before if backwards else query.after
    descending = query.descending != backwards
    conditions = list(matching)
    if start is not None:
        here = tuple_(column, ListedCampaignRow.campaign_id)
        there = tuple_(bindparam("start_value", start[0]), bindparam("start_id", start[1]))
        conditions.append(here < there if descending else here > there)
    order = [column, ListedCampaignRow.campaign_id]
    statement = (
        select(column, ListedCampaignRow.campaign_id, ListedCampaignRow.tagged_as)
        .where(*conditions)
        .order_by(*(item.desc() if descending else item.asc() for item in order))
        .limit(query.limit + 1)
    )
    rows = list(connection.execute(statement))
    further = len(rows) > query.limit
    rows = rows[: query.limit]
    if backwards:
        rows.reverse()
    some = select(ListedCampaignRow.campaign_id).where(*matching).limit(COUNTED_CAMPAIGNS + 1).subquery()
    total = connection.execute(select(func.count()).select_from(some)).scalar_one()
    return Found(
        positions=[(row[0], row[1]) for row in rows],
        tagged_as={row[1]: row[2] for row in rows},
        total=total,
        more_before=further if backwards else start is not None,
        more_behind=True if backwards else further,
    )


def children_counts(connection: Connection, workspace_id: str, ids: Collection[str]) -> dict[str, int]:
    statement = (
        select(ListedCampaignRow.parent_id, func.count())
        .where(ListedCampaignRow.workspace_id == workspace_id, ListedCampaignRow.parent_id.in_(sorted(ids)))
        .group_by(ListedCampaignRow.parent_id)
    )
    return {row[0]: row[1] for row in connection.execute(statement) if row[0] is not None}


def tags_of(connection: Connection, workspace_id: str, ids: Collection[str]) -> dict[str, list[str]]:
    """Tags by campaign, in alphabetical order."""
    statement = select(CampaignTagRow.campaign_id, CampaignTagRow.tag).where(
        CampaignTagRow.workspace_id == workspace_id, CampaignTagRow.campaign_id.in_(sorted(set(ids)))
    )
    found: dict[str, list[str]] = {}
    for campaign_id, tag in sorted(tuple(row) for row in connection.execute(statement)):
        found.setdefault(campaign_id, []).append(tag)
    return found


def all_tags(connection: Connection, workspace_id: str, limit: int) -> list[str]:
    """The first tags of a workspace in the order of the alphabet."""
    statement = (
        select(CampaignTagRow.tag)
        .where(CampaignTagRow.workspace_id == workspace_id)
        .distinct()
        .order_by(CampaignTagRow.tag)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def refresh(
    connection: Connection, workspace_id: str, new: Sequence[StoredCampaign], changed: Sequence[StoredCampaign]
) -> None:
    """Bring the list up to date with campaigns that were written; children follow the parents they inherit from.

    New campaigns have no rows to replace, and no children but those that are new with them.
    """
    by_id = {item.record.campaign_id: item for item in (*new, *changed)}
    above = _inherited(connection, workspace_id, by_id)
    if changed:
        gone = [{"of_campaign": item.record.campaign_id} for item in changed]
        for table in (ListedCampaignRow, CampaignTagRow):
            removal = delete(table).where(
                table.workspace_id == workspace_id, table.campaign_id == bindparam("of_campaign")
            )
            connection.execute(removal, gone)
    connection.execute(insert(ListedCampaignRow), [_values(workspace_id, item, above) for item in by_id.values()])
    tags = [
        {"workspace_id": workspace_id, "campaign_id": campaign_id, "tag": tag, "tag_key": name_key(tag)}
        for campaign_id, item in by_id.items()
        for tag in dict.fromkeys(_own_tags(item) or ())
    ]
    if tags:
        connection.execute(insert(CampaignTagRow), tags)
    parents = [_values(workspace_id, item, above) for item in changed if item.record.parent_id is None]
    if parents:
        for statement, name in ((_RENAME_CHILDREN, "name_key"), (_RETYPE_CHILDREN, "delivery_type")):
            connection.execute(
                statement,
                [
                    {"of_workspace": workspace_id, "of_parent": row["campaign_id"], "inherited": row[name]}
                    for row in parents
                ],
            )


def set_active(connection: Connection, workspace_id: str, moments: Sequence[tuple[str, datetime]]) -> None:
    """Move the time of the last event forwards, never back."""
    statement = (
        update(ListedCampaignRow)
        .where(
            ListedCampaignRow.workspace_id == bindparam("of_workspace"),
            ListedCampaignRow.campaign_id == bindparam("of_campaign"),
            ListedCampaignRow.active < bindparam("moment"),
        )
        .values(active=bindparam("moment"))
    )
    connection.execute(
        statement,
        [
            {"of_workspace": workspace_id, "of_campaign": campaign_id, "moment": _milliseconds(moment)}
            for campaign_id, moment in moments
        ],
    )


_OF_PARENT = (
    ListedCampaignRow.workspace_id == bindparam("of_workspace"),
    ListedCampaignRow.parent_id == bindparam("of_parent"),
)
_RENAME_CHILDREN = (
    update(ListedCampaignRow)
    .where(*_OF_PARENT, ~ListedCampaignRow.own_name, ListedCampaignRow.name_key != bindparam("inherited"))
    .values(name_key=bindparam("inherited"))
)
_RETYPE_CHILDREN = (
    update(ListedCampaignRow)
    .where(*_OF_PARENT, ~ListedCampaignRow.own_delivery_type, ListedCampaignRow.delivery_type != bindparam("inherited"))
    .values(delivery_type=bindparam("inherited"))
)


def _inherited(
    connection: Connection, workspace_id: str, by_id: dict[str, StoredCampaign]
) -> dict[str, tuple[str, str]]:
    """Name and delivery type of the parents of some campaigns."""
    parents = {item.record.parent_id for item in by_id.values() if item.record.parent_id is not None}
    found = {
        name: (name_key(by_id[name].record.name or name), by_id[name].record.delivery_type or "")
        for name in parents
        if name in by_id
    }
    missing = sorted(parents.difference(found))
    if missing:
        statement = select(
            ListedCampaignRow.campaign_id, ListedCampaignRow.name_key, ListedCampaignRow.delivery_type
        ).where(ListedCampaignRow.workspace_id == workspace_id, ListedCampaignRow.campaign_id.in_(missing))
        found.update({row[0]: (row[1], row[2]) for row in connection.execute(statement)})
    return found


def _values(workspace_id: str, item: StoredCampaign, above: dict[str, tuple[str, str]]) -> dict[str, Any]:
    record = item.record
    inherited = above.get(record.parent_id or "", (name_key(record.campaign_id), ""))
    return {
        "workspace_id": workspace_id,
        "campaign_id": record.campaign_id,
        "name_key": name_key(record.name) if record.name else inherited[0],
        "own_name": bool(record.name),
        "channel": record.channel,
        "status": record.status,
        "delivery_type": record.delivery_type or inherited[1],
        "own_delivery_type": bool(record.delivery_type),
        "parent_id": record.parent_id,
        "flow_id": record.flow_id,
        "author": None if "created_by" not in item.document else name_key(item.document["created_by"]),
        "tagged_as": record.campaign_id
        if record.parent_id is None or _own_tags(item) is not None
        else record.parent_id,
        "created": _milliseconds(record.created_at),
        "sent": _milliseconds(record.sent_time),
        "active": _milliseconds(record.last_event_at),
    }


def _own_tags(item: StoredCampaign) -> list[str] | None:
    tags: list[str] | None = item.document.get("basic_details", {}).get("tags")
    return tags


def _milliseconds(moment: datetime | None) -> int:
    return 0 if moment is None else max(0, epoch_milliseconds(moment))


def _conditions(workspace_id: str, query: ListQuery) -> list[ColumnElement[bool]]:
    row = ListedCampaignRow
    found: list[ColumnElement[bool]] = [row.workspace_id == workspace_id]
    if query.search.strip():
        words = name_key(query.search).split()[:SEARCH_WORDS]
        named = and_(true(), *(row.name_key.contains(word, autoescape=True) for word in words))
        found.append(or_(named, row.campaign_id.startswith(query.search.strip().lower(), autoescape=True)))
    if query.channels:
        found.append(row.channel.in_(query.channels))
    found.append(row.status.in_(query.statuses) if query.statuses else row.status != "ARCHIVED")
    if query.delivery_types:
        found.append(row.delivery_type.in_(query.delivery_types))
    tags = CampaignTagRow
    found.extend(
        row.tagged_as.in_(select(tags.campaign_id).where(tags.workspace_id == workspace_id, tags.tag == tag))
        for tag in query.tags
    )
    if query.created_from:
        found.append(row.created >= query.created_from)
    if query.created_before:
        found.append(row.created < query.created_before)
    if query.parent_id:
        found.append(row.parent_id == query.parent_id)
    if query.relation == "children":
        found.append(row.parent_id.is_not(None))
    elif query.relation:
        found.append(row.parent_id.is_(None))
    if query.relation == "parents":
        parents = select(row.parent_id).where(row.workspace_id == workspace_id, row.parent_id.is_not(None)).distinct()
        found.append(row.campaign_id.in_(parents))
    return found
