"""From statistics to what a reader is told: rounded numbers, a verdict, a sentence."""

from __future__ import annotations

from collections.abc import Mapping

from campanile.experiments.schemas import Effect, Interval, Side, VariationPair, VariationSide, VariationTest, Verdict
from campanile.experiments.statistics import (
    FEWEST_EXPECTED,
    SMALLEST_ARM,
    Arm,
    Comparison,
    Contest,
    compare,
    contest,
    rate_interval,
)

POINTS = 4
"""Decimals of differences between percentages."""
PERCENT = 2
"""Decimals of percentages."""
P_VALUE_DIGITS = 6
"""Significant digits of p-values."""
_NOT_ENOUGH = (
    f"Not enough data yet: every group needs {SMALLEST_ARM} people, and the smallest must expect {FEWEST_EXPECTED} who "
    f"convert and {FEWEST_EXPECTED} who do not."
)
_MISMATCH = "The groups do not have the sizes that were declared; find out why before you trust any difference."


def effect(treated: Arm, control: Arm, *, mismatch: bool) -> Effect:
    """The treated against the control. `mismatch`: the groups do not have the declared sizes."""
    found = compare(treated, control)
    verdict = _verdict(found, mismatch=mismatch)
    return Effect(
        verdict=verdict,
        explanation=_explain(verdict, treated, control),
        treatment=side(treated),
        control=side(control),
        difference=_rounded(found.difference, POINTS),
        difference_interval=_rounded_interval(found.difference_interval, POINTS),
        uplift=_number(found.uplift, PERCENT),
        uplift_interval=_rounded_interval(found.uplift_interval, PERCENT),
        incremental_conversions=_rounded(found.incremental, PERCENT),
        z=_rounded(found.z, POINTS),
        p_value=p_value(found.p_value),
    )


def variation_test(arms: Mapping[str, Arm], *, mismatch: bool) -> VariationTest:
    """Variations against each other."""
    found = contest(arms)
    verdict = _contest_verdict(found, mismatch=mismatch)
    sides = {name: side(arm) for name, arm in arms.items()}
    return VariationTest(
        verdict=verdict,
        explanation=_explain_contest(verdict, found, arms),
        winner=found.winner if verdict == "winner" else None,
        variations=tuple(
            VariationSide(
                name=name,
                size=one.size,
                converted=one.converted,
                rate=one.rate,
                rate_interval=one.rate_interval,
            )
            for name, one in sides.items()
        ),
        pairs=tuple(
            VariationPair(
                first=pair.first,
                second=pair.second,
                difference=_number(pair.difference, POINTS),
                difference_interval=(_number(pair.interval[0], POINTS), _number(pair.interval[1], POINTS)),
                p_value=_significant(pair.p_value),
                adjusted_p_value=_significant(pair.adjusted_p_value),
            )
            for pair in found.pairs
        ),
    )


def side(arm: Arm) -> Side:
    return Side(
        size=arm.size,
        converted=arm.converted,
        rate=_number(arm.rate, PERCENT),
        rate_interval=_rounded_interval(rate_interval(arm), PERCENT),
    )


def p_value(value: float | None) -> float | None:
    """With as many digits as mean something."""
    return None if value is None else _significant(value)


def _verdict(found: Comparison, *, mismatch: bool) -> Verdict:
    match found.status:
        case "no_control_group":
            return "no_control_group"
        case "no_exposure":
            return "nobody_reached"
        case _ if mismatch:
            return "sample_ratio_mismatch"
        case "insufficient_data":
            return "insufficient_data"
        case "significant":
            return "better" if (found.difference or 0) > 0 else "worse"
    return "no_difference"


def _contest_verdict(found: Contest, *, mismatch: bool) -> Verdict:
    if found.status == "no_exposure":
        return "nobody_reached"
    if mismatch:
        return "sample_ratio_mismatch"
    if found.status == "insufficient_data":
        return "insufficient_data"
    return "winner" if found.winner is not None else "no_winner"


def _explain(verdict: Verdict, treated: Arm, control: Arm) -> str:
    rates = f"{treated.rate:.2f} % against {control.rate:.2f} %"
    match verdict:
        case "better":
            return f"The campaign works: {rates} of those held out converted."
        case "worse":
            return f"The campaign does harm: {rates} of those held out converted."
        case "no_difference":
            return f"No difference can be shown: {rates} of those held out; the interval says how large one may be."
        case "no_control_group":
            return "Nobody was held out, so nothing can be said about what the campaign caused."
        case "nobody_reached":
            return "The campaign reached nobody in these days."
        case "sample_ratio_mismatch":
            return _MISMATCH
    return _NOT_ENOUGH


def _explain_contest(verdict: Verdict, found: Contest, arms: Mapping[str, Arm]) -> str:
    match verdict:
        case "winner" if found.winner is not None:
            return f"{found.winner} wins with {arms[found.winner].rate:.2f} %: better than every other variation."
        case "no_winner":
            return "No variation is better than every other one beyond chance."
        case "nobody_reached":
            return "Fewer than two variations reached anybody in these days."
        case "sample_ratio_mismatch":
            return _MISMATCH
    return _NOT_ENOUGH


def _number(value: float, decimals: int) -> float:
    return round(value, decimals) + 0.0  # -0.0 is 0


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else _number(value, decimals)


def _rounded_interval(interval: Interval | None, decimals: int) -> Interval | None:
    return None if interval is None else (_number(interval[0], decimals), _number(interval[1], decimals))


def _significant(value: float) -> float:
    return float(f"{value:.{P_VALUE_DIGITS}g}")
