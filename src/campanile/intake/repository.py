"""What the intake asks the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from hashlib import blake2b
from typing import Any

import numpy as np
from sqlalchemy import func, select, update

from campanile.engine import Engine
from campanile.intake.known_ids import Words
from campanile.intake.merges import Alias, Mark, Merge
from campanile.metadata import Metadata
from campanile.metadata.models import WorkspaceRow

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

    def last_sequence(self, workspace: str) -> int:
        """The highest sequence of events and reported counts; 0 if there are none."""
        return max((last for (last,) in self._engine.ask("last_sequence", workspace)), default=0)

    def last_snapshot(self, workspace: str) -> int:
        """The highest sequence of reported counts; 0 if there are none."""
        return max((last for (last,) in self._engine.ask("last_snapshot", workspace)), default=0)

    def new_keys(self, workspace: str, mark: int, most: int) -> list[tuple[int, int, int]]:
        """(event key, natural key or 0, sequence) of what was stored after `mark`; not all of it beyond `most` rows."""
        found = self._engine.ask("new_keys", workspace, mark=mark, most=most)
        return [(event_key, message_key, sequence) for event_key, message_key, sequence in found]

    def event_words(self, workspace: str, rows: int) -> Iterator[Words]:
        """The lower halves of all event keys, in parts; `rows` is about how many there are."""
        yield from self._words("event_words", workspace, rows)

    def message_words(self, workspace: str, rows: int) -> Iterator[Words]:
        """The lower halves of all natural keys, in parts; `rows` is an upper estimate."""
        yield from self._words("message_words", workspace, rows)

    def known_snapshots(self, workspace: str, keys: Sequence[int]) -> set[int]:
        """Which of the snapshots are stored."""
        return self._known("known_snapshots", workspace, keys)

    def snapshot_modes(
        self, workspace: str, campaigns: Sequence[str], first: date, last: date
    ) -> dict[tuple[str, date, str, str, str], str]:
        """How each cell (campaign, day, platform, locale, variation) of these campaigns and days is reported."""
        found = self._engine.ask("snapshot_modes", workspace, campaigns=list(campaigns), first=first, last=last)
        return {(campaign_id, day, *place): mode for campaign_id, day, *place, mode in found}

    def append_events(self, columns: dict[str, Any]) -> None:
        """Write events; durable and visible when it returns.

        Raises:
            EngineUnavailable: they may or may not have been written.
        """
        self._engine.append("events", columns)

    def merges(self, workspace: str) -> list[Merge]:
        """All stored merges of users."""
        return [Merge(*row) for row in self._engine.ask("user_merges", workspace)]

    def aliases(self, workspace: str, after: int) -> list[Alias]:
        """Users that merges after a sequence took away, complete or not."""
        return [Alias(*row) for row in self._engine.ask("user_aliases", workspace, after=after)]

    def stragglers(self, workspace: str) -> list[str]:
        """Merged users with events under their own id that came after the merge."""
        return [user for (user,) in self._engine.ask("merged_stragglers", workspace)]

    def copy_users(self, workspace: str, moves: Mapping[str, str], sequence: int) -> None:
        """Copy all events of users to others; `Engine.copy_users` says what that means."""
        self._engine.copy_users(workspace, moves, sequence)

    def append_aliases(self, workspace: str, moves: Mapping[str, str], sequence: int) -> None:
        """Write down, on every node, that the rows of these users count no more once the merge is complete."""
        columns: dict[str, Sequence[object]] = {
            "workspace_id": [workspace] * len(moves),
            "user_id": list(moves),
            "to_user_id": list(moves.values()),
            "sequence": [sequence] * len(moves),
        }
        self._engine.append("user_aliases", columns)

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


class StoredMergeMarks:
    """The marks of merges, where every process reads them with the workspace."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def read(self, workspace: str) -> Mark:
        """Raises: Unavailable: the metadata database cannot be reached."""
        columns = (WorkspaceRow.merged_through, WorkspaceRow.merge_begun)
        with self._metadata.read() as connection:
            row = connection.execute(select(*columns).where(WorkspaceRow.id == workspace)).one_or_none()
        return Mark(*row) if row is not None else Mark()

    def write(self, workspace: str, mark: Mark) -> None:
        """Raises: as `read`."""
        statement = update(WorkspaceRow).where(WorkspaceRow.id == workspace)
        with self._metadata.begin() as connection:
            connection.execute(statement.values(merged_through=mark.through, merge_begun=mark.begun))


class WorkspaceLocks:
    """Lets one process at a time write events of a workspace, where several processes can."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    @property
    def effective(self) -> bool:
        """Whether other processes respect the locks: those that share a PostgreSQL do."""
        return self._metadata.dialect == "postgresql"

    @contextmanager
    def held(self, workspaces: Iterable[str]) -> Iterator[None]:
        """Hold the locks of the workspaces for the length of the block.

        Raises:
            Unavailable: the metadata database cannot be reached, or was lost meanwhile.
        """
        if not self.effective:
            yield
            return
        with self._metadata.begin() as connection:
            for key in sorted(_lock_key(workspace) for workspace in workspaces):
                connection.execute(select(func.pg_advisory_xact_lock(key)))
            yield


def _lock_key(workspace: str) -> int:
    """A number for PostgreSQL: 64 bits with sign."""
    digest = blake2b(f"intake:{workspace}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
