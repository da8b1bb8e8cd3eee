"""Several targets that are read by the same questions: their parameters, and whose row is whose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from campanile.kit.times import day_start, epoch_milliseconds
from campanile.metrics.funnel import entry_steps
from campanile.stats.levels import Level
from campanile.stats.repository import metrics_of_classes
from campanile.stats.settled.entry import Extent, Kinds, Place, Setting

REPORTED = -1
"""In place of a day: counts reported as numbers."""
DAY = timedelta(days=1)

Node = tuple[int, str, str, str]
"""(level bits, platform, locale, variation) as the questions name them."""


class Part(NamedTuple):
    """A target and what is read of it: rows above its mark."""

    setting: Setting
    mark: int
    levels: Collection[Level] = ()
    places: Collection[Place] = ()
    """All that may have rows, new or old."""


class Fresh(NamedTuple):
    """Where a target has rows above its mark."""

    extent: Extent | None
    """None: it has none."""
    kinds: Mapping[tuple[int, Place], Kinds]
    """Per day and place."""
    conversions: int
    reported: bool
    """Whether there are counts that were reported as numbers, of whatever time."""

    @property
    def places(self) -> set[Place]:
        return {place for _, place in self.kinds}

    @property
    def countable(self) -> bool:
        """Whether integers can tell as far as the places know."""
        return not self.reported and not self.sums.survivors

    @property
    def sums(self) -> Kinds:
        total = Kinds()
        for kinds in self.kinds.values():
            total = total.plus(kinds)
        return total


NOTHING = Fresh(None, {}, 0, reported=False)


class Batch:
    """Parameters of the questions about some targets. Their settings differ in nothing but who counts."""

    def __init__(self, parts: Sequence[Part], days: Sequence[int], horizon: int) -> None:
        self._parts = parts
        targets: dict[str, list[int]] = defaultdict(list)
        for number, part in enumerate(parts):
            for member in part.setting.members:
                targets[member].append(number)
        one = parts[0].setting
        since = min(part.mark for part in parts)
        self._families = {each: number for number, each in enumerate(dict.fromkeys(map(tuple, targets.values())), 1)}
        self._scope: dict[str, Any] = {
            "campaigns": list(targets),
            "families": [self._families[tuple(numbers)] for numbers in targets.values()],
            "apart": int(len(self._families) > 1),
            "days": list(days),
            "since": since,
            "entry_steps": sorted({step for part in parts for step in entry_steps(part.setting.channel)}),
        }
        self._what: dict[str, Any] = {
            "horizon": horizon,
            "bounded": int(since > 0),
            "implied": sorted({member for part in parts for member in part.setting.implied}),
            "class_metrics": metrics_of_classes(one.bot_mode, one.unsubscribe_bot),
            "ios_substitute": int(not one.show_ios_impressions),
        }

    def where(self) -> dict[str, Any]:
        """Parameters that ask for places."""
        return {
            **self._scope,
            "targets": [[number + 1 for number in family] for family in self._families],
            "marks": [part.mark for part in self._parts],
        }

    def first(self) -> dict[str, Any]:
        """The same of one part that is read for the first time."""
        return {name: self._scope[name] for name in ("campaigns", "days", "entry_steps")}

    def fresh(self, rows: Iterable[Sequence[Any]]) -> list[Fresh]:
        """The answer about places, per part; one row per shard, place and day."""
        extents: list[Extent | None] = [None] * len(self._parts)
        kinds: list[dict[tuple[int, Place], Kinds]] = [{} for _ in self._parts]
        conversions, reported = [0] * len(self._parts), [False] * len(self._parts)
        for target, platform, locale, variation, day, *numbers in rows:
            number = target - 1
            if day == REPORTED:
                reported[number] = True
                continue
            where, found = (day, (platform, locale, variation)), Kinds(*numbers[5:9])
            kinds[number][where] = kinds[number].get(where, Kinds()).plus(found)
            conversions[number] += numbers[9]
            known, extent = extents[number], Extent(*numbers[:5])
            extents[number] = extent if known is None else known.plus(extent)
        return [Fresh(*each) for each in zip(extents, kinds, conversions, reported, strict=True)]

    def what(self) -> tuple[dict[str, Any], list[tuple[int, Node]]]:
        """Parameters that ask for integers by cell, and what each cell is: the number of a part and a node of it."""
        cells: list[tuple[int, Node]] = []
        own: list[dict[Place, list[int]]] = []
        for number, part in enumerate(self._parts):
            nodes, of_place = _nodes(part.places, part.levels)
            own.append({place: [len(cells) + node for node in held] for place, held in of_place.items()})
            cells += [(number, node) for node in nodes]
        named: dict[str, list[int]] = {}
        for family, family_number in self._families.items():
            for place in sorted({place for number in family for place in own[number]}):
                name = "\t".join((str(family_number) if len(self._families) > 1 else "", *place))
                named[name] = [cell for number in family for cell in own[number].get(place, ())]
        return {
            **self._scope,
            **self._what,
            "marks": [self._parts[number].mark for number, _ in cells],
            "cells": list(named.values()),
            "places": list(named),
            "numbers": list(range(1, len(named) + 1)),
        }, cells


def _nodes(places: Collection[Place], levels: Collection[Level]) -> tuple[list[Node], dict[Place, list[int]]]:
    """The nodes that hold events at these places, and the numbers of those of each place. Events without a locale or
    variation belong to aggregates only."""
    numbers: dict[Node, int] = {}
    of_place: dict[Place, list[int]] = {}
    for platform, locale, variation in sorted(places):
        of_place[(platform, locale, variation)] = [
            numbers.setdefault(
                (
                    level.bits,
                    platform if level.by_platform else "",
                    locale if level.by_locale else "",
                    variation if level.by_variation else "",
                ),
                len(numbers),
            )
            for level in sorted(levels)
            if (locale or not level.by_locale) and (variation or not level.by_variation)
        ]
    return list(numbers), of_place


def days_between(first: int, last: int, timezone: str) -> list[int]:
    """The starts of all days that hold two instants or lie between them, and one day before and after."""
    zone = ZoneInfo(timezone)
    day = instant(first).astimezone(zone).date() - DAY
    until = instant(last).astimezone(zone).date() + DAY
    starts: list[int] = []
    while day <= until:
        starts.append(epoch_milliseconds(day_start(day, zone)))
        day += DAY
    return starts


def instant(milliseconds: int) -> datetime:
    """An instant in UTC epoch milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
