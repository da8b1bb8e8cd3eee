"""Rate limits: fixed windows opened by the first counted request, exact over threads and, with Redis, over processes.

The windows of the `limits` package do not fit as they are: its memory store reads the machine's clock and returns a
count that another thread may have moved, and its Redis store knows the end of a window only to the second and counts
refused requests. Its storages are used to reach Redis in all the forms it comes in (single, sentinel, cluster, TLS).

When Redis cannot be reached, each process counts on its own until it is back: limits then hold per process, statistics
stay available, and nobody gets in unlimited. Log, `/readyz` and the metric `campanile_limiter_fallbacks_total` say so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from threading import Lock
from typing import Any, Protocol, TypeVar

import anyio
import msgspec
import structlog
from limits.errors import ConfigurationError as LimitsConfigurationError
from limits.storage import RedisStorage, storage_from_string
from prometheus_client import Counter
from redis.exceptions import RedisError

from campanile.clock import Clock
from campanile.errors import ConfigurationError
from campanile.http.rolling import MemoryRolling, Rate, RedisRolling, RollingQuota

WINDOW_MILLISECONDS = 60_000
"""Length of a window: the limits are stated per minute."""

MAX_KEYS = 100_000
"""Windows kept in memory at most; beyond, the oldest go first. Callers choose their addresses: a cap must be."""

REDIS_SECONDS = 0.5
"""Seconds to wait for Redis; a request must not hang on its own bookkeeping."""

RETRY_REDIS_AFTER = timedelta(seconds=5)
"""Pause before an unreachable Redis is asked again."""

_log = structlog.get_logger("campanile.http")
_fallbacks = Counter("campanile_limiter_fallbacks", "Rate limit decisions taken in memory because Redis was away")
_Decision = TypeVar("_Decision")


class Quota(msgspec.Struct, frozen=True):
    """What a window says about one request."""

    allowed: bool
    limit: int
    used: int
    """Counted requests in the window, this one included when it was allowed."""
    ends: int
    """End of the window, UTC epoch milliseconds."""
    now: int
    """Time of the decision, UTC epoch milliseconds."""

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def reset(self) -> int:
        """End of the window in whole epoch seconds; at that instant it is over."""
        return math.ceil(self.ends / 1000)

    @property
    def retry_after(self) -> int:
        """Whole seconds to wait, at least 1."""
        return max(1, math.ceil((self.ends - self.now) / 1000))

    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(self.reset),
        }


class Windows(Protocol):
    """A store of windows. `take` is atomic: of concurrent calls exactly `limit` are allowed per window."""

    def take(self, key: str, limit: int, cost: int, now: int, *, record: bool) -> Quota: ...


class MemoryWindows:
    """Windows of this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._windows: dict[str, tuple[int, int]] = {}  # key → used, ends; in the order of opening

    def take(self, key: str, limit: int, cost: int, now: int, *, record: bool) -> Quota:
        with self._lock:
            used, ends = self._windows.get(key, (0, 0))
            if now >= ends:
                used, ends = 0, now + WINDOW_MILLISECONDS
                self._windows.pop(key, None)
            allowed = used + cost <= limit
            if allowed and record:
                used += cost
                self._windows[key] = (used, ends)
                self._forget(now)
        return Quota(allowed, limit, used, ends, now)

    def _forget(self, now: int) -> None:
        while self._windows:
            oldest = next(iter(self._windows))
            if len(self._windows) <= MAX_KEYS and self._windows[oldest][1] > now:
                break
            del self._windows[oldest]


