"""What has been stored: known keys and the sequence of groups (ingest specification 1.6).

The log itself is the only record: a key is known if and only if its event is stored. Memory saves most lookups. It is
filled from the log in the background, workspace by workspace; until that is done, keys are looked up.

Where other processes write to the same log, one at a time holds the lock of a workspace and first reads what the
others have stored since it held it last. Without such locks every key is looked up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import structlog

from campanile.clock import Clock
from campanile.errors import CampanileError, Unavailable
from campanile.intake.batch import Batch
from campanile.intake.keys import Keys, pack_numbers, unpack
from campanile.intake.known_ids import Flags, KeyFilter, RecentKeys, message_salt, salted, workspace_salt
from campanile.intake.repository import LogRepository

RECENT_KEYS = 2_000_000
"""Newest keys kept exactly: 64 MiB."""

NEWS_ROWS = 100_000
"""When others have stored more than this since the last time, the log is read anew instead."""

READ_AT_ONCE_ROWS = 100_000
"""Logs up to this size are read when they are first needed, larger ones in the background."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_log = structlog.get_logger("campanile.intake")


class Ledger:
    """Answers for one process. Its methods belong to the committer's thread."""

    def __init__(
        self, log: LogRepository, clock: Clock, *, locked: bool = False, recent_keys: int = RECENT_KEYS
    ) -> None:
        """`locked`: whoever writes to the log holds the lock of the workspace."""
        self._store = log
        self._clock = clock
        self._follows = log.shared and locked
        self._trusts_memory = locked or not log.shared
        self._filter = KeyFilter()
        self._recent = RecentKeys(recent_keys)
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="known-ids")
        self._reading: dict[str, Future[None]] = {}
        self._closing = threading.Event()
        self._sequence = 0
        self._marks: dict[str, int] = {}
        """Workspace → sequence up to which everything that others stored is known here."""

    @property
    def size_bytes(self) -> int:
        """Memory of everything known, in bytes."""
        return self._filter.size_bytes + self._recent.size_bytes

    def next_sequence(self, workspaces: Iterable[str]) -> int:
        """A number above all that were given out or stored for these workspaces.

        Microseconds of the clock where possible, so that a later process starts higher. Where other processes write
        as well, `catch_up` first: their clocks may be ahead.
        """
        for workspace in workspaces:
            self.open(workspace)
        self._sequence = max(self._sequence + 1, (self._clock.now() - _EPOCH) // _MICROSECOND)
        return self._sequence

    def catch_up(self, workspace: str) -> None:
        """Learn what other processes have stored. Call it with the lock of the workspace held.

        Raises:
            EngineUnavailable: the log cannot be read.
        """
        if not self._follows:
            return
        self.open(workspace)
        news = self._store.new_keys(workspace, self._marks[workspace], NEWS_ROWS + 1)
        if len(news) > NEWS_ROWS:
            del self._reading[workspace]
            self.open(workspace)
        elif news:
            event_keys, message_keys, sequences = zip(*news, strict=True)
            self._add(salted(pack_numbers(event_keys), workspace_salt(workspace)))
            self._add(salted(pack_numbers(key for key in message_keys if key), message_salt(workspace)))
            self._marks[workspace] = max(sequences)
            self._sequence = max(self._sequence, *sequences)
        self._sequence = max(self._sequence, self._store.last_snapshot(workspace))

    def known(self, batch: Batch) -> Flags:
        """For each event: whether its id, or its natural key, is stored."""
        workspace = batch.workspace.id
        known = self._look(workspace, batch.event_keys, batch.known_as, self._store.known_events)
        asked = batch.has_message & ~known
        if asked.any():
            known[asked] = self._look(
                workspace, batch.message_keys[asked], batch.messages_known_as[asked], self._store.known_messages
            )
        return known

    def remember(self, batch: Batch, kept: Flags) -> None:
        """The kept events have been stored, with the newest sequence."""
        self._add(_identities(batch, kept))
        self._marks[batch.workspace.id] = self._sequence

    def doubt(self, batch: Batch, kept: Flags) -> None:
        """The kept events may have been stored: from now on their keys are looked up."""
        self._filter.add(_identities(batch, kept)[:, 0])

    def settle(self) -> None:
        """Wait until all logs that were asked for have been read."""
        for reading in list(self._reading.values()):
            reading.result()

    def close(self) -> None:
        """Stop reading."""
        self._closing.set()
        self._readers.shutdown(wait=True, cancel_futures=True)

    def _look(
        self, workspace: str, keys: Keys, known_as: Keys, stored: Callable[[str, Sequence[int]], set[int]]
    ) -> Flags:
        candidates = np.ones(len(known_as), dtype=np.bool_)
        if self._complete(workspace):
            candidates = self._filter.may_hold(known_as[:, 0])
        known = candidates.copy()
        known[candidates] = self._recent.holds(known_as[candidates])
        candidates &= ~known
        if candidates.any():
            asked = unpack(keys[candidates])
            found = stored(workspace, asked)
            known[candidates] = [key in found for key in asked]
        return known

    def _add(self, keys: Keys) -> None:
        self._filter.add(keys[:, 0])
        self._recent.add(keys)

    def _complete(self, workspace: str) -> bool:
        """Whether the filter holds all keys of the workspace; starts to fill it if nobody did."""
        if not self._trusts_memory:
            return False
        self.open(workspace)
        reading = self._reading[workspace]
        return reading.done() and not reading.cancelled() and reading.exception() is None

    def open(self, workspace: str) -> None:
        """Make the acquaintance of a workspace's log. A log that could not be read is tried again."""
        reading = self._reading.get(workspace)
        failed = reading is not None and reading.done() and (reading.cancelled() or reading.exception() is not None)
        if reading is not None and not failed:
            return
        rows, last = self._store.extent(workspace)
        self._sequence = max(self._sequence, last)
        self._marks[workspace] = last
        if not self._trusts_memory:
            self._reading[workspace] = _finished()
            return
        reading = self._readers.submit(self._read, workspace, rows)
        self._reading[workspace] = reading
        if rows <= READ_AT_ONCE_ROWS:
            reading.exception()

    def _read(self, workspace: str, rows: int) -> None:
        # Events stored meanwhile need no care: they are remembered when they are written.
        self._filter.reserve(rows)
        try:
            for salt, parts in (
                (workspace_salt(workspace), self._store.event_words(workspace, rows)),
                (message_salt(workspace), self._store.message_words(workspace, rows)),
            ):
                for words in parts:
                    if self._closing.is_set():
                        raise Unavailable("The server is shutting down.")
                    self._filter.add(words ^ salt[0])
        except CampanileError as error:
            _log.warning("known_ids_unread", workspace_id=workspace, error=error.message)
            raise
        _log.info("known_ids_read", workspace_id=workspace, rows=rows, bytes=self.size_bytes)


def _identities(batch: Batch, kept: Flags) -> Keys:
    """All keys of the kept events, as they are known."""
    return np.concatenate([batch.known_as[kept], batch.messages_known_as[kept & batch.has_message]])


def _finished() -> Future[None]:
    done: Future[None] = Future()
    done.set_result(None)
    return done
