"""The goal columns of `campanile stats` (report specification 12.4): control groups beside what they control."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

GROUPS = {"campaign_control_group": "control group", "global_control_group": "global control group"}
"""Variation keys of control groups, and how columns call them."""
UPLIFTS = {"campaign_control_group": "uplift", "global_control_group": "gcg_uplift"}
LABELS = ("platform", "locale", "variation", "goal")
MEMBERS = (
    ("converted users", "unique"),
    ("conversion events", "total"),
    ("cvr", "cvr"),
    ("total revenue", "revenue"),
    ("average order value", "average_order_value"),
    ("average revenue per user", "average_revenue_per_user"),
)
"""Columns and the members of the Stats API they show."""


class Node(Protocol):
    """The numbers of one place."""

    @property
    def platform(self) -> str: ...
    @property
    def locale(self) -> str: ...
    @property
    def variation(self) -> str: ...
    @property
    def goals(self) -> Mapping[str, Mapping[str, Any]]: ...


class Goals(NamedTuple):
    """Columns of numbers, and rows of labels and numbers."""

    columns: Sequence[str]
    rows: Sequence[tuple[object, ...]]


def goal_table(cells: Iterable[Node]) -> Goals:
    """The goals of one campaign, a row per place and goal. Control groups the campaign has not get no columns."""
    nodes = list(cells)
    held = {(cell.platform, cell.variation): cell.goals for cell in nodes if cell.variation in GROUPS}
    groups = [group for group in GROUPS if any(variation == group for _, variation in held)]
    columns = [name for name, _ in MEMBERS]
    for group in groups:
        columns += [f"{GROUPS[group]} {figure}" for figure in ("conversions", "cvr", "uplift")]
    rows: list[tuple[object, ...]] = []
    for cell in nodes:
        if cell.variation in GROUPS:
            continue
        for goal, members in cell.goals.items():
            numbers = [members.get(member, "") for _, member in MEMBERS]
            for group in groups:
                control = held.get((cell.platform, group), {}).get(goal, {})
                numbers += [control.get("unique", ""), control.get("cvr", ""), members.get(UPLIFTS[group], "")]
            rows.append((cell.platform, cell.locale, cell.variation, goal, *numbers))
    return Goals(columns, rows)
