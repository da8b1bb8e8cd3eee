"""Numbers for people who look: campaigns under both metric types, time series, totals of a workspace.

Everything is counted by the questions of `NumbersService` and turned into rates by `campanile.metrics.formulas`, so
that a page and an API answer cannot disagree.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from campanile.campaigns.schemas import Campaign
from campanile.kit.times import Window, day_start, epoch_milliseconds, window
from campanile.metrics.channels import CHANNELS
from campanile.metrics.formulas import channel_fraction, performance_stats, rate
from campanile.metrics.pairs import ZERO, MetricType, Pair
from campanile.metrics.registry import COUNTS, RATES
from campanile.metrics.snapshots import Cells
from campanile.stats.levels import Level
from campanile.stats.numbers import NumbersService
from campanile.stats.remembered import Remembered
from campanile.stats.repository import Scope, StatsRepository
from campanile.stats.schemas import Attribution, GroupTotals, Measured, Point, Series, SeriesUnit, Totals
from campanile.stats.settled.credits import Credits
from campanile.stats.settled.overall import Overall
from campanile.stats.tally import ALL_TOGETHER, Tally
from campanile.stats.tree import campaign_tree
from campanile.workspaces.schemas import Workspace

UNDER_WAY_MICROSECONDS = 120_000_000
"""How long an insert of another process may be under way: what it stores may carry a sequence from before."""

SETTLED_AT_ONCE = 500
"""Campaigns whose integers are looked up for a page about all of a workspace; each that has none yet is prepared."""

_EVERYWHERE = (Level(False, False, False),)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Campaigns(Protocol):
    """Knows campaigns; the campaign service."""

    def get_many(self, workspace_id: str, ids: Collection[str]) -> Mapping[str, Campaign]: ...

    def children_of(self, workspace_id: str, parent_ids: Collection[str]) -> Mapping[str, Sequence[Campaign]]: ...


class Analysis:
    """Read-only; every answer is counted when it is asked for."""

    def __init__(
        self, repository: StatsRepository, campaigns: Campaigns, numbers: NumbersService, credits: Credits
    ) -> None:
        self._repository = repository
        self._campaigns = campaigns
        self._numbers = numbers
        self._credits = credits
        self._unions: Remembered[Mapping[int, Mapping[str, Pair]]] = Remembered(repository.movements)
        """What campaigns have together: their users may be the same."""
        self._stretches: Remembered[Mapping[tuple[int, int, str], Pair]] = Remembered(repository.movements)

    async def measured(
        self, workspace: Workspace, campaigns: Sequence[Campaign], days: Window, attribution: Attribution
    ) -> dict[str, Measured]:
        """What the Stats API says about these campaigns, by id; campaigns that have no statistics are left out."""
        asked = [campaign for campaign in campaigns if campaign.has_stats]
        numbers = await self._numbers.measure(workspace, asked, days, attribution, all_platforms=True)
        return {
            campaign_id: Measured(
                found.campaign,
                campaign_tree(found, "TOTAL", attribution, workspace.settings),
                campaign_tree(found, "UNIQUE", attribution, workspace.settings),
            )
            for campaign_id, found in numbers.items()
        }

    async def summed(
        self, workspace: Workspace, campaigns: Sequence[Campaign], days: Window, attribution: Attribution
    ) -> dict[str, GroupTotals]:
        """Numbers of some campaigns with their children, over all platforms, by id: what a list shows."""
        asked = [campaign for campaign in campaigns if campaign.has_stats]
        if not asked:
            return {}
        children = await asyncio.to_thread(
            self._campaigns.children_of, workspace.id, [campaign.campaign_id for campaign in asked]
        )
        scope = Scope.of(asked, children, days, workspace.settings).with_levels([_EVERYWHERE] * len(asked))
        known = await self._integers(workspace, asked, days)
        moving = scope.only(number for number in range(len(asked)) if number not in known)
        cells = await self._repository.snapshot_cells(workspace.id, moving)
        tallies = await self._tallied(workspace, moving, asked, known, cells, attribution)
        for number, (campaign, tally) in enumerate(zip(asked, tallies, strict=True)):
            if cells.counts or cells.goals(attribution):
                tally.report(campaign, cells, scope.members_of(number), attribution)
        return {
            campaign.campaign_id: _group(campaign.channel, [campaign], tally, workspace)
            for campaign, tally in zip(asked, tallies, strict=True)
        }

    async def mark(self, workspace: Workspace, campaign: Campaign, now: datetime) -> str:
        """What `unchanged` compares with. Take it before the numbers are counted."""
        since = max(0, (now - _EPOCH) // timedelta(microseconds=1) - UNDER_WAY_MICROSECONDS)
        rows, checksum = await self._stored(workspace, campaign, since)
        return f"{since}-{rows}-{checksum}-{campaign.revision}-{workspace.merged_through or 0}"

    async def unchanged(self, workspace: Workspace, campaign: Campaign, mark: str) -> bool:
        """Whether all numbers of the campaign are as they were at the mark; costs far less than counting them.

        A mark that is none is never unchanged.
        """
        since, _, _ = mark.partition("-")
        if not since.isascii() or not since.isdigit() or len(since) > len(str(1 << 63)) - 1:
            return False
        rows, checksum = await self._stored(workspace, campaign, int(since))
        return mark == f"{since}-{rows}-{checksum}-{campaign.revision}-{workspace.merged_through or 0}"

    async def _stored(self, workspace: Workspace, campaign: Campaign, since: int) -> tuple[int, int]:
        children = await asyncio.to_thread(self._campaigns.children_of, workspace.id, [campaign.campaign_id])
        family = [campaign, *children.get(campaign.campaign_id, ())]
        names = {goal.event for member in family for goal in member.goals if goal.event}
        ids = [member.campaign_id for member in family]
        return await self._repository.stored_since(workspace.id, ids, sorted(names), since)

    async def campaign_series(
        self, workspace: Workspace, campaign: Campaign, days: Window, unit: SeriesUnit, metrics: Sequence[str]
    ) -> Series:
        """Counts of a campaign and its children over time."""
        known = (await self._integers(workspace, [campaign], days)).get(0) if unit != "hour" else None
        if known is not None:
            return _series_of(known, days, unit, metrics)
        children = await asyncio.to_thread(self._campaigns.children_of, workspace.id, [campaign.campaign_id])
        scope = Scope.of([campaign], children, days, workspace.settings).with_levels([_EVERYWHERE])
        found = await self._series(workspace, scope, unit, metrics)
        return found[0]

    async def channel_series(
        self, workspace: Workspace, days: Window, unit: SeriesUnit, metrics: Sequence[str]
    ) -> dict[str, Series]:
        """Counts over time per channel with activity, and of all channels together under ''."""
        groups = await self._groups(workspace, days)
        scope = _scope(groups, days, workspace, campaigns=False)
        found = await self._series(workspace, scope, unit, metrics)
        return dict(zip((*groups.channels, ""), found, strict=True))

    async def _series(
        self, workspace: Workspace, scope: Scope, unit: SeriesUnit, metrics: Sequence[str]
    ) -> list[Series]:
        """One series per target."""
        starts = buckets(scope.window, unit)
        edges = [epoch_milliseconds(start) for start in starts]
        cells = await self._repository.snapshot_cells(workspace.id, scope)
        counted = await self._stretches.ask(
            workspace.id,
            (scope, unit, tuple(metrics), self._repository.merged_through(workspace.id)),
            partial(self._repository.series, workspace.id, scope, cells, edges, metrics),
        )
        reported = _reported_per_bucket(cells, scope, starts)
        zone = ZoneInfo(scope.window.timezone)
        undated = unit == "hour" and bool(cells.counts)

        def pair(target: int, edge: int, metric: str) -> Pair:
            own = counted.get((target, edge, metric), ZERO)
            extra = ZERO if unit == "hour" else reported.get((target, edge, metric), ZERO)
            return Pair(own.total + extra.total, own.unique + extra.unique)

        return [
            Series(
                unit,
                tuple(
                    Point(start.astimezone(zone), {metric: pair(target, edge, metric) for metric in metrics})
                    for start, edge in zip(starts, edges, strict=True)
                ),
                undated,
            )
            for target in range(len(scope.channels))
        ]

    async def totals(self, workspace: Workspace, days: Window, attribution: Attribution) -> Totals:
        """Numbers of all campaigns with activity, of their channels and of everything, with exact uniques each."""
        groups = await self._groups(workspace, days)
        scope = _scope(groups, days, workspace, campaigns=True)
        known = await self._integers(workspace, groups.roots, days, groups.left_out)
        roots = len(groups.roots)
        question = (scope.only(range(roots, len(scope.channels))), self._repository.merged_through(workspace.id))
        together, moment = self._unions.recall(workspace.id, question), self._unions.moment
        asked = range(len(scope.channels) if together is None else roots)  # one question for all of them
        moving = scope.only(number for number in asked if number not in known)
        cells = await self._repository.snapshot_cells(workspace.id, scope)
        tallies = await self._tallied(workspace, moving, groups.roots, known, cells, attribution)
        if together is None:
            together = {number: dict(tallies[number].counts) for number in range(roots, len(tallies))}
            self._unions.keep(workspace.id, question, moment, together)
        else:
            for number, counts in together.items():
                tallies[number].counts = dict(counts)
        _add_reported(tallies, groups, cells, attribution)
        _add_up_conversions(groups, tallies)
        return _totals(groups, tallies, workspace)

    async def compared(
        self, workspace: Workspace, days: Window, attribution: Attribution, rates: Collection[str]
    ) -> GroupTotals:
        """Everything as in `totals`, without users, and with these rates: what another range of days is compared with.

        Sums of campaigns, so nothing is asked about those whose integers are known; but for channels of which one of
        the rates counts users.
        """
        groups = await self._groups(workspace, days)
        scope = _scope(groups, days, workspace, campaigns=True)
        known = await self._integers(workspace, groups.roots, days, groups.left_out)
        together = {groups.channel_number(channel) for channel in groups.channels if _counts_users(channel, rates)}
        moving = scope.only({*range(len(groups.roots)), *together} - known.keys())
        cells = await self._repository.snapshot_cells(workspace.id, scope)
        tallies = await self._tallied(workspace, moving, groups.roots, known, cells, attribution)
        for number, root in enumerate(groups.roots):
            for place in {groups.channel_number(root.channel), len(tallies) - 1} - together:
                for metric, pair in tallies[number].counts.items():
                    tallies[place].count(metric, Pair(pair.total, 0))
        _add_reported(tallies, groups, cells, attribution)
        _add_up_conversions(groups, tallies)
        everything = _totals(groups, tallies, workspace).everything
        return msgspec.structs.replace(
            everything,
            total={key: value for key, value in everything.total.items() if key in COUNTS or key in rates},
            unique={},
            fractions={key: parts for key, parts in everything.fractions.items() if key in rates},
        )

    async def _integers(
        self, workspace: Workspace, campaigns: Sequence[Campaign], days: Window, without: Set[str] = frozenset()
    ) -> dict[int, Overall]:
        """The campaigns that are answered from integers now, by number; not those for which one of `without` counts."""
        if len(campaigns) > SETTLED_AT_ONCE:
            return {}
        entries = await self._numbers.entries(workspace, campaigns)
        found = {
            number: Overall.of(entries[campaign.campaign_id], days)
            for number, campaign in enumerate(campaigns)
            if campaign.campaign_id in entries and without.isdisjoint(entries[campaign.campaign_id].setting.members)
        }
        return {number: known for number, known in found.items() if known is not None}

    async def _tallied(
        self,
        workspace: Workspace,
        moving: Scope,
        campaigns: Sequence[Campaign],
        known: Mapping[int, Overall],
        cells: Cells,
        attribution: Attribution,
    ) -> list[Tally]:
        """Events of all targets, and conversions of the first ones, which are `campaigns`.

        Args:
            moving: the targets that the log is asked about; `known` are the others.
        """
        counts, attributed, credited = await asyncio.gather(
            self._repository.counts(workspace.id, moving, cells),
            self._repository.attributed_conversions(
                workspace.id, moving.only(range(len(campaigns))), cells, attribution
            ),
            self._credits.credited(workspace, campaigns, [(0,)] * len(campaigns), moving.window, attribution),
        )
        tallies = [Tally() for _ in moving.channels]
        for (target, _, _, _, metric), pair in counts.items():
            tallies[target].count(metric, pair)
        for (target, *_, goal), (total, unique, paid) in attributed.items():
            tallies[target].convert(campaigns[target], goal, total, unique, paid)
        for number, overall in known.items():
            for metric, pair in overall.counts(moving.window).items():
                tallies[number].count(metric, pair)
            for goal, (total, unique, paid) in overall.attributed(moving.window, attribution).items():
                tallies[number].convert(campaigns[number], goal, total, unique, paid)
        for (target, *_, goal), found in credited.items():
            tallies[target].convert(campaigns[target], goal, found.total, found.unique, found.revenue)
        return tallies

    async def _groups(self, workspace: Workspace, days: Window) -> _Groups:
        active = await self._numbers.active(workspace, days)
        return await asyncio.to_thread(self._grouped, workspace.id, active)

    def _grouped(self, workspace_id: str, active: Set[str]) -> _Groups:
        known = dict(self._campaigns.get_many(workspace_id, sorted(active)))
        parents = {item.parent_id for item in known.values() if item.parent_id is not None} - known.keys()
        known.update(self._campaigns.get_many(workspace_id, sorted(parents)))
        return _Groups([item for item in known.values() if item.has_stats], active)


def _series_of(known: Overall, days: Window, unit: SeriesUnit, metrics: Sequence[str]) -> Series:
    """A series of a campaign from its integers; stretches are whole days."""
    zone = ZoneInfo(days.timezone)
    starts = [start.astimezone(zone) for start in buckets(days, unit)]
    ends = [start.date() - timedelta(days=1) for start in starts[1:]]
    points = []
    for start, last in zip(starts, [*ends, days.last], strict=True):
        counts = known.counts(window(start.date(), last, days.timezone))
        points.append(Point(start, {metric: counts.get(metric, ZERO) for metric in metrics}))
    return Series(unit, tuple(points), False)


def _counts_users(channel: str, rates: Collection[str]) -> bool:
    ratios = [ratio for key in rates if (ratio := RATES[key].ratio(channel)) is not None]
    terms = [term for ratio in ratios for term in (ratio.numerator, ratio.denominator, ratio.untracked)]
    return any(term is not None and term.unique for term in terms)


def _add_up_conversions(groups: _Groups, tallies: Sequence[Tally]) -> None:
    """Channels and everything have the conversions of their campaigns."""
    for number, root in enumerate(groups.roots):
        for place in (groups.channel_number(root.channel), len(tallies) - 1):
            tallies[place].add_conversions(tallies[number])


class _Groups:
    """Campaigns with activity by what they belong to. Targets: the roots, their channels, everything."""

    def __init__(self, campaigns: Iterable[Campaign], active: Set[str]) -> None:
        self.members = list(campaigns)
        self.left_out = active - {item.campaign_id for item in self.members}
        """Campaigns with activity that count for nobody."""
        self.roots = [item for item in self.members if item.parent_id is None]
        self.roots.sort(key=lambda item: (item.created_at, item.campaign_id))
        self._numbers = {root.campaign_id: number for number, root in enumerate(self.roots)}
        present = {item.channel for item in self.members}
        self.channels = [channel for channel in CHANNELS if channel in present]

    def root_number(self, member: Campaign) -> int:
        return self._numbers[member.parent_id or member.campaign_id]

    def channel_number(self, channel: str) -> int:
        return len(self.roots) + self.channels.index(channel)


def _scope(groups: _Groups, days: Window, workspace: Workspace, *, campaigns: bool) -> Scope:
    """Every member counts for its channel and for everything, with `campaigns` for its root as well."""
    shift = 0 if campaigns else len(groups.roots)
    everything = len(groups.roots) + len(groups.channels)

    def targets(member: Campaign) -> tuple[int, ...]:
        own = (groups.root_number(member),) if campaigns else ()
        return (*own, groups.channel_number(member.channel) - shift, everything - shift)

    channels = [*(root.channel for root in groups.roots if campaigns), *groups.channels, "OTHER"]
    return Scope(
        members=tuple(member.campaign_id for member in groups.members),
        targets=tuple(targets(member) for member in groups.members),
        implied=tuple(member.attempts == "implied" for member in groups.members),
        channels=tuple(channels),
        levels=(_EVERYWHERE,) * len(channels),
        window=days,
        settings=workspace.settings,
    )


def _add_reported(tallies: Sequence[Tally], groups: _Groups, cells: Cells, attribution: str) -> None:
    """Counts that senders reported as numbers."""
    reporting = {cell.campaign_id for cell in cells.each()}
    for member in groups.members:
        if member.campaign_id not in reporting:
            continue
        number, own = groups.root_number(member), frozenset({member.campaign_id})
        tallies[number].report(groups.roots[number], cells, own, attribution)
        for metric, pair in cells.sums(own, ALL_TOGETHER, attribution).counts.items():
            for place in (groups.channel_number(member.channel), len(tallies) - 1):
                tallies[place].count(metric, pair)


def _reported_per_bucket(cells: Cells, scope: Scope, starts: Sequence[datetime]) -> dict[tuple[int, int, str], Pair]:
    """Counts that senders reported as numbers, per target, stretch and metric."""
    zone = ZoneInfo(scope.window.timezone)
    targets = dict(zip(scope.members, scope.targets, strict=True))
    found: dict[tuple[int, int, str], Pair] = {}
    for cell in cells.each():
        if cell.locale or cell.variation:
            continue
        noon = day_start(date.fromisoformat(cell.day), zone)
        edge = epoch_milliseconds(max(start for start in starts if start <= noon))
        for target in targets[cell.campaign_id]:
            for metric, pair in cell.counts.items():
                known = found.get((target, edge, metric), ZERO)
                found[(target, edge, metric)] = Pair(known.total + pair.total, known.unique + pair.unique)
    return found


def _totals(groups: _Groups, tallies: Sequence[Tally], workspace: Workspace) -> Totals:
    by_channel: dict[str, list[Campaign]] = defaultdict(list)
    for root in groups.roots:
        by_channel[root.channel].append(root)
    campaigns = tuple(
        (root, _group(root.channel, [root], tally, workspace))
        for root, tally in zip(groups.roots, tallies, strict=False)
    )
    channels = {
        channel: _group(channel, by_channel[channel], tallies[groups.channel_number(channel)], workspace)
        for channel in groups.channels
    }
    return Totals(_everything(len(groups.roots), tallies[-1], channels.values()), channels, campaigns)


def _group(channel: str, roots: Sequence[Campaign], tally: Tally, workspace: Workspace) -> GroupTotals:
    # Of a channel some of whose campaigns lack delivery tracking, the others have the deliveries to divide by.
    tracked = any(root.delivery_tracking for root in roots)

    def performance(metric_type: MetricType) -> dict[str, int | float]:
        return performance_stats(
            channel,
            tally.counts,
            metric_type=metric_type,
            bot_mode=workspace.settings.bot_mode,
            delivery_tracking=tracked,
            extended=workspace.settings.extended_metrics,
        )

    return GroupTotals(
        campaigns=len(roots),
        total=performance("TOTAL"),
        unique=performance("UNIQUE"),
        fractions={
            key: channel_fraction(metric, channel, tally.counts, "TOTAL", tracked)
            for key, metric in RATES.items()
            if metric.ratio(channel) is not None
        },
        conversions=tally.conversions,
        converted=tally.converted,
        revenue=dict(tally.revenue),
    )


def _everything(campaigns: int, tally: Tally, channels: Iterable[GroupTotals]) -> GroupTotals:
    """A rate over several channels is the sum of their numerators over the sum of their denominators."""
    fractions: dict[str, tuple[int, int]] = {}
    for channel in channels:
        for key, (part, whole) in channel.fractions.items():
            known = fractions.get(key, (0, 0))
            fractions[key] = (known[0] + part, known[1] + whole)
    rates = {key: rate(part, whole) for key, (part, whole) in fractions.items()}
    return GroupTotals(
        campaigns=campaigns,
        total={**{key: tally.counts.get(key, ZERO).total for key in COUNTS}, **rates},
        unique={key: tally.counts.get(key, ZERO).unique for key in COUNTS},
        fractions=fractions,
        conversions=tally.conversions,
        converted=tally.converted,
        revenue=dict(tally.revenue),
    )


def buckets(days: Window, unit: SeriesUnit) -> list[datetime]:
    """When the stretches of a window begin, in UTC; weeks begin on Mondays, the first stretch with the window."""
    zone = ZoneInfo(days.timezone)
    if unit == "hour":
        hours = (days.end - days.start) // timedelta(hours=1)
        starts = [days.start + timedelta(hours=number) for number in range(hours + 1)]
        return [start for start in starts if start < days.end]
    calendar = [days.first + timedelta(days=number) for number in range((days.last - days.first).days + 1)]
    kept = [
        day
        for day in calendar
        if day == days.first
        or unit == "day"
        or (unit == "week" and day.weekday() == 0)
        or (unit == "month" and day.day == 1)
    ]
    return [day_start(day, zone) for day in kept]
