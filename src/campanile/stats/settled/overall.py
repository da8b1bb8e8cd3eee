"""A campaign as a whole, from its integers: what lists, series and comparisons need, without the nodes of its tree."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from campanile.kit.times import Window
from campanile.metrics.pairs import Pair
from campanile.stats.levels import Level
from campanile.stats.settled.entry import Settled

EVERYWHERE = Level(False, False, False)
ONE_PLATFORM = Level(True, False, False)


class Overall(NamedTuple):
    """An entry, and the level on which it holds everything together."""

    entry: Settled
    level: Level

    @classmethod
    def of(cls, entry: Settled, days: Window) -> Overall | None:
        """None where the entry does not answer for ranges of that length."""
        if not entry.spans(days):
            return None
        if entry.knows([EVERYWHERE]):
            return cls(entry, EVERYWHERE)
        platforms = {platform for platform, _, _ in entry.places}  # a single one is everything there is
        return cls(entry, ONE_PLATFORM) if len(platforms) <= 1 and entry.knows([ONE_PLATFORM]) else None

    def counts(self, days: Window) -> dict[str, Pair]:
        """By metric key, over all platforms, locales and variations."""
        return {key[-1]: pair for key, pair in self.entry.counts(0, days, [self.level]).items()}

    def attributed(self, days: Window, attribution: str) -> dict[str, tuple[int, int, Decimal]]:
        """Conversions that senders attributed, by goal: events, users, revenue."""
        found = self.entry.attributed(0, days, [self.level], attribution)
        return {key[-1]: figures for key, figures in found.items()}
