"""Columns about conversions (report specification 12.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from campanile.metrics.registry import CONVERSION_BASES, Term
from campanile.reports.columns.campaign import GOALS, PLATFORM_WORDS, plain_splits
from campanile.reports.columns.definitions import (
    EVERYWHERE,
    AttributionType,
    ColumnDef,
    ControlGroup,
    GoalFigure,
    Split,
    Type,
    letters,
)
from campanile.reports.columns.metrics import ALL_PLATFORM, PLATFORMS, qualifier, stats_key
from campanile.reports.schemas import CHANNELS

ATTRIBUTIONS: dict[AttributionType, str] = {
    "view_through": "View Through",
    "click_through": "Click Through",
    "in_session": "In Session",
    "total_conversions": "Total Conversions",
    "click_conversions": "Click Conversions",
}
"""Attribution types by key part, with their name in headers."""
MODELS: dict[str, tuple[AttributionType, ...]] = {
    "all_interactions": ("view_through", "click_through", "in_session"),
    "last_interaction": ("total_conversions", "click_conversions"),
}
"""Attribution model of a workspace → the types it shows."""
ANSWERS: dict[AttributionType, AttributionType] = {
    "view_through": "total_conversions",
    "click_through": "click_conversions",
}
"""Type selected by default under All Interactions → the one selected instead under Last Interaction."""
WITHOUT_CLICKS = ("CONNECTOR", "FACEBOOK", "GOOGLE_ADS")
CONTROLLED = ("PUSH", "EMAIL", "SMS", "MMS", "RCS", "WHATSAPP", "IN_APP", "ON_SITE")
"""Channels whose campaigns have control groups."""

CLICKS = ("click_through", "in_session", "click_conversions")
_Figure = Literal[
    "converted_users",
    "conversion_events",
    "cvr",
    "total_revenue",
    "average_order_value",
    "average_revenue_per_user",
    "control_conversions",
    "control_cvr",
    "control_uplift",
]


class _Row(NamedTuple):
    key: str
    header: str
    figure: _Figure
    type: Type
    default: bool = False
    group: ControlGroup | None = None


_PLAIN = (
    _Row("converted_users", "Converted Users", "converted_users", "integer", True),
    _Row("conversion_events", "Conversion Events", "conversion_events", "integer", True),
    _Row("cvr", "CVR", "cvr", "percent", True),
    _Row("total_revenue", "Total Revenue", "total_revenue", "currency", True),
    _Row("average_order_value", "Average Order Value", "average_order_value", "currency"),
    _Row("average_revenue_per_user", "Average Revenue Per User", "average_revenue_per_user", "currency"),
)
_GROUPS: tuple[tuple[str, str, ControlGroup], ...] = (
    ("control_group", "Control Group", "campaign_control_group"),
    ("global_control_group", "Global Control Group", "global_control_group"),
)
_COMPARED = tuple(
    row
    for key, words, group in _GROUPS
    for row in (
        _Row(f"{key}_conversions", f"{words} Conversions", "control_conversions", "integer", group=group),
        _Row(f"{key}_cvr", f"{words} CVR", "control_cvr", "percent", group=group),
        _Row(f"{key}_uplift", f"{words} Uplift", "control_uplift", "percent", group=group),
    )
)


def goal_columns(channel: str) -> Iterator[ColumnDef]:
    """Columns about conversions of a channel: goal by goal, attribution by attribution."""
    if channel == "WHATSAPP":
        yield from _short_columns(channel)
    rows = (*_PLAIN, *(_COMPARED if channel in CONTROLLED else ()))
    for goal in range(1, GOALS + 1):
        for attribution, words in ATTRIBUTIONS.items():
            if channel in WITHOUT_CLICKS and attribution not in ("view_through", "total_conversions"):
                continue
            for row in rows:
                for platform in PLATFORMS.get(channel, (EVERYWHERE,)):
                    header = f"Goal {goal} {words} {row.header}"
                    if channel in PLATFORMS:
                        header += f" {PLATFORM_WORDS.get(platform, ALL_PLATFORM)}"
                    wanted = row.default and goal == 1 and platform == EVERYWHERE and attribution in ANSWERS
                    yield ColumnDef(
                        key=stats_key(f"goal_{goal}.{attribution}.{row.key}", platform),
                        header=header,
                        type=row.type,
                        source=_source(channel, row, goal, attribution, platform),
                        attribution_dependent=attribution,
                        splits=_splits(channel, row),
                        default_selected="yes" if wanted else "no",
                        cell=GoalFigure(goal, row.figure, attribution, row.group, platform.upper()),
                    )


def _short_columns(channel: str) -> Iterator[ColumnDef]:
    """Two columns per goal under the attribution that the workspace shows first."""
    base = _base(channel, "view_through")
    for goal in range(1, GOALS + 1):
        users, revenue = f"goal_{goal}.<default>.converted_users", f"goal_{goal}.<default>.total_revenue"
        columns: tuple[tuple[str, str, Type, str, _Figure], ...] = (
            ("cvr", "CVR", "percent", f"100*{users}/{base}", "cvr"),
            ("revenue", "Revenue", "currency", revenue, "total_revenue"),
        )
        for key, header, kind, source, figure in columns:
            yield ColumnDef(
                key=stats_key(f"goal_{goal}.{key}", EVERYWHERE),
                header=f"Goal {goal} {header}",
                type=kind,
                source=source,
                attribution_dependent="workspace_default",
                splits=_filled(channel),
                cell=GoalFigure(goal, figure, None),
            )


def _filled(channel: str) -> tuple[Split, ...]:
    return letters("DC") if channel in ("FACEBOOK", "GOOGLE_ADS") else plain_splits(channel)


def _splits(channel: str, row: _Row) -> tuple[Split, ...]:
    """Members of control groups belong to no variation and no locale; their rates are repeated from the campaign."""
    return letters("DC") if row.figure == "control_conversions" else _filled(channel)


def _source(channel: str, row: _Row, goal: int, attribution: AttributionType, platform: str) -> str:
    stored = {"converted_users": "unique", "conversion_events": "total", "total_revenue": "revenue"}
    where = qualifier(channel, platform, attribution.upper(), f"goal={goal}")
    prefix = "" if row.group != "global_control_group" else "global_"
    formulas = {
        "cvr": f"100*converted_users/{_base(channel, attribution)}",
        "average_order_value": "total_revenue/conversion_events",
        "average_revenue_per_user": "total_revenue/converted_users",
        "control_conversions": f"{row.group}.conversion_goal_stats.unique{where}",
        "control_cvr": f"100*{prefix}control_group_conversions/active_target_{prefix}control_group",
        "control_uplift": f"100*(cvr-{prefix}control_group_cvr)/{prefix}control_group_cvr",
    }
    return formulas.get(row.figure) or f"conversion_goal_stats.{stored[row.figure]}{where}"


_BASE_NAMES = {
    ("impression", False): "impressions",
    ("click", False): "clicks",
    ("click", True): "unique_clicks",
    ("all_open", True): "unique_opens",
    ("delivered", False): "delivered",
    ("sent", False): "sent",
    ("sent", True): "unique_sent",
    ("successfully_synced", True): "sent",
}
"""Counts that conversions are divided by, in keys of report columns. Opens include those of machines."""


def _base(channel: str, attribution: AttributionType) -> str:
    bases = next(bases for bases in CONVERSION_BASES if CHANNELS[channel] in bases.channels)
    term: Term = bases.click if attribution in CLICKS else bases.view
    return _BASE_NAMES[(term.count, term.unique)]
