"""When and how long to wait before the same request is sent again."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which the same bytes may succeed."""
TOO_MANY = 429
FIRST_EPOCH = 1e8
"""`x-ratelimit-reset` is an instant from here on (seconds since 1970), and a number of seconds below."""


async def _async_sleep(seconds: float) -> None:
    from anyio import sleep  # httpx brings it; blocking callers need not load it

    await sleep(seconds)


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential backoff with full jitter; what the server asks for is honoured on top.

    `sleep`, `async_sleep` and `chance` exist for tests and for callers who want to end a wait early.
    """

    attempts: int = 8
    """Times a request is sent at most."""
    first: float = 1.0
    """Upper end of the first wait, in seconds; it doubles with every attempt."""
    longest: float = 60.0
    """Upper end of any wait, in seconds, asked for by the server or not."""
    sleep: Callable[[float], None] = time.sleep
    async_sleep: Callable[[float], Awaitable[None]] = _async_sleep
    chance: Callable[[], float] = random.random

    def wait(self, attempt: int, asked: float | None) -> float:
        """Seconds to wait after the failed attempt number `attempt` (from 1); `asked` is the server's wish."""
        backoff = min(self.longest, self.first * 2.0 ** (attempt - 1)) * self.chance()
        if asked is None:
            return backoff
        return min(self.longest, max(0.0, asked) + self.chance())


def asked_wait(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds the server wants to be left alone: by `Retry-After`, or after a 429 by the end of its rate limit."""
    seconds = parse_retry_after(headers.get("Retry-After"), headers.get("Date"))
    return reset_seconds(headers) if seconds is None and status == TOO_MANY else seconds


def parse_retry_after(text: str | None, date_text: str | None) -> float | None:
    """Seconds named by a `Retry-After` header: a number, or a date compared with the answer's own `Date`."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    when, now = _instant(text), _instant(date_text)
    return None if when is None or now is None else max(0.0, when - now)


def reset_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds until the rate limit starts anew, by `x-ratelimit-reset`.

    The header is an instant, compared with the answer's own `Date` so that clocks may differ, or a number of seconds.
    """
    try:
        reset = float(headers.get("x-ratelimit-reset", ""))
    except ValueError:
        return None
    if reset < FIRST_EPOCH:
        return max(0.0, reset)
    now = _instant(headers.get("Date"))
    return None if now is None else max(0.0, reset - now)


def _instant(text: str | None) -> float | None:
    """Seconds since 1970 of a date in a header."""
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
