"""Rates and performance fields."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.metrics.formulas import conversion_base, performance_stats, rate
from campanile.metrics.pairs import MetricType, Pair
from campanile.metrics.registry import COUNTS
from campanile.metrics.rows import BotMode


@pytest.mark.parametrize(
    ("n", "d", "text"),
    [
        (4, 2, "200"), (5, 8, "62.5"), (2, 3, "66.67"), (1, 3, "33.33"), (0, 7, "0"), (3, 0, "0"), (0, 0, "0"),
        (1, 20_000, "0.01"),  # exactly half a hundredth goes up
        (1, 20_001, "0"),
        (10_049, 20_000, "50.25"), (123_456_789_012_345_678, 1, "12345678901234567800"),
    ],
)  # fmt: skip
def test_rate(n: int, d: int, text: str) -> None:
    assert json.dumps(rate(n, d)) == text


@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_rate_is_exact(n: int, d: int) -> None:
    exact = Fraction(100 * n, d)
    # The quotient to far more digits than any tie between hundredths could hide behind.
    wide = Decimal(exact.numerator * 10**30 // exact.denominator).scaleb(-30)
    assert Decimal(str(rate(n, d))) == wide.quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert not isinstance(rate(n, d), float) or not float(rate(n, d)).is_integer()


def stats(
    channel: str,
    counts: dict[str, Pair],
    metric_type: MetricType = "TOTAL",
    *,
    bot_mode: BotMode = "off",
    delivery_tracking: bool = True,
    extended: bool = True,
) -> dict[str, int | float]:
    return performance_stats(
        channel,
        counts,
        metric_type=metric_type,
        bot_mode=bot_mode,
        delivery_tracking=delivery_tracking,
        extended=extended,
    )


def test_missing_counts_are_zero() -> None:
    assert set(stats("PUSH", {}).values()) == {0}
    assert stats("OTHER", {"sent": Pair(1, 1)}) == {}


def test_order_and_aliases_of_email() -> None:
    keys = list(stats("EMAIL", {"opened": Pair(5, 3), "bounced": Pair(2, 1)}, bot_mode="both"))
    assert keys == [
        "attempted", "sent", "failed", "bounced", "bounce", "click", "opened", "open", "delivered", "unsubscribe",
        "complaint", "hard_bounce", "soft_bounce", "ctr", "delivery_rate", "sent_rate", "failure_rate", "open_rate",
        "ctor", "unsub_rate", "bounce_rate", "complaints_rate", "adjusted_open", "adjusted_open_rate",
        "adjusted_click", "adjusted_ctr", "adjusted_ctor",
    ]  # fmt: skip
    unique = stats("EMAIL", {"opened": Pair(5, 3), "bounced": Pair(2, 1)}, "UNIQUE")
    assert (unique["open"], unique["opened"], unique["bounce"], unique["bounced"]) == (3, 3, 1, 1)


def test_adjusted_fields_need_bot_filtering_and_extended_fields() -> None:
    assert "adjusted_open" not in stats("EMAIL", {}, bot_mode="off")
    assert "adjusted_open" not in stats("EMAIL", {}, bot_mode="both", extended=False)
    assert stats("EMAIL", {"human_open": Pair(2, 1)}, bot_mode="adjusted_only")["adjusted_open"] == 2
    assert "ctor" not in stats("WHATSAPP", {}, extended=False)


def test_sides_that_are_always_unique() -> None:
    counts = {
        "delivered": Pair(10, 5), "opened": Pair(9, 4), "click": Pair(8, 2), "read": Pair(7, 3),
        "human_open": Pair(6, 3), "human_click": Pair(4, 1),
    }  # fmt: skip
    total = stats("EMAIL", counts, bot_mode="both")
    assert (total["open_rate"], total["ctor"], total["ctr"]) == (40, 50, 80)
    assert (total["adjusted_open_rate"], total["adjusted_ctor"], total["adjusted_ctr"]) == (30, 33.33, 40)
    unique = stats("EMAIL", counts, "UNIQUE", bot_mode="both")
    assert (unique["open_rate"], unique["ctor"], unique["ctr"]) == (80, 50, 40)
    assert (unique["adjusted_open_rate"], unique["adjusted_ctor"], unique["adjusted_ctr"]) == (60, 33.33, 20)
    whatsapp = stats("WHATSAPP", counts)
    assert (whatsapp["ctr"], whatsapp["read_rate"], whatsapp["ctor"]) == (20, 60, 66.67)
    assert stats("RCS", counts)["ctr"] == 80


def test_failure_rate_never_falls_below_zero() -> None:
    late = stats("PUSH", {"attempted": Pair(2, 2), "sent": Pair(3, 3)})
    assert (late["sent_rate"], late["failure_rate"]) == (150, 0)


@pytest.mark.parametrize("channel", ["SMS", "MMS", "RCS"])
def test_phone_channels_without_delivery_tracking(channel: str) -> None:
    counts = {"sent": Pair(4, 4), "delivered": Pair(2, 2), "click": Pair(3, 2)}
    assert stats(channel, counts)["ctr"] == 150
    assert stats(channel, counts, delivery_tracking=False)["ctr"] == 75
    assert stats("WHATSAPP", counts, delivery_tracking=False)["ctr"] == 100


@pytest.mark.parametrize(
    ("channel", "view", "click"),
    [
        ("PUSH", "impression", "click"), ("EMAIL", "all_open!", "click!"), ("SMS", "delivered", "delivered"),
        ("MMS", "delivered", "delivered"), ("RCS", "delivered", "delivered"), ("WHATSAPP", "delivered", "delivered"),
        ("IN_APP", "impression", "impression"), ("OSM", "impression", "impression"),
        ("WEB_PERSONALIZATION", "impression", "impression"), ("CONNECTOR", "sent", "sent"),
        ("CONNECTED_APPS", "sent", "sent"), ("CARDS", "sent!", "sent!"),
        ("FACEBOOK_AUDIENCE", "successfully_synced!", "successfully_synced!"),
        ("GOOGLE_ADS_AUDIENCE", "successfully_synced!", "successfully_synced!"),
    ],
)  # fmt: skip
def test_conversion_bases(channel: str, view: str, click: str) -> None:
    """`!` marks a unique base."""
    counts = {key: Pair(1000 + number, number) for number, key in enumerate(COUNTS, start=1)}

    def value(name: str) -> int:
        pair = counts[name.rstrip("!")]
        return pair.unique if name.endswith("!") else pair.total

    for attribution in ("VIEW_THROUGH", "TOTAL_CONVERSIONS"):
        assert conversion_base(channel, attribution, counts, True) == value(view)
    for attribution in ("CLICK_THROUGH", "IN_SESSION", "CLICK_CONVERSIONS"):
        assert conversion_base(channel, attribution, counts, True) == value(click)


def test_conversion_bases_without_delivery_tracking() -> None:
    counts = {"sent": Pair(9, 8), "delivered": Pair(0, 0)}
    assert [conversion_base(channel, "VIEW_THROUGH", counts, False) for channel in ("SMS", "MMS", "RCS")] == [9, 9, 9]
    assert conversion_base("WHATSAPP", "VIEW_THROUGH", counts, False) == 0
    assert conversion_base("OTHER", "VIEW_THROUGH", counts, True) == 0
