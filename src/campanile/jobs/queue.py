"""A durable queue: each job is done once, whatever crashes, hangs or races.

A worker *holds* a job for `HOLD`, and prolongs that while it works. A job whose holder fell silent goes to another
worker under a higher number, its *fence*. Results are written in `holding`, a transaction that fails unless the job
still has the fence of the writer: a worker that was given up can neither publish nor finish anything.

Jobs are added in the transaction that makes them necessary, and finished in the one that writes their result.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec

from campanile.clock import Clock
from campanile.jobs import repository
from campanile.metadata import AnyRow, Connection, Metadata

HOLD = timedelta(seconds=60)
"""How long a job stays with a worker that is silent; longer than clocks of two machines should differ."""
PROLONG = HOLD / 4
"""Pause between two signs of life: three of them may get lost."""
FIRST_PAUSE = timedelta(seconds=5)
"""Pause after the first unexpected failure of a job; it doubles with each further one."""
LONGEST_PAUSE = timedelta(minutes=10)


class HoldLost(Exception):
    """The job has another holder by now, or is gone: whatever was done for it must not be published."""


class Job(msgspec.Struct, frozen=True):
    """A job as its holder sees it."""

    id: str
    kind: str
    key: str
    workspace_id: str | None
    attempts: int
    """Times it was begun, this one included."""
    fence: int
    created_at: datetime
    due_at: datetime


class Queue:
    """Thread-safe. Several processes may work on the same queue.

    Args:
        owner: names this process to operators.
        at_once: kind → jobs of one workspace that may be worked on at the same time.
    """

    def __init__(
        self, metadata: Metadata, clock: Clock, *, owner: str = "", at_once: Mapping[str, int] | None = None
    ) -> None:
        self._metadata = metadata
        self._clock = clock
        self._owner = owner
        self._at_once = dict(at_once or {})

    def add(
        self,
        connection: Connection,
        kind: str,
        key: str,
        *,
        due_at: datetime,
        workspace_id: str | None = None,
        lane: str | None = None,
    ) -> bool:
        """Queue a job in the transaction of the caller. False: this work is queued already."""
        return repository.add(
            connection,
            {
                "id": secrets.token_hex(12),
                "kind": kind,
                "key": key,
                "lane": lane,
                "workspace_id": workspace_id,
                "created_at": self._clock.now(),
                "due_at": due_at,
                "attempts": 0,
                "fence": 0,
                "held_by": None,
                "held_until": None,
            },
        )

    def withdraw(self, connection: Connection, kind: str, key: str) -> bool:
        """Take a job out of the queue; who works on it has lost it. False: there is none."""
        row = repository.find(connection, kind, key)
        if row is not None:
            repository.remove(connection, row.id)
        return row is not None

    def hasten(self, connection: Connection, kind: str, key: str) -> bool:
        """Make a waiting job due now. False: there is none."""
        row = repository.find(connection, kind, key)
        now = self._clock.now()
        if row is not None and row.due_at > now:
            repository.change(connection, row.id, {"due_at": now})
        return row is not None

    def claim(self, kinds: Collection[str]) -> Job | None:
        """The next job that is due, held by the caller from now on."""
        full: set[tuple[str, str]] = set()
        while True:
            with self._metadata.begin() as connection:
                now = self._clock.now()
                row = repository.next_due(connection, kinds, now, full=full)
                if row is None:
                    return None
                limit = self._at_once.get(row.kind)
                if limit is None or row.workspace_id is None:
                    return self._hold(connection, row, now)
                if repository.held(connection, row.kind, row.workspace_id, now) < limit:
                    return self._hold(connection, row, now)
                full.add((row.kind, row.workspace_id))

    def prolong(self, job: Job) -> None:
        """Keep the job for another `HOLD`.

        Raises:
            HoldLost: it is not the caller's any more.
        """
        with self.holding(job) as connection:
            repository.change(connection, job.id, {"held_until": self._clock.now() + HOLD})

    @contextmanager
    def holding(self, job: Job) -> Iterator[Connection]:
        """A transaction during which the job belongs to the caller.

        Raises:
            HoldLost: it does not.
        """
        with self._metadata.begin() as connection:
            row = repository.locked(connection, job.id)
            if row is None or row.fence != job.fence:
                raise HoldLost(f"{job.kind} {job.key}")
            yield connection

    def finish(self, connection: Connection, job: Job) -> None:
        """The job is done. In a transaction of `holding`."""
        repository.remove(connection, job.id)

    def postpone(self, connection: Connection, job: Job, due_at: datetime, *, counted: bool = True) -> None:
        """Put the job back until `due_at`. In a transaction of `holding`.

        Args:
            counted: whether the attempt counts.
        """
        attempts = job.attempts if counted else job.attempts - 1
        values = {"due_at": due_at, "attempts": attempts, "held_by": None, "held_until": None, "fence": job.fence + 1}
        repository.change(connection, job.id, values)

    def give_back(self, job: Job, *, failed: bool) -> None:
        """Let go of a job: at once when the holder has to end, after a pause when something unexpected happened.

        Raises:
            HoldLost: it is not the caller's.
        """
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(job.attempts - 1, 16)) if failed else timedelta(0)
        with self.holding(job) as connection:
            self.postpone(connection, job, self._clock.now() + pause, counted=failed)

    def waiting(self, kinds: Collection[str]) -> int:
        """Jobs that are not done."""
        with self._metadata.read() as connection:
            return repository.count(connection, kinds)

    def _hold(self, connection: Connection, row: AnyRow, now: datetime) -> Job:
        attempts, fence = row.attempts + 1, row.fence + 1
        values = {"attempts": attempts, "fence": fence, "held_by": self._owner, "held_until": now + HOLD}
        repository.change(connection, row.id, values)
        return Job(row.id, row.kind, row.key, row.workspace_id, attempts, fence, row.created_at, row.due_at)
