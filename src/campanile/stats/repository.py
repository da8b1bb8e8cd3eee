"""The questions behind the numbers: parameters in, integers out."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import msgspec

from campanile.campaigns.schemas import Campaign
from campanile.engine import Engine, Movements
from campanile.kit.times import Window, epoch_milliseconds
from campanile.metrics.funnel import REPORTABLE_STEPS, STEPS, entry_steps, reason_stages
from campanile.metrics.pairs import Pair
from campanile.metrics.registry import COUNTS
from campanile.metrics.rows import ALL_BITS, METRIC_KEYS, METRIC_NUMBERS, BotMode, UnsubscribeBot, class_metrics
from campanile.metrics.snapshots import Cells
from campanile.stats.levels import Level
from campanile.workspaces.schemas import WorkspaceSettings

DEVICE_STEPS = sorted(step for step in REPORTABLE_STEPS if STEPS[step].count)
"""Funnel steps that count devices, not people."""

Key = tuple[Any, ...]
"""(target number, platform, locale, variation, metric | reason | step | goal | stage); '' = rolled up."""

LEVEL_BITS = 3


class Dimension(NamedTuple):
    """One combination of dimensions that a campaign has events for."""

    platform: str
    locale: str
    variation: str
    events: int
    failures: int
    qualifications: int
    survivors: int


class Scope(msgspec.Struct, frozen=True):
    """Whose events count for whom: target campaigns by number, their member campaigns, and the window."""

    members: tuple[str, ...]
    """Campaign ids whose events are read."""
    targets: tuple[tuple[int, ...], ...]
    """Per member: numbers of the targets it counts for."""
    implied: tuple[bool, ...]
    """Per member: whether attempts are implied by sends and failures."""
    channels: tuple[str, ...]
    """Per target: its channel."""
    levels: tuple[tuple[Level, ...], ...]
    """Per target: the levels of its tree."""
    window: Window
    settings: WorkspaceSettings

    @classmethod
    def of(
        cls,
        campaigns: Sequence[Campaign],
        children: Mapping[str, Sequence[Campaign]],
        window: Window,
        settings: WorkspaceSettings,
    ) -> Scope:
        targets: dict[str, list[int]] = defaultdict(list)
        implied: dict[str, bool] = {}
        for number, campaign in enumerate(campaigns):
            for member in (campaign, *children.get(campaign.campaign_id, ())):
                targets[member.campaign_id].append(number)
                implied[member.campaign_id] = member.attempts == "implied"
        return cls(
            members=tuple(targets),
            targets=tuple(tuple(numbers) for numbers in targets.values()),
            implied=tuple(implied.values()),
            channels=tuple(campaign.channel for campaign in campaigns),
            levels=((),) * len(campaigns),
            window=window,
            settings=settings,
        )

    def members_of(self, number: int) -> frozenset[str]:
        """Campaigns that count for target `number`."""
        return frozenset(
            member for member, targets in zip(self.members, self.targets, strict=True) if number in targets
        )

    def only(self, numbers: Iterable[int]) -> Scope:
        """The same scope for some of its targets."""
        kept = set(numbers)
        rows = [
            (member, tuple(number for number in targets if number in kept), implied)
            for member, targets, implied in zip(self.members, self.targets, self.implied, strict=True)
            if kept.intersection(targets)
        ]
        return msgspec.structs.replace(
            self,
            members=tuple(row[0] for row in rows),
            targets=tuple(row[1] for row in rows),
            implied=tuple(row[2] for row in rows),
        )

    def with_levels(self, levels: Iterable[tuple[Level, ...]]) -> Scope:
        """The same scope, knowing which levels each target has."""
        return msgspec.structs.replace(self, levels=tuple(levels))

    def slots(self) -> list[list[int]]:
        """Per member: 8 · target + level for everything its events count for."""
        return [
            [(number << LEVEL_BITS) + level.bits for number in targets for level in self.levels[number]]
            for targets in self.targets
        ]

    def by_channel(self) -> list[tuple[str, Scope]]:
        """The scope cut into one per channel of its targets."""
        present = sorted({number for targets in self.targets for number in targets})
        return [
            (channel, self.only(number for number in present if self.channels[number] == channel))
            for channel in dict.fromkeys(self.channels[number] for number in present)
        ]


@cache
def metrics_of_classes(bot_mode: BotMode, unsubscribe_bot: UnsubscribeBot) -> list[list[int]]:
    return class_metrics(bot_mode, unsubscribe_bot)


class StatsRepository:
    """Asks the engine. Every method answers an empty scope without asking."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def movements(self) -> Movements | None:
        """What has been written to, if this process sees all of it."""
        return self._engine.movements

    def merged_through(self, workspace: str) -> int | None:
        """The sequence up to which answers see merges of users; None where there are none."""
        return self._engine.merged_through(workspace)

    async def active(self, workspace: str, window: Window, since: int) -> tuple[set[str], int]:
        """Ids of campaigns with an event or a snapshot in the window stored after a sequence, and the highest sequence
        among those; 0 without any."""
        events, cells = await asyncio.gather(
            self._engine.answer("active_campaigns", workspace, **_range(window), since=since),
            self._engine.answer("active_snapshots", workspace, first=window.first, last=window.last, since=since),
        )
        rows = [*events, *cells]
        return {name for name, _ in rows}, max((newest for _, newest in rows), default=0)

    async def dimensions(self, workspace: str, scope: Scope) -> dict[str, list[Dimension]]:
        """Per member campaign: the combinations of dimensions it has events for."""
        found: dict[str, list[Dimension]] = defaultdict(list)
        if scope.members:
            rows = await self._engine.answer(
                "dimensions",
                workspace,
                campaigns=list(scope.members),
                entry_steps=_entry_steps(scope),
                **_range(scope.window),
            )
            for campaign_id, *rest in rows:
                found[campaign_id].append(Dimension(*rest))
        return found

    async def snapshot_cells(self, workspace: str, scope: Scope) -> Cells:
        """The counts that were reported as numbers."""
        if not scope.members:
            return Cells(())
        rows = await self._engine.answer(
            "snapshot_cells",
            workspace,
            campaigns=list(scope.members),
            first=scope.window.first,
            last=scope.window.last,
        )
        return Cells(rows)

    async def counts(self, workspace: str, scope: Scope, cells: Cells) -> dict[Key, Pair]:
        """Events and users per metric key."""
        if not scope.members:
            return {}
        settings = scope.settings
        rows = await self._engine.answer(
            "counts",
            workspace,
            **_members(scope),
            **_covered(cells.counts, scope),
            implied=[int(flag) for flag in scope.implied],
            class_metrics=metrics_of_classes(settings.bot_mode, settings.unsubscribe_bot),
            ios_substitute=int(not settings.show_ios_impressions),
            entry_steps=_entry_steps(scope),
        )
        return {
            (slot >> LEVEL_BITS, *place, METRIC_KEYS[metric]): Pair(total, unique)
            for slot, *place, metric, total, unique in rows
        }

    async def series(
        self, workspace: str, scope: Scope, cells: Cells, buckets: Sequence[int], metrics: Sequence[str]
    ) -> dict[tuple[int, int, str], Pair]:
        """Events and users per target, stretch of time and metric key.

        Args:
            buckets: when the stretches begin, in milliseconds, ascending; the first one not after the window's start.
            metrics: keys of the counts that are wanted.
        """
        if not scope.members or not metrics:
            return {}
        settings = scope.settings
        wanted = {METRIC_NUMBERS[key] for key in metrics}
        classes = [
            [number for number in numbers if number in wanted]
            for numbers in metrics_of_classes(settings.bot_mode, settings.unsubscribe_bot)
        ]
        rows = await self._engine.answer(
            "series",
            workspace,
            **_members(scope),
            **_covered(cells.counts, scope),
            buckets=list(buckets),
            types=sorted({rows.type for key in metrics for rows in COUNTS[key].rows}),
            implied=[int(flag) for flag in scope.implied],
            class_metrics=classes,
            class_bits=ALL_BITS,
            ios_substitute=int(not settings.show_ios_impressions),
            entry_steps=_entry_steps(scope),
        )
        return {
            (slot >> LEVEL_BITS, bucket, METRIC_KEYS[metric]): Pair(total, unique)
            for slot, bucket, metric, total, unique in rows
        }

    async def stored_since(
        self, workspace: str, campaigns: Sequence[str], names: Sequence[str], since: int
    ) -> tuple[int, int]:
        """Rows stored after a sequence that may change the numbers of campaigns, and a checksum of them.

        Args:
            names: names of the events that goals of theirs want.
        """
        rows = await self._engine.answer(
            "stored_since", workspace, campaigns=list(campaigns), names=list(names), since=since
        )
        return sum(row[0] for row in rows), sum(row[1] for row in rows)

    async def failures(self, workspace: str, scope: Scope, cells: Cells) -> dict[Key, Pair]:
        """Events and users per reason, control groups included."""
        if not scope.members:
            return {}
        rows = await self._engine.answer("failures", workspace, **_members(scope), **_covered(cells.failures, scope))
        return _pairs(rows)

    async def reported_steps(self, workspace: str, scope: Scope) -> dict[str, set[str]]:
        """Per member campaign: the funnel steps that senders report survivors of."""
        found: dict[str, set[str]] = defaultdict(set)
        if scope.members:
            rows = await self._engine.answer(
                "reported_steps",
                workspace,
                campaigns=list(scope.members),
                entry_steps=_entry_steps(scope),
                **_range(scope.window),
            )
            for campaign_id, step, _ in rows:
                found[campaign_id].add(step)
        return found

    async def survivors(self, workspace: str, scope: Scope, channel: str) -> dict[Key, Pair]:
        """(Instance, user) pairs and users per reported funnel step; all targets of `channel`."""
        rows = await self._engine.answer(
            "survivors",
            workspace,
            **_members(scope),
            **_range(scope.window),
            **stages_of(channel),
            device_steps=DEVICE_STEPS,
        )
        return _pairs(rows)

    async def funnel_depths(
        self, workspace: str, scope: Scope, channel: str, covered: Sequence[str]
    ) -> dict[Key, Pair]:
        """(Instance, user) pairs and users per stage reached; all targets of `channel`."""
        rows = await self._engine.answer(
            "funnel_depths",
            workspace,
            **_members(scope),
            **_covered(covered, scope),
            **stages_of(channel),
        )
        return _pairs(rows)

    async def attributed_conversions(
        self, workspace: str, scope: Scope, cells: Cells, attribution: str
    ) -> dict[Key, tuple[int, int, Decimal]]:
        """Conversions the senders attributed: events, (user, instance) pairs and revenue per goal."""
        if not scope.members:
            return {}
        rows = await self._engine.answer(
            "attributed_conversions",
            workspace,
            **_members(scope),
            **_covered(cells.goals(attribution), scope),
            attribution=attribution,
        )
        return {(slot >> LEVEL_BITS, *key): (total, unique, paid) for slot, *key, total, unique, paid in rows}


def _pairs(rows: Iterable[tuple[Any, ...]]) -> dict[Key, Pair]:
    return {(slot >> LEVEL_BITS, *key): Pair(total, unique) for slot, *key, total, unique in rows}


def _range(window: Window) -> dict[str, Any]:
    return {"start": epoch_milliseconds(window.start), "end": epoch_milliseconds(window.end)}


def _members(scope: Scope) -> dict[str, Any]:
    return {
        "campaigns": list(scope.members),
        "members": list(range(1, len(scope.members) + 1)),
        "slots": scope.slots(),
    }


def _covered(covered: Sequence[str], scope: Scope) -> dict[str, Any]:
    return {
        "outside": int(bool(covered)),
        "covered": list(covered),
        "timezone": scope.window.timezone,
        **_range(scope.window),
    }


def stages_of(channel: str) -> dict[str, Any]:
    stages = reason_stages(channel)
    return {"reasons": list(stages), "stages": list(stages.values()), "entry_steps": list(entry_steps(channel))}


def _entry_steps(scope: Scope) -> list[str]:
    return sorted({step for channel in scope.channels for step in entry_steps(channel)})
