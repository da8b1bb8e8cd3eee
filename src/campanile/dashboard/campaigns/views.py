"""From the trees of the Stats API to the sections of a campaign page. Pure; every number comes with its words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from campanile.campaigns.schemas import Campaign
from campanile.dashboard import words
from campanile.dashboard.ranges import Shown
from campanile.metrics.channels import (
    ALL_LOCALES,
    ALL_PLATFORMS,
    ALL_VARIATIONS,
    CAMPAIGN_CONTROL_GROUP,
    GLOBAL_CONTROL_GROUP,
)
from campanile.metrics.formulas import rate
from campanile.metrics.funnel import STEPS
from campanile.metrics.pairs import MetricType
from campanile.metrics.registry import COUNTS, RATES, Term
from campanile.metrics.words import Explained, explained, reason_words
from campanile.stats.schemas import GoalStats, Measured, Node, Number, Series
from campanile.workspaces.schemas import WorkspaceSettings

CONTROL_GROUPS = (CAMPAIGN_CONTROL_GROUP, GLOBAL_CONTROL_GROUP)
WHOLE = (ALL_PLATFORMS, ALL_LOCALES, ALL_VARIATIONS)
HEADLINES = (
    "sent", "delivered", "impression", "opened", "read", "click", "ctr", "successfully_synced", "failure_rate",
)  # fmt: skip
"""Numbers at the top of the page, in this order, where the channel has them."""
HEADLINE_COUNT = 6

Place = tuple[str, str, str]


class Line(msgspec.Struct, frozen=True):
    """One metric of one node."""

    key: str
    field: str
    label: str
    definition: str
    is_rate: bool
    total: Number | None
    unique: Number | None
    parts: tuple[int, int] | None
    """Numerator and denominator of the rate of totals."""


class Bar(msgspec.Struct, frozen=True):
    """One step of a funnel, or one reason."""

    key: str
    label: str
    definition: str
    total: int
    unique: int
    share: Number
    """Percent of the first step that counts the same thing, or of all failures."""
    width: Number
    """Of the bar, in percent of the longest one."""
    lost: int | None = None
    """Fewer than in the step before, where that counts the same thing."""
    lost_share: Number = 0
    is_message: bool = True
    """Whether messages are counted, or people."""


class Row(msgspec.Struct, frozen=True):
    """One node in a table that puts nodes beside each other."""

    key: str
    label: str
    cells: tuple[Number | None, ...]


class Split(msgspec.Struct, frozen=True):
    """Nodes of one dimension side by side."""

    key: str
    title: str
    columns: tuple[Explained, ...]
    rows: tuple[Row, ...]


class GoalLine(msgspec.Struct, frozen=True):
    """One goal in one node."""

    place: str
    """Label of the node."""
    goal: GoalStats
    currency: str
    is_control: bool
    is_whole: bool


class AttributionRow(msgspec.Struct, frozen=True):
    """One goal under one attribution type."""

    attribution: str
    label: str
    base: str
    """What the rate divides by."""
    line: GoalLine


class SeriesTable(msgspec.Struct, frozen=True):
    """A time series as rows."""

    columns: tuple[tuple[str, str, str], ...]
    """Metric key, label, definition."""
    rows: tuple[tuple[Any, tuple[int, ...]], ...]
    """Start of the stretch, and a number per column."""
    undated: bool


def node_of(tree: Mapping[str, Mapping[str, Mapping[str, Node]]], place: Place = WHOLE) -> Node | None:
    platform, locale, variation = place
    return tree.get(platform, {}).get(locale, {}).get(variation)


def columns_of(campaign: Campaign, settings: WorkspaceSettings) -> list[Explained]:
    """The metrics of the campaign's channel."""
    return explained(
        campaign.channel,
        extended=settings.extended_metrics,
        adjusted=settings.bot_mode != "off",
        delivery_tracking=campaign.delivery_tracking,
    )


