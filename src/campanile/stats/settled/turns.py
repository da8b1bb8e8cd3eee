"""One piece of work at a time per key, for all who want it done meanwhile.

Whoever comes while it is under way waits for the next turn: that one begins after they came, so its outcome is as fresh
as their own would be, and many callers cost as much as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Outcome = TypeVar("Outcome")


class Turns(Generic[Outcome]):
    """For one event loop at a time."""

    def __init__(self) -> None:
        self._next: dict[str, asyncio.Task[Outcome]] = {}
        self._latest: dict[str, asyncio.Task[Outcome]] = {}

    async def next(self, key: str, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """The outcome of a turn that has not begun yet. All who share it want the same work done.

        Raises: whatever the work raises.
        """
        task = self._next.get(key)
        if task is None or task.done():  # done: cancelled before it began
            taking = self._take(key, work, self._latest.get(key))
            task = self._next[key] = asyncio.get_running_loop().create_task(taking)
        return await asyncio.shield(task)

    async def _take(
        self, key: str, work: Callable[[], Awaitable[Outcome]], before: asyncio.Task[Outcome] | None
    ) -> Outcome:
        try:
            if before is not None and not before.done():
                await asyncio.wait([before])
        finally:
            task = self._next.pop(key)
        self._latest[key] = task
        try:
            return await work()
        finally:
            if self._latest.get(key) is task:
                del self._latest[key]
