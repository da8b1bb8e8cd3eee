"""Counts of the sample shop made straight from its rows, and their comparison with an answer of the Stats API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from campanile.demo.credits import Credits
from campanile.demo.people import LOCALES, PLATFORMS, Bools, Ints
from campanile.demo.plans import PLANS, PURCHASE_GOAL, VISIT_EVENT, VISIT_GOAL
from campanile.demo.table import KINDS, PERSONAL_PLATFORM_CHANNELS, VARIATIONS
from campanile.demo.world import Demo

_MAIL: Mapping[str, tuple[str, ...]] = {
    "opened": ("open",),
    "bounced": ("hard_bounce", "soft_bounce"),
    "hard_bounce": ("hard_bounce",),
    "soft_bounce": ("soft_bounce",),
    "unsubscribe": ("unsubscribe",),
    "complaint": ("complaint",),
}
_TRIED: Mapping[str, tuple[str, ...]] = {"attempted": ("attempted",), "sent": ("sent",), "failed": ("failed",)}
_ARRIVED: Mapping[str, tuple[str, ...]] = {"delivered": ("delivered",), "click": ("click",)}
_SHOWN: Mapping[str, tuple[str, ...]] = {"impression": ("impression",), "click": ("click",)}
_CLOSED: Mapping[str, tuple[str, ...]] = {**_SHOWN, "closed_click": ("close",)}
_SYNCED: Mapping[str, tuple[str, ...]] = {
    "attempted": ("attempted",),
    "sent": ("sent",),
    "eligible_users": ("qualified",),
    "successfully_synced": ("synced",),
}

FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "PUSH": {**_TRIED, **_SHOWN},
    "EMAIL": {**_TRIED, **_ARRIVED, **_MAIL},
    "SMS": {**_TRIED, **_ARRIVED},
    "WHATSAPP": {"sent": ("sent",), **_ARRIVED, "read": ("read",)},
    "IN_APP": _CLOSED,
    "OSM": _CLOSED,
    "WEB_PERSONALIZATION": _CLOSED,
    "CARDS": {"sent": ("sent",), "delivered": ("delivered",), **_SHOWN},
    "CONNECTOR": _TRIED,
    "FACEBOOK_AUDIENCE": _SYNCED,
    "GOOGLE_ADS_AUDIENCE": _SYNCED,
}
"""Per channel: the fields of `performance_stats` that are compared, and the event types each one counts."""

Node = tuple[str, str, str]
"""Platform, locale and variation keys as the default response dialect spells them."""


class Comparison(msgspec.Struct, frozen=True):
    """What came of comparing an answer with our own counts."""

    checked: int
    """Numbers compared."""
    wrong: tuple[str, ...]
    """One sentence per number that differs or is missing."""


def expected(demo: Demo, campaign_id: str, first: date, last: date, metric_type: str) -> dict[Node, dict[str, int]]:
    """The counters of every node of a campaign (a parent includes its runs) on the local days `first`..`last`."""
    tables = [table for table in demo.tables if campaign_id in (table.plan.campaign_id, table.plan.parent_id)]
    channel = tables[0].plan.channel
    columns = {
        name: np.concatenate([table.columns()[name] for table in tables])
        for name in ("kind", "person", "platform", "locale", "variation", "time")
    }
    start = demo.calendar.instant((demo.today - first).days, 0.0)
    end = demo.calendar.instant((demo.today - last).days - 1, 0.0)
    inside: Bools = (columns["time"] >= start) & (columns["time"] < end)
    columns = {name: values[inside] for name, values in columns.items()}

    nodes: dict[Node, dict[str, int]] = {}
    for node, rows in _nodes(channel, columns):
        counts = {}
        for field, kinds in FIELDS[channel].items():
            chosen = rows & np.isin(columns["kind"], [KINDS.index(kind) for kind in kinds])
            persons = columns["person"][chosen]
            counts[field] = int(np.unique(persons).size if metric_type == "UNIQUE" else persons.size)
        nodes[node] = counts
    return nodes


def _nodes(channel: str, columns: Mapping[str, Ints]) -> Iterator[tuple[Node, Bools]]:
    every = np.ones(columns["kind"].size, dtype=np.bool_)
    if channel in PERSONAL_PLATFORM_CHANNELS:
        platforms = [
            (PLATFORMS[code].lower(), columns["platform"] == code) for code in np.unique(columns["platform"]) if code
        ]
    else:
        platforms = [(channel, every)]
    locales = _split(columns["locale"], LOCALES)
    variations = _split(columns["variation"], VARIATIONS)
    for platform, on_platform in platforms:
        for locale, in_locale in [("all_locales", every), *locales]:
            for variation, of_variation in [("all_variations", every), *variations]:
                rows = on_platform & in_locale & of_variation
                if rows.any():
                    yield (platform, locale, variation), rows


def _split(values: Ints, names: Sequence[str]) -> list[tuple[str, Bools]]:
    """The parts of a dimension; none where there is only one."""
    codes = [int(code) for code in np.unique(values) if code]
    return [(names[code], values == code) for code in codes] if len(codes) > 1 else []


def compare(demo: Demo, answer: Mapping[str, Any], first: date, last: date, metric_type: str) -> Comparison:
    """Compare the `data` of an answer (conversions: view-through) with our own counts, for the whole shop."""
    checked = 0
    wrong: list[str] = []
    data = answer.get("data", {})
    for campaign_id in (plan.campaign_id for plan in PLANS):
        for node, counts in expected(demo, campaign_id, first, last, metric_type).items():
            stats = performance(data, campaign_id, node)
            for field, count in counts.items():
                checked += 1
                found = None if stats is None else stats.get(field)
                if found != count:
                    wrong.append(f"{campaign_id} {' / '.join(node)} {field}: expected {count}, the answer has {found}")
        for name, value in expected_visits(demo, campaign_id, first, last).items():
            checked += 1
            found = (_goals(data, campaign_id, "EMAIL").get(VISIT_GOAL) or {}).get(name)
            if found != value:
                wrong.append(f"{campaign_id} {VISIT_GOAL} {name}: expected {value}, the answer has {found}")
    return Comparison(checked, tuple(wrong))


def expected_visits(demo: Demo, campaign_id: str, first: date, last: date) -> dict[str, float]:
    """The view-through conversions that the tills of the shop attributed; empty for campaigns without that goal."""
    if not any(plan.campaign_id == campaign_id and VISIT_EVENT in plan.goals for plan in PLANS):
        return {}
    visits = [
        event
        for event in demo.visits()
        if event["campaign_id"] == campaign_id
        and event["attribution"] == "VIEW_THROUGH"
        and first <= datetime.fromisoformat(str(event["time"])).astimezone(demo.calendar.zone).date() <= last
    ]
    return {
        "total": len(visits),
        "unique": len({event["user_id"] for event in visits}),
        "revenue": float(sum((Decimal(str(event["revenue"])) for event in visits), Decimal(0))),
    }


def compare_purchases(credits: Credits, answer: Mapping[str, Any], attribution: str) -> Comparison:
    """Compare the purchases in the `data` of an answer with those we credited ourselves, for the whole shop."""
    checked = 0
    wrong: list[str] = []
    for root in credits.roots:
        for (platform, variation), earned in {
            **credits.of(root, attribution),
            **credits.held_out(root, attribution),
        }.items():
            goals = _goals(answer.get("data", {}), root.campaign_id, platform, variation)
            found = goals.get(PURCHASE_GOAL) or {}
            for name, value in (("total", earned.total), ("unique", earned.unique), ("revenue", earned.cents / 100)):
                checked += 1
                if found.get(name, 0) != value:  # a campaign that did nothing in these days is not in the answer
                    wrong.append(
                        f"{root.campaign_id} {platform} / {variation} {attribution} {PURCHASE_GOAL} {name}: "
                        f"expected {value}, the answer has {found.get(name)}"
                    )
    return Comparison(checked, tuple(wrong))


def _goals(
    data: Mapping[str, Any], campaign_id: str, platform: str, variation: str = "all_variations"
) -> Mapping[str, Any]:
    """The goals of a node over all locales; empty when the answer has no such node."""
    try:
        nodes = data[campaign_id][0]["platforms"][platform]["locales"]["all_locales"]["variations"]
        goals = nodes[variation]["conversion_goal_stats"]
    except (KeyError, IndexError):
        return {}
    return goals if isinstance(goals, Mapping) else {}


def performance(data: Mapping[str, Any], campaign_id: str, node: Node) -> Mapping[str, Any] | None:
    """The `performance_stats` of a node, or None when the answer has no such node."""
    platform, locale, variation = node
    try:
        platforms = data[campaign_id][0]["platforms"]
        stats = platforms[platform]["locales"][locale]["variations"][variation]["performance_stats"]
    except (KeyError, IndexError):
        return None
    return stats if isinstance(stats, Mapping) else None