def lines(measured: Measured, settings: WorkspaceSettings, place: Place = WHOLE) -> list[Line]:
    """Every metric of a node."""
    total, unique = (node_of(tree, place) for tree in (measured.total, measured.unique))
    if total is None or unique is None or total.performance is None or unique.performance is None:
        return []
    return [
        Line(
            key=item.key,
            field=item.field,
            label=item.label,
            definition=item.definition,
            is_rate=item.is_rate,
            total=total.performance.get(item.field),
            unique=unique.performance.get(item.field),
            parts=_parts(item.key, measured.campaign, total.performance, unique.performance) if item.is_rate else None,
        )
        for item in columns_of(measured.campaign, settings)
    ]


def _parts(
    key: str, campaign: Campaign, total: Mapping[str, int | float], unique: Mapping[str, int | float]
) -> tuple[int, int] | None:
    """Numerator and denominator of a rate under TOTAL, from the counts that are shown beside it."""
    ratio = RATES[key].ratio(campaign.channel)
    if ratio is None:
        return None
    below = ratio.denominator if campaign.delivery_tracking else ratio.untracked or ratio.denominator

    def value(term: Term) -> int | None:
        counts = unique if term.unique else total
        found = [counts.get(COUNTS[name].wire) for name in (term.count, term.minus) if name]
        if any(part is None for part in found):
            return None
        first, *rest = (int(part) for part in found if part is not None)
        return max(0, first - sum(rest))

    parts = value(ratio.numerator), value(below)
    return None if parts[0] is None or parts[1] is None else (parts[0], parts[1])


def headlines(found: Sequence[Line]) -> list[Line]:
    by_key = {line.key: line for line in found}
    return [by_key[key] for key in HEADLINES if key in by_key][:HEADLINE_COUNT]


def funnel(measured: Measured, place: Place = WHOLE) -> list[Bar]:
    """Steps from the audience to the message, each with what was lost since the step before."""
    total, unique = (node_of(tree, place) for tree in (measured.total, measured.unique))
    if total is None or unique is None:
        return []
    longest = max(total.funnel.values(), default=0)
    bars: list[Bar] = []
    firsts: dict[bool, int] = {}
    for key, value in total.funnel.items():
        is_message = bool(STEPS[key].count)
        first = firsts.setdefault(is_message, value)
        before = bars[-1].total if bars and bars[-1].is_message == is_message else None
        lost = None if before is None or value > before else before - value
        bars.append(
            Bar(
                key=key,
                label=STEPS[key].label,
                definition=STEPS[key].definition.replace("… who", "People who").replace("… ", "People "),
                total=value,
                unique=unique.funnel.get(key, 0),
                share=rate(value, first),
                width=rate(value, longest),
                lost=lost,
                lost_share=0 if lost is None or not before else rate(lost, before),
                is_message=is_message,
            )
        )
    return bars if longest else []


def failures(measured: Measured, place: Place = WHOLE) -> list[Bar]:
    """Reasons, most frequent first."""
    total, unique = (node_of(tree, place) for tree in (measured.total, measured.unique))
    if total is None or unique is None:
        return []
    whole = sum(total.failures.values())
    most = max(total.failures.values(), default=0)
    return [
        Bar(
            key=key,
            label=words.reason(key),
            definition=f"{reason_words(key)} The percentage is of all reasons listed here.",
            total=value,
            unique=unique.failures.get(key, 0),
            share=rate(value, whole),
            width=rate(value, most),
        )
        for key, value in total.failures.items()
        if value
    ]


def splits(measured: Measured, metric_type: MetricType, shown: Shown, settings: WorkspaceSettings) -> list[Split]:
    """Platforms, locales and variations side by side, where there is more than one."""
    tree = measured.total if metric_type == "TOTAL" else measured.unique
    columns = tuple(item for item in columns_of(measured.campaign, settings) if item.is_rate == (shown == "percent"))
    platforms = [(key, (key, ALL_LOCALES, ALL_VARIATIONS)) for key in tree if key != ALL_PLATFORMS]
    everywhere = tree.get(ALL_PLATFORMS, {})
    locales = [(key, (ALL_PLATFORMS, key, ALL_VARIATIONS)) for key in everywhere if key != ALL_LOCALES]
    variations = [
        (key, (ALL_PLATFORMS, ALL_LOCALES, key))
        for key in everywhere.get(ALL_LOCALES, {})
        if key not in (ALL_VARIATIONS, *CONTROL_GROUPS)
    ]
    found = []
    for name, title, places in (
        ("platforms", "Platforms", platforms),
        ("locales", "Locales", locales),
        ("variations", "Variations", variations),
    ):
        rows = tuple(_row(name, key, node_of(tree, place), columns) for key, place in places)
        if len(rows) > 1:
            found.append(Split(name, title, columns, rows))
    return found


