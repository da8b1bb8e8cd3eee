"""From counts to the numbers shown: rates and `performance_stats` (metrics specification 2.3, 2.4, 2.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from campanile.metrics.pairs import ZERO, MetricType, Pair
from campanile.metrics.registry import (
    CONVERSION_BASES,
    COUNTS,
    RATES,
    Rate,
    Term,
    performance_keys,
    wire_names,
)
from campanile.metrics.rows import BotMode

CLICK_ATTRIBUTIONS = ("CLICK_THROUGH", "IN_SESSION", "CLICK_CONVERSIONS")
"""Attribution types whose conversion rates divide by clicks where a channel distinguishes views and clicks."""


def rate(n: int, d: int) -> int | float:
    """100 · n / d with two decimals, half up, computed on integers; 0 when `d` is 0.

    A whole percentage is an `int`, so that it is serialised without a decimal point. `n` must not be negative.
    """
    if d == 0:
        return 0
    hundredths = (20_000 * n + d) // (2 * d)
    return hundredths // 100 if hundredths % 100 == 0 else hundredths / 100


def performance_stats(
    channel: str,
    counts: Mapping[str, Pair],
    *,
    metric_type: MetricType,
    bot_mode: BotMode,
    delivery_tracking: bool,
    extended: bool,
) -> dict[str, int | float]:
    """The `performance_stats` of a node in the order of the wire; an alias follows the field it repeats.

    Args:
        counts: counts of the node by metric key, taken under the same `bot_mode`; missing ones are zero.
        delivery_tracking: whether the campaign's provider reports deliveries.
        extended: whether to add the extended fields.
    """
    stats: dict[str, int | float] = {}
    for key in performance_keys(channel, extended=extended, adjusted=bot_mode != "off"):
        value: int | float
        if key in COUNTS:
            value = counts.get(key, ZERO).under(metric_type)
        else:
            value = channel_rate(RATES[key], channel, counts, metric_type, delivery_tracking)
        for name in wire_names(key):
            stats[name] = value
    return stats


def channel_rate(
    metric: Rate, channel: str, counts: Mapping[str, Pair], metric_type: MetricType, delivery_tracking: bool
) -> int | float:
    """The rate of a node, by the channel's fraction; 0 for a channel that has none."""
    return rate(*channel_fraction(metric, channel, counts, metric_type, delivery_tracking))


def channel_fraction(
    metric: Rate, channel: str, counts: Mapping[str, Pair], metric_type: MetricType, delivery_tracking: bool
) -> tuple[int, int]:
    """Numerator and denominator of a rate; (0, 0) for a channel that has none."""
    terms = fraction_terms(metric, channel, delivery_tracking)
    return (0, 0) if terms is None else (_value(terms[0], counts, metric_type), _value(terms[1], counts, metric_type))


def fraction_terms(metric: Rate, channel: str, delivery_tracking: bool) -> tuple[Term, Term] | None:
    """What the numerator and the denominator of a rate count; None for a channel that has no such rate."""
    ratio = metric.ratio(channel)
    if ratio is None:
        return None
    return ratio.numerator, ratio.denominator if delivery_tracking else ratio.untracked or ratio.denominator


def conversion_base(channel: str, attribution: str, counts: Mapping[str, Pair], delivery_tracking: bool) -> int:
    """What the unique conversions of a node are divided by (conversions specification 7); independent of the
    requested metric type. 0 for channels without a base."""
    term = base_term(channel, attribution, delivery_tracking)
    return 0 if term is None else _value(term, counts, "TOTAL")


def base_term(channel: str, attribution: str, delivery_tracking: bool) -> Term | None:
    """What the unique conversions of a node are divided by; it is taken as TOTAL."""
    for base in CONVERSION_BASES:
        if channel in base.channels:
            if not delivery_tracking and base.untracked is not None:
                return base.untracked
            return base.click if attribution in CLICK_ATTRIBUTIONS else base.view
    return None


def term_values(term: Term, nodes: Sequence[Mapping[str, Pair]], metric_type: MetricType) -> list[int]:
    """The values of a term in many nodes at once."""
    place = 1 if term.unique or metric_type == "UNIQUE" else 0
    values = [counts.get(term.count, ZERO)[place] for counts in nodes]
    if not term.minus:
        return values
    less = [counts.get(term.minus, ZERO)[place] for counts in nodes]
    return [max(0, value - minus) for value, minus in zip(values, less, strict=True)]


def _value(term: Term, counts: Mapping[str, Pair], metric_type: MetricType) -> int:
    return term_values(term, (counts,), metric_type)[0]
