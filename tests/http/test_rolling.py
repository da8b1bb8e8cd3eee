"""Rolling windows: several at once, looking back from now, in memory and in Redis."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.clock import FixedClock
from campanile.http.rate_limit import Limiter, open_limiter
from campanile.http.rolling import LONGEST, MINUTE, MemoryRolling, Rate, RollingQuota

START = datetime(2024, 12, 22, 10, 30, 15, 250_000, tzinfo=UTC)
RATES = (Rate(1_000, 3), Rate(MINUTE, 5), Rate(LONGEST, 8))


@pytest.fixture(name="clock")
def _clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture(name="limiter", params=["memory", "redis"])
def _limiter(request: pytest.FixtureRequest, clock: FixedClock) -> Iterator[Limiter]:
    url = "memory://" if request.param == "memory" else str(request.getfixturevalue("redis_url"))
    limiter = open_limiter(url, clock)
    yield limiter
    assert not limiter.degraded


def roll(limiter: Limiter, key: str = "k", rates: tuple[Rate, ...] = RATES) -> RollingQuota:
    async def run() -> RollingQuota:
        return await limiter.roll(key, rates)

    return anyio.run(run)


def test_each_window_refuses_for_as_long_as_it_must(limiter: Limiter, clock: FixedClock) -> None:
    assert [roll(limiter).allowed for _ in range(4)] == [True, True, True, False]
    assert roll(limiter).wait == 1_000
    clock.advance(1)
    assert [roll(limiter).allowed for _ in range(3)] == [True, True, False]
    assert roll(limiter).wait == 59_000, "the first of five calls leaves the minute"
    clock.advance(59)
    assert [roll(limiter).allowed for _ in range(4)] == [True, True, True, False]
    assert roll(limiter).wait == LONGEST - 60_000, "the first of eight calls leaves the hour"
    assert roll(limiter).retry_after == 3_540


def test_headers_speak_of_the_minute(limiter: Limiter, clock: FixedClock) -> None:
    roll(limiter)
    clock.advance(20)
    assert roll(limiter).headers() == {
        "x-ratelimit-limit": "5",
        "x-ratelimit-remaining": "3",
        "x-ratelimit-reset": str(int(START.timestamp()) + 61),
    }
    clock.advance(40)
    fresh = roll(limiter)
    assert (fresh.used, fresh.reset_at) == (2, int(START.timestamp() * 1000) + 80_000)
    assert roll(limiter, "other", (Rate(1_000, 1),)).headers() == {}


def test_keys_are_counted_apart_and_no_rates_allow_everything(limiter: Limiter) -> None:
    assert [roll(limiter, "a", (Rate(1_000, 1),)).allowed for _ in range(2)] == [True, False]
    assert roll(limiter, "b", (Rate(1_000, 1),)).allowed
    assert all(roll(limiter, "c", ()).allowed for _ in range(20))


def test_a_limit_lowered_later_counts_what_was_before(limiter: Limiter) -> None:
    for _ in range(3):
        roll(limiter, rates=(Rate(MINUTE, 10),))
    refused = roll(limiter, rates=(Rate(MINUTE, 2),))
    assert (refused.allowed, refused.headers()["x-ratelimit-remaining"]) == (False, "0")


@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=60))
def test_no_span_ever_holds_more_than_its_limit(pauses: list[int]) -> None:
    windows, now, allowed = MemoryRolling(), 0, []
    rates = (Rate(1_000, 2), Rate(5_000, 4))
    for pause in pauses:
        now += pause
        quota = windows.take("k", rates, now)
        room = all(len([at for at in allowed if at > now - span]) < calls for span, calls in rates)
        assert quota.allowed == room
        if quota.allowed:
            allowed.append(now)
        else:
            later = now + quota.wait
            assert all(len([at for at in allowed if at > later - span]) < calls for span, calls in rates)
            assert any(len([at for at in allowed if at > later - 1 - span]) >= calls for span, calls in rates)
