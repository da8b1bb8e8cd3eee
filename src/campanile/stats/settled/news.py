"""Asks the store what has happened, one question at a time per workspace, for all who want to know meanwhile.

Whoever comes while a question is being answered waits for the next one: that one is asked after they came, so its
answer is as fresh as their own would be, and many callers cost as much as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from campanile.stats.settled.repository import SettledRepository


class _Round:
    """A question that has not been asked yet."""

    def __init__(self) -> None:
        self.campaigns: set[str] = set()
        self.mark: int | None = None


class News:
    """For one event loop at a time."""

    def __init__(self, repository: SettledRepository) -> None:
        self._repository = repository
        self._next: dict[str, tuple[_Round, asyncio.Task[Mapping[str, int]]]] = {}
        self._latest: dict[str, asyncio.Task[Mapping[str, int]]] = {}

    async def newest(self, workspace: str, campaigns: Collection[str], mark: int) -> Mapping[str, int]:
        """Campaigns that have an event or a reported count above `mark`, with their highest sequence; perhaps others.

        Raises:
            EngineUnavailable: the store does not answer.
        """
        waiting = self._next.get(workspace)
        if waiting is None or waiting[1].done():  # done: cancelled before it began
            coming = _Round()
            asking = self._ask(workspace, coming, self._latest.get(workspace))
            waiting = self._next[workspace] = (coming, asyncio.get_running_loop().create_task(asking))
        coming, task = waiting
        coming.campaigns.update(campaigns)
        coming.mark = mark if coming.mark is None else min(mark, coming.mark)
        return await asyncio.shield(task)

    async def _ask(
        self, workspace: str, coming: _Round, before: asyncio.Task[Mapping[str, int]] | None
    ) -> Mapping[str, int]:
        try:
            if before is not None and not before.done():
                await asyncio.wait([before])
        finally:
            _, task = self._next.pop(workspace)
        self._latest[workspace] = task
        try:
            return await self._repository.newest(workspace, coming.campaigns, coming.mark or 0)
        finally:
            if self._latest.get(workspace) is task:
                del self._latest[workspace]
