"""The statistics of experiments: counts in, tests and intervals out. Pure, by statsmodels and scipy.

Conversions specification 9.2 and 9.3. Rates, differences and uplifts are in percent (points); nothing is rounded here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import combinations
from typing import Any, Literal

import msgspec

CONFIDENCE = 0.95
"""How often intervals hold the true value."""
SIGNIFICANCE = 0.05
"""p-values below this are called significant: one false alarm in twenty tests of campaigns that do nothing."""
SMALLEST_ARM = 100
"""(User, instance) pairs below which an arm is too small to say anything, whatever its rate (specification 9.2)."""
FEWEST_EXPECTED = 5
"""Converters, and non-converters, that the smaller arm must expect: below, the normal approximation behind the test is
wrong too often (specification 9.2)."""
MISMATCH = 0.001
"""p-values of a split below this are a mismatch. Stricter than `SIGNIFICANCE`: every campaign is checked at every look,
a real fault shows clearly, and a false alarm throws a good experiment away."""
CLUSTERED = 1.1
"""Pairs per person above which one person counts several times and intervals are narrower than they should be."""

Interval = tuple[float, float]
Status = Literal["significant", "not_significant", "insufficient_data", "no_control_group", "no_exposure"]
SplitStatus = Literal["as_declared", "mismatch", "too_few"]


class Arm(msgspec.Struct, frozen=True):
    """One side of a comparison."""

    converted: int
    """Distinct (user, instance) pairs that converted; at most `size`."""
    size: int
    """Distinct (user, instance) pairs."""

    @property
    def rate(self) -> float:
        """Percent; 0 without anybody."""
        return 100 * self.converted / self.size if self.size else 0.0


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A treated arm against its control. What is not defined is None."""

    status: Status
    difference: float | None = None
    """Points: rate of the treated minus rate of the control."""
    difference_interval: Interval | None = None
    """Newcombe's hybrid score interval: holds its level with rare conversions, too."""
    uplift: float = 0.0
    """Percent of the control's rate; 0 where that is 0."""
    uplift_interval: Interval | None = None
    """Adjusted log interval of the ratio: finite when nobody converted."""
    incremental: float | None = None
    """Converters beyond those that the control's rate lets expect."""
    z: float | None = None
    p_value: float | None = None
    """Two-sided, pooled two-proportion z-test."""


class Versus(msgspec.Struct, frozen=True, kw_only=True):
    """Two variations against each other, as one of several pairs."""

    first: str
    second: str
    difference: float
    """Points: rate of the first minus rate of the second."""
    interval: Interval
    """Holds together with the intervals of all other pairs (Bonferroni)."""
    p_value: float
    adjusted_p_value: float
    """Holm: the chance of at least one false alarm among all pairs stays below the threshold."""


