"""What the classes of event rows say about some metrics: which to count, and which metrics each of them feeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from functools import cached_property, lru_cache

import msgspec

from campanile.metrics.rows import (
    ALL_BITS,
    BITS_PER_CLASS,
    EVENT_TYPES,
    METRIC_KEYS,
    METRIC_NUMBERS,
    BotMode,
    UnsubscribeBot,
    class_metrics,
)


class Classes(msgspec.Struct, frozen=True, dict=True):
    """The classes that count for some metrics; classes are numbered from 0."""

    bits: int
    """The bits that make a difference to these metrics; the others are 0 in every class."""
    numbers: list[list[int]]
    """Per class: the numbers of the metrics it feeds."""

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, bot_mode: BotMode, unsubscribe_bot: UnsubscribeBot, wanted: frozenset[str], possible: int) -> Classes:
        """Args:
        possible: bits that events may have set.
        """
        kept = {METRIC_NUMBERS[key] for key in wanted}
        table = [
            [number for number in numbers if number in kept] for numbers in class_metrics(bot_mode, unsubscribe_bot)
        ]
        bits = 0
        for place in range(BITS_PER_CLASS.bit_length() - 1):
            bit = 1 << place
            if possible & bit and any(table[number] != table[number ^ bit] for number in _within(possible)):
                bits |= bit
        told_apart = set(_within(bits))
        return cls(bits, [numbers if number in told_apart else [] for number, numbers in enumerate(table)])

    @cached_property
    def keys(self) -> list[tuple[str, ...]]:
        """Per class: the keys of the metrics it feeds."""
        return [tuple(METRIC_KEYS[number] for number in numbers) for numbers in self.numbers]

    @cached_property
    def types(self) -> list[str]:
        """Event types with a class that counts for something."""
        return [
            name
            for place, name in enumerate(EVENT_TYPES)
            if any(self.numbers[place * BITS_PER_CLASS : (place + 1) * BITS_PER_CLASS])
        ]

    def shares(self, key: str) -> bool:
        """Whether several classes feed a metric, so that its users are not those of a class."""
        return self._feeding[METRIC_NUMBERS[key]] > 1

    @cached_property
    def _feeding(self) -> Counter[int]:
        """How many classes feed each metric."""
        return Counter(number for numbers in self.numbers for number in numbers)

    def alone(self, keys: Collection[str]) -> dict[int, tuple[str, ...]]:
        """The classes that feed one of the metrics as the only one, with those metrics."""
        wanted = {key for key in keys if not self.shares(key)}
        found = ((number, tuple(key for key in fed if key in wanted)) for number, fed in enumerate(self.keys))
        return {number: fed for number, fed in found if fed}


def _within(bits: int) -> list[int]:
    """The classes that have no other bits than these."""
    return [
        number for number in range(len(EVENT_TYPES) * BITS_PER_CLASS) if number % BITS_PER_CLASS & ~bits & ALL_BITS == 0
    ]
