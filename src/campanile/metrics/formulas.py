"""From counts to the numbers shown: rates and `performance_stats` (metrics specification 2.3, 2.4, 2.6)."""

from __future__ import annotations

from collections.abc import Mapping

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
    ratio = metric.ratio(channel)
    if ratio is None:
        return 0, 0
    denominator = ratio.denominator if delivery_tracking else ratio.untracked or ratio.denominator
    return _value(ratio.numerator, counts, metric_type), _value(denominator, counts, metric_type)


def conversion_base(channel: str, attribution: str, counts: Mapping[str, Pair], delivery_tracking: bool) -> int:
    """What the unique conversions of a node are divided by (conversions specification 7); independent of the
    requested metric type. 0 for channels without a base."""
    for base in CONVERSION_BASES:
        if channel in base.channels:
            term = base.click if attribution in CLICK_ATTRIBUTIONS else base.view
            if not delivery_tracking and base.untracked is not None:
                term = base.untracked
            return _value(term, counts, "TOTAL")
    return 0


def _value(term: Term, counts: Mapping[str, Pair], metric_type: MetricType) -> int:
    wanted: MetricType = "UNIQUE" if term.unique else metric_type
    value = counts.get(term.count, ZERO).under(wanted)
    return max(0, value - counts.get(term.minus, ZERO).under(wanted)) if term.minus else value
