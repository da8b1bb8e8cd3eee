"""All campaigns of a workspace in their order, kept in memory and brought up to date by what changed."""

from __future__ import annotations

import threading

from campanile.campaigns import repository
from campanile.campaigns.records import Record, resolved
from campanile.campaigns.schemas import Campaign
from campanile.metadata import Connection, Metadata

CATALOGUED_CAMPAIGNS = 500_000
"""Campaigns kept in memory per process, about 2 kB each; the workspace asked for longest ago is dropped first."""


class _Workspace:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.version = 0
        self.counter: int | None = None
        self.campaigns: dict[str, Campaign] = {}
        self.ordered: tuple[Campaign, ...] = ()


class Catalogue:
    """Answers with one small query when nothing changed, on SQLite with none."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self._workspaces: dict[str, _Workspace] = {}
        self._lock = threading.Lock()

    def everything(self, workspace_id: str) -> tuple[Campaign, ...]:
        """All campaigns."""
        return self._current(workspace_id)

    def _current(self, workspace_id: str) -> tuple[Campaign, ...]:
        with self._lock:
            workspace = self._workspaces.pop(workspace_id, None) or _Workspace()
            self._workspaces[workspace_id] = workspace  # now the one asked for most recently
        with workspace.lock:
            self._refresh(workspace_id, workspace)
            current = workspace.ordered
        self._shrink()
        return current

    def _refresh(self, workspace_id: str, workspace: _Workspace) -> None:
        counter = self._metadata.change_counter()
        if counter is not None and counter == workspace.counter:
            return
        with self._metadata.read() as connection:
            version = repository.campaigns_version(connection, workspace_id)
            if version != workspace.version:
                changed = repository.changed_since(connection, workspace_id, workspace.version)
                for campaign in resolve_all(connection, workspace_id, changed):
                    workspace.campaigns[campaign.campaign_id] = campaign
                everything = workspace.campaigns.values()
                workspace.ordered = tuple(sorted(everything, key=lambda item: (item.created_at, item.campaign_id)))
        workspace.version = version
        workspace.counter = counter

    def _shrink(self) -> None:
        with self._lock:
            total = sum(len(workspace.campaigns) for workspace in self._workspaces.values())
            while total > CATALOGUED_CAMPAIGNS and len(self._workspaces) > 1:
                oldest = next(iter(self._workspaces))
                total -= len(self._workspaces.pop(oldest).campaigns)


def resolve_all(connection: Connection, workspace_id: str, records: list[Record]) -> list[Campaign]:
    """What others see of these campaigns; parents that are not among them are read."""
    by_id = {record.campaign_id: record for record in records}
    missing = {record.parent_id for record in records if record.parent_id is not None}.difference(by_id)
    by_id |= repository.records(connection, workspace_id, missing)
    return [resolved(record, None if record.parent_id is None else by_id.get(record.parent_id)) for record in records]
