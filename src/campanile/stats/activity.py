"""Which campaigns have activity in a range of days, remembered and brought up to date by what was stored since."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from campanile.kit.times import Window
from campanile.stats.repository import StatsRepository

REMEMBERED_IDS = 1_000_000
"""Campaigns remembered over all ranges, about 100 bytes each; the ranges asked for longest ago are forgotten."""

UNDER_WAY_MICROSECONDS = 120_000_000
"""How long a write may be under way: what it stores may carry a sequence from before. Asking twice changes nothing."""


class _Known(NamedTuple):
    ids: frozenset[str]
    newest: int
    """The highest sequence seen among the rows of the range."""
    moment: int
    """When it was asked, where this process sees everything that is written."""


class Activity:
    """The log only grows, so campaigns are only added. Thread-safe."""

    def __init__(self, repository: StatsRepository) -> None:
        self._repository = repository
        self._movements = repository.movements
        self._known: OrderedDict[tuple[str, Window], _Known] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    async def active(self, workspace_id: str, days: Window) -> frozenset[str]:
        """Ids of all campaigns with at least one event or reported count in the range; the same object while none is
        added.

        Raises:
            EngineUnavailable: the event store cannot be read.
        """
        name = (workspace_id, days)
        movements = self._movements
        moment = None if movements is None else movements.moment
        known = self._known.get(name)
        if known is not None and movements is not None:
            if movements.replaced_since(known.moment):
                known = None
            elif not movements.touched_since(known.moment, workspace_id):
                return known.ids
        since = 0 if known is None else max(0, known.newest - UNDER_WAY_MICROSECONDS)
        found, newest = await self._repository.active(workspace_id, days, since)
        ids = frozenset(found)
        if known is not None:
            ids = known.ids if known.ids.issuperset(ids) else known.ids | ids
            newest = max(newest, known.newest)
        self._keep(name, _Known(ids, newest, moment or 0))
        return ids

    def _keep(self, name: tuple[str, Window], known: _Known) -> None:
        with self._lock:
            old = self._known.pop(name, None)
            self._size += len(known.ids) - (len(old.ids) if old is not None else 0)
            self._known[name] = known
            while self._size > REMEMBERED_IDS and len(self._known) > 1:
                _, forgotten = self._known.popitem(last=False)
                self._size -= len(forgotten.ids)
