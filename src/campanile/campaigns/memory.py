"""Campaigns that were asked for lately, remembered for as long as no campaign of their workspace changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection

from campanile.campaigns import repository
from campanile.campaigns.schemas import Campaign
from campanile.metadata import Metadata

REMEMBERED_WORKSPACES = 1_000
REMEMBERED_IDS = 20_000
"""Ids remembered per workspace, about 2 kB each; beyond, all of them are forgotten."""
LOOKED_UP_IDS = 1_000
"""Ids of one question that are remembered; larger ones are for lists, which have a memory of their own."""


class Remembered:
    """Campaigns and children of one workspace as of a version of its campaigns."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.counter: int | None = None
        self.campaigns: dict[str, Campaign | None] = {}
        """By stored id; None does not exist."""
        self.children: dict[str, tuple[Campaign, ...]] = {}
        """By id of the parent."""

    @property
    def full(self) -> bool:
        return len(self.campaigns) + len(self.children) > REMEMBERED_IDS

    def of_ids(self, ids: Collection[str]) -> dict[str, Campaign] | None:
        """Those of the campaigns that exist; None if some of them are not remembered."""
        known = self.campaigns
        try:
            return {name: campaign for name in ids if (campaign := known[name]) is not None}
        except KeyError:
            return None

    def of_parents(self, ids: Collection[str]) -> dict[str, list[Campaign]] | None:
        """Children by parent, parents without any left out; None if some of them are not remembered."""
        known = self.children
        try:
            return {name: list(children) for name in ids if (children := known[name])}
        except KeyError:
            return None


class CampaignMemory:
    """Thread-safe. Where the metadata database tells cheaply that nothing happened, nothing is asked."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self._workspaces: OrderedDict[str, Remembered] = OrderedDict()
        self._lock = threading.Lock()

    def at_hand(self, workspace_id: str) -> Remembered | None:
        """What is remembered and certainly true, without asking the database."""
        known = self._workspaces.get(workspace_id)
        if known is None or known.counter is None or known.counter != self._metadata.change_counter():
            return None
        return known

    def current(self, workspace_id: str) -> Remembered:
        """What is remembered and true. Blocks: it may ask for the version of the campaigns."""
        counter = self._metadata.change_counter()  # before the version: what is committed in between shows next time
        known = self._workspaces.get(workspace_id)
        if known is not None and counter is not None and known.counter == counter and not known.full:
            return known
        with self._metadata.read() as connection:
            version = repository.campaigns_version(connection, workspace_id)
        if known is None or known.version != version or known.full:
            known = Remembered(version)
        known.counter = counter
        with self._lock:
            self._workspaces[workspace_id] = known
            self._workspaces.move_to_end(workspace_id)
            while len(self._workspaces) > REMEMBERED_WORKSPACES:
                self._workspaces.popitem(last=False)
        return known
