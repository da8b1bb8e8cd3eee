"""Asks the store what has happened, one question at a time per workspace."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from campanile.stats.settled.repository import SettledRepository, Thing
from campanile.stats.settled.turns import Turns


class _Wanted:
    """A question that has not been asked yet."""

    def __init__(self) -> None:
        self.campaigns: set[str] = set()
        self.names: set[str] = set()
        self.mark: int | None = None


class News:
    """For one event loop at a time."""

    def __init__(self, repository: SettledRepository) -> None:
        self._repository = repository
        self._wanted: dict[str, _Wanted] = {}
        self._turns: Turns[Mapping[Thing, int]] = Turns()

    async def newest(
        self, workspace: str, campaigns: Collection[str], mark: int, names: Collection[str] = ()
    ) -> Mapping[Thing, int]:
        """Campaigns that have an event or a reported count above `mark`, and names of which an event without a campaign
        came above it, with their highest sequence; perhaps others.

        Raises:
            EngineUnavailable: the store does not answer.
        """
        wanted = self._wanted.setdefault(workspace, _Wanted())
        wanted.campaigns.update(campaigns)
        wanted.names.update(names)
        wanted.mark = mark if wanted.mark is None else min(mark, wanted.mark)
        return await self._turns.next(workspace, partial(self._ask, workspace))

    async def _ask(self, workspace: str) -> Mapping[Thing, int]:
        wanted = self._wanted.pop(workspace)
        return await self._repository.newest(workspace, wanted.campaigns, wanted.mark or 0, wanted.names)
