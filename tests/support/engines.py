"""Engines for tests. chDB opens one data folder per process at a time: the embedded one is shared, and can be lent."""

from __future__ import annotations

from pathlib import Path

from campanile.engine import Engine, open_engine
from campanile.settings import Settings


class EmbeddedEngine:
    """The chDB of this test process: opened at the first use, emptied for every test, closed for tests that open
    a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._engine: Engine | None = None

    def take(self) -> Engine:
        """The engine, migrated and empty."""
        if self._engine is None:
            self._engine = open_migrated(Settings(data=str(self._folder)))
        self._engine.truncate()
        return self._engine

    def release(self) -> None:
        """Close it; the next `take` opens it again."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def open_migrated(settings: Settings) -> Engine:
    """The engine of `settings` with all its tables."""
    engine = open_engine(settings)
    try:
        engine.migrate()
    except BaseException:
        engine.close()
        raise
    return engine
