"""Spells the logical trees of a page in a dialect and writes the answer of the Stats API (Stats API 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from campanile.metrics.channels import ALL_LOCALES, ALL_PLATFORMS, CHANNELS
from campanile.stats.tree import GoalStats, Node, Tree
from campanile.workspaces.schemas import Dialect, WorkspaceSettings

LIVE_ALL_LOCALES = "all_locale"
"""How the live service spells the aggregate locale."""

_encoder = msgspec.json.Encoder(decimal_format="number")


class StatsPage(msgspec.Struct, frozen=True):
    """One page of campaigns."""

    request_id: str
    total_campaigns: int
    current_page: int
    total_pages: int
    trees: Mapping[str, Tree]
    """By campaign id, in page order."""


def encode_page(page: StatsPage, dialect: Dialect, settings: WorkspaceSettings) -> bytes:
    """The JSON text of a page."""
    texts = {campaign_id: encode_tree(tree, dialect, settings) for campaign_id, tree in page.trees.items()}
    return encode_ready(page, texts)


def encode_tree(tree: Tree, dialect: Dialect, settings: WorkspaceSettings) -> bytes:
    """What a page says about one campaign."""
    return _encoder.encode([{"platforms": _platforms(tree, dialect, settings)}])


def encode_ready(page: StatsPage, texts: Mapping[str, bytes]) -> bytes:
    """The JSON text of a page whose campaigns are `texts` instead of its trees."""
    return _encoder.encode(
        {
            "response_id": page.request_id,
            "total_campaigns": page.total_campaigns,
            "current_page": page.current_page,
            "total_pages": page.total_pages,
            "data": {campaign_id: msgspec.Raw(text) for campaign_id, text in texts.items()},
        }
    )


def _platforms(tree: Tree, dialect: Dialect, settings: WorkspaceSettings) -> dict[str, Any]:
    """`docs` has no aggregate over platforms, `live` has one; nothing is ever given under two spellings."""
    all_locales = LIVE_ALL_LOCALES if dialect == "live" else ALL_LOCALES
    return {
        _platform(platform, dialect): {
            "locales": {
                all_locales if locale == ALL_LOCALES else locale: {
                    "variations": {variation: _node(node, settings) for variation, node in variations.items()}
                }
                for locale, variations in locales.items()
            }
        }
        for platform, locales in tree.items()
        if dialect == "live" or platform != ALL_PLATFORMS
    }


def _platform(key: str, dialect: Dialect) -> str:
    """`docs` writes devices in lower case; a channel that stands for its platform is upper case everywhere."""
    return key if dialect == "live" or key in CHANNELS else key.lower()


def _node(node: Node, settings: WorkspaceSettings) -> dict[str, Any]:
    blocks: dict[str, Any] = {} if node.performance is None else {"performance_stats": node.performance}
    blocks["conversion_goal_stats"] = _goals(node.goals, settings) if node.goals else {}
    blocks["delivery_funnel"] = node.funnel
    blocks["failure_breakdown"] = node.failures
    return blocks


def _goals(goals: list[GoalStats], settings: WorkspaceSettings) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for goal in goals:
        key = (settings.goal_key == "event" and goal.event) or goal.name
        unused, repetition = key, 1
        while unused in named:
            repetition += 1
            unused = f"{key} ({repetition})"
        named[unused] = _goal(goal, with_revenue=goal.tracks_revenue or not settings.omit_untracked_revenue)
    return named


def _goal(goal: GoalStats, *, with_revenue: bool) -> dict[str, Any]:
    members = {
        "goal_name": goal.name,
        "conversions": goal.conversions,
        "total": goal.total,
        "unique": goal.unique,
        "cvr": goal.cvr,
        "uplift": goal.uplift,
        "gcg_uplift": goal.gcg_uplift,
    }
    if with_revenue:
        members["revenue"] = goal.revenue
        members["average_order_value"] = goal.average_order_value
        members["average_revenue_per_user"] = goal.average_revenue_per_user
    return members
