"""In which order campaigns are listed, and which of them are: what that takes of every campaign, kept in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from typing import NamedTuple

from campanile.campaigns import repository
from campanile.campaigns.schemas import WITHOUT_STATS
from campanile.metadata import AnyRow, Metadata

ORDERED_CAMPAIGNS = 1_000_000
"""Campaigns kept per process, about 400 bytes each; the workspace asked for longest ago is dropped first."""


class Place(NamedTuple):
    """What decides where a campaign is listed, and whether it is."""

    created_at: datetime
    campaign_id: str
    parent_id: str | None
    delivery_type: str | None
    """Its own; empty for a child that uses the one of its parent."""
    archived: bool


class Order:
    """The order of a workspace's campaigns at one time: another one is another object."""

    def __init__(self, places: Iterable[Place]) -> None:
        everything = sorted(places)
        by_id = {place.campaign_id: place for place in everything}
        self._size = len(by_id)
        self._parents = {place.campaign_id: place.parent_id for place in everything if place.parent_id is not None}
        self._listed = tuple(
            place.campaign_id for place in everything if not place.archived and _delivery(place, by_id) != WITHOUT_STATS
        )

    def __len__(self) -> int:
        return self._size

    @property
    def listed(self) -> tuple[str, ...]:
        """Campaigns that have statistics, archived ones left out, by creation time, then id."""
        return self._listed

    def active(self, ids: Set[str]) -> tuple[str, ...]:
        """Those of them that are among `ids`, or have a child, archived or not, that is."""
        parents = {parent for child, parent in self._parents.items() if child in ids}
        return tuple(name for name in self._listed if name in ids or name in parents)


class _Workspace:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.version = 0
        self.counter: int | None = None
        self.places: dict[str, Place] = {}
        self.order = Order(())


class Orders:
    """Asks for what changed only. Thread-safe; the calls block."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self._workspaces: OrderedDict[str, _Workspace] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, workspace_id: str) -> Order:
        """The order as it is now; the same object as before if nothing has changed."""
        with self._lock:
            workspace = self._workspaces.setdefault(workspace_id, _Workspace())
            self._workspaces.move_to_end(workspace_id)
        with workspace.lock:
            self._refresh(workspace_id, workspace)
            order = workspace.order
        with self._lock:
            total = sum(len(each.places) for each in self._workspaces.values())
            while total > ORDERED_CAMPAIGNS and len(self._workspaces) > 1:
                _, oldest = self._workspaces.popitem(last=False)
                total -= len(oldest.places)
        return order

    def _refresh(self, workspace_id: str, workspace: _Workspace) -> None:
        counter = self._metadata.change_counter()
        if counter is not None and counter == workspace.counter:
            return
        with self._metadata.read() as connection:
            version = repository.campaigns_version(connection, workspace_id)
            rows: Sequence[AnyRow] = ()
            if version != workspace.version:
                rows = repository.places_since(connection, workspace_id, workspace.version)
        places = [Place(*row) for row in rows]
        changed = {each.campaign_id: each for each in places if workspace.places.get(each.campaign_id) != each}
        if changed:
            workspace.places.update(changed)
            workspace.order = Order(workspace.places.values())
        workspace.version = version
        workspace.counter = counter


def _delivery(place: Place, by_id: dict[str, Place]) -> str | None:
    parent = by_id.get(place.parent_id) if place.parent_id is not None else None
    return place.delivery_type or (parent.delivery_type if parent is not None else None)
