"""Answers about conversions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from campanile.attribution.plan import Plan
from campanile.attribution.rules import Attribution
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


class ArmSizes(msgspec.Struct, frozen=True):
    """Distinct (user, instance) pairs of one arm of an experiment, by what happened to them in the range."""

    tried: int = 0
    """An attempt, or what came of one."""
    sent: int = 0
    viewed: int = 0
    seen: int = 0
    """A view or a click."""
    touched: int = 0
    """Anything that can earn credit in the last-interaction types."""

    def exposed(self, attribution: Attribution) -> int:
        """Those among whom the conversions of an attribution type happen: with a view, or with a touch that counts."""
        match attribution:
            case "VIEW_THROUGH":
                return self.viewed
            case "TOTAL_CONVERSIONS":
                return self.touched
        return self.seen


NO_ONE = ArmSizes()

Arm = tuple[str, str]
"""(control group, variation): '' is the treated arm, and all variations."""


class Members(msgspec.Struct, frozen=True):
    """Who takes part in the experiments of a campaign."""

    sizes: Mapping[Arm, ArmSizes]
    """All five numbers of a control group are its hold-outs."""
    people: Mapping[str, int]
    """Distinct users by control group; '' are those the campaign was sent to."""
    in_both: Mapping[str, int]
    """By control group: users who were held out and sent to, be it for different instances."""
    pairs_in_both: Mapping[str, int]
    """The same for (user, instance) pairs: drawn again for the same instance, or sent to although held out."""
    last_at: int
    """When the last of them was sent to, held out or reached, in milliseconds since 1970; 0 without anybody."""


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


class Basis(msgspec.Struct, frozen=True):
    """Everything but the log that the conversions of a campaign depend on."""

    plan: Plan
    """How events are matched and credited, and whose touches are read."""
    counted: tuple[str, ...]
    """Those campaigns whose credits are the campaign's own: itself and its runs."""
    goals: tuple[str, ...]
    """Names by number, from 1."""

    @property
    def names(self) -> list[str]:
        """Names of the events that may be conversions."""
        found: list[str] = self.plan.parameters["names"]
        return found

    @property
    def reach(self) -> int:
        """How long after a touch a conversion may be, in milliseconds."""
        found: int = self.plan.parameters["reach"]
        return found


class CreditRows(NamedTuple):
    """Rows that answer for every range of days. Those of control groups name (group, goal) in place of the goal."""

    histories: list[tuple[Any, ...]]
    """(level, platform, locale, variation, goal name, day, day before, conversions, pairs)."""
    revenue: list[tuple[Any, ...]]
    """(level, platform, locale, variation, goal name, day, revenue)."""
    held_out: Sequence[tuple[Any, ...]] = ()
    """(level, platform, '', '', group, day, day before, hold-outs, pairs)."""
