"""The questions behind rows, answered row by row and metric by metric."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from campanile.engine import Engine
from campanile.kit.times import epoch_milliseconds
from campanile.metrics.funnel import entry_steps
from campanile.metrics.pairs import Pair
from campanile.metrics.rows import ALL_BITS, BITS_PER_CLASS, EVENT_TYPES, METRIC_KEYS, METRIC_NUMBERS, class_metrics
from campanile.reports.rows_repository import (
    DEVICE_STEPS,
    LEVEL_BITS,
    Place,
    Scope,
    _covered,
    _implied,
    _stages,
    slots_of,
)

RowKey = tuple[int, int, str, str]
"""(target number, day, locale, variation)."""


class Questions:
    """Asks the engine, one question at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

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
            class_bits=ALL_BITS,
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
