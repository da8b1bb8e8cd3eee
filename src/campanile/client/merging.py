"""TOTAL numbers of adjoining windows as those of the whole range, as far as they can be known.

Events add up over days; people do not. So counts of events are added, rates of such counts are computed anew from the
sums, and everything that counts people (`unique` conversions, `cvr`, uplifts, user-level funnel steps, rates of unique
counts) is left out: its value for the range is in no answer for a part of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Numbers = Mapping[str, int | float]
Merge = Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]

PERFORMANCE, GOALS = "performance_stats", "conversion_goal_stats"
FUNNEL, FAILURES = "delivery_funnel", "failure_breakdown"

FRACTIONS: Mapping[str, Sequence[tuple[str, str]]] = {
    "ctr": (("click", "impression"), ("click", "delivered"), ("click", "sent")),
    "delivery_rate": (("delivered", "sent"), ("impression", "sent")),
    "sent_rate": (("sent", "attempted"),),
    "failure_rate": (("attempted-sent", "attempted"), ("failed", "attempted")),
    "unsub_rate": (("unsubscribe", "delivered"),),
    "bounce_rate": (("bounced", "sent"), ("bounce", "sent")),
    "complaints_rate": (("complaint", "delivered"),),
    "adjusted_ctr": (("human_click", "delivered"),),
}
"""Numerators and denominators a rate may have, by channel. The one that explains the rate of every window is it."""
UNIQUE_CTR = "WHATSAPP"
"""Platform whose click rate counts people whatever was asked for."""
ROUNDING = 0.0051
"""By how much a rate of two decimals may differ from its fraction."""
EVENT_STEPS = frozenset({"sent", "delivered", "impressions"})
"""Funnel steps that count events."""
EVENT_GOALS = frozenset({"total", "conversions", "revenue"})
"""Members of a goal that count events, or add up as they do, under TOTAL."""
LEVELS = ("platforms", "locales", "variations")
_RATE_NAMES = ("rate", "ctr", "ctor", "cvr", "uplift")


def merge(trees: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The `data` of the whole range from that of its windows, and the names of what it cannot have."""
    left_out: set[str] = set()
    merged: dict[str, Any] = {}
    for campaign in _keys(trees):
        entries = [tree[campaign][0] for tree in trees if tree.get(campaign)]
        unique_ctr = any(UNIQUE_CTR in entry.get("platforms", {}) for entry in entries)
        node = functools.partial(_node, unique_ctr, left_out)
        merged[campaign] = [_level(LEVELS, entries, node)]
    return merged, tuple(sorted(left_out))


def _level(levels: Sequence[str], parts: Sequence[Mapping[str, Any]], node: Merge) -> dict[str, Any]:
    """One level of the tree: each key with what the windows that have it say below it."""
    if not levels:
        return node(parts)
    below = [part.get(levels[0], {}) for part in parts]
    keys = {key: [part[key] for part in below if key in part] for key in _keys(below)}
    return {levels[0]: {key: _level(levels[1:], found, node) for key, found in keys.items()}}


def _keys(mappings: Sequence[Mapping[str, Any]]) -> list[str]:
    """All keys, in the order of their first appearance."""
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))


def _node(unique_ctr: bool, left_out: set[str], nodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    if any(PERFORMANCE in node for node in nodes):
        merged[PERFORMANCE] = _performance([node.get(PERFORMANCE, {}) for node in nodes], unique_ctr, left_out)
    goals = [node.get(GOALS, {}) for node in nodes]
    merged[GOALS] = {name: _goal([goal[name] for goal in goals if name in goal], left_out) for name in _keys(goals)}
    funnels = [node.get(FUNNEL, {}) for node in nodes]
    merged[FUNNEL] = {name: _sum(funnels, name) for name in _keys(funnels) if name in EVENT_STEPS}
    left_out |= {f"{FUNNEL}.{name}" for name in _keys(funnels) if name not in EVENT_STEPS}
    failures = [node.get(FAILURES, {}) for node in nodes]
    merged[FAILURES] = {name: _sum(failures, name) for name in _keys(failures)}
    return merged


def _performance(parts: Sequence[Numbers], unique_ctr: bool, left_out: set[str]) -> dict[str, int | float]:
    names = _keys(parts)
    sums = {name: _sum(parts, name) for name in names if not _is_rate(name)}
    merged: dict[str, int | float] = {}
    for name in names:
        if name in sums:
            merged[name] = sums[name]
            continue
        value = None if unique_ctr and name == "ctr" else _rate(name, parts, sums)
        if value is None:
            left_out.add(f"{PERFORMANCE}.{name}")
        else:
            merged[name] = value
    return merged


def _is_rate(name: str) -> bool:
    return name in FRACTIONS or name.endswith(_RATE_NAMES)


def _rate(name: str, parts: Sequence[Numbers], sums: Numbers) -> int | float | None:
    """The rate of the sums by the fraction that gives the rate of each window; None if there is none."""
    for numerator, denominator in FRACTIONS.get(name, ()):
        if all(_explains(part, name, numerator, denominator) for part in parts if name in part):
            return percentage(_term(sums, numerator), sums.get(denominator, 0))
    return None


def _explains(part: Numbers, name: str, numerator: str, denominator: str) -> bool:
    if denominator not in part or any(term not in part for term in numerator.split("-")):
        return False
    over = part[denominator]
    exact = 100 * _term(part, numerator) / over if over else 0
    return abs(exact - part[name]) <= ROUNDING


def _term(numbers: Numbers, term: str) -> int | float:
    """A count, or a difference of two that never goes below 0."""
    more, _, less = term.partition("-")
    return max(0, numbers.get(more, 0) - numbers.get(less, 0)) if less else numbers.get(more, 0)


def percentage(n: int | float, d: int | float) -> int | float:
    """100 · n / d with two decimals, half up, as the Stats API gives it; 0 when `d` is 0."""
    if not d:
        return 0
    hundredths = int((20_000 * n + d) // (2 * d))
    return hundredths // 100 if hundredths % 100 == 0 else hundredths / 100


def _goal(parts: Sequence[Mapping[str, Any]], left_out: set[str]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for name in _keys(parts):
        if name == "goal_name":
            merged[name] = parts[0].get(name)
        elif name in EVENT_GOALS:
            merged[name] = _sum(parts, name)
        elif name == "average_order_value" and "total" in parts[0]:
            total = _sum(parts, "total")
            merged[name] = round(_sum(parts, "revenue") / total, 2) if total else 0
        else:
            left_out.add(f"{GOALS}.{name}")
    return merged


def _sum(parts: Sequence[Mapping[str, Any]], name: str) -> int | float:
    total: int | float = sum(part.get(name, 0) for part in parts)
    return round(total, 2) if isinstance(total, float) else total
