"""Campaigns of one workspace taken out for writing, and the rules of what may be written over what."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from campanile.campaigns import repository
from campanile.campaigns.checks import time_text
from campanile.campaigns.document import channel_problems, same
from campanile.campaigns.records import Record, StoredCampaign, stored
from campanile.campaigns.schemas import Source, Written
from campanile.errors import Conflict, InvalidInput, Problem
from campanile.metadata import Connection


class Shelf:
    """Holds some campaigns while their workspace is locked. Later looks see earlier changes; `save` writes them."""

    def __init__(self, connection: Connection, workspace_id: str) -> None:
        self._connection = connection
        self._workspace_id = workspace_id
        self._version = repository.lock(connection, workspace_id) + 1
        self._items: dict[str, StoredCampaign] = {}
        self._parents: set[str] = set()
        self._new: set[str] = set()
        self._changed: set[str] = set()

    def fetch(self, ids: Collection[str], *, future_children: Iterable[str] = ()) -> None:
        """Take campaigns out. Of `future_children`, learn whether they are parents themselves."""
        missing = set(ids).difference(self._items)
        self._items.update(repository.stored_campaigns(self._connection, self._workspace_id, missing))
        known = [name for name in future_children if name in self._items]
        self._parents.update(repository.with_children(self._connection, self._workspace_id, known))

    def get(self, campaign_id: str | None) -> StoredCampaign | None:
        """A campaign among those fetched or put."""
        return None if campaign_id is None else self._items.get(campaign_id)

    def is_parent(self, campaign_id: str) -> bool:
        """Right for campaigns fetched as future children."""
        return campaign_id in self._parents

    def put(self, item: StoredCampaign) -> None:
        name = item.record.campaign_id
        (self._changed if name in self._items and name not in self._new else self._new).add(name)
        self._items[name] = item
        if item.record.parent_id is not None:
            self._parents.add(item.record.parent_id)

    def save(self) -> bool:
        """Write what was put since the last time; whether there was anything."""
        repository.write(
            self._connection,
            self._workspace_id,
            self._version,
            new=[self._items[name] for name in sorted(self._new)],
            changed=[self._items[name] for name in sorted(self._changed)],
        )
        anything = bool(self._new or self._changed)
        self._new.clear()
        self._changed.clear()
        return anything


def adoption_problem(shelf: Shelf, campaign_id: str, parent: StoredCampaign | None) -> Problem | None:
    """Why `campaign_id` cannot become a child of `parent`; nothing if it can. Depth is one."""
    if parent is None:
        return Problem("unknown_parent", "parent_id names no campaign of this workspace", "parent_id")
    if parent.record.parent_id is not None:
        return Problem("parent_is_child", "parent_id names a campaign that is a child itself", "parent_id")
    if shelf.is_parent(campaign_id):
        return Problem("has_children", "a campaign with children cannot become a child", "parent_id")
    return None


def write_document(shelf: Shelf, document: dict[str, Any], *, source: Source, now: datetime) -> Written:
    """Put a canonical document with its `campaign_id` over what is on the shelf.

    A document without parent keeps the parent that was set before.

    Raises:
        InvalidInput: something does not go with the channel that a child has from its parent.
        Conflict: the document contradicts what is stored; nothing was put.
    """
    campaign_id = document["campaign_id"]
    before = shelf.get(campaign_id)
    old = None if before is None else before.record
    if old is not None and old.parent_id is not None:
        document = {"parent_id": old.parent_id, **document}
    parent = shelf.get(document.get("parent_id"))
    problems = _parent_problems(shelf, document, old, parent)
    channel = document.get("channel") or (old.channel if old is not None else None)
    channel = channel or (parent.record.channel if parent is not None else None)
    if old is not None and channel != old.channel:
        problems.insert(0, Problem("immutable", "channel cannot be changed", "channel"))
    elif not problems and parent is not None and channel != parent.record.channel:
        problems.insert(0, Problem("parent_channel", "channel must be that of the parent", "channel"))
    if problems or channel is None:
        raise Conflict(problems[0].message, type=problems[0].type, problems=tuple(problems))
    unfit = channel_problems(document, channel)
    if unfit:
        raise InvalidInput(unfit[0].message, type=unfit[0].type, problems=tuple(unfit))
    revision = 1 if old is None else old.revision + 1
    after = stored(document, channel=channel, source=source, revision=revision, now=now, before=old)
    if before is not None and before.record.source != "event" and _unchanged(before, after):
        return Written(campaign_id, "unchanged", before.record.revision)
    shelf.put(after)
    return Written(campaign_id, "created" if before is None else "updated", revision)


def _parent_problems(
    shelf: Shelf, document: dict[str, Any], old: Record | None, parent: StoredCampaign | None
) -> list[Problem]:
    wanted = document.get("parent_id")
    if wanted is None:
        return []
    if old is not None and old.parent_id is not None:
        if wanted != old.parent_id:
            return [Problem("immutable", "parent_id cannot be changed", "parent_id")]
        if "flow_id" in document:
            return [Problem("immutable", "this campaign is a child, so it cannot belong to a flow", "flow_id")]
        return []
    problem = adoption_problem(shelf, document["campaign_id"], parent)
    return [] if problem is None else [problem]


def _unchanged(before: StoredCampaign, after: StoredCampaign) -> bool:
    def complete(item: StoredCampaign) -> dict[str, Any]:
        return {**item.document, "created_at": time_text(item.record.created_at)}

    return same(complete(before), complete(after))
