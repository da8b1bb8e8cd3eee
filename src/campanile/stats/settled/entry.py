"""One campaign with all it was ever asked for, ready for every range of days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec

from campanile.kit.times import Window, epoch_milliseconds
from campanile.metrics.pairs import ZERO, Pair
from campanile.metrics.rows import METRIC_KEYS
from campanile.stats.levels import Level
from campanile.stats.repository import Dimension, Key
from campanile.stats.settled.histories import Cell, Histories, cell_of

GoalKey = tuple[str, str]
"""(attribution, goal)."""


class Setting(msgspec.Struct, frozen=True):
    """Everything but the log that the integers depend on. An entry made under another setting is of no use."""

    members: tuple[str, ...]
    """Campaigns whose events count, sorted."""
    implied: tuple[str, ...]
    """Those of them whose attempts are implied."""
    channel: str
    timezone: str
    bot_mode: str
    unsubscribe_bot: str
    show_ios_impressions: bool
    merged_through: int
    """Merges of users up to which the log was read; 0 where there are none."""


class Settled:
    """Integers of one target as of `mark`, the sequence up to which the log was read.

    `moment` is when that was, where this process sees everything that is written.
    """

    def __init__(
        self,
        setting: Setting,
        mark: int,
        moment: int | None,
        levels: Collection[Level],
        dimensions: Sequence[Sequence[Any]],
        counts: Histories[int],
        failures: Histories[str],
        attributed: Histories[GoalKey],
        revenue: Iterable[Sequence[Any]],
        depths: Histories[int],
        thresholds: Sequence[int],
        horizon: int,
    ) -> None:
        self.setting = setting
        self.mark = mark
        self.moment = moment
        self._levels = frozenset(levels)
        self._dimensions = [(int(row[3]), (row[0], row[1], row[2]), tuple(row[4:8])) for row in dimensions]
        self._counts = counts
        self._failures = failures
        self._attributed = attributed
        self._revenue = [(cell_of(row), int(row[5]), Decimal(row[6])) for row in revenue]
        self._depths = depths
        self._thresholds = tuple(sorted(thresholds))
        self._horizon = horizon

    @property
    def size_bytes(self) -> int:
        """Rough memory, in bytes."""
        histories = (self._counts, self._failures, self._attributed, self._depths)
        return sum(each.size_bytes for each in histories) + ROW_BYTES * (len(self._dimensions) + len(self._revenue))

    def spans(self, window: Window) -> bool:
        """Whether a range is not longer than what users did before is kept."""
        start, end = _bounds(window)
        return end - start <= self._horizon

    def knows(self, levels: Iterable[Level]) -> bool:
        return self._levels.issuperset(levels)

    def dimensions(self, window: Window) -> list[Dimension]:
        """As `StatsRepository.dimensions`, of all members together."""
        start, end = _bounds(window)
        found: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * 4)
        for day, place, numbers in self._dimensions:
            if start <= day < end:
                found[place] = [known + more for known, more in zip(found[place], numbers, strict=True)]
        return [Dimension(*place, *numbers) for place, numbers in found.items()]

    def counts(self, target: int, window: Window, levels: Collection[Level]) -> dict[Key, Pair]:
        """As `StatsRepository.counts`."""
        return {
            (target, *cell[1:4], METRIC_KEYS[cell.thing]): pair for cell, pair in _between(self._counts, window, levels)
        }

    def failures(self, target: int, window: Window, levels: Collection[Level]) -> dict[Key, Pair]:
        """As `StatsRepository.failures`."""
        return {(target, *cell[1:]): pair for cell, pair in _between(self._failures, window, levels)}

    def attributed(
        self, target: int, window: Window, levels: Collection[Level], attribution: str
    ) -> dict[Key, tuple[int, int, Decimal]]:
        """As `StatsRepository.attributed_conversions`."""
        start, end = _bounds(window)
        paid: dict[Cell[GoalKey], Decimal] = defaultdict(Decimal)
        for cell, day, amount in self._revenue:
            if start <= day < end:
                paid[cell] += amount
        return {
            (target, *cell[1:4], cell.thing[1]): (pair.total, pair.unique, paid[cell])
            for cell, pair in _between(self._attributed, window, levels)
            if cell.thing[0] == attribution
        }

    def depths(self, target: int, window: Window, levels: Collection[Level]) -> dict[Key, Pair]:
        """As `StatsRepository.funnel_depths`: how many come exactly as far as a stage is how many come at least as far,
        without those who come further."""
        reaching: dict[tuple[str, ...], dict[int, Pair]] = defaultdict(dict)
        for cell, pair in _between(self._depths, window, levels):
            reaching[cell[1:4]][cell.thing] = pair
        found: dict[Key, Pair] = {}
        for place, pairs in reaching.items():
            for stage, further in pairwise((*self._thresholds, BEYOND)):
                there, beyond = pairs.get(stage, ZERO), pairs.get(further, ZERO)
                exactly = Pair(there.total - beyond.total, there.unique - beyond.unique)
                if exactly != ZERO:
                    found[(target, *place, stage)] = exactly
        return found


BEYOND = -1
"""In place of the threshold after the last one: nobody comes as far."""

ROW_BYTES = 400
"""Rough memory of a row that is kept as objects, in bytes."""


def _bounds(window: Window) -> tuple[int, int]:
    return epoch_milliseconds(window.start), epoch_milliseconds(window.end)


def _between(histories: Histories[Any], window: Window, levels: Collection[Level]) -> list[tuple[Cell[Any], Pair]]:
    wanted = {level.bits for level in levels}
    return [(cell, pair) for cell, pair in histories.between(*_bounds(window)).items() if cell.level in wanted]
