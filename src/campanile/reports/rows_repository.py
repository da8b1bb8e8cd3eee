"""The questions behind the rows of a report: parameters in, integers out.

Every method asks one question about the targets of a portion, as of the run's sequence. Places in answers are
(target number, day, platform, locale, variation): the day is the instant it starts or 0, '' is all together, and
`UNLABELLED` stands for events without a locale or variation in rows that keep those apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from campanile.campaigns.schemas import Campaign
from campanile.engine import Engine
from campanile.kit.times import Window, epoch_milliseconds
from campanile.metrics.funnel import REPORTABLE_STEPS, STEPS, entry_steps, reason_stages
from campanile.metrics.pairs import Pair
from campanile.metrics.rows import BITS_PER_CLASS, EVENT_TYPES, METRIC_KEYS, METRIC_NUMBERS, class_metrics
from campanile.metrics.snapshots import Cells
from campanile.workspaces.schemas import WorkspaceSettings

UNLABELLED = "\n"
"""Locale or variation of events that name none."""
DEVICE_STEPS = sorted(step for step in REPORTABLE_STEPS if STEPS[step].count)
LEVEL_BITS = 3
BY_PLATFORM, BY_LOCALE, BY_VARIATION = 1, 2, 4

Place = tuple[int, int, str, str, str]
"""(target number, day, platform, locale, variation)."""
RowKey = tuple[int, int, str, str]
"""(target number, day, locale, variation)."""


class Scope(msgspec.Struct, frozen=True):
    """Whose events count for which rows."""

    workspace: str
    settings: WorkspaceSettings
    channel: str
    """Of events."""
    as_of: int
    days: Mapping[int, date]
    """Start of each day of the range, in milliseconds, ascending → the day."""
    window: Window
    """The range."""
    by_day: bool
    members: Mapping[str, tuple[int, ...]]
    """Campaign id → numbers of the targets it counts for."""
    implied: frozenset[str]
    """Campaigns whose attempts are implied by sends and failures."""
    splits: Mapping[int, int]
    """Target number → bits of locale and variation, where its rows keep them apart."""
    platforms: bool
    """Whether single platforms are wanted beside all of them together."""


class Activity(NamedTuple):
    """Events of a campaign in the range, by what they name."""

    campaign_id: str
    locale: str
    variation: str
    events: int
    seen: int
    """Events that make a node."""
    first: int
    """Milliseconds."""
    last: int


class Attributed(NamedTuple):
    """Conversions that senders attributed."""

    place: Place
    attribution: str
    """As events spell it."""
    goal: str
    total: int
    unique: int
    revenue: Decimal


class RowsRepository:
    """Asks the engine, one question at a time: a report leaves room for those who wait for an answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def active(self, workspace: str, window: Window, as_of: int) -> set[str]:
        """Ids of campaigns with an event or a reported count in the window."""
        events = self._engine.ask(
            "active_campaigns",
            workspace,
            as_of=as_of,
            start=epoch_milliseconds(window.start),
            end=epoch_milliseconds(window.end),
            since=0,
        )
        cells = self._engine.ask(
            "active_snapshots", workspace, as_of=as_of, first=window.first, last=window.last, since=0
        )
        return {row[0] for row in events} | {row[0] for row in cells}

    def activity(self, workspace: str, members: Collection[str], start: int, end: int, as_of: int) -> list[Activity]:
        """When these campaigns had events, and what those name; several rows per place where the store has shards."""
        rows = self._engine.ask(
            "report_activity", workspace, as_of=as_of, campaigns=sorted(members), start=start, end=end
        )
        return [Activity(*row) for row in rows]

    def cells(self, workspace: str, members: Collection[str], first: date, last: date, as_of: int) -> Cells:
        """The counts that were reported as numbers for these days."""
        return Cells(
            self._engine.ask(
                "snapshot_cells", workspace, as_of=as_of, campaigns=sorted(members), first=first, last=last
            )
        )

    def counts(
        self, scope: Scope, wanted: Mapping[str, bool], covered: Sequence[str]
    ) -> Iterator[tuple[RowKey, str, str, Pair]]:
        """Events and users per row, platform and metric key.

        Args:
            wanted: metric keys; whether their users are counted, too (0 otherwise).
            covered: cells, days and metric numbers that events do not answer.
        """
        settings = scope.settings
        table = _classes(settings.bot_mode, settings.unsubscribe_bot, frozenset(wanted))
        rows = self._ask(
            "report_counts",
            scope,
            slots_of(scope),
            **_covered(covered),
            class_metrics=table,
            types=_types(table),
            people=sorted(METRIC_NUMBERS[key] for key, unique in wanted.items() if unique),
            ios_substitute=int(not settings.show_ios_impressions),
            implied=_implied(scope),
            entry_steps=list(entry_steps(scope.channel)),
        )
        for slot, day, platform, locale, variation, metric, total, unique in rows:
            yield (slot >> LEVEL_BITS, day, locale, variation), platform, METRIC_KEYS[metric], Pair(total, unique)

    def reasons(
        self, scope: Scope, reasons: Collection[str], covered: Sequence[str], *, whole: bool
    ) -> Iterator[tuple[Place, str, int]]:
        """Events per reason; `whole`: over all locales and variations, whatever the rows keep apart."""
        rows = self._ask(
            "report_reasons",
            scope,
            slots_of(scope, whole=whole),
            **_covered(covered),
            reasons=sorted(reasons),
        )
        for slot, day, platform, locale, variation, reason, total in rows:
            yield (slot >> LEVEL_BITS, day, platform, locale, variation), reason, total

    def details(self, scope: Scope, details: Collection[str]) -> Iterator[tuple[Place, str, int]]:
        """Messages per transport and kind of click."""
        rows = self._ask("report_details", scope, slots_of(scope), details=sorted(details), implied=_implied(scope))
        for slot, day, platform, locale, variation, detail, total in rows:
            yield (slot >> LEVEL_BITS, day, platform, locale, variation), detail, total

    def depths(self, scope: Scope, covered: Sequence[str]) -> Iterator[tuple[Place, int, int]]:
        """(Instance, user) pairs per funnel stage reached, over all locales and variations."""
        rows = self._ask(
            "report_depths", scope, slots_of(scope, whole=True), **_covered(covered), **_stages(scope.channel)
        )
        for slot, day, platform, stage, total in rows:
            yield (slot >> LEVEL_BITS, day, platform, "", ""), stage, total

    def steps(self, scope: Scope) -> dict[tuple[str, int], set[str]]:
        """(Campaign id, day) → the funnel steps that senders report survivors of."""
        found: dict[tuple[str, int], set[str]] = defaultdict(set)
        entries = list(entry_steps(scope.channel))
        for campaign_id, day, step, _ in self._ask("report_steps", scope, None, entry_steps=entries):
            found[(campaign_id, day)].add(step)
        return found

    def survivors(self, scope: Scope) -> Iterator[tuple[Place, str, int]]:
        """(Instance, user) pairs, or devices, per reported funnel step, over all locales and variations."""
        rows = self._ask(
            "report_survivors",
            scope,
            slots_of(scope, whole=True),
            **_stages(scope.channel),
            device_steps=DEVICE_STEPS,
        )
        for slot, day, platform, step, total in rows:
            yield (slot >> LEVEL_BITS, day, platform, "", ""), step, total

    def attributed(self, scope: Scope, attributions: Collection[str], covered: Sequence[str]) -> Iterator[Attributed]:
        """Conversions that came with their attribution, which is spelled as in events."""
        rows = self._ask(
            "report_attributed",
            scope,
            slots_of(scope),
            **_covered(covered),
            attributions=sorted(attributions),
        )
        for slot, day, platform, locale, variation, attribution, goal, total, unique, paid in rows:
            place = (slot >> LEVEL_BITS, day, platform, locale, variation)
            yield Attributed(place, attribution, goal, total, unique, paid)

    def _ask(
        self, question: str, scope: Scope, slots: Mapping[str, list[int]] | None, **parameters: Any
    ) -> list[tuple[Any, ...]]:
        if not scope.members:
            return []
        if slots is not None:
            parameters |= {"members": list(range(1, len(scope.members) + 1)), "slots": list(slots.values())}
        return self._engine.ask(
            question,
            scope.workspace,
            as_of=scope.as_of,
            campaigns=list(scope.members),
            start=epoch_milliseconds(scope.window.start),
            end=epoch_milliseconds(scope.window.end),
            days=list(scope.days),
            by_day=int(scope.by_day),
            **parameters,
        )


