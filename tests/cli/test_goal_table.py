"""The goal columns of `campanile stats`."""

from __future__ import annotations

from datetime import date
from typing import Any

from campanile.cli.goal_table import goal_table
from campanile.client import Node, Window

GOAL = {
    "total": 9, "unique": 8, "cvr": 4.0, "uplift": 60.0, "gcg_uplift": 100.0, "revenue": 90, "average_order_value": 10,
    "average_revenue_per_user": 11.25,
}  # fmt: skip


DAY = Window(date(2025, 10, 1), date(2025, 10, 1))


def node(variation: str, platform: str, block: dict[str, Any]) -> Node:
    return Node(campaign_id="c", window=DAY, platform=platform, locale="all_locales", variation=variation, block=block)


def cell(variation: str, platform: str = "ios", **goal: Any) -> Node:
    return node(variation, platform, {"conversion_goal_stats": {"Buy": {**GOAL, **goal}}})


def test_control_groups_stand_beside_what_they_control() -> None:
    found = goal_table(
        [
            cell("all_variations"),
            cell("campaign_control_group", unique=2, cvr=2.5),
            cell("global_control_group", unique=1, cvr=2.0),
            cell("all_variations", platform="android", unique=5),
            cell("campaign_control_group", platform="android", unique=3, cvr=1.5),
        ]
    )
    assert found.columns == [
        "converted users", "conversion events", "cvr", "total revenue", "average order value",
        "average revenue per user", "control group conversions", "control group cvr", "control group uplift",
        "global control group conversions", "global control group cvr", "global control group uplift",
    ]  # fmt: skip
    place = ("all_locales", "all_variations", "Buy")
    assert found.rows == [
        ("ios", *place, 8, 9, 4.0, 90, 10, 11.25, 2, 2.5, 60.0, 1, 2.0, 100.0),
        ("android", *place, 5, 9, 4.0, 90, 10, 11.25, 3, 1.5, 60.0, "", "", 100.0),
    ]


def test_campaigns_without_control_groups_have_no_columns_for_them() -> None:
    found = goal_table([cell("all_variations"), cell("variation_1", unique=1)])
    assert len(found.columns) == 6
    assert [row[2] for row in found.rows] == ["all_variations", "variation_1"]


def test_campaigns_without_goals_have_no_rows() -> None:
    assert goal_table([node("all_variations", "ios", {})]).rows == []
