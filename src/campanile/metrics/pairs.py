"""A count under both metric types."""

from __future__ import annotations

from typing import Literal, NamedTuple

MetricType = Literal["TOTAL", "UNIQUE"]


class Pair(NamedTuple):
    """One count of one node (metrics specification 2.1)."""

    total: int
    """Number of events."""
    unique: int
    """Number of distinct users among exactly those events."""

    def under(self, metric_type: MetricType) -> int:
        return self.total if metric_type == "TOTAL" else self.unique


ZERO = Pair(0, 0)
