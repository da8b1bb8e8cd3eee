"""Answers about conversions."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Conversions(msgspec.Struct, frozen=True):
    """Conversions of one goal in one node."""

    total: int = 0
    """Credited events."""
    unique: int = 0
    """Distinct (user, instance) pairs with at least one of them."""
    revenue: Decimal = Decimal(0)

    def __add__(self, other: Conversions) -> Conversions:
        return Conversions(self.total + other.total, self.unique + other.unique, self.revenue + other.revenue)


NO_CONVERSIONS = Conversions()

CreditKey = tuple[int, str, str, str, str]
"""(target number, platform, locale, variation, goal name); '' = rolled up."""
ControlKey = tuple[int, str, str, str]
"""(target number, control group, platform, goal name); '' = all platforms."""
HoldoutKey = tuple[int, str, str]
"""(target number, control group, platform); '' = all platforms."""


class ControlNumbers(msgspec.Struct, frozen=True):
    """What the control groups of some campaigns did."""

    conversions: dict[ControlKey, Conversions]
    held_out: dict[HoldoutKey, int]
    """Distinct (user, instance) pairs held out in the range: what their conversion rate divides by."""
