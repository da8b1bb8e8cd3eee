"""When and how long to wait before the same request is sent again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which the same bytes may succeed."""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential backoff with full jitter; a `Retry-After` of the server is honoured on top.

    `sleep` and `chance` exist for tests.
    """

    attempts: int = 8
    """Times a request is sent at most."""
    first: float = 1.0
    """Upper end of the first wait, in seconds; it doubles with every attempt."""
    longest: float = 60.0
    """Upper end of any wait, in seconds, asked for by the server or not."""
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def wait(self, attempt: int, retry_after: float | None) -> float:
        """Seconds to wait after the failed attempt number `attempt` (from 1)."""
        backoff = min(self.longest, self.first * 2.0 ** (attempt - 1)) * self.chance()
        if retry_after is None:
            return backoff
        return min(self.longest, max(0.0, retry_after) + self.chance())


def parse_retry_after(text: str | None, date_text: str | None) -> float | None:
    """Seconds named by a `Retry-After` header: a number, or a date compared with the answer's own `Date`."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        when = _utc(parsedate_to_datetime(text))
        now = _utc(parsedate_to_datetime(date_text or ""))
    except ValueError:
        return None
    return max(0.0, (when - now).total_seconds())


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
