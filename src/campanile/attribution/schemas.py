"""Answers about conversions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from campanile.campaigns.schemas import Campaign
from campanile.kit.times import Window
from campanile.workspaces.schemas import Workspace


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


class RowScope(msgspec.Struct, frozen=True):
    """Rows of a report: whose credits count for which of them."""

    workspace: Workspace
    targets: tuple[Campaign, ...]
    """Campaigns with rows, by number."""
    slots: Mapping[str, Sequence[int]]
    """Campaign id → 8 · target + level for everything its credits count for."""
    window: Window
    days: Sequence[int]
    """When the days of the window start, in milliseconds, ascending."""
    by_day: bool
    """Whether every day has rows of its own."""
    as_of: int
    """The sequence of the last events that are seen."""


class CreditedRow(NamedTuple):
    """Conversions of one goal in one row."""

    place: tuple[int, int, str, str, str]
    """(target number, start of the day or 0, platform, locale, variation); a line feed is an empty locale or
    variation."""
    goal: str
    conversions: Conversions


class ControlRow(NamedTuple):
    """Conversions of one control group."""

    target: int
    day: int
    group: str
    platform: str
    goal: str
    unique: int


class HeldOutRow(NamedTuple):
    """Members of one control group."""

    target: int
    day: int
    group: str
    platform: str
    pairs: int
