"""Which classes of event rows are counted for some metrics, and what their numbers add to."""

from __future__ import annotations

import pytest

from campanile.metrics.classes import Classes
from campanile.metrics.registry import COUNTS
from campanile.metrics.rows import (
    ALL_BITS,
    BITS_PER_CLASS,
    EVENT_TYPES,
    IMPLIED,
    METRIC_KEYS,
    TYPE_CODES,
    BotMode,
    class_metrics,
)


@pytest.mark.slow
@pytest.mark.parametrize("possible", [ALL_BITS, ALL_BITS & ~IMPLIED])
@pytest.mark.parametrize("bot_mode", ["off", "both", "adjusted_only"])
def test_leaving_out_bits_changes_nothing(bot_mode: BotMode, possible: int) -> None:
    """A row counts for the same metrics by its whole class as by the bits that are told apart."""
    table = class_metrics(bot_mode, "count")
    for key in COUNTS:
        wanted = frozenset({key, "sent"})
        classes = Classes.of(bot_mode, "count", wanted, possible)
        assert classes.bits & ~possible == 0
        for number in range(len(EVENT_TYPES) * BITS_PER_CLASS):
            bits = number % BITS_PER_CLASS
            if bits & ~possible == 0:
                told_apart = classes.keys[number - bits + (bits & classes.bits)]
                assert set(told_apart) == {METRIC_KEYS[each] for each in table[number]} & wanted


def test_users_of_a_class_are_those_of_a_metric_that_nothing_else_feeds() -> None:
    classes = Classes.of("off", "count", frozenset({"sent", "delivered", "bounced"}), ALL_BITS & ~IMPLIED)
    first_of_sent = (TYPE_CODES["sent"] - 1) * BITS_PER_CLASS
    assert not classes.shares("sent")
    assert classes.alone(["sent", "bounced"])[first_of_sent] == ("sent",)
    assert classes.shares("bounced")
    assert all("bounced" not in fed for fed in classes.alone(["sent", "bounced"]).values())
    assert {"sent", "delivered"} <= set(classes.types)
    assert "click" not in classes.types
