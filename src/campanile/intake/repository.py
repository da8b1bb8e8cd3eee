"""What the intake asks the log and the metadata database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from hashlib import blake2b
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from campanile.engine import Engine
from campanile.intake.known_ids import Words
from campanile.metadata import AnyRow, Connection, Metadata
from campanile.metadata.models import IdempotencyRow

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


def claim_key(connection: Connection, workspace: str, key: str, digest: bytes, expires_at: datetime) -> AnyRow:
    """(digest, status, answer) under the key, which is new with this digest unless somebody used it before."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {"workspace_id": workspace, "key": key, "digest": digest, "expires_at": expires_at}
    connection.execute(dialect.insert(IdempotencyRow).values(**values).on_conflict_do_nothing())
    columns = (IdempotencyRow.digest, IdempotencyRow.status, IdempotencyRow.answer)
    return connection.execute(select(*columns).where(*_is(workspace, key))).one()


def keep_answer(connection: Connection, workspace: str, key: str, status: int, answer: bytes) -> None:
    """The answer of a claimed key; the first one stays."""
    unanswered = update(IdempotencyRow).where(*_is(workspace, key), IdempotencyRow.status.is_(None))
    connection.execute(unanswered.values(status=status, answer=answer))


def forget_key(connection: Connection, workspace: str, key: str, now: datetime) -> None:
    """Delete the key if its time is over."""
    connection.execute(delete(IdempotencyRow).where(*_is(workspace, key), IdempotencyRow.expires_at <= now))


def forget_expired_keys(connection: Connection, now: datetime) -> None:
    """Delete all keys whose time is over."""
    connection.execute(delete(IdempotencyRow).where(IdempotencyRow.expires_at <= now))


def _is(workspace: str, key: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return IdempotencyRow.workspace_id == workspace, IdempotencyRow.key == key