class RedisWindows:
    """Windows shared through Redis; one script call per decision.

    The caller's clock opens and closes windows. The expiry in Redis only cleans up. A window that ends absurdly late
    (a clock was wrong when it was opened) is opened anew.
    """

    SCRIPT = """
        local now, length, limit, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
        local state = redis.call('HMGET', KEYS[1], 'used', 'ends')
        local used, ends = tonumber(state[1] or 0), tonumber(state[2] or 0)
        if now >= ends or ends - now > 2 * length then
            used, ends = 0, now + length
        end
        local allowed = used + cost <= limit
        if allowed and ARGV[5] == '1' then
            used = used + cost
            redis.call('HSET', KEYS[1], 'used', used, 'ends', ends)
            redis.call('PEXPIRE', KEYS[1], 2 * length)
        end
        return {allowed and 1 or 0, used, ends}
    """

    def __init__(self, storage: RedisStorage) -> None:
        self._prefix = storage.prefixed_key("window:")
        self._script: Any = storage.get_connection().register_script(self.SCRIPT.encode())
        self.errors = storage.base_exceptions

    def take(self, key: str, limit: int, cost: int, now: int, *, record: bool) -> Quota:
        arguments = [now, WINDOW_MILLISECONDS, limit, cost, int(record)]
        allowed, used, ends = self._script(keys=[self._prefix + key], args=arguments)
        return Quota(bool(allowed), limit, int(used), int(ends), now)


class Limiter:
    """Counts requests per key. Safe to use from several threads and event loops."""

    def __init__(
        self, clock: Clock, shared: RedisWindows | None = None, shared_rolling: RedisRolling | None = None
    ) -> None:
        self._clock = clock
        self._memory = MemoryWindows()
        self._memory_rolling = MemoryRolling()
        self._shared = shared
        self._shared_rolling = shared_rolling
        self._ask_shared_again_at = 0

    async def hit(self, key: str, limit: int, *, cost: int = 1) -> Quota:
        """Count `cost` requests if the window still has room for them; refused ones are not counted."""
        return await self._take(key, limit, cost, record=True)

    async def peek(self, key: str, limit: int) -> Quota:
        """What `hit` would answer, without counting."""
        return await self._take(key, limit, 1, record=False)

    async def roll(self, key: str, rates: Sequence[Rate]) -> RollingQuota:
        """Count one call if all rolling windows have room for it; refused ones are not counted."""
        now, rolling = self._now(), self._shared_rolling
        shared = None if rolling is None else (lambda: rolling.take(key, rates, now))
        return await self._decide(now, shared, lambda: self._memory_rolling.take(key, rates, now))

    @property
    def degraded(self) -> bool:
        """Whether this process counts alone although it should share."""
        return self._shared is not None and self._now() < self._ask_shared_again_at

    def check(self) -> str | None:
        """For `/readyz`: work goes on without Redis, but somebody should know."""
        return "degraded" if self.degraded else None

    async def _take(self, key: str, limit: int, cost: int, *, record: bool) -> Quota:
        now, windows = self._now(), self._shared
        shared = None if windows is None else (lambda: windows.take(key, limit, cost, now, record=record))
        return await self._decide(now, shared, lambda: self._memory.take(key, limit, cost, now, record=record))

    async def _decide(
        self, now: int, shared: Callable[[], _Decision] | None, alone: Callable[[], _Decision]
    ) -> _Decision:
        if shared is None or self._shared is None:
            return alone()
        if now >= self._ask_shared_again_at:
            try:
                return await anyio.to_thread.run_sync(shared)
            except self._shared.errors as error:
                self._ask_shared_again_at = now + RETRY_REDIS_AFTER // timedelta(milliseconds=1)
                _log.warning("limiter_unreachable", error=type(error).__name__)
        _fallbacks.inc()
        return alone()

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def open_limiter(url: str, clock: Clock) -> Limiter:
    """The limiter at `url`: `memory://`, or any address of Redis that the `limits` package knows.

    Raises:
        ConfigurationError: unknown scheme, or an address that cannot be used.
    """
    if url.startswith("memory://"):
        return Limiter(clock)
    try:
        storage = storage_from_string(
            url, key_prefix="campanile", socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
        )
    except (LimitsConfigurationError, RedisError, ValueError) as error:  # their texts may hold the password
        raise ConfigurationError(f"limiter_url cannot be used ({type(error).__name__})") from error
    if not isinstance(storage, RedisStorage):
        raise ConfigurationError("limiter_url must start with memory:// or name a Redis server")
    return Limiter(clock, RedisWindows(storage), RedisRolling(storage))
