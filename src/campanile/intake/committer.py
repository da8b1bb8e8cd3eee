"""Group commit: the events of all requests of a moment go to the store in one insert (ingest specification 1.7).

One group is written at a time, by one thread. What happens to a group happens as if its requests had come one after
the other, in the order of their receipt: known identities leave, campaigns are registered, copies within the group
are resolved, the rest is stored. Nothing is acknowledged before, and nothing remembered unless it is stored.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from campanile.clock import Clock
from campanile.errors import Problem, Unavailable
from campanile.intake.batch import Batch, joined, offsets
from campanile.intake.content import content
from campanile.intake.known_ids import Flags, Words
from campanile.intake.ledger import Ledger
from campanile.intake.merges import Merges
from campanile.intake.registrar import Registrar, Registration
from campanile.intake.repository import LogRepository, WorkspaceLocks
from campanile.intake.telemetry import COMMIT_SECONDS
from campanile.intake.verdicts import Warned
from campanile.settings import Settings

GROUP_ROWS = 5
"""A group takes further requests up to this many times `Settings.commit_rows`; the next group takes the rest."""

EXPECTED_SECONDS = 0.05
"""How long a group waits for requests that are being read: one write of ten thousand events costs a third of five of
two thousand, and none of them would be answered much earlier."""

T = TypeVar("T")

Seconds = Callable[[], float]


class Outcome(msgspec.Struct, frozen=True):
    """What became of the records of one request.

    Those in no list were accepted, unless the request was atomic and had something rejected: then none was.
    """

    accepted: int
    duplicates: frozenset[int]
    """Positions of events that were stored before, or are copies of one that is stored now."""
    rejected: dict[int, Problem]
    """Position → reason, for events that may not be stored."""
    conflicting: int
    """Duplicates known to differ from the copy that counts, which came with the same group."""
    warnings: tuple[Warned, ...]


class _Waiting(NamedTuple):
    batch: Batch
    outcome: asyncio.Future[Outcome]
    since: float


class Committer:
    """Writes batches in groups. `start` it inside the event loop that submits."""

    def __init__(
        self,
        ledger: Ledger,
        log: LogRepository,
        registrar: Registrar,
        merges: Merges,
        locks: WorkspaceLocks,
        settings: Settings,
        clock: Clock,
        *,
        monotonic: Seconds,
    ) -> None:
        self._ledger = ledger
        self._log = log
        self._registrar = registrar
        self._merges = merges
        self._locks = locks
        self._rows = max(1, settings.commit_rows)
        self._interval = settings.commit_interval
        self._clock = clock
        self._monotonic = monotonic
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self._expected = 0
        self._arrived = asyncio.Event()
        """Whether one of those expected has come, or will not come."""
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.failing = False
        """Whether the newest group could not be written."""
        self.last_commit_at: datetime | None = None
        """When a group was written last."""
        self.last_commit_seconds = 0.0
        """How long the newest group took."""

    @property
    def waiting_events(self) -> int:
        """Events that wait for their group."""
        return sum(len(item.batch) for item in self._waiting)

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest of them has waited."""
        return self._monotonic() - self._waiting[0].since if self._waiting else 0.0

    def start(self) -> None:
        """Begin to write groups."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="committer")

    async def submit(self, batch: Batch) -> Outcome:
        """Store a batch; returns when it is durable and visible.

        Raises:
            EngineUnavailable: the batch may or may not have been stored; sending it again is safe.
            Unavailable: the server is shutting down.
        """
        if self._closing or self._task is None:
            raise Unavailable("The server is shutting down.", type="shutting_down")
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(batch, outcome, self._monotonic()))
        self._wake.set()
        if self.waiting_events >= self._rows:
            self._full.set()
            self._arrived.set()
        return await outcome

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """While a request is read that will submit a batch at once afterwards."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1
            self._arrived.set()

    async def alone(self, work: Callable[[], T]) -> T:
        """Run `work` in the committer's thread, between two groups."""
        if self._closing:
            raise Unavailable("The server is shutting down.", type="shutting_down")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def between(self, work: Callable[[], T]) -> T:
        """`alone` for callers in a thread of their own: blocks until it is done.

        Raises:
            Unavailable: the server is shutting down.
        """
        if self._closing:
            raise Unavailable("The server is shutting down.", type="shutting_down")
        return self._thread.submit(work).result()

    async def close(self) -> None:
        """Write what waits, then stop."""
        self._closing = True
        self._wake.set()
        self._full.set()
        self._arrived.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown(wait=True)

    async def _run(self) -> None:
        started = self._monotonic() - self._interval
        while True:
            await self._wake.wait()
            if not self._waiting:
                return  # woken by `close`
            await self._gather(started + self._interval - self._monotonic())
            group = self._take()
            started = self._monotonic()
            await self._store_group(group)
            self.last_commit_seconds = self._monotonic() - started
            COMMIT_SECONDS.observe(self.last_commit_seconds)

    async def _store_group(self, group: Sequence[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(self._thread, self.write, [item.batch for item in group])
        await asyncio.wait([writing])
        error = writing.exception()
        self.failing = isinstance(error, Unavailable)
        if error is None:
            self.last_commit_at = self._clock.now()
        if error is not None and len(group) > 1 and not isinstance(error, Unavailable):
            # One of the batches cannot be stored, which is a defect; it must not become the defect of the others.
            for item in group:
                await self._store_group([item])
            return
        _resolve(group, writing)

    async def _gather(self, seconds: float) -> None:
        """Groups start at least the interval apart and wait for what is being read, unless enough has come together."""
        if seconds > 0 and not self._full.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._full.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(EXPECTED_SECONDS):
                while self._expected and not self._full.is_set():
                    self._arrived.clear()
                    await self._arrived.wait()

    def _take(self) -> list[_Waiting]:
        rows = count = 0
        for item in self._waiting:
            rows += len(item.batch)
            if count and rows > self._rows * GROUP_ROWS:
                break
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        if self.waiting_events < self._rows and not self._closing:
            self._full.clear()
        if not self._waiting and not self._closing:
            self._wake.clear()
        return group

    def write(self, group: Sequence[Batch], *, rehearsal: bool = False) -> list[Outcome]:
        """Store a group; one call at a time. A rehearsal comes to the same outcomes and changes nothing.

        Raises:
            EngineUnavailable: nothing can be said about any event of the group.
        """
        workspaces = {batch.workspace.id for batch in group}
        with self._locks.held(workspaces):
            for workspace in workspaces:
                self._ledger.catch_up(workspace)
                self._merges.follow(workspace)
            known = np.concatenate([self._ledger.known(batch) for batch in group])
            self._merges.finish_repeated(group, known)
            registration = self._registrar.register(group, ~known, rehearsal=rehearsal)
            open_ = ~known
            open_[list(registration.refused)] = False
            registration.refused.update(self._merges.refusals(group, open_, dict(registration.refused)))
            open_[list(registration.refused)] = False
            for batch, rows in offsets(group):
                if batch.atomic and any(row in registration.refused for row in range(rows.start, rows.stop)):
                    open_[rows] = False
            copies = _copies(group, open_)
            kept = open_ & ~copies.lost
            if kept.any() and not rehearsal:
                self._append(group, kept)
        return [
            _outcome(batch, rows, registration, kept=kept, duplicate=known | copies.lost, differing=copies.differing)
            for batch, rows in offsets(group)
        ]

    def prepare(self, workspace: str) -> None:
        """Get to know the log of a workspace before it sends anything.

        Raises:
            EngineUnavailable: the log cannot be read.
        """
        with self._locks.held([workspace]):
            self._ledger.open(workspace)
            self._merges.follow(workspace)

    def _append(self, group: Sequence[Batch], kept: Flags) -> None:
        moves = self._merges.begin(group, kept)
        sequence = self._ledger.next_sequence({batch.workspace.id for batch in group})
        stored = False
        try:
            self._log.append_events(self._merges.routed(joined(group, kept, sequence), moves))
            stored = True
        finally:
            for batch, rows in offsets(group):
                if stored:
                    self._ledger.remember(batch, kept[rows])
                else:
                    self._ledger.doubt(batch, kept[rows])
        for workspace, taken in moves.items():
            self._merges.complete(workspace, taken, sequence)


class _Copies(NamedTuple):
    lost: Flags
    """Rows that repeat an identity of the group and do not count."""
    differing: Flags
    """Those of them that differ from the copy that does."""


def _copies(group: Sequence[Batch], open_: Flags) -> _Copies:
    """Resolve identities that occur more than once among the open rows of a group.

    The copy received first counts; of copies received at the same instant, the one with the smallest content
    (metrics specification 3.6).
    """
    lost = np.zeros(len(open_), dtype=np.bool_)
    differing = np.zeros(len(open_), dtype=np.bool_)
    events = np.concatenate([batch.known_as for batch in group])
    messages = np.concatenate([batch.messages_known_as for batch in group])
    has_message = np.concatenate([batch.has_message for batch in group])
    repeated = _repeated(events[:, 0], open_) | _repeated(messages[:, 0], open_ & has_message)
    if not repeated.any():
        return _Copies(lost, differing)
    candidates = [
        (batch.received_at, content(batch.event(position)), rows.start + position)
        for batch, rows in offsets(group)
        for position in np.flatnonzero(repeated[rows]).tolist()
    ]
    counted: dict[tuple[int, int], bytes] = {}
    for _, stored, row in sorted(candidates):
        low, high = events[row].tolist()
        identities = [(low, high)]
        if has_message[row]:
            low, high = messages[row].tolist()
            identities.append((low, high))
        if counted.keys().isdisjoint(identities):
            counted.update(dict.fromkeys(identities, stored))
        else:
            lost[row] = True
            differing[row] = counted.get(identities[0], stored) != stored
    return _Copies(lost, differing)


def _repeated(words: Words, among: Flags) -> Flags:
    """Which of the rows share their word with another one; a superset of those that share their whole key."""
    values, counts = np.unique(words[among], return_counts=True)
    if (counts == 1).all():
        return np.zeros(len(words), dtype=np.bool_)
    return among & np.isin(words, values[counts > 1])


def _outcome(
    batch: Batch, rows: slice, registration: Registration, *, kept: Flags, duplicate: Flags, differing: Flags
) -> Outcome:
    return Outcome(
        accepted=int(kept[rows].sum()),
        duplicates=frozenset(np.flatnonzero(duplicate[rows]).tolist()),
        rejected={
            row - rows.start: problem for row, problem in registration.refused.items() if rows.start <= row < rows.stop
        },
        conflicting=int(differing[rows].sum()),
        warnings=_warnings(batch, rows, registration),
    )


def _warnings(batch: Batch, rows: slice, registration: Registration) -> tuple[Warned, ...]:
    created = {
        mention.campaign_id
        for mention in batch.mentions
        if (batch.workspace.id, mention.campaign_id) in registration.created
    }
    overflown = Counter(field for row, field in registration.overflown.items() if rows.start <= row < rows.stop)
    warnings = [Warned("campaign_auto_created", "campaign_id", len(created))] if created else []
    warnings += [Warned("too_many_values", field, count) for field, count in sorted(overflown.items())]
    return tuple(warnings)


def _resolve(group: Sequence[_Waiting], writing: asyncio.Future[list[Outcome]]) -> None:
    """Hand the result of a group, or its failure, to those who wait for it and are still there."""
    error = writing.exception()
    outcomes: Sequence[Outcome | None] = [None] * len(group) if error else writing.result()
    for item, outcome in zip(group, outcomes, strict=True):
        if item.outcome.done():
            continue
        if outcome is not None:
            item.outcome.set_result(outcome)
        elif error is not None:
            item.outcome.set_exception(error)
