"""From counted numbers to the logical tree of one campaign: platforms → locales → variations → node.

The tree uses logical keys (upper-case platforms, `ALL_PLATFORMS`, `all_locales`, `all_variations`); how an answer
spells them is the business of `wire`. Which nodes exist is decided where they are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal

import msgspec

from campanile.campaigns.schemas import Campaign
from campanile.kit.ordering import natural_key
from campanile.metrics.channels import ALL_LOCALES, CAMPAIGN_CONTROL_GROUP, GLOBAL_CONTROL_GROUP
from campanile.metrics.formulas import conversion_base, performance_stats, rate
from campanile.metrics.pairs import MetricType, Pair
from campanile.stats.numbers import CONTROL_REASONS, CampaignNumbers, GoalNumbers, NodeKey, NodeNumbers
from campanile.stats.schemas import Attribution
from campanile.stats.schemas import GoalStats as GoalStats
from campanile.stats.schemas import Node as Node
from campanile.stats.schemas import Number as Number
from campanile.stats.schemas import Tree as Tree
from campanile.workspaces.schemas import WorkspaceSettings

_MONEY = Context(prec=60, rounding=ROUND_HALF_UP)
_CENT = Decimal("0.01")
_NO_GOAL = GoalNumbers()


class _Goal(msgspec.Struct, frozen=True):
    name: str
    event: str
    tracks_revenue: bool


class _Held(msgspec.Struct, frozen=True):
    """A control group of one platform, as far as rates need it."""

    goals: Mapping[str, GoalNumbers]
    members: int


_NOBODY = _Held({}, 0)


def campaign_tree(
    numbers: CampaignNumbers, metric_type: MetricType, attribution: Attribution, settings: WorkspaceSettings
) -> Tree:
    """The tree of one campaign."""
    builder = _Builder(numbers, metric_type, attribution, settings)
    tree: Tree = {}
    for key, node in numbers.nodes.items():
        platform, locale, variation = key
        tree.setdefault(platform, {}).setdefault(locale, {})[variation] = builder.node(key, node)
    return tree


class _Builder:
    """Turns nodes of one campaign into what an answer says about them."""

    def __init__(
        self, numbers: CampaignNumbers, metric_type: MetricType, attribution: Attribution, settings: WorkspaceSettings
    ) -> None:
        self._campaign = numbers.campaign
        self._metric_type = metric_type
        self._attribution = attribution
        self._settings = settings
        self._goals = _goals(numbers.campaign, numbers.nodes.values())
        self._held = {
            key: _Held(node.goals, node.held_out) for key, node in numbers.nodes.items() if key[2] in CONTROL_REASONS
        }

    def node(self, key: NodeKey, numbers: NodeNumbers) -> Node:
        platform, _, variation = key
        if variation in CONTROL_REASONS:
            held_out = self._held[key].members
            goals = [self._goal(goal, numbers, held_out, _NOBODY, _NOBODY) for goal in self._goals]
            return Node(None, goals, self._under(numbers.funnel), self._under(numbers.failures))
        campaign, settings = self._campaign, self._settings
        performance = performance_stats(
            campaign.channel,
            numbers.counts,
            metric_type=self._metric_type,
            bot_mode=settings.bot_mode,
            delivery_tracking=campaign.delivery_tracking,
            extended=settings.extended_metrics,
        )
        goals = []
        if self._goals:
            base = conversion_base(campaign.channel, self._attribution, numbers.counts, campaign.delivery_tracking)
            control = self._held.get((platform, ALL_LOCALES, CAMPAIGN_CONTROL_GROUP), _NOBODY)
            everywhere = self._held.get((platform, ALL_LOCALES, GLOBAL_CONTROL_GROUP), _NOBODY)
            goals = [self._goal(goal, numbers, base, control, everywhere) for goal in self._goals]
        return Node(performance, goals, self._under(numbers.funnel), self._under(numbers.failures))

    def _under(self, pairs: Mapping[str, Pair]) -> dict[str, int]:
        return {key: pair.under(self._metric_type) for key, pair in pairs.items()}

    def _goal(self, goal: _Goal, numbers: NodeNumbers, base: int, control: _Held, everywhere: _Held) -> GoalStats:
        found = numbers.goals.get(goal.name, _NO_GOAL)
        return GoalStats(
            name=goal.name,
            event=goal.event,
            tracks_revenue=goal.tracks_revenue,
            conversions=found.total if self._metric_type == "TOTAL" else found.unique,
            total=found.total,
            unique=found.unique,
            cvr=rate(found.unique, base),
            uplift=_uplift(found.unique, base, control, goal.name),
            gcg_uplift=_uplift(found.unique, base, everywhere, goal.name),
            revenue=_money(found.revenue, 1),
            average_order_value=_money(found.revenue, found.total),
            average_revenue_per_user=_money(found.revenue, found.unique),
        )


def _goals(campaign: Campaign, nodes: Iterable[NodeNumbers]) -> list[_Goal]:
    """Configured goals in their order, then those that only events name."""
    found: dict[str, bool] = {}
    for node in nodes:
        for name, numbers in node.goals.items():
            found[name] = found.get(name, False) or bool(numbers.revenue)
    goals = [
        _Goal(goal.name, goal.event, found.pop(goal.name, False) or bool(goal.revenue_attribute))
        for goal in campaign.goals
    ]
    return goals + [_Goal(name, "", found[name]) for name in sorted(found, key=natural_key)]


def _uplift(unique: int, base: int, control: _Held, goal: str) -> Number:
    """Change of the conversion rate against a control group in percent, two decimals, from unrounded rates.

    0 where it is not defined: no members, or none of them converted (conversions specification 9.1).
    """
    control_unique = control.goals.get(goal, _NO_GOAL).unique
    if not control_unique or not control.members:
        return 0
    if not base:
        return -100  # nobody was reached: the rate is 0
    difference = unique * control.members - control_unique * base
    percentage = rate(abs(difference), control_unique * base)
    return percentage if difference >= 0 else -percentage


def _money(amount: Decimal, parts: int) -> Number:
    """`amount / parts` with at most two decimals, half up; 0 when there are no parts."""
    if not amount or not parts:
        return 0
    value = _MONEY.quantize(_MONEY.divide(amount, Decimal(parts)), _CENT)
    whole = int(value)
    return whole if value == whole else value.normalize(_MONEY)
