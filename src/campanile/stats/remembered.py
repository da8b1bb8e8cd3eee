"""Answers of the log that hold for as long as nothing is written to a workspace."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

from campanile.engine.movements import Movements

REMEMBERED_ANSWERS = 32
"""Answers over all workspaces, each a few hundred numbers; those used longest ago are forgotten."""

Answer = TypeVar("Answer")


class _Known(NamedTuple, Generic[Answer]):
    moment: int
    """When it was asked."""
    answer: Answer


class Remembered(Generic[Answer]):
    """Remembers where this process sees everything that is written; elsewhere it knows nothing. Thread-safe."""

    def __init__(self, movements: Movements | None) -> None:
        self._movements = movements
        self._known: OrderedDict[tuple[str, Hashable], _Known[Answer]] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, workspace: str, question: Hashable) -> Answer | None:
        """The answer to a question, if it still holds."""
        name = (workspace, question)
        with self._lock:
            known = self._known.get(name)
            if known is None or self._movements is None or self._movements.touched_since(known.moment, workspace):
                return None
            self._known.move_to_end(name)
            return known.answer

    @property
    def moment(self) -> int:
        """When a question is asked now; for `keep`."""
        return 0 if self._movements is None else self._movements.moment

    def keep(self, workspace: str, question: Hashable, moment: int, answer: Answer) -> None:
        """Remember an answer to what was asked at a moment or later."""
        if self._movements is not None:
            with self._lock:
                self._known[(workspace, question)] = _Known(moment, answer)
                if len(self._known) > REMEMBERED_ANSWERS:
                    self._known.popitem(last=False)

    async def ask(self, workspace: str, question: Hashable, asked: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer that is remembered, or a new one."""
        known = self.recall(workspace, question)
        if known is not None:
            return known
        moment = self.moment
        answer = await asked()
        self.keep(workspace, question, moment, answer)
        return answer
