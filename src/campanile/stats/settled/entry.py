"""One campaign with all it was ever asked for, ready for every range of days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from campanile.kit.times import Window, epoch_milliseconds
from campanile.metrics.funnel import reason_stages
from campanile.metrics.pairs import ZERO, Pair
from campanile.metrics.rows import METRIC_KEYS, BotMode, UnsubscribeBot
from campanile.stats.levels import Level
from campanile.stats.repository import Dimension, Key
from campanile.stats.settled.histories import Cell, Histories

GoalKey = tuple[str, str]
"""(attribution, goal)."""

Place = tuple[str, str, str]
"""(platform, locale, variation) of an event, '' where it has none."""


class Setting(msgspec.Struct, frozen=True):
    """Everything but the log that the integers depend on. An entry made under another setting is of no use."""

    members: tuple[str, ...]
    """Campaigns whose events count, sorted."""
    implied: tuple[str, ...]
    """Those of them whose attempts are implied."""
    channel: str
    timezone: str
    bot_mode: BotMode
    unsubscribe_bot: UnsubscribeBot
    show_ios_impressions: bool
    merged_through: int
    """Merges of users up to which the log was read; 0 where there are none."""


class Kinds(NamedTuple):
    """How many rows there are of each kind, as `dimensions` counts them."""

    events: int = 0
    failures: int = 0
    qualifications: int = 0
    survivors: int = 0

    def plus(self, other: Kinds) -> Kinds:
        return Kinds(*(one + more for one, more in zip(self, other, strict=True)))


class Integers(msgspec.Struct, frozen=True):
    """What was counted of one target. Everything in it adds up, over shards and over users."""

    kinds: Mapping[tuple[int, Place], Kinds]
    """Per day and place that has rows."""
    counts: Histories[int]
    failures: Histories[str]
    attributed: Histories[GoalKey]
    revenue: Mapping[tuple[Cell[GoalKey], int], Decimal]
    """Per cell and day."""
    depths: Histories[int]
    """How many come at least as far as a threshold."""

    def plus(self, other: Integers) -> Integers:
        """Both together."""
        kinds, revenue = dict(self.kinds), dict(self.revenue)
        for where, more in other.kinds.items():
            kinds[where] = kinds[where].plus(more) if where in kinds else more
        for what, paid in other.revenue.items():
            revenue[what] = revenue.get(what, Decimal(0)) + paid
        return Integers(
            kinds,
            self.counts.plus(other.counts),
            self.failures.plus(other.failures),
            self.attributed.plus(other.attributed),
            revenue,
            self.depths.plus(other.depths),
        )


class Extent(NamedTuple):
    """What the log holds of some campaigns together."""

    first: int
    last: int
    """Instants, in UTC epoch milliseconds."""
    oldest: int
    newest: int
    """Lowest and highest sequence."""
    rows: int

    def plus(self, other: Extent) -> Extent:
        first, last = min(self.first, other.first), max(self.last, other.last)
        oldest, newest = min(self.oldest, other.oldest), max(self.newest, other.newest)
        return Extent(first, last, oldest, newest, self.rows + other.rows)


class Settled:
    """Integers of one target as of `mark`, the sequence up to which the log was read.

    `moment` is when that was, where this process sees everything that is written.
    """

    def __init__(
        self,
        setting: Setting,
        mark: int,
        moment: int | None,
        extent: Extent,
        levels: Collection[Level],
        integers: Integers,
        horizon: int,
    ) -> None:
        self.setting = setting
        self.mark = mark
        self.moment = moment
        self.extent = extent
        self.levels = frozenset(levels)
        self.integers = integers
        self.horizon = horizon

    def plus(self, mark: int, moment: int | None, extent: Extent, integers: Integers) -> Settled:
        """With what came in up to another mark."""
        return Settled(
            self.setting,
            mark,
            moment,
            self.extent.plus(extent),
            self.levels,
            self.integers.plus(integers),
            self.horizon,
        )

    def confirm(self, mark: int, moment: int | None) -> None:
        """Nothing has come in up to another mark."""
        self.mark = mark
        self.moment = moment

    @property
    def size_bytes(self) -> int:
        """Rough memory, in bytes."""
        held = self.integers
        histories = (held.counts, held.failures, held.attributed, held.depths)
        return sum(each.size_bytes for each in histories) + ROW_BYTES * (len(held.kinds) + len(held.revenue))

    @property
    def places(self) -> set[Place]:
        """Everything its events are in."""
        return {place for _, place in self.integers.kinds}

    def spans(self, window: Window) -> bool:
        """Whether a range is not longer than what users did before is kept."""
        start, end = _bounds(window)
        return end - start <= self.horizon

    def knows(self, levels: Iterable[Level]) -> bool:
        return self.levels.issuperset(levels)

    def dimensions(self, window: Window) -> list[Dimension]:
        """As `StatsRepository.dimensions`, of all members together."""
        start, end = _bounds(window)
        found: dict[Place, Kinds] = {}
        for (day, place), kinds in self.integers.kinds.items():
            if kinds.events and start <= day < end:
                found[place] = found.get(place, Kinds()).plus(kinds)
        return [Dimension(*place, *kinds) for place, kinds in found.items()]

    def counts(self, target: int, window: Window, levels: Collection[Level]) -> dict[Key, Pair]:
        """As `StatsRepository.counts`."""
        return {
            (target, *cell[1:4], METRIC_KEYS[cell.thing]): pair
            for cell, pair in _between(self.integers.counts, window, levels)
        }

    def failures(self, target: int, window: Window, levels: Collection[Level]) -> dict[Key, Pair]:
        """As `StatsRepository.failures`."""
        return {(target, *cell[1:]): pair for cell, pair in _between(self.integers.failures, window, levels)}

    def attributed(
        self, target: int, window: Window, levels: Collection[Level], attribution: str
    ) -> dict[Key, tuple[int, int, Decimal]]:
        """As `StatsRepository.attributed_conversions`."""
        start, end = _bounds(window)
        paid: dict[Cell[GoalKey], Decimal] = defaultdict(Decimal)
        for (cell, day), amount in self.integers.revenue.items():
            if start <= day < end:
                paid[cell] += amount
        return {
            (target, *cell[1:4], cell.thing[1]): (pair.total, pair.unique, paid[cell])
            for cell, pair in _between(self.integers.attributed, window, levels)
            if cell.thing[0] == attribution
        }

    def depths(self, target: int, window: Window, levels: Collection[Level]) -> dict[Key, Pair]:
        """As `StatsRepository.funnel_depths`: how many come exactly as far as a stage is how many come at least as far,
        without those who come further."""
        reaching: dict[tuple[str, ...], dict[int, Pair]] = defaultdict(dict)
        for cell, pair in _between(self.integers.depths, window, levels):
            reaching[cell[1:4]][cell.thing] = pair
        found: dict[Key, Pair] = {}
        for place, pairs in reaching.items():
            for stage, further in pairwise((*thresholds(self.setting.channel), BEYOND)):
                there, beyond = pairs.get(stage, ZERO), pairs.get(further, ZERO)
                exactly = Pair(there.total - beyond.total, there.unique - beyond.unique)
                if exactly != ZERO:
                    found[(target, *place, stage)] = exactly
        return found


NEVER_STAGE = 255
"""Stage of those who leave at none."""

BEYOND = -1
"""In place of the threshold after the last one: nobody comes as far."""

ROW_BYTES = 400
"""Rough memory of a row that is kept as objects, in bytes."""


def thresholds(channel: str) -> list[int]:
    """Stages of a channel's funnel, ascending."""
    return sorted({*reason_stages(channel).values(), NEVER_STAGE})


def _bounds(window: Window) -> tuple[int, int]:
    return epoch_milliseconds(window.start), epoch_milliseconds(window.end)


def _between(histories: Histories[Any], window: Window, levels: Collection[Level]) -> list[tuple[Cell[Any], Pair]]:
    wanted = {level.bits for level in levels}
    return [(cell, pair) for cell, pair in histories.between(*_bounds(window)).items() if cell.level in wanted]
