"""From event rows to metric numbers: the integers the store is asked with.

A question gives every event row a class, looks the class up in `class_metrics` and counts rows and distinct users per
metric number. In ClickHouse, with `{classes:Array(Array(UInt8))}` = `class_metrics(...)`:

    {classes}[toUInt16(type) * 32 - 31 + machine + 2 * ios_substitute + 4 * implied + 8 * has_device + 16 * marked]

where `toUInt16(type)` is the code of the event type and

    machine         the row is flagged as caused by software and its channel is EMAIL (bots are an e-mail matter)
    ios_substitute  channel PUSH, platform IOS, and the workspace does not show iOS impressions
    implied         the campaign of the row does not report attempts
    has_device      `device_id` is not empty
    marked          `removed` with reason `inactive_device_token`, or `qualified` with a step that is no entry step
                    (`campanile.metrics.funnel.entry_steps`)

Every class has at least one metric, so no row gets lost in an `ARRAY JOIN`: rows that feed no count have the number
of `presence`, which only says that their platform, locale and variation were seen.
"""

from __future__ import annotations

from typing import Literal

from campanile.metrics.registry import COUNTS, Rows

BotMode = Literal["off", "both", "adjusted_only"]
UnsubscribeBot = Literal["count", "ignore"]

EVENT_TYPES = (
    "qualified", "removed", "attempted", "sent", "failed", "undelivered", "deferred", "delivered", "hard_bounce",
    "soft_bounce", "impression", "open", "read", "click", "close", "dismiss", "unsubscribe", "complaint", "synced",
    "uninstall", "custom", "conversion", "user_merge",
)  # fmt: skip
"""Event types in the order of the log's enumeration; the code of a type is its position + 1."""

TYPE_CODES: dict[str, int] = {name: code for code, name in enumerate(EVENT_TYPES, start=1)}

METRIC_KEYS: tuple[str, ...] = ("presence", *COUNTS)
"""Metric number = position."""
METRIC_NUMBERS: dict[str, int] = {key: number for number, key in enumerate(METRIC_KEYS)}

BITS_PER_CLASS = 32
"""Classes of one event type."""
MACHINE, IOS_SUBSTITUTE, IMPLIED, HAS_DEVICE, MARKED = 1, 2, 4, 8, 16
ALL_BITS = BITS_PER_CLASS - 1


def row_class(
    type_code: int,
    machine: bool = False,
    ios_substitute: bool = False,
    implied: bool = False,
    has_device: bool = False,
    marked: bool = False,
) -> int:
    """The class of an event row, counted from 0 (array indexes of the store start at 1)."""
    return (
        (type_code - 1) * BITS_PER_CLASS
        + machine * MACHINE
        + ios_substitute * IOS_SUBSTITUTE
        + implied * IMPLIED
        + has_device * HAS_DEVICE
        + marked * MARKED
    )


def class_metrics(bot_mode: BotMode, unsubscribe_bot: UnsubscribeBot) -> list[list[int]]:
    """Metric numbers of every row class, ascending; never empty."""
    table = []
    for name in EVENT_TYPES:
        rules = [
            (METRIC_NUMBERS[count.key], rows) for count in COUNTS.values() for rows in count.rows if rows.type == name
        ]
        for bits in range(BITS_PER_CLASS):
            numbers = {number for number, rows in rules if _counts(rows, bits, bot_mode, unsubscribe_bot)}
            table.append(sorted(numbers) or [METRIC_NUMBERS["presence"]])
    return table


def _counts(rows: Rows, bits: int, bot_mode: BotMode, unsubscribe_bot: UnsubscribeBot) -> bool:
    machine_counts = {
        "count": True,
        "mode": bot_mode != "adjusted_only",
        "exclude": False,
        "setting": unsubscribe_bot == "count",
    }[rows.bots]
    return (
        (machine_counts or not bits & MACHINE)
        and (rows.attempts == "any" or (rows.attempts == "implied") == bool(bits & IMPLIED))
        and (rows.ios == "any" or (rows.ios == "sends") == bool(bits & IOS_SUBSTITUTE))
        and (not rows.device or bool(bits & HAS_DEVICE))
        and (rows.marked is None or rows.marked == bool(bits & MARKED))
    )
