"""Windows: who is let through, what the headers say, and what happens without Redis."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from redis import Redis

from campanile.clock import FixedClock
from campanile.errors import ConfigurationError
from campanile.http.rate_limit import MAX_KEYS, WINDOW_MILLISECONDS, Limiter, MemoryWindows, Quota, open_limiter
from tests.support.processes import free_ports

START = datetime(2024, 12, 22, 10, 30, 15, 250_000, tzinfo=UTC)


@pytest.fixture(name="limiter_url", params=["memory", "redis"])
def _limiter_url(request: pytest.FixtureRequest) -> str:
    return "memory://" if request.param == "memory" else str(request.getfixturevalue("redis_url"))


@pytest.fixture(name="clock")
def _clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture(name="limiter")
def _limiter(limiter_url: str, clock: FixedClock) -> Iterator[Limiter]:
    limiter = open_limiter(limiter_url, clock)
    yield limiter
    assert not limiter.degraded


def hit(limiter: Limiter, limit: int = 3, *, key: str = "k", cost: int = 1) -> Quota:
    async def run() -> Quota:
        return await limiter.hit(key, limit, cost=cost)

    return anyio.run(run)


def peek(limiter: Limiter, limit: int = 3) -> Quota:
    async def run() -> Quota:
        return await limiter.peek("k", limit)

    return anyio.run(run)


def test_a_window_lets_the_limit_through(limiter: Limiter) -> None:
    quotas = [hit(limiter) for _ in range(5)]
    assert [quota.allowed for quota in quotas] == [True, True, True, False, False]
    assert [quota.remaining for quota in quotas] == [2, 1, 0, 0, 0]


def test_the_window_opens_with_the_first_counted_request(limiter: Limiter, clock: FixedClock) -> None:
    first = hit(limiter)
    assert first.ends == int(START.timestamp() * 1000) + WINDOW_MILLISECONDS
    clock.advance(59.9)
    assert hit(limiter).ends == first.ends
    assert hit(limiter).allowed
    assert not hit(limiter).allowed
    clock.advance(0.1)
    fresh = hit(limiter)
    assert (fresh.allowed, fresh.remaining) == (True, 2)
    assert fresh.ends == first.ends + WINDOW_MILLISECONDS


def test_refused_requests_do_not_prolong_the_window(limiter: Limiter, clock: FixedClock) -> None:
    for _ in range(3):
        hit(limiter)
    for _ in range(10):
        clock.advance(5)
        assert not hit(limiter).allowed
    clock.advance(10)
    assert hit(limiter).allowed


def test_headers(limiter: Limiter, clock: FixedClock) -> None:
    hit(limiter)
    clock.advance(20)
    quota = hit(limiter)
    end = START + timedelta(seconds=60)
    assert quota.headers() == {
        "x-ratelimit-limit": "3",
        "x-ratelimit-remaining": "1",
        "x-ratelimit-reset": str(int(end.timestamp()) + 1),  # the window ends within that second
    }
    assert quota.retry_after == 40
    clock.advance(39.5)
    assert hit(limiter).retry_after == 1


def test_keys_are_counted_apart(limiter: Limiter) -> None:
    for _ in range(3):
        hit(limiter, key="a")
    assert not hit(limiter, key="a").allowed
    assert hit(limiter, key="b").allowed


def test_a_limit_changed_in_mid_window_holds_at_once(limiter: Limiter) -> None:
    assert [hit(limiter, 2).allowed for _ in range(3)] == [True, True, False]
    assert [hit(limiter, 4).allowed for _ in range(3)] == [True, True, False]
    assert hit(limiter, 1).remaining == 0


def test_a_cost_is_paid_in_full_or_not_at_all(limiter: Limiter) -> None:
    assert hit(limiter, 10, cost=8).remaining == 2
    assert not hit(limiter, 10, cost=3).allowed
    assert hit(limiter, 10, cost=2).remaining == 0


def test_peeking_counts_nothing(limiter: Limiter) -> None:
    assert [peek(limiter, 1).allowed for _ in range(3)] == [True, True, True]
    hit(limiter, 1)
    assert not peek(limiter, 1).allowed


def test_exactly_the_limit_passes_over_threads_and_processes(redis_url: str, clock: FixedClock) -> None:
    limiters = [open_limiter(redis_url, clock), open_limiter(redis_url, clock)]  # what two processes hold

    def work(number: int) -> int:
        return sum(hit(limiters[number % 2], 100).allowed for _ in range(20))

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(work, range(16))) == 100
    assert not any(limiter.degraded for limiter in limiters)


def test_exactly_the_limit_passes_over_threads_in_memory() -> None:
    windows = MemoryWindows()

    def work(_: int) -> int:
        return sum(windows.take("k", 1000, 1, 0, record=True).allowed for _ in range(500))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 1000


def test_a_window_opened_by_a_wrong_clock_does_not_lock_callers_out(redis_url: str) -> None:
    hasty = open_limiter(redis_url, FixedClock(START + timedelta(days=3)))
    for _ in range(3):
        hit(hasty)
    limiter = open_limiter(redis_url, FixedClock(START))
    assert hit(limiter).remaining == 2


def test_redis_forgets_windows_by_itself(redis_url: str, clock: FixedClock) -> None:
    hit(open_limiter(redis_url, clock))
    with Redis.from_url(redis_url) as redis:
        (key,) = list(redis.scan_iter())
        assert key == b"campanile:window:k"
        assert 0 < redis.pttl(key) <= 2 * WINDOW_MILLISECONDS


def test_memory_is_bounded() -> None:
    windows = MemoryWindows()
    for number in range(MAX_KEYS + 50):
        windows.take(str(number), 1, 1, 0, record=True)
    assert windows.take(str(MAX_KEYS + 49), 1, 1, 1, record=False).allowed is False, "the newest are kept"
    assert windows.take("0", 1, 1, 1, record=False).allowed is True, "the oldest are forgotten"


def test_memory_forgets_windows_that_are_over() -> None:
    windows = MemoryWindows()
    for number in range(100):
        windows.take(str(number), 1, 1, 0, record=True)
    windows.take("late", 1, 1, WINDOW_MILLISECONDS, record=True)
    assert list(windows._windows) == ["late"]


def test_without_redis_each_process_counts_alone_and_tries_again(clock: FixedClock) -> None:
    (port,) = free_ports(1)
    limiter = open_limiter(f"redis://127.0.0.1:{port}/0", clock)
    assert [hit(limiter).allowed for _ in range(4)] == [True, True, True, False]
    assert limiter.check() == "degraded"
    clock.advance(5)
    assert limiter.check() is None, "asks again after the pause"
    assert not hit(limiter).allowed
    assert limiter.check() == "degraded"


@pytest.mark.parametrize("url", ["carrier-pigeon://loft", "memcached://127.0.0.1:11211", "redis://:s3cret@host:x/0"])
def test_unusable_addresses_are_configuration_errors_without_secrets(url: str, clock: FixedClock) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_limiter(url, clock)
    assert "s3cret" not in str(caught.value)
