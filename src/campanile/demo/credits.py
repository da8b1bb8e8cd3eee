"""The purchases each campaign of the sample shop earned, counted from its rows by searching sorted arrays.

Written from the rules of attribution, not from the program: a check that shares nothing with what it checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Literal

import msgspec
import numpy as np

from campanile.demo.documents import attribution_hours
from campanile.demo.messages import HOUR
from campanile.demo.people import PLATFORMS, Bools, Ints
from campanile.demo.plans import PURCHASE_EVENT, Plan
from campanile.demo.table import KINDS, PERSONAL_PLATFORM_CHANNELS, REASONS, VARIATIONS, Table
from campanile.demo.world import Demo

VIEW_THROUGH: Literal["VIEW_THROUGH"] = "VIEW_THROUGH"
TOTAL_CONVERSIONS: Literal["TOTAL_CONVERSIONS"] = "TOTAL_CONVERSIONS"
CHECKED = (VIEW_THROUGH, TOTAL_CONVERSIONS)
"""One attribution type of each model."""
CONTROL_GROUPS = ("campaign_control_group", "global_control_group")
EVERY_VARIATION = "all_variations"
_CLICK, _VIEW, _SEND = 3, 2, 1
_DEPTHS: Mapping[str, Mapping[str, int]] = {
    "PUSH": {"click": _CLICK, "impression": _VIEW, "sent": _SEND},
    "EMAIL": {"click": _CLICK, "open": _VIEW, "delivered": _SEND, "sent": _SEND},
    "SMS": {"click": _CLICK, "delivered": _VIEW, "sent": _SEND},
    "WHATSAPP": {"click": _CLICK, "read": _VIEW, "delivered": _SEND, "sent": _SEND},
    "CARDS": {"click": _CLICK, "impression": _VIEW, "delivered": _SEND, "sent": _SEND},
}
_SHOWN = {"click": _CLICK, "impression": _VIEW}
_VIEWS = {"PUSH": "impression", "EMAIL": "open", "SMS": "delivered", "WHATSAPP": "delivered"}
"""What starts the view window; impressions where nothing is said."""

_Worth = Callable[[Plan], Mapping[str, int]]
"""Says which events of a campaign count, and how much."""
Place = tuple[str, str]
"""Platform as the default response dialect spells it, and variation or control group."""


class Earned(msgspec.Struct, frozen=True):
    """Purchases credited in one place."""

    total: int
    unique: int
    """Different (person, run or trigger) pairs."""
    cents: int


class _Touches(msgspec.Struct, frozen=True):
    """Events of one or several campaigns that may earn credit, in order of person and time."""

    person: Ints
    time: Ints
    until: Ints
    """When the window of each closes."""
    root: Ints
    """Number of the campaign that reports."""
    instance: Ints
    platform: Ints
    variation: Ints
    depth: Ints

    def where(self, chosen: Bools) -> _Touches:
        return _Touches(*(getattr(self, name)[chosen] for name in self.__struct_fields__))


class Credits:
    """All purchases of some local days, and who earned them."""

    def __init__(self, demo: Demo, first: date, last: date) -> None:
        calendar, orders = demo.calendar, demo.orders
        start = calendar.instant((demo.today - first).days, 0.0)
        end = calendar.instant((demo.today - last).days - 1, 0.0)
        inside = (orders.time >= start) & (orders.time < end)
        self._person, self._time, self._cents = orders.person[inside], orders.time[inside], orders.cents[inside]
        self._tables = [table for table in demo.tables if PURCHASE_EVENT in table.plan.goals]
        self.roots: list[Plan] = []
        """Campaigns whose purchases can be counted; runs count for their parent only."""
        self._numbers: dict[str, int] = {}
        for table in self._tables:
            if not table.plan.parent:
                self._numbers[table.plan.key] = len(self.roots)
                self.roots.append(table.plan)
        self._views = self._touches(_views)
        self._all = self._touches(_depths)
        self._held = {group: self._touches(_hold_outs(group)) for group in CONTROL_GROUPS}

    def of(self, root: Plan, attribution: str) -> dict[Place, Earned]:
        """What one campaign earned, per platform over all variations and for each."""
        touches = self._views if attribution == VIEW_THROUGH else self._all
        order, touch = self._won(root, touches, alone=attribution == VIEW_THROUGH)
        personal = root.channel in PERSONAL_PLATFORM_CHANNELS
        places: dict[Place, Earned] = {}
        for platform in np.unique(touches.platform[touch]) if personal else [0]:
            here = touches.platform[touch] == platform if personal else np.ones(touch.size, dtype=np.bool_)
            name = PLATFORMS[platform].lower() if personal else root.channel
            places[(name, EVERY_VARIATION)] = self._earned(touches, order[here], touch[here])
            for variation in root.variations if len(root.variations) > 1 else ():
                mine = here & (touches.variation[touch] == VARIATIONS.index(variation.name))
                places[(name, variation.name)] = self._earned(touches, order[mine], touch[mine])
        return places

    def held_out(self, root: Plan, attribution: str) -> dict[Place, Earned]:
        """What the people in the control groups of a campaign bought, where it has one platform."""
        if root.channel in PERSONAL_PLATFORM_CHANNELS:
            return {}
        found = {}
        for group in CONTROL_GROUPS:
            held = self._held[group]
            order, touch = self._won(root, held, alone=attribution == VIEW_THROUGH)
            if order.size:
                found[(root.channel, group)] = self._earned(held, order, touch)
        return found

    def _earned(self, touches: _Touches, order: Ints, touch: Ints) -> Earned:
        pairs = {*zip(self._person[order].tolist(), touches.instance[touch].tolist(), strict=True)}
        return Earned(int(order.size), len(pairs), int(self._cents[order].sum()))

    def _touches(self, worth: _Worth) -> _Touches:
        blocks = [self._block(number, table, worth) for number, table in enumerate(self._tables)]
        names = _Touches.__struct_fields__
        empty = np.zeros(0, dtype=np.int64)
        joined = _Touches(*(np.concatenate([empty, *(getattr(block, name) for block in blocks)]) for name in names))
        order = np.lexsort((joined.platform, joined.time, joined.person))  # event ids tell platforms apart last
        return _Touches(*(getattr(joined, name)[order] for name in names))

    def _block(self, number: int, table: Table, worth: _Worth) -> _Touches:
        plan, columns = table.plan, table.columns()
        depth = np.zeros(len(table), dtype=np.int64)
        for name, value in worth(plan).items():
            kind, _, reason = name.partition(":")
            chosen = columns["kind"] == KINDS.index(kind)
            if reason:
                chosen &= columns["reason"] == REASONS.index(reason)
            depth[chosen] = value
        counts = depth > 0
        return _Touches(
            person=columns["person"][counts],
            time=columns["time"][counts],
            until=columns["time"][counts] + attribution_hours(plan) * HOUR,
            root=np.full(int(counts.sum()), self._numbers[plan.parent or plan.key], dtype=np.int64),
            instance=number + len(self._tables) * columns["instance"][counts],
            platform=columns["platform"][counts],
            variation=columns["variation"][counts],
            depth=depth[counts],
        )

    def _latest(self, touches: _Touches) -> tuple[Ints, Ints]:
        """Numbers of the purchases with an open window, and of the latest touch that opened one."""
        place = np.searchsorted(_key(touches.person, touches.time), _key(self._person, self._time), side="right") - 1
        known = place >= 0
        order, touch = np.flatnonzero(known), place[known]
        open_ = (touches.person[touch] == self._person[order]) & (touches.until[touch] >= self._time[order])
        return order[open_], touch[open_]

    def _won(self, root: Plan, touches: _Touches, *, alone: bool) -> tuple[Ints, Ints]:
        """The purchases a campaign earned and its touches; `alone`: it does not compete with the others."""
        mine = touches.root == self._numbers[root.key]
        if alone:
            order, touch = self._latest(touches.where(mine))
            return order, np.flatnonzero(mine)[touch]
        order, touch = self._deepest(touches)
        return order[mine[touch]], touch[mine[touch]]

    def _deepest(self, touches: _Touches) -> tuple[Ints, Ints]:
        """As `_latest` where campaigns with different windows compete: the deepest open touch, of those the latest."""
        best = np.full(self._time.size, -1, dtype=np.int64)
        spans = touches.until - touches.time
        for depth in (_CLICK, _VIEW, _SEND):
            found = np.full(self._time.size, -1, dtype=np.int64)
            for span in np.unique(spans):  # windows of one length close in the order in which they open
                chosen = (touches.depth == depth) & (spans == span)
                order, touch = self._latest(touches.where(chosen))
                touch = np.flatnonzero(chosen)[touch]
                later = (found[order] < 0) | (touches.time[touch] > touches.time[found[order]])
                found[order[later]] = touch[later]
            best = np.where(best < 0, found, best)
        won = np.flatnonzero(best >= 0)
        return won, best[won]


def _views(plan: Plan) -> Mapping[str, int]:
    return {"sent" if not plan.delivery_tracking else _VIEWS.get(plan.channel, "impression"): 1}


def _depths(plan: Plan) -> Mapping[str, int]:
    depths = _DEPTHS.get(plan.channel, _SHOWN)
    return depths if plan.delivery_tracking else {**depths, "sent": _VIEW}


def _hold_outs(group: str) -> _Worth:
    def worth(_: Plan) -> Mapping[str, int]:
        return {f"removed:{group}": 1}

    return worth


def _key(person: Ints, time: Ints) -> Ints:
    """One number that sorts by person, then time: milliseconds since 1970 have 41 bits."""
    return (person << 42) + time
