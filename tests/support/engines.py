"""Engines for tests. chDB opens one data folder per process at a time: the embedded one is shared, and can be lent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from campanile.engine import Engine, open_engine
from campanile.settings import Settings

LIST_EVENT_IDS = """\
import sys, clickhouse_connect
client = clickhouse_connect.get_client(interface="chdb", path=sys.argv[1])
for (event_id,) in client.query("SELECT event_id FROM campanile.events FINAL ORDER BY event_id").result_rows:
    print(event_id)
client.close()
"""


PRINT_EVENTS = """\
import sys, clickhouse_connect
client = clickhouse_connect.get_client(interface="chdb", path=sys.argv[1])
for (text,) in client.query("SELECT toString(tuple(*)) FROM campanile.events").result_rows:
    print(text)
client.close()
"""


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


def stored_event_ids(data: Path) -> list[str]:
    """Every event in the log of a stopped server, read past our own code and in a process of its own."""
    return _printed(LIST_EVENT_IDS, data).split()


def stored_texts(data: Path) -> str:
    """Every value of every event in the log of a stopped server, as text."""
    return _printed(PRINT_EVENTS, data)


def _printed(program: str, data: Path) -> str:
    command = [sys.executable, "-c", program, str(data / "engine" / "store")]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