class Contest(msgspec.Struct, frozen=True, kw_only=True):
    """Variations against each other."""

    status: Status
    winner: str | None
    """The one that is significantly better than every other one."""
    pairs: tuple[Versus, ...]


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Whether arms have the sizes they were meant to have."""

    status: SplitStatus
    p_value: float | None
    """Chi-square test of goodness of fit."""


def compare(treated: Arm, control: Arm) -> Comparison:
    """Whether the treated arm converts differently (specification 9.2)."""
    if not control.size or not treated.size:
        return Comparison(status="no_exposure" if control.size else "no_control_group")
    z, p_value = _z_test(treated, control)
    return Comparison(
        status=_status(p_value, treated, control),
        difference=treated.rate - control.rate,
        difference_interval=_difference_interval(treated, control, 1 - CONFIDENCE),
        uplift=100 * (treated.rate - control.rate) / control.rate if control.converted else 0.0,
        uplift_interval=_uplift_interval(treated, control),
        incremental=treated.converted - treated.size * control.converted / control.size,
        z=z,
        p_value=p_value,
    )


def contest(arms: Mapping[str, Arm]) -> Contest:
    """Whether one of at least two variations is better than every other one.

    All pairs are tested and adjusted together, because the best one was chosen by looking at the same numbers.
    """
    named = {name: arm for name, arm in arms.items() if arm.size}
    if len(named) < 2:
        return Contest(status="no_exposure", winner=None, pairs=())
    couples = list(combinations(named, 2))
    p_values = [_z_test(named[first], named[second])[1] for first, second in couples]
    multitest = _module("statsmodels.stats.multitest")
    adjusted = [float(value) for value in multitest.multipletests(p_values, alpha=SIGNIFICANCE, method="holm")[1]]
    alpha = (1 - CONFIDENCE) / len(couples)
    pairs = tuple(
        Versus(
            first=first,
            second=second,
            difference=named[first].rate - named[second].rate,
            interval=_difference_interval(named[first], named[second], alpha),
            p_value=p_value,
            adjusted_p_value=held,
        )
        for (first, second), p_value, held in zip(couples, p_values, adjusted, strict=True)
    )
    if not _enough(*named.values()):
        return Contest(status="insufficient_data", winner=None, pairs=pairs)
    best = max(named, key=lambda name: named[name].rate)
    against = [pair.adjusted_p_value for pair in pairs if best in (pair.first, pair.second)]
    won = max(against) < SIGNIFICANCE
    return Contest(status="significant" if won else "not_significant", winner=best if won else None, pairs=pairs)


def check_split(sizes: Sequence[int], shares: Sequence[float]) -> Split:
    """Whether `sizes` could come from a draw with these shares (any scale; each above 0)."""
    total = sum(sizes)
    expected = [total * share / sum(shares) for share in shares]
    if min(expected) < FEWEST_EXPECTED:
        return Split(status="too_few", p_value=None)
    p_value = float(_module("scipy.stats").chisquare(list(sizes), expected).pvalue)
    return Split(status="mismatch" if p_value < MISMATCH else "as_declared", p_value=p_value)


def rate_interval(arm: Arm) -> Interval | None:
    """Wilson's interval of a rate in percent; None without anybody."""
    if not arm.size:
        return None
    proportion = _module("statsmodels.stats.proportion")
    low, high = proportion.proportion_confint(arm.converted, arm.size, alpha=1 - CONFIDENCE, method="wilson")
    return 100 * float(low), 100 * float(high)


def _status(p_value: float, *arms: Arm) -> Status:
    if not _enough(*arms):
        return "insufficient_data"
    return "significant" if p_value < SIGNIFICANCE else "not_significant"


def _enough(*arms: Arm) -> bool:
    """Whether the smallest arm is large enough, under the rate of all together."""
    smallest = min(arm.size for arm in arms)
    rate = sum(arm.converted for arm in arms) / sum(arm.size for arm in arms)
    return smallest >= SMALLEST_ARM and smallest * min(rate, 1 - rate) >= FEWEST_EXPECTED


def _z_test(one: Arm, other: Arm) -> tuple[float, float]:
    if one.converted + other.converted in (0, one.size + other.size):
        return 0.0, 1.0  # everybody did the same: the test divides by a variance of 0
    proportion = _module("statsmodels.stats.proportion")
    z, p_value = proportion.proportions_ztest([one.converted, other.converted], [one.size, other.size])
    return float(z), float(p_value)


def _difference_interval(one: Arm, other: Arm, alpha: float) -> Interval:
    low, high = _two_proportions(one, other, alpha, compare="diff", method="newcomb")
    return 100 * low, 100 * high


def _uplift_interval(treated: Arm, control: Arm) -> Interval:
    low, high = _two_proportions(treated, control, 1 - CONFIDENCE, compare="ratio", method="log-adjusted")
    return 100 * (low - 1), 100 * (high - 1)


def _two_proportions(one: Arm, other: Arm, alpha: float, **kind: str) -> Interval:
    low, high = _module("statsmodels.stats.proportion").confint_proportions_2indep(
        one.converted, one.size, other.converted, other.size, alpha=alpha, **kind
    )
    if math.isnan(low) or math.isnan(high):
        raise ArithmeticError(f"no interval for {one} and {other}")
    return float(low), float(high)


def _module(name: str) -> Any:
    """A library at its first use: loading these takes seconds that a server should not need to start."""
    return import_module(name)
