"""What was counted for one target of a page: a campaign, a channel, or everything."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from campanile.campaigns.schemas import Campaign
from campanile.metrics.pairs import ZERO, Pair
from campanile.metrics.snapshots import Cells

ALL_TOGETHER = ("", "", "")
"""The place of everything, over platforms, locales and variations."""


class Tally:
    """What was found for one target."""

    def __init__(self) -> None:
        self.counts: dict[str, Pair] = {}
        self.conversions = 0
        self.converted = 0
        self.revenue: dict[str, Decimal] = defaultdict(Decimal)

    def count(self, metric: str, pair: Pair) -> None:
        known = self.counts.get(metric, ZERO)
        self.counts[metric] = Pair(known.total + pair.total, known.unique + pair.unique)

    def convert(self, root: Campaign, goal: str, total: int, unique: int, paid: Decimal) -> None:
        currency = next((item.revenue_currency for item in root.goals if item.name == goal), "")
        self.conversions += total
        self.converted += unique
        if paid:
            self.revenue[currency] += paid

    def report(self, campaign: Campaign, cells: Cells, members: frozenset[str], attribution: str) -> None:
        """Add what senders reported as numbers."""
        sums = cells.sums(members, ALL_TOGETHER, attribution)
        for metric, pair in sums.counts.items():
            self.count(metric, pair)
        for goal, (total, unique, paid) in sums.goals.items():
            self.convert(campaign, goal, total, unique, paid)

    def add_conversions(self, other: Tally) -> None:
        self.conversions += other.conversions
        self.converted += other.converted
        for currency, paid in other.revenue.items():
            self.revenue[currency] += paid
