"""SQL of campaigns. Every function runs in the transaction of the caller; ids are those of one workspace."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Select, bindparam, func, insert, or_, select, update

from campanile.campaigns.listing import repository as listing
from campanile.campaigns.records import Observed, Record, StoredCampaign, Traits
from campanile.campaigns.schemas import ARCHIVED
from campanile.errors import NotFound
from campanile.metadata import AnyRow
from campanile.metadata.models import CampaignRow, WorkspaceRow

IDS_PER_QUERY = 1000
"""Ids in one statement: both databases take more, but plan slower."""

_COLUMNS = tuple(getattr(CampaignRow, name) for name in Record.__struct_fields__)
_PLACES = {name: place for place, name in enumerate(Record.__struct_fields__)}
_TRAITS, _OBSERVED = _PLACES["traits"], _PLACES["observed"]
_read_traits = msgspec.json.Decoder(Traits).decode
_read_observed = msgspec.json.Decoder(Observed).decode
_Item = TypeVar("_Item")


def campaigns_version(connection: Connection, workspace_id: str) -> int:
    """Grows with every transaction that changes a campaign of the workspace; 0 for an unknown workspace."""
    statement = select(WorkspaceRow.campaigns_version).where(WorkspaceRow.id == workspace_id)
    return connection.execute(statement).scalar_one_or_none() or 0


def lock(connection: Connection, workspace_id: str) -> int:
    """The version of the workspace's campaigns; no other transaction writes one of them until this one ends.

    On PostgreSQL the row may still be referred to (FOR NO KEY UPDATE), so that only writers of campaigns wait.

    Raises:
        NotFound: no such workspace.
    """
    statement = (
        select(WorkspaceRow.campaigns_version).where(WorkspaceRow.id == workspace_id).with_for_update(key_share=True)
    )
    version = connection.execute(statement).scalar_one_or_none()
    if version is None:
        raise NotFound(f"there is no workspace {workspace_id}")
    return version


def records(connection: Connection, workspace_id: str, ids: Collection[str]) -> dict[str, Record]:
    return {
        record.campaign_id: record
        for record in _in_chunks(
            connection, workspace_id, ids, lambda chunk: select(*_COLUMNS).where(CampaignRow.campaign_id.in_(chunk))
        )
    }


def stored_campaigns(connection: Connection, workspace_id: str, ids: Collection[str]) -> dict[str, StoredCampaign]:
    found = {}
    for chunk in _chunks(sorted(ids)):
        statement = select(*_COLUMNS, CampaignRow.document).where(
            CampaignRow.workspace_id == workspace_id, CampaignRow.campaign_id.in_(chunk)
        )
        for row in connection.execute(statement):
            found[row.campaign_id] = StoredCampaign(_record(row), msgspec.json.decode(row.document))
    return found


def children(connection: Connection, workspace_id: str, parent_ids: Collection[str]) -> list[Record]:
    """Children of these parents, oldest first."""
    found = _in_chunks(
        connection, workspace_id, parent_ids, lambda chunk: select(*_COLUMNS).where(CampaignRow.parent_id.in_(chunk))
    )
    return sorted(found, key=lambda record: (record.created_at, record.campaign_id))


def with_children(connection: Connection, workspace_id: str, ids: Collection[str]) -> set[str]:
    """Those of the campaigns that are a parent."""
    found: set[str] = set()
    for chunk in _chunks(sorted(ids)):
        statement = select(CampaignRow.parent_id).where(
            CampaignRow.workspace_id == workspace_id, CampaignRow.parent_id.in_(chunk)
        )
        found.update(parent for parent in connection.execute(statement.distinct()).scalars() if parent is not None)
    return found


def count_children(connection: Connection, workspace_id: str, campaign_id: str) -> int:
    statement = select(func.count()).where(
        CampaignRow.workspace_id == workspace_id, CampaignRow.parent_id == campaign_id
    )
    return connection.execute(statement).scalar_one()


def changed_since(connection: Connection, workspace_id: str, version: int) -> list[Record]:
    """Campaigns changed after `version`, and children of such campaigns, who may have inherited a change."""
    changed = select(CampaignRow.campaign_id).where(
        CampaignRow.workspace_id == workspace_id, CampaignRow.version > version
    )
    statement = select(*_COLUMNS).where(CampaignRow.workspace_id == workspace_id)
    if version > 0:
        statement = statement.where(or_(CampaignRow.version > version, CampaignRow.parent_id.in_(changed)))
    return [_record(row) for row in connection.execute(statement)]


def places_since(connection: Connection, workspace_id: str, version: int) -> Sequence[AnyRow]:
    """(creation time, id, parent, own delivery type, archived) of the campaigns changed after `version`."""
    statement = select(
        CampaignRow.created_at,
        CampaignRow.campaign_id,
        CampaignRow.parent_id,
        CampaignRow.delivery_type,
        CampaignRow.status == ARCHIVED,
    ).where(CampaignRow.workspace_id == workspace_id, CampaignRow.version > version)
    return connection.execute(statement).all()


def write(
    connection: Connection,
    workspace_id: str,
    version: int,
    *,
    new: Iterable[StoredCampaign],
    changed: Iterable[StoredCampaign],
) -> None:
    """Insert and update campaigns as `version` of the workspace; parents must stand before or apart from children."""
    new, changed = list(new), list(changed)
    added = [_values(workspace_id, version, item) for item in new]
    altered = [_values(workspace_id, version, item) for item in changed]
    if added:
        # Children refer to parents, and a statement with many rows is checked row by row.
        added.sort(key=lambda values: values["parent_id"] is not None)
        # RETURNING makes SQLAlchemy send many rows per statement instead of one statement per row.
        connection.execute(insert(CampaignRow).returning(CampaignRow.campaign_id), added).all()
    if altered:
        connection.execute(_UPDATE, [{f"new_{name}": value for name, value in values.items()} for values in altered])
    if added or altered:
        listing.refresh(connection, workspace_id, new, changed)
        _set_version(connection, workspace_id, version)


def set_last_events(
    connection: Connection, workspace_id: str, version: int, moments: Sequence[tuple[str, datetime]]
) -> None:
    """Move `last_event_at` forwards, never back."""
    statement = (
        update(CampaignRow)
        .where(
            CampaignRow.workspace_id == bindparam("of_workspace"),
            CampaignRow.campaign_id == bindparam("of_campaign"),
            or_(CampaignRow.last_event_at.is_(None), CampaignRow.last_event_at < bindparam("moment")),
        )
        .values(last_event_at=bindparam("moment"), version=version)
    )
    rows = [{"of_workspace": workspace_id, "of_campaign": name, "moment": moment} for name, moment in moments]
    connection.execute(statement, rows)
    listing.set_active(connection, workspace_id, moments)
    _set_version(connection, workspace_id, version)


def _set_version(connection: Connection, workspace_id: str, version: int) -> None:
    connection.execute(update(WorkspaceRow).where(WorkspaceRow.id == workspace_id).values(campaigns_version=version))


_UPDATE = (
    update(CampaignRow)
    .where(
        CampaignRow.workspace_id == bindparam("new_workspace_id"),
        CampaignRow.campaign_id == bindparam("new_campaign_id"),
    )
    .values(
        {name: bindparam(f"new_{name}") for name in (*Record.__struct_fields__, "document") if name != "campaign_id"}
    )
)


def _values(workspace_id: str, version: int, item: StoredCampaign) -> dict[str, Any]:
    values = msgspec.structs.asdict(item.record)
    values["traits"] = msgspec.json.encode(item.record.traits).decode()
    values["observed"] = msgspec.json.encode(item.record.observed).decode()
    values["document"] = msgspec.json.encode(item.document).decode()
    values["version"] = version
    values["workspace_id"] = workspace_id
    return values


def _record(row: AnyRow) -> Record:
    values = dict(zip(_PLACES, row, strict=False))
    values["traits"] = _read_traits(row[_TRAITS])
    values["observed"] = _read_observed(row[_OBSERVED])
    return Record(**values)


def _in_chunks(
    connection: Connection,
    workspace_id: str,
    ids: Collection[str],
    statement: Callable[[list[str]], Select[*tuple[Any, ...]]],
) -> Iterator[Record]:
    for chunk in _chunks(sorted(ids)):
        rows = connection.execute(statement(chunk).where(CampaignRow.workspace_id == workspace_id))
        yield from (_record(row) for row in rows)


def _chunks(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, IDS_PER_QUERY)):
        yield chunk
