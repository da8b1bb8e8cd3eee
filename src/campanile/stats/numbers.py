"""The numbers of campaigns: integers per node of the campaign tree, from the log and from snapshots.

This is the one place where event counts come from. The Stats API, reports and the dashboard read the same
`CampaignNumbers`; rates and shapes are made from them elsewhere (metrics specification 3).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from random import Random
from typing import Protocol

import msgspec

from campanile.attribution.schemas import Conversions
from campanile.campaigns.schemas import Campaign
from campanile.kit.times import Window
from campanile.metrics.channels import (
    ALL_LOCALES,
    ALL_PLATFORMS,
    ALL_VARIATIONS,
    CAMPAIGN_CONTROL_GROUP,
    GLOBAL_CONTROL_GROUP,
)
from campanile.metrics.funnel import control_funnel, funnel, reach_step, user_steps
from campanile.metrics.pairs import ZERO, Pair
from campanile.metrics.reasons import CAMPAIGN_CONTROL, GLOBAL_CONTROL
from campanile.metrics.snapshots import Cells, Sums
from campanile.stats.activity import Activity
from campanile.stats.levels import Level, levels, platforms_of, split_of
from campanile.stats.repository import Dimension, Scope, StatsRepository
from campanile.stats.schemas import Attribution
from campanile.stats.settled.credits import Credits
from campanile.stats.settled.entry import Settled
from campanile.stats.settled.service import SettledAnswers
from campanile.workspaces.schemas import Workspace

CONTROL_REASONS = {CAMPAIGN_CONTROL_GROUP: CAMPAIGN_CONTROL, GLOBAL_CONTROL_GROUP: GLOBAL_CONTROL}
"""Variation key of each control group and the reason its members carry."""

NodeKey = tuple[str, str, str]
"""(platform, locale, variation), in logical keys: upper-case platforms, `all_locales`, `all_variations`."""


class GoalNumbers(msgspec.Struct, frozen=True):
    """Conversions of one goal under one attribution type."""

    total: int = 0
    unique: int = 0
    """Distinct (user, instance) pairs."""
    revenue: Decimal = Decimal(0)


class NodeNumbers(msgspec.Struct, frozen=True):
    """Everything counted for one node. Missing keys mean zero."""

    counts: dict[str, Pair]
    """By metric key of the registry."""
    funnel: dict[str, Pair]
    """By step key, in funnel order."""
    failures: dict[str, Pair]
    """By reason, most frequent first; control groups only in their own nodes."""
    goals: dict[str, GoalNumbers]
    """By goal name."""
    held_out: int = 0
    """Control groups: distinct (user, instance) pairs held out, what their conversion rates divide by."""


class CampaignNumbers(msgspec.Struct, frozen=True):
    """One campaign: its nodes in the order of the answer, aggregates first."""

    campaign: Campaign
    nodes: dict[NodeKey, NodeNumbers]


class Families(Protocol):
    """Knows which campaigns are runs of which parent; the campaign service."""

    def recall_children(
        self, workspace_id: str, parent_ids: Sequence[str]
    ) -> Mapping[str, Sequence[Campaign]] | None: ...

    def children_of(self, workspace_id: str, parent_ids: Sequence[str]) -> Mapping[str, Sequence[Campaign]]: ...


class NumbersService:
    """Counts campaigns over a window."""

    def __init__(
        self,
        repository: StatsRepository,
        campaigns: Families,
        credits: Credits,
        settled: SettledAnswers | None = None,
        settled_credits: Credits | None = None,
    ) -> None:
        """Without the settled ones, everything is read from the log."""
        self._repository = repository
        self._activity = Activity(repository)
        self._settled = settled
        self._campaigns = campaigns
        self._credits = settled_credits or credits
        self._credits_from_log = credits

    async def active(self, workspace: Workspace, window: Window) -> frozenset[str]:
        """Ids of all campaigns with at least one event or snapshot in the window; parents not added. The same object as
        before while none is added."""
        return await self._activity.active(workspace.id, window)

    async def reported_reach(
        self, workspace: Workspace, campaigns: Sequence[Campaign], window: Window
    ) -> dict[str, date]:
        """The latest day on which snapshots said how many people a campaign reaches; others are left out."""
        scope = Scope.of(campaigns, {}, window, workspace.settings)
        cells = await self._repository.snapshot_cells(workspace.id, scope)
        found = {
            campaign.campaign_id: cells.last_day(campaign.campaign_id, reach_step(campaign.channel) or "")
            for campaign in campaigns
        }
        return {name: date.fromisoformat(day) for name, day in found.items() if day is not None}

    async def entries(self, workspace: Workspace, campaigns: Sequence[Campaign]) -> dict[str, Settled]:
        """The integers that campaigns are answered from now, by id: the same object for as long as their log stands
        still. Conversions that the server matches are not in them."""
        if self._settled is None or not campaigns:
            return {}
        found = await self._settled.ready(workspace, campaigns, await self._children(workspace, campaigns))
        return {campaigns[number].campaign_id: entry for number, entry in found.items()}

    async def retraced(self, workspace: Workspace, campaign: Campaign, chance: Random) -> Settled | None:
        """The integers of a campaign, read as of some time in its past and brought up to date; None where there are
        none."""
        if self._settled is None:
            return None
        children = (await self._children(workspace, [campaign])).get(campaign.campaign_id, ())
        return await asyncio.to_thread(self._settled.retraced, workspace, campaign, children, chance)

    def from_log(self) -> NumbersService:
        """The same without integers."""
        return NumbersService(self._repository, self._campaigns, self._credits_from_log)

    async def measure(
        self,
        workspace: Workspace,
        campaigns: Sequence[Campaign],
        window: Window,
        attribution: Attribution,
        *,
        all_platforms: bool,
        entries: Mapping[str, Settled] | None = None,
    ) -> dict[str, CampaignNumbers]:
        """Numbers of `campaigns` under `attribution`; a parent's are those of itself and all its children.

        Args:
            all_platforms: adds the nodes over all platforms, first in their object.
            entries: the campaigns' integers, if they have been looked up already.
        """
        if not campaigns:
            return {}
        children = await self._children(workspace, campaigns)
        scope = Scope.of(campaigns, children, window, workspace.settings)
        ready = await self.entries(workspace, campaigns) if entries is None else entries
        settled = {
            number: ready[campaign.campaign_id]
            for number, campaign in enumerate(campaigns)
            if campaign.campaign_id in ready and ready[campaign.campaign_id].spans(window)
        }
        moving = scope.only(number for number in range(len(campaigns)) if number not in settled)
        dimensions, cells = await asyncio.gather(
            self._repository.dimensions(workspace.id, moving), self._repository.snapshot_cells(workspace.id, moving)
        )
        trees = []
        for number, campaign in enumerate(campaigns):
            members = scope.members_of(number)
            rows = [row for member in members for row in dimensions.get(member, ())]
            if number in settled:
                rows = settled[number].dimensions(window)
            trees.append(_Tree(campaign, members, rows, cells, attribution, all_platforms))
        settled = {number: entry for number, entry in settled.items() if entry.knows(trees[number].levels)}
        for number, entry in settled.items():
            trees[number].fill_from(entry, number, window)
        scope = scope.with_levels(tree.levels for tree in trees)
        moving = scope.only(number for number in range(len(campaigns)) if number not in settled)
        _, credited = await asyncio.gather(
            self._fill(workspace.id, moving, trees, cells, attribution),
            self._credits.credited(workspace, campaigns, [tree.credit_levels for tree in trees], window, attribution),
        )
        for (target, *place, goal), conversions in credited.items():
            trees[target].at(place).credited[goal] = conversions
        held = {number: tree.campaign for number, tree in enumerate(trees) if tree.campaign.goals and tree.groups}
        control = await self._credits.control(workspace, held, window, attribution, cells.failures)
        for (target, group, platform, goal), conversions in control.conversions.items():
            trees[target].at((platform, "", group)).credited[goal] = conversions
        for (target, group, platform), pairs in control.held_out.items():
            trees[target].at((platform, "", group)).held_out = pairs
        return {tree.campaign.campaign_id: tree.numbers() for tree in trees}

    async def _children(self, workspace: Workspace, campaigns: Sequence[Campaign]) -> Mapping[str, Sequence[Campaign]]:
        ids = [campaign.campaign_id for campaign in campaigns]
        known = self._campaigns.recall_children(workspace.id, ids)
        return await asyncio.to_thread(self._campaigns.children_of, workspace.id, ids) if known is None else known

    async def _fill(self, workspace: str, scope: Scope, trees: Sequence[_Tree], cells: Cells, attribution: str) -> None:
        """Ask for all levels of all trees: one question per kind of number, funnels one per channel."""

        def those(wanted: Callable[[_Tree], bool]) -> Scope:
            return scope.only(number for number, tree in enumerate(trees) if wanted(tree))

        surviving = those(lambda tree: tree.has_survivors)
        counts, failures, goals, reported, survivors, _ = await asyncio.gather(
            self._repository.counts(workspace, scope, cells),
            self._repository.failures(workspace, those(lambda tree: tree.has_failures), cells),
            self._repository.attributed_conversions(workspace, scope, cells, attribution),
            self._repository.reported_steps(workspace, surviving),
            asyncio.gather(
                *(self._repository.survivors(workspace, part, channel) for channel, part in surviving.by_channel())
            ),
            self._fill_funnels(workspace, those(lambda tree: tree.has_qualifications), trees, cells),
        )
        for (target, *place, metric), pair in counts.items():
            trees[target].at(place).counts[metric] = pair
        for (target, *place, reason), pair in failures.items():
            trees[target].at(place).failures[reason] = pair
        for (target, *place, goal), numbers in goals.items():
            trees[target].at(place).goals[goal] = GoalNumbers(*numbers)
        for number, tree in enumerate(trees):  # settled ones have none
            tree.reported_steps = {step for member in scope.members_of(number) for step in reported.get(member, ())}
        for answer in survivors:
            for (target, *place, step), pair in answer.items():
                trees[target].at(place).survivors[step] = pair

    async def _fill_funnels(self, workspace: str, scope: Scope, trees: Sequence[_Tree], cells: Cells) -> None:
        """Audience steps, one question per channel (stages differ) and per set of days that snapshots answer for."""
        questions = [
            (channel, covered, part)
            for channel, part in scope.by_channel()
            for covered in cells.funnel_coverage(user_steps(channel))
        ]
        answers = await asyncio.gather(
            *(self._repository.funnel_depths(workspace, part, channel, covered) for channel, covered, part in questions)
        )
        for (_, covered, _), depths in zip(questions, answers, strict=True):
            for (target, *place, stage), pair in depths.items():
                trees[target].at(place).stages[covered][stage] = pair


class _Node:
    """A node while it is being filled."""

    def __init__(self) -> None:
        self.counts: dict[str, Pair] = {}
        self.failures: dict[str, Pair] = {}
        self.survivors: dict[str, Pair] = {}
        self.stages: dict[tuple[str, ...], dict[int, Pair]] = defaultdict(dict)
        self.goals: dict[str, GoalNumbers] = {}
        """Attributed by the senders."""
        self.credited: dict[str, Conversions] = {}
        self.held_out = 0


class _Tree:
    """The nodes of one campaign: which exist (metrics specification 3.1), and what was counted for them."""

    def __init__(
        self,
        campaign: Campaign,
        members: frozenset[str],
        rows: Sequence[Dimension],
        cells: Cells,
        attribution: str,
        all_platforms: bool,
    ) -> None:
        self.campaign = campaign
        places = {(row.platform, row.locale, row.variation) for row in rows} | cells.places(members)
        self.has_failures = any(row.failures for row in rows)
        self.has_qualifications = any(row.qualifications for row in rows)
        self.has_survivors = any(row.survivors for row in rows)
        self.reported_steps: set[str] = set()
        self._cells = cells
        self._members = members
        self._attribution = attribution
        self._places = places
        self.platforms = platforms_of(
            campaign.channel, campaign.platforms, {platform for platform, _, _ in places if platform}
        )
        self.all_platforms = all_platforms
        self.locales = split_of({locale for _, locale, _ in places}, campaign.locales)
        self.variations = split_of({variation for _, _, variation in places}, campaign.variations)
        self._nodes: dict[NodeKey, _Node] = defaultdict(_Node)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels on which this campaign has nodes that differ from those of another level."""
        over_all = self.all_platforms and len(self.platforms) > 1
        return levels(over_all, split_locales=bool(self.locales), split_variations=bool(self.variations))

    @property
    def credit_levels(self) -> tuple[int, ...]:
        """Levels of credits: those of the tree and, where the tree has one platform only, the one over all: a touch
        before the range may have been on another one."""
        own = {level.bits for level in self.levels}
        return tuple(sorted(own | {bits & ~1 for bits in own} if self.all_platforms else own))

    @property
    def groups(self) -> dict[str, str]:
        """Control groups that are enabled or have members anywhere in the campaign, with the reason of removals."""
        enabled = {
            CAMPAIGN_CONTROL_GROUP: self.campaign.campaign_control_group,
            GLOBAL_CONTROL_GROUP: self.campaign.global_control_group,
        }
        return {
            key: reason
            for key, reason in CONTROL_REASONS.items()
            if enabled[key] or any(self._held_out(platform, reason).total for platform in self.platforms)
        }

    def fill_from(self, entry: Settled, number: int, window: Window) -> None:
        """Take everything from a settled entry; `number` is the campaign's among those asked for."""
        levels = self.levels
        for (_, *place, metric), pair in entry.counts(number, window, levels).items():
            self.at(place).counts[metric] = pair
        for (_, *place, reason), pair in entry.failures(number, window, levels).items():
            self.at(place).failures[reason] = pair
        for (_, *place, goal), numbers in entry.attributed(number, window, levels, self._attribution).items():
            self.at(place).goals[goal] = GoalNumbers(*numbers)
        coverage = self._cells.funnel_coverage(user_steps(self.campaign.channel))
        for (_, *place, stage), pair in entry.depths(number, window, levels).items():
            for covered in coverage:  # cells of other campaigns: nothing of this one is covered
                self.at(place).stages[covered][stage] = pair

    def at(self, place: Sequence[str]) -> _Node:
        platform, locale, variation = place
        return self._nodes[(platform or ALL_PLATFORMS, locale or ALL_LOCALES, variation or ALL_VARIATIONS)]

    def numbers(self) -> CampaignNumbers:
        platforms = [*([ALL_PLATFORMS] if self.all_platforms else []), *self.platforms]
        nodes: dict[NodeKey, NodeNumbers] = {}
        for platform in platforms:
            for locale in (ALL_LOCALES, *self.locales):
                if not self._seen(platform, locale, ALL_VARIATIONS):
                    continue
                for variation in (ALL_VARIATIONS, *self.variations):
                    if self._seen(platform, locale, variation):
                        nodes[(platform, locale, variation)] = self._finish(platform, locale, variation)
                if locale == ALL_LOCALES:
                    nodes.update(self._control_nodes(platform))
        return CampaignNumbers(self.campaign, nodes)

    def _seen(self, platform: str, locale: str, variation: str) -> bool:
        """Aggregates always exist; a single locale or variation where it has at least one event."""
        if locale == ALL_LOCALES and variation == ALL_VARIATIONS:
            return True
        return any(
            platform in (ALL_PLATFORMS, row[0])
            and locale in (ALL_LOCALES, row[1])
            and variation in (ALL_VARIATIONS, row[2])
            for row in self._places
        )

    def _source(self, platform: str, locale: str, variation: str) -> _Node:
        if platform == ALL_PLATFORMS and len(self.platforms) == 1:
            platform = self.platforms[0]  # the same events, counted once
        return self._nodes[(platform, locale, variation)]

    def _finish(self, platform: str, locale: str, variation: str) -> NodeNumbers:
        node = self._source(platform, locale, variation)
        extra = self._reported(platform, locale, variation)
        counts = _add(node.counts, extra.counts)
        failures = _add(node.failures, extra.failures)
        return NodeNumbers(
            counts=counts,
            funnel=self._funnel(node, counts, extra.steps),
            failures=_by_frequency({r: p for r, p in failures.items() if r not in CONTROL_REASONS.values()}),
            goals=_goals(node.goals, extra.goals, self._nodes[(platform, locale, variation)].credited),
        )

    def _reported(self, platform: str, locale: str, variation: str) -> Sums:
        place = ("" if platform == ALL_PLATFORMS else platform, locale, variation)
        return self._cells.sums(self._members, place, self._attribution)

    def _funnel(self, node: _Node, counts: Mapping[str, Pair], reported: Mapping[str, Pair]) -> dict[str, Pair]:
        channel = self.campaign.channel
        histograms = {
            step: node.stages[covered]
            for covered, steps in self._cells.funnel_coverage(user_steps(channel)).items()
            for step in steps
        }
        survivors = {step: node.survivors.get(step, ZERO) for step in self.reported_steps}
        return funnel(channel, histograms, counts, survivors, reported)

    def _control_nodes(self, platform: str) -> dict[NodeKey, NodeNumbers]:
        found: dict[NodeKey, NodeNumbers] = {}
        for key, reason in self.groups.items():
            removed = self._held_out(platform, reason)
            node = self._nodes[(platform, ALL_LOCALES, key)]
            reported = self._reported(platform, ALL_LOCALES, ALL_VARIATIONS).failures.get(reason, ZERO)
            found[(platform, ALL_LOCALES, key)] = NodeNumbers(
                counts={},
                funnel={step: Pair(n, n) for step, n in control_funnel(self.campaign.channel).items()},
                failures={reason: removed} if removed.total else {},
                goals=_goals({}, {}, node.credited),
                held_out=node.held_out + reported.total,
            )
        return found

    def _held_out(self, platform: str, reason: str) -> Pair:
        node = self._source(platform, ALL_LOCALES, ALL_VARIATIONS)
        extra = self._reported(platform, ALL_LOCALES, ALL_VARIATIONS)
        return _add(node.failures, extra.failures).get(reason, ZERO)


def _goals(
    attributed: Mapping[str, GoalNumbers],
    reported: Mapping[str, tuple[int, int, Decimal]],
    credited: Mapping[str, Conversions],
) -> dict[str, GoalNumbers]:
    """Conversions from all sources; a sender uses one of them for a goal."""
    goals = dict(attributed)
    others = [*reported.items(), *((goal, (c.total, c.unique, c.revenue)) for goal, c in credited.items())]
    for goal, (total, unique, revenue) in others:
        known = goals.get(goal, GoalNumbers())
        goals[goal] = GoalNumbers(known.total + total, known.unique + unique, known.revenue + revenue)
    return goals


def _add(counted: Mapping[str, Pair], reported: Mapping[str, Pair]) -> dict[str, Pair]:
    return {key: _plus(counted.get(key, ZERO), reported.get(key, ZERO)) for key in {**counted, **reported}}


def _plus(left: Pair, right: Pair) -> Pair:
    return Pair(left.total + right.total, left.unique + right.unique)


def _by_frequency(failures: Mapping[str, Pair]) -> dict[str, Pair]:
    return dict(sorted(failures.items(), key=lambda item: (-item[1].total, item[0])))