def implied(members: Iterable[Campaign]) -> frozenset[str]:
    """Those of the campaigns whose attempts are implied."""
    return frozenset(member.campaign_id for member in members if member.attempts == "implied")


@lru_cache(maxsize=64)
def _classes(bot_mode: Any, unsubscribe_bot: Any, wanted: frozenset[str]) -> list[list[int]]:
    """`class_metrics`, with the wanted ones only: rows of a class without any are not looked at."""
    numbers = {METRIC_NUMBERS[key] for key in wanted}
    return [[number for number in row if number in numbers] for row in class_metrics(bot_mode, unsubscribe_bot)]


def _types(table: Sequence[Sequence[int]]) -> list[str]:
    """Event types with a class that counts for something."""
    return [
        name
        for place, name in enumerate(EVENT_TYPES)
        if any(table[place * BITS_PER_CLASS : (place + 1) * BITS_PER_CLASS])
    ]


def slots_of(scope: Scope, *, whole: bool = False) -> dict[str, list[int]]:
    """Per member: 8 · target + level for everything its events count for; `whole`: whatever rows keep apart."""
    platforms = (0, BY_PLATFORM) if scope.platforms else (0,)
    return {
        member: [
            (number << LEVEL_BITS) + (0 if whole else scope.splits.get(number, 0)) + platform
            for number in targets
            for platform in platforms
        ]
        for member, targets in scope.members.items()
    }


def _implied(scope: Scope) -> list[int]:
    return [int(member in scope.implied) for member in scope.members]


def _covered(covered: Sequence[str]) -> dict[str, Any]:
    return {"outside": int(bool(covered)), "covered": list(covered)}


def _stages(channel: str) -> dict[str, Any]:
    stages = reason_stages(channel)
    return {"reasons": list(stages), "stages": list(stages.values()), "entry_steps": list(entry_steps(channel))}
