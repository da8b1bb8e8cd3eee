"""Finds campaigns for the companion APIs and makes their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import anyio
import msgspec

from campanile.campaigns import repository, vocabulary
from campanile.campaigns.companion import repository as companion
from campanile.campaigns.companion.rows import (
    Document,
    counts_children,
    execution_row,
    meta_row,
    needs_reach,
    search_row,
)
from campanile.campaigns.companion.schemas import CampaignQuery, Page, Version
from campanile.campaigns.listing import repository as listing
from campanile.campaigns.records import resolved, shown
from campanile.campaigns.schemas import Campaign
from campanile.clock import Clock
from campanile.errors import InvalidInput, NotFound
from campanile.metadata import Connection, Metadata
from campanile.workspaces.schemas import Workspace

PARENT = "parent_campaign_id"
_PARENT_TYPES = ("PERIODIC", "BUSINESS_EVENT_TRIGGERED")


class Found(msgspec.Struct, frozen=True):
    """One page of rows, and how many there are in all."""

    rows: list[dict[str, Any]]
    total: int


class Reach(Protocol):
    """Knows how many people campaigns reach; the statistics service."""

    async def reach(self, workspace: Workspace, campaigns: Sequence[Campaign], now: datetime) -> Mapping[str, int]:
        """People per campaign id, by its funnel; campaigns that nothing is known of are left out."""


class CompanionService:
    """Read-only. Ids of another workspace behave as unknown ones."""

    def __init__(self, metadata: Metadata, reach: Reach, clock: Clock) -> None:
        self._metadata = metadata
        self._reach = reach
        self._clock = clock

    def search(self, workspace_id: str, query: CampaignQuery, version: Version = "v1") -> Found:
        """Rows with the whole configuration, newest first."""
        if query.nothing:
            return Found([], 0)
        with self._metadata.read() as connection:
            documents, _, total = self._page(connection, workspace_id, query)
        return Found([search_row(document, version) for document in documents], total)

    def details(self, workspace_id: str, campaign_id: str) -> dict[str, Any]:
        """One row of V5, whatever its kind and status.

        Raises:
            NotFound: there is no such campaign.
        """
        name = vocabulary.campaign_id(campaign_id)
        with self._metadata.read() as connection:
            documents, _ = self._documents(connection, workspace_id, [] if name is None else [name])
        if not documents:
            raise NotFound("There is no such campaign.", attribute="campaign_id")
        return search_row(documents[0], "v5")

    async def meta(self, workspace: Workspace, query: CampaignQuery, version: Version = "v1") -> Found:
        """Rows that label numbers, newest first.

        Raises:
            EngineUnavailable: a reach has to be counted and the event store cannot be read.
        """
        documents, campaigns, children, total = await anyio.to_thread.run_sync(self._labels, workspace.id, query)
        unknown = [campaign for document, campaign in zip(documents, campaigns, strict=True) if needs_reach(document)]
        now = self._clock.now()
        reached = await self._reach.reach(workspace, unknown, now) if unknown else {}
        rows = []
        for document in documents:
            name = document["campaign_id"]
            count = reached.get(name)
            reach = None if count is None else {"count": count, "last_updated_time": now.isoformat()}
            rows.append(meta_row(document, version, children.get(name, 0), reach))
        return Found(rows, total)

    def executions(self, workspace_id: str, parent_id: str, page: Page) -> dict[str, Any]:
        """Runs of a parent, earliest first, and how many there are in all.

        Raises:
            NotFound: no such campaign. InvalidInput: it has no runs and is of no kind that could have some.
        """
        name = vocabulary.campaign_id(parent_id)
        with self._metadata.read() as connection:
            parent = repository.records(connection, workspace_id, {name} if name else set()).get(name or "")
            if parent is None:
                raise NotFound(f"{PARENT} is unknown", attribute=PARENT)
            total = repository.count_children(connection, workspace_id, parent.campaign_id)
            if parent.parent_id is not None or (total == 0 and parent.delivery_type not in _PARENT_TYPES):
                raise InvalidInput(f"{PARENT} is invalid passed value", attribute=PARENT)
            runs = companion.executions(
                connection, workspace_id, parent.campaign_id, limit=page.limit, offset=page.offset
            )
        return {"executions": [execution_row(run) for run in runs], "total_instances": total}

    def _labels(
        self, workspace_id: str, query: CampaignQuery
    ) -> tuple[list[Document], list[Campaign], dict[str, int], int]:
        with self._metadata.read() as connection:
            documents, campaigns, total = self._page(connection, workspace_id, query)
            parents = [document["campaign_id"] for document in documents if counts_children(document)]
            return documents, campaigns, listing.children_counts(connection, workspace_id, parents), total

    def _page(
        self, connection: Connection, workspace_id: str, query: CampaignQuery
    ) -> tuple[list[Document], list[Campaign], int]:
        page = query.page
        ids, total = companion.matching(connection, workspace_id, query.filter, limit=page.limit, offset=page.offset)
        return *self._documents(connection, workspace_id, ids), total

    def _documents(
        self, connection: Connection, workspace_id: str, ids: list[str]
    ) -> tuple[list[Document], list[Campaign]]:
        """Complete documents in the order of the ids."""
        own = repository.stored_campaigns(connection, workspace_id, ids)
        missing = {item.record.parent_id for item in own.values() if item.record.parent_id is not None} - own.keys()
        known = own | repository.stored_campaigns(connection, workspace_id, missing)
        documents, campaigns = [], []
        for name in ids:
            if name in own:
                parent = known.get(own[name].record.parent_id or "")
                documents.append(shown(own[name], parent, 0))
                campaigns.append(resolved(own[name].record, None if parent is None else parent.record))
        return documents, campaigns
