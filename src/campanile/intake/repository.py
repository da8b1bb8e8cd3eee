"""What the intake asks the log and the metadata database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from campanile.engine import Engine
from campanile.intake.known_ids import Words

LOOKUP_KEYS = 10_000
"""Keys per question; bounds the size of the statement."""

STREAM_KEYS = 1_000_000
"""Keys per answer when all keys of the log are read: 8 MB each."""

_KEY_SPACE = 1 << 128


class LogRepository:
    """Looks for keys in the event log."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def shared(self) -> bool:
        """Whether other processes write to the log as well."""
        return self._engine.shared

    def known_events(self, workspace: str, keys: Sequence[int]) -> set[int]:
        """Which of the event keys are stored."""
        return self._known("known_events", workspace, keys)

    def known_messages(self, workspace: str, keys: Sequence[int]) -> set[int]:
        """Which of the natural keys belong to a stored event."""
        return self._known("known_messages", workspace, keys)

    def extent(self, workspace: str) -> tuple[int, int]:
        """Rows of the log and the highest sequence (0, 0 for an empty one)."""
        shards = self._engine.ask("log_extent", workspace)
        return sum(rows for rows, _ in shards), max((last for _, last in shards), default=0)

    def event_words(self, workspace: str, rows: int) -> Iterator[Words]:
        """The lower halves of all event keys, in parts; `rows` is about how many there are."""
        yield from self._words("event_words", workspace, rows)

    def message_words(self, workspace: str, rows: int) -> Iterator[Words]:
        """The lower halves of all natural keys, in parts; `rows` is an upper estimate."""
        yield from self._words("message_words", workspace, rows)

    def append_events(self, columns: dict[str, Any]) -> None:
        """Write events; durable and visible when it returns.

        Raises:
            EngineUnavailable: they may or may not have been written.
        """
        self._engine.append("events", columns)

    def append_snapshots(self, columns: dict[str, Any]) -> None:
        """Write rows of snapshots, under the same promise."""
        self._engine.append("snapshots", columns)

    def _known(self, question: str, workspace: str, keys: Sequence[int]) -> set[int]:
        found: set[int] = set()
        for start in range(0, len(keys), LOOKUP_KEYS):
            part = list(keys[start : start + LOOKUP_KEYS])
            found.update(row[0] for row in self._engine.ask(question, workspace, keys=part))
        return found

    def _words(self, question: str, workspace: str, rows: int) -> Iterator[Words]:
        parts = max(1, -(-rows // STREAM_KEYS))
        for index in range(parts):
            first, last = _KEY_SPACE * index // parts, _KEY_SPACE * (index + 1) // parts - 1
            for (words,) in self._engine.ask(question, workspace, first=first, last=last):
                yield np.array(words, dtype=np.uint64)
