"""Row classes."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

import campanile.engine
from campanile.metrics.rows import (
    BITS_PER_CLASS,
    EVENT_TYPES,
    METRIC_KEYS,
    METRIC_NUMBERS,
    TYPE_CODES,
    BotMode,
    UnsubscribeBot,
    class_metrics,
    row_class,
)

SCHEMA = Path(str(campanile.engine.__file__)).parent / "migrations" / "0001_events.sql"
BOT_MODES: tuple[BotMode, ...] = ("off", "both", "adjusted_only")
UNSUBSCRIBE: tuple[UnsubscribeBot, ...] = ("count", "ignore")


def metrics(
    type_: str, bot_mode: BotMode = "off", unsubscribe_bot: UnsubscribeBot = "count", **flags: bool
) -> set[str]:
    numbers = class_metrics(bot_mode, unsubscribe_bot)[row_class(TYPE_CODES[type_], **flags)]
    return {METRIC_KEYS[number] for number in numbers}


def test_types_are_those_of_the_log() -> None:
    enumeration = re.search(r"type Enum8\((.*?)\)", SCHEMA.read_text(encoding="utf-8"), re.DOTALL)
    assert enumeration is not None
    stored = {name: int(code) for name, code in re.findall(r"'(\w+)' = (\d+)", enumeration[1])}
    assert stored == TYPE_CODES
    assert list(TYPE_CODES.values()) == list(range(1, len(EVENT_TYPES) + 1))


def test_classes_are_distinct_positions_of_the_table() -> None:
    flags = list(product((False, True), repeat=5))
    found = [row_class(code, *bits) for code in TYPE_CODES.values() for bits in flags]
    assert sorted(found) == list(range(len(EVENT_TYPES) * BITS_PER_CLASS))
    assert found[0] == row_class(1) == 0


@pytest.mark.parametrize("bot_mode", BOT_MODES)
@pytest.mark.parametrize("unsubscribe_bot", UNSUBSCRIBE)
def test_no_row_gets_lost(bot_mode: BotMode, unsubscribe_bot: UnsubscribeBot) -> None:
    table = class_metrics(bot_mode, unsubscribe_bot)
    assert len(table) == len(EVENT_TYPES) * BITS_PER_CLASS
    for numbers in table:
        assert numbers and numbers == sorted(set(numbers))
        assert all(0 <= number < len(METRIC_KEYS) for number in numbers)
        assert numbers == [METRIC_NUMBERS["presence"]] or METRIC_NUMBERS["presence"] not in numbers
    assert len(METRIC_KEYS) < 256, "metric numbers are bytes in the store"


@pytest.mark.parametrize("type_", ["dismiss", "deferred", "custom", "conversion", "uninstall", "user_merge"])
def test_types_without_a_number(type_: str) -> None:
    assert metrics(type_) == {"presence"}


def test_attempts() -> None:
    assert metrics("attempted") == {"attempted"}
    assert metrics("attempted", has_device=True) == {"attempted", "active_device_token", "user_devices"}
    assert metrics("attempted", implied=True, has_device=True) == {"presence"}
    assert metrics("sent", has_device=True) == {"sent"}
    assert metrics("sent", implied=True) == {"sent", "attempted"}
    assert metrics("failed", implied=True, has_device=True) == {
        "failed", "attempted", "active_device_token", "user_devices",
    }  # fmt: skip


def test_ios_sends_stand_in_for_impressions() -> None:
    assert metrics("impression") == {"impression"}
    assert metrics("impression", ios_substitute=True) == {"presence"}
    assert metrics("sent", ios_substitute=True) == {"sent", "impression"}


def test_bots() -> None:
    assert metrics("open") == {"opened", "human_open", "all_open"}
    assert metrics("open", machine=True) == {"opened", "all_open"}
    assert metrics("open", "both", machine=True) == {"opened", "all_open"}
    assert metrics("open", "adjusted_only", machine=True) == {"all_open"}
    assert metrics("click", "adjusted_only") == {"click", "human_click"}
    assert metrics("click", "adjusted_only", machine=True) == {"presence"}
    assert metrics("unsubscribe", machine=True) == {"unsubscribe"}
    assert metrics("unsubscribe", "off", "ignore", machine=True) == {"presence"}
    assert metrics("unsubscribe", "off", "ignore") == {"unsubscribe"}


def test_marked_rows() -> None:
    assert metrics("removed") == {"presence"}
    assert metrics("removed", marked=True) == {"user_devices"}
    assert metrics("qualified") == {"eligible_users"}
    assert metrics("qualified", marked=True) == {"presence"}


def test_bounces_are_one_kind_and_both() -> None:
    assert metrics("hard_bounce") == {"hard_bounce", "bounced"}
    assert metrics("soft_bounce") == {"soft_bounce", "bounced"}
