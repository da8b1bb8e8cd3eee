"""The statistics agree with published examples, and hold at the edges."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.experiments.statistics import (
    FEWEST_EXPECTED,
    MISMATCH,
    SIGNIFICANCE,
    SMALLEST_ARM,
    Arm,
    check_split,
    compare,
    contest,
    rate_interval,
)
from tests.oracle.attribution_cases import significance_cases

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", significance_cases(), ids=lambda case: case["name"])
def test_the_vectors_of_the_specification(case: dict[str, Any]) -> None:
    target, control, expected = case["target"], case["control"], case["expected"]
    treated, held = Arm(target["converted"], target["exposed"]), Arm(control["converted"], control["exposed"])
    found = compare(treated, held)
    shown = {
        "cvr": round(treated.rate, 2),
        "control_cvr": round(held.rate, 2),
        "uplift": round(found.uplift, 2),
        "absolute_lift_points": None if found.difference is None else round(found.difference, 4),
        "incremental_conversions": None if found.incremental is None else round(found.incremental, 2),
        "z": None if found.z is None else round(found.z, 4),
        "p_value": None if found.p_value is None else float(f"{found.p_value:.6g}"),
        "uplift_ci": None if found.uplift_interval is None else [round(end, 2) for end in found.uplift_interval],
        "status": found.status,
    }
    assert shown == json.loads(json.dumps(expected, default=float))


def test_aspirin_and_heart_attacks() -> None:
    """The Physicians' Health Study as Agresti tells it: 189 of 11,034 with placebo, 104 of 11,037 with aspirin."""
    found = compare(Arm(189, 11_034), Arm(104, 11_037))
    assert found.difference == pytest.approx(0.77, abs=0.005)
    assert found.difference_interval == pytest.approx((0.47, 1.08), abs=0.01)
    assert found.uplift == pytest.approx(82, abs=0.5)
    assert found.uplift_interval == pytest.approx((43, 130), abs=0.5)
    assert found.z is not None
    assert found.z**2 == pytest.approx(25.01, abs=0.01)