def _row(dimension: str, key: str, node: Node | None, columns: Iterable[Explained]) -> Row:
    label = {"platforms": words.platform, "variations": words.variation}.get(dimension, str)(key)
    performance = (node.performance if node is not None else None) or {}
    return Row(key, label, tuple(performance.get(item.field) for item in columns))


def goals(measured: Measured) -> list[GoalLine]:
    """Conversions per goal: the campaign, its variations, then its control groups."""
    tree = measured.total.get(ALL_PLATFORMS, {}).get(ALL_LOCALES, {})
    currencies = {goal.name: goal.revenue_currency for goal in measured.campaign.goals}
    found = []
    for key, node in tree.items():
        label = "Campaign" if key == ALL_VARIATIONS else words.variation(key)
        found += [
            GoalLine(label, goal, currencies.get(goal.name, ""), key in CONTROL_GROUPS, key == ALL_VARIATIONS)
            for goal in node.goals
            if key == ALL_VARIATIONS or goal.total or key in CONTROL_GROUPS
        ]
    return found


def series_table(series: Series, keys: Sequence[str], metric_type: MetricType) -> SeriesTable:
    return SeriesTable(
        columns=tuple((key, COUNTS[key].label, COUNTS[key].definition) for key in keys),
        rows=tuple(
            (point.start, tuple(point.counts[key].under(metric_type) for key in keys)) for point in series.points
        ),
        undated=series.undated,
    )


def flat(measured: Measured, settings: WorkspaceSettings) -> list[tuple[object, ...]]:
    """Every number of the campaign, one per row: place, section, key, label, total, unique."""
    rows: list[tuple[object, ...]] = []
    labels = {item.field: item.label for item in columns_of(measured.campaign, settings)}
    for platform, locales in measured.total.items():
        for locale, variations in locales.items():
            for variation, total in variations.items():
                place = (platform, locale, variation)
                unique = node_of(measured.unique, place) or total
                rows += [
                    (*place, "performance", field, labels[field], value, (unique.performance or {}).get(field))
                    for field, value in (total.performance or {}).items()
                    if field in labels
                ]
                rows += [
                    (*place, "delivery funnel", key, STEPS[key].label, value, unique.funnel.get(key))
                    for key, value in total.funnel.items()
                ]
                rows += [
                    (*place, "failure", key, words.reason(key), value, unique.failures.get(key))
                    for key, value in total.failures.items()
                ]
                for goal in total.goals:
                    rows.append((*place, "conversions", "conversions", goal.name, goal.total, goal.unique))
                    rows += [
                        (*place, "conversions", name, goal.name, getattr(goal, name), None)
                        for name in ("cvr", "uplift", "gcg_uplift", "revenue")
                    ]
    return rows


FLAT_COLUMNS = ("Platform", "Locale", "Variation", "Section", "Key", "Label", "Total", "Unique")


def attribution_row(row: AttributionRow) -> tuple[object, ...]:
    """A goal under an attribution type as a row of a file."""
    goal = row.line.goal
    paid = (goal.revenue, goal.average_order_value, goal.average_revenue_per_user, row.line.currency)
    money = paid if goal.tracks_revenue else (None,) * len(paid)
    return (row.attribution, goal.name, goal.total, goal.unique, goal.cvr, row.base, *money)


ATTRIBUTION_COLUMNS = (
    "Attribution", "Goal", "Total", "Unique", "Rate", "Rate divides by", "Revenue", "Per order", "Per person",
    "Currency",
)  # fmt: skip
