"""Marks: sequences up to which a log is final, so that many questions can see the same events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from campanile.clock import Clock
from campanile.intake.repository import LogRepository, WorkspaceLocks

UNDER_WAY = timedelta(minutes=2)
"""How long a group may be under way in a process that cannot be asked: longer than any insert is waited for."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Marks:
    """Takes marks. Call it between two groups of this process."""

    def __init__(self, log: LogRepository, locks: WorkspaceLocks, clock: Clock) -> None:
        self._log = log
        self._locks = locks
        self._clock = clock

    def take(self, workspace_id: str) -> int:
        """A sequence that everything stored later is above.

        Exact wherever the writers are known: in embedded mode, where there is this process only, and where a
        PostgreSQL orders them. Elsewhere it stays behind by the time a group may be under way. An insert that timed
        out, and that the store finishes all the same, may still come in below.

        Raises:
            EngineUnavailable: the log cannot be read. Unavailable: the metadata database cannot be reached.
        """
        now = (self._clock.now() - _EPOCH) // _MICROSECOND
        if self._log.shared and not self._locks.effective:
            return now - UNDER_WAY // _MICROSECOND
        with self._locks.held([workspace_id]):
            last = self._log.last_sequence(workspace_id)
        # Other processes have clocks of their own, so only where there are none is this instant a mark as well.
        return last if self._log.shared else max(last, now - 1)