@pytest.mark.parametrize(
    ("one", "other", "interval"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_intervals_of_differences(one: tuple[int, int], other: tuple[int, int], interval: tuple[float, float]) -> None:
    """Newcombe (1998), Interval estimation for the difference between independent proportions, table II, method 10."""
    found = compare(Arm(*one), Arm(*other)).difference_interval
    assert found is not None
    assert tuple(round(end / 100, 4) for end in found) == interval


def test_intervals_of_rates() -> None:
    """Newcombe (1998), Two-sided confidence intervals for the single proportion, table I, method 3."""
    for arm, interval in (
        (Arm(81, 263), (0.2553, 0.3662)),
        (Arm(15, 148), (0.0624, 0.1605)),
        (Arm(0, 20), (0.0, 0.1611)),
        (Arm(1, 29), (0.0061, 0.1718)),
    ):
        found = rate_interval(arm)
        assert found is not None
        assert tuple(round(end / 100, 4) for end in found) == interval
    assert rate_interval(Arm(0, 0)) is None


def test_a_published_sample_ratio_mismatch() -> None:
    """Kohavi, Tang and Xu, Trustworthy Online Controlled Experiments, chapter 21: 821,588 against 815,482 users."""
    found = check_split([821_588, 815_482], [50, 50])
    assert found.p_value == pytest.approx(1.8e-6, rel=0.02)
    assert found.status == "mismatch"


def test_adjusted_p_values() -> None:
    """Of three pairs Holm multiplies the smallest p-value by three, the next by two, and keeps their order."""
    found = contest({"a": Arm(100, 2000), "b": Arm(140, 2000), "c": Arm(120, 2000)})
    p_values = sorted((pair.p_value, pair.adjusted_p_value) for pair in found.pairs)
    steps = [p_value * factor for (p_value, _), factor in zip(p_values, (3, 2, 1), strict=True)]
    running = [max(steps[: number + 1]) for number in range(3)]
    assert [adjusted for _, adjusted in p_values] == pytest.approx(running)


def test_one_variation_must_beat_every_other() -> None:
    clear = contest({"a": Arm(100, 2000), "b": Arm(200, 2000), "c": Arm(110, 2000)})
    assert (clear.status, clear.winner) == ("significant", "b")
    tied = contest({"a": Arm(100, 2000), "b": Arm(200, 2000), "c": Arm(195, 2000)})
    assert (tied.status, tied.winner) == ("not_significant", None)


def test_more_variations_need_more_evidence() -> None:
    two = {"a": Arm(100, 2000), "b": Arm(134, 2000)}
    assert contest(two).winner == "b"
    many = two | {f"c{number}": Arm(100, 2000) for number in range(5)}
    assert contest(many).winner is None


def test_intervals_of_several_pairs_are_wider() -> None:
    two = contest({"a": Arm(100, 2000), "b": Arm(134, 2000)}).pairs[0]
    three = contest({"a": Arm(100, 2000), "b": Arm(134, 2000), "c": Arm(90, 2000)}).pairs[0]
    assert three.interval[0] < two.interval[0] < two.interval[1] < three.interval[1]


@pytest.mark.parametrize(
    ("treated", "control", "status"),
    [
        (Arm(50, SMALLEST_ARM), Arm(50, SMALLEST_ARM), "not_significant"),
        (Arm(50, 10_000), Arm(50, SMALLEST_ARM - 1), "insufficient_data"),
        (Arm(FEWEST_EXPECTED, 1000), Arm(FEWEST_EXPECTED, 1000), "not_significant"),
        (Arm(FEWEST_EXPECTED, 1000), Arm(FEWEST_EXPECTED - 1, 1000), "insufficient_data"),
        (Arm(995, 1000), Arm(996, 1000), "insufficient_data"),
        (Arm(0, 0), Arm(0, 10), "no_exposure"),
        (Arm(0, 10), Arm(0, 0), "no_control_group"),
        (Arm(0, 0), Arm(0, 0), "no_control_group"),
    ],
)
def test_when_there_is_not_enough_data(treated: Arm, control: Arm, status: str) -> None:
    assert compare(treated, control).status == status


def test_contests_without_opponents_and_with_little() -> None:
    assert contest({}).status == contest({"a": Arm(5, 100)}).status == "no_exposure"
    assert contest({"a": Arm(5, 100), "b": Arm(0, 0)}).status == "no_exposure"
    little = contest({"a": Arm(90, 99), "b": Arm(9, 99)})
    assert (little.status, little.winner) == ("insufficient_data", None)


def test_splits() -> None:
    assert check_split([900, 100], [90, 10]).status == "as_declared"
    assert check_split([940, 60], [90, 10]).status == "mismatch"
    assert check_split([20, 1], [90, 10]).status == "too_few"
    assert check_split([0, 0], [90, 10]) == check_split([0, 1], [50, 50])
    threshold = check_split([5104, 4896], [1, 1])
    assert threshold.p_value is not None
    assert MISMATCH < threshold.p_value < SIGNIFICANCE
    assert threshold.status == "as_declared"


arms = st.integers(1, 10**7).flatmap(lambda size: st.builds(Arm, st.integers(0, size), st.just(size)))


@given(arms, arms)
def test_every_pair_of_arms_has_numbers(treated: Arm, control: Arm) -> None:
    found = compare(treated, control)
    assert found.p_value is not None
    assert 0 <= found.p_value <= 1
    assert found.difference_interval is not None
    assert found.uplift_interval is not None
    assert found.difference is not None
    low, high = found.difference_interval
    assert -100.0001 <= low <= found.difference + 1e-9
    assert found.difference - 1e-9 <= high <= 100.0001
    assert all(math.isfinite(end) for end in found.uplift_interval)
    swapped = compare(control, treated)
    assert swapped.p_value == pytest.approx(found.p_value)
    assert swapped.status == found.status
