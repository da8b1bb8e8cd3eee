"""Rolling rate limits: several windows of one key at once, each looking back from now, exact over processes with Redis.

Only allowed calls are remembered, so a key holds at most as many moments as its longest window allows calls.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from threading import Lock
from typing import Any, NamedTuple

import msgspec
from limits.storage import RedisStorage

MINUTE = 60_000
"""Milliseconds of the window that headers speak of."""
LONGEST = 3_600_000
"""Milliseconds of the longest window; older moments are forgotten."""


class Rate(NamedTuple):
    """At most `calls` within any `milliseconds`."""

    milliseconds: int
    calls: int


class RollingQuota(msgspec.Struct, frozen=True):
    """What all windows of a key say about one call."""

    wait: int
    """Milliseconds until the call would be allowed; 0: it is allowed and counted."""
    limit: int | None
    """Calls per minute; None when minutes are not limited."""
    used: int
    """Calls of the last minute, this one included when it was allowed."""
    reset_at: int
    """When the first of them leaves the window, UTC epoch milliseconds."""

    @property
    def allowed(self) -> bool:
        return self.wait == 0

    @property
    def retry_after(self) -> int:
        """Whole seconds to wait, at least 1."""
        return max(1, math.ceil(self.wait / 1000))

    def headers(self) -> dict[str, str]:
        if self.limit is None:
            return {}
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(max(0, self.limit - self.used)),
            "x-ratelimit-reset": str(math.ceil(self.reset_at / 1000)),
        }


class MemoryRolling:
    """Moments of the calls of this process, by key. Keys are few: callers are known before their calls are counted."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._moments: dict[str, list[int]] = {}

    def take(self, key: str, rates: Sequence[Rate], now: int) -> RollingQuota:
        with self._lock:
            moments = self._moments.setdefault(key, [])
            del moments[: bisect_right(moments, now - LONGEST)]
            free_at = now
            for span, calls in rates:
                if len(moments) - bisect_right(moments, now - span) >= calls:
                    free_at = max(free_at, moments[-calls] + span)
            if free_at == now:
                moments.insert(bisect_left(moments, now), now)
            minute = moments[bisect_right(moments, now - MINUTE) :]
            return _quota(rates, now, free_at, len(minute), minute[0] if minute else now)


class RedisRolling:
    """The same through Redis: one sorted set per key and one script call per decision."""

    SCRIPT = """
        local now, longest, minute, free_at = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[1])
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - longest)
        redis.call('ZREMRANGEBYSCORE', KEYS[1], now + longest, '+inf')
        for i = 4, #ARGV, 2 do
            local span, calls = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
            if redis.call('ZCOUNT', KEYS[1], '(' .. string.format('%.0f', now - span), '+inf') >= calls then
                local first = redis.call('ZREVRANGE', KEYS[1], calls - 1, calls - 1, 'WITHSCORES')
                free_at = math.max(free_at, tonumber(first[2]) + span)
            end
        end
        if free_at == now then
            redis.call('ZADD', KEYS[1], now, ARGV[1] .. '-' .. redis.call('ZCOUNT', KEYS[1], now, now))
            redis.call('PEXPIRE', KEYS[1], longest)
        end
        local since = '(' .. string.format('%.0f', now - minute)
        local oldest = redis.call('ZRANGEBYSCORE', KEYS[1], since, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
        return {free_at, redis.call('ZCOUNT', KEYS[1], since, '+inf'), tonumber(oldest[2] or ARGV[1])}
    """

    def __init__(self, storage: RedisStorage) -> None:
        self._prefix = storage.prefixed_key("rolling:")
        self._script: Any = storage.get_connection().register_script(self.SCRIPT.encode())

    def take(self, key: str, rates: Sequence[Rate], now: int) -> RollingQuota:
        arguments = [now, LONGEST, MINUTE, *(number for rate in rates for number in rate)]
        free_at, used, oldest = self._script(keys=[self._prefix + key], args=arguments)
        return _quota(rates, now, int(free_at), int(used), int(oldest))


def _quota(rates: Sequence[Rate], now: int, free_at: int, used: int, oldest: int) -> RollingQuota:
    limit = next((rate.calls for rate in rates if rate.milliseconds == MINUTE), None)
    return RollingQuota(free_at - now, limit, used, oldest + MINUTE)
