"""The questions behind settled answers: how far a campaign's log has moved, and all its integers at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from campanile.engine import Engine
from campanile.kit.times import Window, day_start, epoch_milliseconds, window
from campanile.metrics.funnel import entry_steps
from campanile.stats.levels import Level, levels_of
from campanile.stats.repository import metrics_of_classes, stages_of
from campanile.stats.settled.entry import Setting, Settled
from campanile.stats.settled.histories import Histories

WHOLE_DAYS = 400
"""Days up to which a campaign is kept for ranges of any length: pairs of days grow with their square."""
HORIZON_DAYS = 100
"""Longest range for which campaigns of more days are kept; longer ones are answered from the log."""
MASK_DAYS = 64
"""Days that are bits of one number."""
DAY_MILLISECONDS = 24 * 60 * 60 * 1000
UNBOUNDED = 1 << 53
"""Milliseconds; in place of a horizon."""

NEVER_STAGE = 255
"""Stage of those who leave at none."""
SPREAD = 1000
"""In place of a threshold: pairs whose rows lie on several days."""


Place = tuple[str, str, str]
"""(platform, locale, variation) of an event, '' where it has none."""


class Extent(NamedTuple):
    """What the log holds of some campaigns together."""

    first: datetime
    last: datetime
    newest: int
    """Highest sequence."""
    places: frozenset[Place]
    """Everything its events are in."""
    events: int
    conversions: int
    moment: int | None
    """When it was asked, as `SettledRepository.moment` tells."""


class SettledRepository:
    """Asks the engine, one campaign family at a time. The calls block.

    Args:
        whole_days: campaigns with more days are kept with a horizon of `horizon_days`.
    """

    def __init__(self, engine: Engine, *, whole_days: int = WHOLE_DAYS, horizon_days: int = HORIZON_DAYS) -> None:
        self._engine = engine
        self._whole_days = whole_days
        self._horizon = horizon_days * DAY_MILLISECONDS

    @property
    def moment(self) -> int | None:
        """The present moment of this process, if it sees everything that is written; see `Movements`."""
        movements = self._engine.movements
        return None if movements is None else movements.moment

    def moved_since(
        self, moment: int | None, workspace: str, campaigns: Collection[str], names: Collection[str] = ()
    ) -> bool | None:
        """Whether one of the campaigns, or an event of one of the names without a campaign, was written after a moment;
        None if only the store knows."""
        movements = self._engine.movements
        if movements is None or moment is None:
            return None
        return movements.moved_since(moment, workspace, campaigns, names)

    def merged_through(self, workspace: str) -> int:
        """Up to which sequence merges of users are seen; 0 where there are none."""
        return self._engine.merged_through(workspace) or 0

    async def newest(self, workspace: str, campaigns: Collection[str], mark: int) -> dict[str, int]:
        """The campaigns with an event or a reported count above `mark`, and their highest sequence."""
        rows = await self._engine.answer("settled_moved", workspace, campaigns=sorted(campaigns), mark=mark)
        found: dict[str, int] = {}
        for campaign_id, sequence in rows:  # one row per shard
            found[campaign_id] = max(sequence, found.get(campaign_id, 0))
        return found

    def has_reported_counts(self, workspace: str, campaigns: Sequence[str]) -> bool:
        return bool(self._engine.ask("settled_reported", workspace, campaigns=list(campaigns)))

    def extent(self, workspace: str, campaigns: Sequence[str]) -> Extent | None:
        """None without events."""
        moment = self.moment
        rows = self._engine.ask("settled_extent", workspace, campaigns=list(campaigns))
        if not rows:
            return None
        _, first, last, newest, places, events, conversions = zip(*rows, strict=True)
        everywhere = frozenset(tuple(place) for some in places for place in some)
        return Extent(
            _instant(min(first)), _instant(max(last)), max(newest), everywhere, sum(events), sum(conversions), moment
        )

    def days(self, first: datetime, last: datetime, timezone: str) -> tuple[Window, list[int]]:
        """All days that hold the two instants or lie between them, one before and one after, and when each starts."""
        zone = ZoneInfo(timezone)
        starts = _days(first, last, timezone)
        around = timedelta(days=1)
        return window(first.astimezone(zone).date() - around, last.astimezone(zone).date() + around, timezone), starts

    def settle(self, workspace: str, setting: Setting, platforms: Collection[str], extent: Extent) -> Settled | None:
        """Read everything up to the extent's newest sequence; None where the campaign cannot be answered from
        integers: funnel steps reported by survivors, or pairs of the funnel that are spread over days.

        Args:
            platforms: those the campaign is configured for.
        """
        days = _days(extent.first, extent.last, setting.timezone)
        horizon = UNBOUNDED if len(days) <= self._whole_days else self._horizon
        scope: dict[str, Any] = {
            "campaigns": list(setting.members),
            "days": days,
            "horizon": horizon,
            "as_of": extent.newest,
        }
        steps = sorted(entry_steps(setting.channel))

        def ask(question: str, **parameters: Any) -> list[tuple[Any, ...]]:
            return self._engine.ask(question, workspace, **scope, **parameters)

        dimensions = ask("settled_dimensions", entry_steps=steps)
        if any(row[7] for row in dimensions):
            return None
        levels = levels_of(setting.channel, platforms, [row[:3] for row in dimensions])
        bits = {"levels": sorted(level.bits for level in levels)}
        cells, cells_of_place = _cells(extent.places, levels)
        countable: dict[str, Any] = {
            "cells": list(cells_of_place.values()),
            "places": ["\t".join(place) for place in cells_of_place],
            "numbers": list(range(1, len(cells_of_place) + 1)),
            "implied": list(setting.implied),
            "class_metrics": metrics_of_classes(setting.bot_mode, setting.unsubscribe_bot),
            "ios_substitute": int(not setting.show_ios_impressions),
            "entry_steps": steps,
        }
        totals = ask("settled_totals", **countable)
        if len(days) <= MASK_DAYS:
            users = ask("settled_masks", **countable, bits=list(range(len(days))))
        else:
            users = ask("settled_users", **countable)
        counts: Histories[int] = Histories(
            [
                *((*cells[cell], thing, day, day, total, 0) for cell, thing, day, total in totals),
                *((*cells[cell], thing, day, previous, 0, alike) for cell, thing, day, previous, alike in users),
            ]
        )
        failures = ask("settled_failures", **bits) if any(row[5] for row in dimensions) else []
        stages = stages_of(setting.channel)
        thresholds = sorted({*stages["stages"], NEVER_STAGE})
        depths: Histories[int] = Histories(
            ask("settled_depths", **bits, **stages, thresholds=thresholds, spread=SPREAD)
            if any(row[6] for row in dimensions)
            else ()
        )
        if SPREAD in depths.things:
            return None
        return Settled(
            setting,
            extent.newest,
            extent.moment,
            levels,
            dimensions,
            counts,
            Histories(failures),
            Histories(ask("settled_attributed", **bits) if extent.conversions else ()),
            ask("settled_revenue", **bits) if extent.conversions else (),
            depths,
            thresholds,
            horizon,
        )


def _cells(
    places: Collection[Place], levels: Collection[Level]
) -> tuple[list[tuple[int, str, str, str]], dict[Place, list[int]]]:
    """The nodes that hold events at these places: (level bits, platform, locale, variation) by number, and the numbers
    of each place. Events without a locale or variation belong to aggregates only."""
    numbers: dict[tuple[int, str, str, str], int] = {}
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


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _days(first: datetime, last: datetime, timezone: str) -> list[int]:
    """The starts of all days that hold the two instants or lie between them, ascending."""
    zone = ZoneInfo(timezone)
    day = first.astimezone(zone).date() - timedelta(days=1)
    until = last.astimezone(zone).date() + timedelta(days=1)
    starts: list[int] = []
    while day <= until:
        starts.append(epoch_milliseconds(day_start(day, zone)))
        day += timedelta(days=1)
    return starts


def members_of(entries: Iterable[Settled]) -> set[str]:
    return {member for entry in entries for member in entry.setting.members}
