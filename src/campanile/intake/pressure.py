"""What the intake takes on at once: rates per workspace, memory, requests, disk (ingest specification 1.8).

Everything here runs on the event loop, so it needs no locks. A request is refused before its body is read wherever
that is possible, and never half-processed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from campanile.errors import RateLimited, Unavailable
from campanile.settings import Settings

WORKSPACE_SHARE = 0.5
"""Part of the pending bytes that one workspace may hold, so that a busy one cannot starve the others."""

FREE_DISK_SHARE = 0.05
"""Writes stop below this part of the disk, or below `Settings.min_free_bytes`, whichever is less."""

FULL_RETRY_SECONDS = (1, 5)
"""A refused client comes back after a random time in this range, so that not all come back at once."""

IDLE_BUCKETS = 10_000
"""Rate buckets kept; full ones are dropped beyond that, since a new bucket is full as well."""

Seconds = Callable[[], float]


class TokenBucket:
    """Holds up to `burst` tokens and regains `rate` of them per second."""

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._level = float(burst)
        self._at = now

    def configure(self, rate: float, burst: int) -> None:
        """Apply changed limits; what has been used stays used."""
        self._level += burst - self.burst
        self.rate, self.burst = rate, burst

    def level(self, now: float) -> float:
        """Tokens available; negative after an overdraft."""
        self._level = min(float(self.burst), self._level + max(0.0, now - self._at) * self.rate)
        self._at = max(now, self._at)
        return self._level

    def wait(self, tokens: int, now: float) -> float:
        """Seconds until `tokens` can be taken; 0 if at once.

        More than a whole bucket is given to whoever finds it full: otherwise such a request could never succeed.
        """
        missing = min(tokens, self.burst) - self.level(now)
        return max(0.0, missing / self.rate)

    def take(self, tokens: int) -> None:
        self._level -= tokens

    def refill_seconds(self, now: float) -> float:
        """Seconds until the bucket is full."""
        return (self.burst - self.level(now)) / self.rate


class Ticket:
    """The right of one request to use memory and the store; handed out by `Pressure.admit`."""

    def __init__(self, pressure: Pressure, workspace: str, size: int) -> None:
        self._pressure = pressure
        self.workspace = workspace
        self.size = size

    def resize(self, size: int) -> None:
        """Correct the size once the body is decoded.

        Raises:
            Unavailable: there is no room for it now.
        """
        self._pressure.resize(self, size)

    def spend(self, events: int) -> None:
        """Charge the events of the request to the workspace's rate.

        Raises:
            RateLimited: the workspace has to wait; nothing is charged.
        """
        self._pressure.spend(self.workspace, events)


class Pressure:
    """Counts what is under way in this process.

    Args:
        monotonic: seconds of a clock that never goes back.
        jitter: a number in [0, 1), for `Retry-After`.
        disk: folder whose free space is watched; None when the store is elsewhere.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        monotonic: Seconds,
        jitter: Callable[[], float],
        disk: Path | None = None,
        usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage,
    ) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._jitter = jitter
        self._disk = disk
        self._usage = usage
        self._buckets: dict[str, TokenBucket] = {}
        self._bytes: dict[str, int] = {}
        self.requests = 0

    @property
    def pending_bytes(self) -> int:
        """Bytes of all requests under way."""
        return sum(self._bytes.values())

    @contextmanager
    def admit(
        self, workspace: str, size: int, *, rate: int | None = None, burst: int | None = None
    ) -> Iterator[Ticket]:
        """Let a request with a body of `size` bytes in, for the length of the block.

        `rate` and `burst` are the workspace's own limits, where it has some.

        Raises:
            RateLimited: the workspace has used up its rate. Unavailable: no memory, request slot or disk left.
        """
        self._bucket(workspace).configure(rate or self._settings.intake_rate, burst or self._settings.intake_burst)
        self._require_disk()
        if wait := self._bucket(workspace).wait(1, self._monotonic()):
            raise self._rate_limited(workspace, wait)
        if self.requests >= self._settings.intake_requests:
            raise self._full("The server handles as many requests as it can.")
        ticket = Ticket(self, workspace, 0)
        self.resize(ticket, size)
        self.requests += 1
        try:
            yield ticket
        finally:
            self.requests -= 1
            self._release(ticket)

    def resize(self, ticket: Ticket, size: int) -> None:
        """See `Ticket.resize`."""
        growth = size - ticket.size
        if growth > 0:
            limit = self._settings.intake_pending_bytes
            if self.pending_bytes + growth > limit:
                raise self._full("The server holds as many events as it can.")
            if self._bytes.get(ticket.workspace, 0) + growth > limit * WORKSPACE_SHARE:
                raise self._full("This workspace has as many events under way as it may have at once.")
        self._bytes[ticket.workspace] = self._bytes.get(ticket.workspace, 0) + growth
        ticket.size = size

    def spend(self, workspace: str, events: int) -> None:
        """See `Ticket.spend`."""
        bucket = self._bucket(workspace)
        if wait := bucket.wait(events, self._monotonic()):
            raise self._rate_limited(workspace, wait)
        bucket.take(events)

    def headers(self, workspace: str) -> dict[str, str]:
        """`x-ratelimit-*`, counted in events; `reset` is seconds until the whole burst is available again."""
        bucket, now = self._bucket(workspace), self._monotonic()
        return {
            "x-ratelimit-limit": str(bucket.burst),
            "x-ratelimit-remaining": str(max(0, int(bucket.level(now)))),
            "x-ratelimit-reset": str(_whole(bucket.refill_seconds(now))),
        }

    def _bucket(self, workspace: str) -> TokenBucket:
        bucket = self._buckets.get(workspace)
        if bucket is None:
            now = self._monotonic()
            if len(self._buckets) >= IDLE_BUCKETS:
                self._buckets = {name: kept for name, kept in self._buckets.items() if kept.level(now) < kept.burst}
            bucket = TokenBucket(self._settings.intake_rate, self._settings.intake_burst, now)
            self._buckets[workspace] = bucket
        return bucket

    def _release(self, ticket: Ticket) -> None:
        left = self._bytes.pop(ticket.workspace, 0) - ticket.size
        if left > 0:
            self._bytes[ticket.workspace] = left

    def _require_disk(self) -> None:
        if self._disk is None:
            return
        total, _, free = self._usage(self._disk)
        if free < min(self._settings.min_free_bytes, total * FREE_DISK_SHARE):
            raise Unavailable(
                "The disk of the event store is almost full; nothing can be written until space is freed.",
                retry_after=self._retry_after(),
                type="disk_full",
            )

    def _full(self, message: str) -> Unavailable:
        return Unavailable(message, retry_after=self._retry_after(), type="overloaded")

    def _retry_after(self) -> int:
        low, high = FULL_RETRY_SECONDS
        return low + int(self._jitter() * (high - low + 1))

    def _rate_limited(self, workspace: str, wait: float) -> RateLimited:
        rate = self._buckets[workspace].rate
        return RateLimited(f"More than {rate:g} events per second.", retry_after=_whole(wait))


def _whole(seconds: float) -> int:
    """Seconds rounded up, without letting the noise of floating point add one."""
    return max(0, -int(-(seconds - 1e-9) // 1))
