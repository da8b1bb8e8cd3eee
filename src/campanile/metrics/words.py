"""What numbers mean, in sentences for people who look at them; made from the registry."""

from __future__ import annotations

import msgspec

from campanile.metrics.formulas import CLICK_ATTRIBUTIONS
from campanile.metrics.funnel import STEPS
from campanile.metrics.reasons import BEFORE, REASONS
from campanile.metrics.registry import CONVERSION_BASES, COUNTS, RATES, Term, performance_keys, wire_names


class Explained(msgspec.Struct, frozen=True):
    """One number of `performance_stats`."""

    key: str
    """Key of the registry."""
    field: str
    """Name in `performance_stats`."""
    label: str
    definition: str
    """What is counted; for rates with what is divided by what."""
    is_rate: bool


def explained(channel: str, *, extended: bool, adjusted: bool, delivery_tracking: bool) -> list[Explained]:
    """The numbers of a channel in the order of `performance_stats`, aliases left out."""
    return [
        explain(key, channel, delivery_tracking=delivery_tracking)
        for key in performance_keys(channel, extended=extended, adjusted=adjusted)
    ]


def explain(key: str, channel: str, *, delivery_tracking: bool = True) -> Explained:
    """One count or rate, as it is for a channel."""
    field = wire_names(key)[0]
    if key in COUNTS:
        count = COUNTS[key]
        return Explained(key, field, count.label, count.definition, False)
    metric = RATES[key]
    ratio = metric.ratio(channel)
    definition = metric.definition
    if ratio is not None:
        below = ratio.denominator if delivery_tracking else ratio.untracked or ratio.denominator
        definition = f"{definition} {_term(ratio.numerator)} ÷ {_term(below)}."
    return Explained(key, field, metric.label, definition, True)


def conversion_base_words(channel: str, attribution: str, *, delivery_tracking: bool) -> str:
    """What conversion rates of a channel divide by; empty for channels that have none."""
    for base in CONVERSION_BASES:
        if channel in base.channels:
            term = base.click if attribution in CLICK_ATTRIBUTIONS else base.view
            if not delivery_tracking and base.untracked is not None:
                term = base.untracked
            return _term(term)
    return ""


def conversion_words(base: str) -> dict[str, str]:
    """What the numbers of a goal mean (conversions specification 7 to 9); `base` as `conversion_base_words` says it."""
    divided = f"Different people who converted ÷ {base}." if base else "This channel has nothing to divide by."
    return {
        "total": "Times the goal was reached and attributed to the campaign; every one counts.",
        "unique": "Different people who reached the goal.",
        "cvr": divided,
        "uplift": "How far the rate lies above the share of the campaign’s control group that converted, in percent of "
        "that share. Empty where nobody was held out or nobody of them converted.",
        "revenue": "What these conversions were worth, in the goal’s currency.",
        "average_order_value": "Revenue ÷ conversions.",
        "average_revenue_per_user": "Revenue ÷ different people who converted.",
    }


def reason_words(key: str) -> str:
    """What it means that messages or people were lost for a reason."""
    reason = REASONS.get(key)
    if reason is None:
        return "As the provider spelled it; no step of the funnel is counted by it."
    if reason.stage == BEFORE:
        return "People left out before the first step of the funnel."
    if reason.stage:
        return f"People who do not pass the step “{STEPS[reason.stage].label}” of the funnel."
    return "Messages or people lost for this reason; no step of the funnel is counted by it."


def _term(term: Term) -> str:
    label = COUNTS[term.count].label.lower()
    text = f"({label} − {COUNTS[term.minus].label.lower()})" if term.minus else label
    return f"unique {text}" if term.unique else text
