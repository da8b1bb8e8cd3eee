"""Asks the store what has happened, one question at a time per workspace."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from campanile.stats.settled.repository import SettledRepository
from campanile.stats.settled.turns import Turns


class _Wanted:
    """A question that has not been asked yet."""

    def __init__(self) -> None:
        self.campaigns: set[str] = set()
        self.mark: int | None = None


class News:
    """For one event loop at a time."""

    def __init__(self, repository: SettledRepository) -> None:
        self._repository = repository
        self._wanted: dict[str, _Wanted] = {}
        self._turns: Turns[Mapping[str, int]] = Turns()

    async def newest(self, workspace: str, campaigns: Collection[str], mark: int) -> Mapping[str, int]:
        """Campaigns that have an event or a reported count above `mark`, with their highest sequence; perhaps others.

        Raises:
            EngineUnavailable: the store does not answer.
        """
        wanted = self._wanted.setdefault(workspace, _Wanted())
        wanted.campaigns.update(campaigns)
        wanted.mark = mark if wanted.mark is None else min(mark, wanted.mark)
        return await self._turns.next(workspace, partial(self._ask, workspace))

    async def _ask(self, workspace: str) -> Mapping[str, int]:
        wanted = self._wanted.pop(workspace)
        return await self._repository.newest(workspace, wanted.campaigns, wanted.mark or 0)
