"""Rates, memory, request slots and disk: what is refused, with what advice, and that everything is given back."""

from __future__ import annotations

from pathlib import Path

import pytest

from campanile.errors import RateLimited, Unavailable
from campanile.intake.pressure import Pressure, TokenBucket
from campanile.settings import Settings

GIB = 1 << 30


class Time:
    """Monotonic seconds that pass only when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


def pressure(
    time: Time, *, jitter: float = 0.0, free: int | None = None, total: int = 100 * GIB, **limits: int
) -> Pressure:
    settings = Settings(**{"intake_rate": 10, "intake_burst": 100, "intake_pending_bytes": 1000, **limits})
    disk = None if free is None else Path("/data")
    return Pressure(
        settings,
        monotonic=time,
        jitter=lambda: jitter,
        disk=disk,
        usage=lambda _: (total, total - (free or 0), free or 0),
    )


def headers(gate: Pressure, workspace: str = "w") -> tuple[str, str, str]:
    shown = gate.headers(workspace)
    return shown["x-ratelimit-limit"], shown["x-ratelimit-remaining"], shown["x-ratelimit-reset"]


def test_events_are_counted_and_come_back_with_time(time: Time) -> None:
    gate = pressure(time)
    assert headers(gate) == ("100", "100", "0")
    with gate.admit("w", 1) as ticket:
        ticket.spend(30)
    assert headers(gate) == ("100", "70", "3")
    time.seconds += 1
    assert headers(gate) == ("100", "80", "2")
    time.seconds += 60
    assert headers(gate) == ("100", "100", "0")


def test_more_than_is_left_is_refused_and_not_charged(time: Time) -> None:
    gate = pressure(time)
    with gate.admit("w", 1) as ticket:
        ticket.spend(95)
        with pytest.raises(RateLimited) as refusal:
            ticket.spend(30)
    assert refusal.value.retry_after == 3  # 25 are missing at 10 per second
    assert headers(gate)[1] == "5"
    time.seconds += 2.5
    with gate.admit("w", 1) as ticket:
        ticket.spend(30)


def test_a_used_up_workspace_is_refused_before_its_body_is_read(time: Time) -> None:
    gate = pressure(time)
    with gate.admit("w", 1) as ticket:
        ticket.spend(100)
    with pytest.raises(RateLimited) as refusal, gate.admit("w", 1):
        pass
    assert refusal.value.retry_after == 1
    with gate.admit("other", 1):
        assert gate.requests == 1


def test_a_request_larger_than_the_burst_passes_a_full_bucket(time: Time) -> None:
    gate = pressure(time)
    with gate.admit("w", 1) as ticket:
        ticket.spend(250)
    assert headers(gate) == ("100", "0", "25")
    with pytest.raises(RateLimited) as refusal, gate.admit("w", 1):
        pass
    assert refusal.value.retry_after == 16  # 150 overdrawn, and one to spend


def test_a_workspace_may_have_limits_of_its_own(time: Time) -> None:
    gate = pressure(time)
    with gate.admit("w", 1, rate=1, burst=5) as ticket:
        ticket.spend(5)
    assert headers(gate) == ("5", "0", "5")
    with gate.admit("w", 1, rate=1, burst=50):
        assert headers(gate) == ("50", "45", "5")


def test_time_that_stands_still_or_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(10, 100, 50.0)
    bucket.take(40)
    assert bucket.level(50.0) == 60
    assert bucket.level(40.0) == 60
    assert bucket.level(51.0) == 70


def test_pending_bytes_are_bounded_over_all_workspaces(time: Time) -> None:
    gate = pressure(time)
    with gate.admit("a", 500), gate.admit("b", 400):
        with pytest.raises(Unavailable) as refusal, gate.admit("c", 101):
            pass
        assert refusal.value.error_type == "overloaded"
        with gate.admit("c", 100):
            assert gate.pending_bytes == 1000
    assert gate.pending_bytes == 0


def test_one_workspace_may_hold_half_of_it(time: Time) -> None:
    gate = pressure(time)
    with gate.admit("a", 300):
        with pytest.raises(Unavailable), gate.admit("a", 201):
            pass
        with gate.admit("a", 200), gate.admit("b", 500):
            assert gate.pending_bytes == 1000


def test_a_body_that_turns_out_larger_needs_room_for_it(time: Time) -> None:
    gate = pressure(time)
    with gate.admit("a", 100) as ticket:
        ticket.resize(400)
        with pytest.raises(Unavailable):
            ticket.resize(501)
        assert gate.pending_bytes == 400
        ticket.resize(50)
        assert gate.pending_bytes == 50
    assert gate.pending_bytes == 0


def test_requests_are_bounded(time: Time) -> None:
    gate = pressure(time, intake_requests=2)
    with gate.admit("a", 1), gate.admit("b", 1), pytest.raises(Unavailable), gate.admit("c", 1):
        pass
    with gate.admit("c", 1):
        assert gate.requests == 1


def test_everything_is_given_back_after_a_failure(time: Time) -> None:
    gate = pressure(time)
    with pytest.raises(ZeroDivisionError), gate.admit("a", 300):
        raise ZeroDivisionError
    assert (gate.requests, gate.pending_bytes) == (0, 0)


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 1), (0.5, 3), (0.999, 5)])
def test_refused_clients_come_back_at_different_times(time: Time, jitter: float, seconds: int) -> None:
    gate = pressure(time, jitter=jitter)
    with pytest.raises(Unavailable) as refusal, gate.admit("a", 5000):
        pass
    assert refusal.value.retry_after == seconds


@pytest.mark.parametrize(
    ("free", "total", "writes"),
    [
        (GIB, 100 * GIB, True),
        (GIB - 1, 100 * GIB, False),
        (GIB // 2, 8 * GIB, True),  # a small disk: 5 % of it suffice
        (GIB // 4, 8 * GIB, False),
    ],
)
def test_a_full_disk_stops_writes(time: Time, free: int, total: int, writes: bool) -> None:
    gate = pressure(time, free=free, total=total)
    if writes:
        with gate.admit("a", 1):
            assert gate.requests == 1
    else:
        with pytest.raises(Unavailable) as refusal, gate.admit("a", 1):
            pass
        assert refusal.value.error_type == "disk_full"


def test_full_buckets_are_not_kept_for_ever(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campanile.intake.pressure.IDLE_BUCKETS", 10)
    gate = pressure(time)
    with gate.admit("busy", 1) as ticket:
        ticket.spend(60)
    for number in range(50):
        with gate.admit(f"idle-{number}", 1):
            pass
    assert len(gate._buckets) <= 11
    assert headers(gate, "busy")[1] == "40"
