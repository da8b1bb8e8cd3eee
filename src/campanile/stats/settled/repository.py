"""The questions behind settled answers: how far a campaign's log has moved, and all its integers at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from campanile.engine import Engine
from campanile.engine.movements import Sight
from campanile.kit.times import Window, epoch_milliseconds, window
from campanile.stats.levels import levels_of
from campanile.stats.settled.batch import NOTHING, Fresh, Part, days_between, instant
from campanile.stats.settled.entry import Extent, Place, Setting, Settled
from campanile.stats.settled.reading import Reading

WHOLE_DAYS = 400
"""Days up to which a campaign is kept for ranges of any length: pairs of days grow with their square."""
HORIZON_DAYS = 100
"""Longest range for which campaigns of more days are kept; longer ones are answered from the log."""
LIKELY_DAYS = 400
"""Most campaigns have all their events within so many days: that need not be asked first."""
DAY_MILLISECONDS = 24 * 60 * 60 * 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNBOUNDED = 1 << 53
"""Milliseconds; in place of a horizon."""

DELTA_ROWS = 1_000
"""New rows that are always worth adding."""
DELTA_SHARE = 2
"""How many times more rows a campaign must have than came in since, for these to be added. A new row costs more than
a known one; but not to add means to read everything twice, for the answer and for the next one."""

Thing = tuple[str, str]
"""What moves: (campaign, ''), or ('', name) for events of a name that belong to no campaign."""


class Ground(NamedTuple):
    """What an entry is made from: the log up to a mark."""

    fresh: Fresh
    mark: int
    moment: int | None
    """When it was seen, as `SettledRepository.moment` tells."""


class Grown(NamedTuple):
    """What has become of an entry."""

    entry: Settled
    final: bool
    """Whether nothing up to its mark can come in later."""


class Until(NamedTuple):
    """How far entries are to grow."""

    final: int
    """Sequence up to which nothing comes in any more."""
    through: int | None = None
    """Everything above is left out; None: nothing is."""
    moment: int | None = None
    """When that was seen, where this process sees everything that is written."""

    def reached(self, newest: int) -> tuple[int, int | None]:
        """Mark and moment of an entry with nothing above `newest`: where others write, that is the mark, since their
        clocks may be behind."""
        return (newest if self.moment is None or self.through is None else self.through), self.moment


class SettledRepository:
    """Asks the engine. The calls block.

    Args:
        whole_days: campaigns with more days are kept with a horizon of `horizon_days`.
    """

    def __init__(self, engine: Engine, *, whole_days: int = WHOLE_DAYS, horizon_days: int = HORIZON_DAYS) -> None:
        self._engine = engine
        self._whole_days = whole_days
        self._horizon = horizon_days * DAY_MILLISECONDS

    # --- how far the log has come

    @property
    def sees_all(self) -> bool:
        """Whether this process sees everything that is written."""
        return self._engine.movements is not None

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

    def grown_since(self, moment: int | None, workspace: str) -> bool:
        """Whether all that was written to a workspace after a moment lies above what was there."""
        movements = self._engine.movements
        return movements is None or moment is None or movements.ordered_since(moment, workspace)

    def sight(self, workspace: str) -> Sight | None:
        """How far the log can be read for good, where this process sees everything that is written."""
        movements = self._engine.movements
        return None if movements is None else movements.sight(workspace)

    def merged_through(self, workspace: str) -> int:
        """Up to which sequence merges of users are seen; 0 where there are none."""
        return self._engine.merged_through(workspace) or 0

    async def newest(
        self, workspace: str, campaigns: Collection[str], mark: int, names: Collection[str] = ()
    ) -> dict[Thing, int]:
        """The campaigns with an event or a reported count above `mark`, and the events of these names without a
        campaign that came above it, with their highest sequence."""
        rows = await self._engine.answer(
            "settled_moved", workspace, campaigns=sorted(campaigns), names=sorted(names), mark=mark
        )
        found: dict[Thing, int] = {}
        for campaign_id, name, sequence in rows:  # one row per shard
            found[campaign_id, name] = max(sequence, found.get((campaign_id, name), 0))
        return found

    @staticmethod
    def final(now: datetime, after: timedelta) -> int:
        """Sequence up to which nothing comes in any more, where other processes write. Sequences are microseconds."""
        return (now - after - EPOCH) // timedelta(microseconds=1)

    def extent(self, workspace: str, campaigns: Sequence[str], *, as_of: int | None = None) -> Extent | None:
        """None without events."""
        found: Extent | None = None
        for row in self._engine.ask("settled_extent", workspace, as_of=as_of, campaigns=list(campaigns)):
            found = Extent(*row) if found is None else found.plus(Extent(*row))
        return found

    def ground(self, workspace: str, setting: Setting, final: int, now: datetime) -> Ground | None:
        """What can be read of a target; None if there are no events, or if it cannot be told now.

        Args:
            final: sequence up to which nothing comes in any more, where other processes write.
            now: the present; the last event is probably not long ago.
        """
        movements = self._engine.movements
        if movements is None:
            fresh = self.first(workspace, setting, now, as_of=final)
            return None if fresh.extent is None else Ground(fresh, fresh.extent.newest, None)
        while True:
            sight = movements.sight(workspace)
            fresh = self.first(workspace, setting, now) if sight is not None else NOTHING
            if sight is None or fresh.extent is None:
                return None
            if not movements.found(workspace, fresh.extent.newest):
                if fresh.extent.newest > sight.through:  # is being written
                    fresh = self.first(workspace, setting, now, as_of=sight.through)
                return None if fresh.extent is None else Ground(fresh, sight.through, sight.moment)

    def first(self, workspace: str, setting: Setting, now: datetime, *, as_of: int | None = None) -> Fresh:
        """Where a target has rows."""
        last = epoch_milliseconds(now)
        days = days_between(last - LIKELY_DAYS * DAY_MILLISECONDS, last, setting.timezone)
        while True:
            fresh = Reading(self._engine, workspace, days, UNBOUNDED, as_of).first(Part(setting, 0))
            extent = fresh.extent
            if extent is None or (days[0] <= extent.first and extent.last < days[-1]):
                return fresh
            days = days_between(extent.first, extent.last, setting.timezone)

    @staticmethod
    def days(extent: Extent, timezone: str, reach: int = 0) -> tuple[Window, list[int]]:
        """All days of an extent, one before and one after, and when each starts.

        Args:
            reach: milliseconds after the last instant that belong to it.
        """
        zone, last = ZoneInfo(timezone), extent.last + reach
        around = timedelta(days=1)
        first_day, last_day = (instant(each).astimezone(zone).date() for each in (extent.first, last))
        return window(first_day - around, last_day + around, timezone), days_between(extent.first, last, timezone)

    # --- integers

    def settle(self, workspace: str, setting: Setting, platforms: Collection[str], ground: Ground) -> Settled | None:
        """Read everything up to the mark; None where the campaign cannot be answered from integers: reported counts,
        funnel steps reported by survivors, or pairs of the funnel that are spread over days.

        Args:
            platforms: those the campaign is configured for.
        """
        fresh = ground.fresh
        if fresh.extent is None or not fresh.countable:
            return None
        days = days_between(fresh.extent.first, fresh.extent.last, setting.timezone)
        horizon = self._horizon_of(days)
        reading = Reading(self._engine, workspace, days, horizon, ground.mark)
        levels = levels_of(setting.channel, platforms, fresh.places)
        parts = [Part(setting, 0, levels, fresh.places)]
        (integers,) = reading.integers(parts, [fresh], reading.first_counts(parts))
        if integers is None:
            return None
        return Settled(setting, ground.mark, ground.moment, fresh.extent, levels, integers, horizon)

    def grow(
        self,
        workspace: str,
        entries: Sequence[Settled],
        platforms: Sequence[Collection[str]],
        until: Until,
        *,
        sparing: bool = True,
    ) -> list[Grown | None]:
        """Add to entries what came in above their marks. None where reading everything anew is cheaper, or where
        integers cannot tell.

        Args:
            platforms: those the campaigns are configured for.
            sparing: whether the cost matters.
        """
        grown: list[Grown | None] = [None] * len(entries)
        for numbers in _alike(entries):
            chosen = [(entries[number], platforms[number]) for number in numbers]
            for number, each in zip(numbers, self._grow(workspace, chosen, until, sparing), strict=True):
                grown[number] = each
        return grown

    def _grow(
        self, workspace: str, entries: Sequence[tuple[Settled, Collection[str]]], until: Until, sparing: bool
    ) -> list[Grown | None]:
        one = entries[0][0]
        parts = [Part(entry.setting, entry.mark) for entry, _ in entries]
        extents = [entry.extent for entry, _ in entries]
        while True:
            days = days_between(
                min(each.first for each in extents), max(each.last for each in extents), one.setting.timezone
            )
            reading = Reading(self._engine, workspace, days, one.horizon, until.through)
            fresh = reading.fresh(parts)
            extents = [each.extent for each in fresh if each.extent is not None]
            if all(days[0] <= each.first and each.last < days[-1] for each in extents):
                break
            extents += [entry.extent for entry, _ in entries]
        if until.through is None:  # what comes in from here on is left to the next time
            until = until._replace(through=max([until.final, *(each.newest for each in extents)]))
            reading = Reading(self._engine, workspace, days, one.horizon, until.through)
        grown: list[Grown | None] = [None] * len(entries)
        adding: dict[int, Part] = {}
        for number, ((entry, platforms), each) in enumerate(zip(entries, fresh, strict=True)):
            if each.extent is None and not each.reported:
                entry.confirm(*until.reached(entry.mark))
                grown[number] = Grown(entry, final=True)
            elif (
                each.extent is not None
                and each.countable
                and (not sparing or _worth_adding(entry.extent, each.extent))
                and self._fits(entry, platforms, each.places, each.extent)
            ):
                adding[number] = parts[number]._replace(levels=entry.levels, places=entry.places | each.places)
        if adding:
            chosen, news = list(adding.values()), [fresh[number] for number in adding]
            known = [entries[number][0].integers for number in adding]
            more = reading.integers(chosen, news, reading.counts(chosen), known)
            for number, each, integers in zip(adding, news, more, strict=True):
                if integers is not None and each.extent is not None:
                    entry = entries[number][0].plus(*until.reached(each.extent.newest), each.extent, integers)
                    grown[number] = Grown(entry, until.through is not None and until.through <= until.final)
        return grown

    def _fits(self, entry: Settled, platforms: Collection[str], places: Collection[Place], extent: Extent) -> bool:
        """Whether an entry has all levels that are needed with new rows, and the right horizon."""
        both = entry.extent.plus(extent)
        days = days_between(both.first, both.last, entry.setting.timezone)
        levels = levels_of(entry.setting.channel, platforms, entry.places.union(places))
        return entry.knows(levels) and self._horizon_of(days) == entry.horizon

    def _horizon_of(self, days: Sequence[int]) -> int:
        return UNBOUNDED if len(days) <= self._whole_days else self._horizon


def _worth_adding(known: Extent, fresh: Extent) -> bool:
    return fresh.rows <= max(DELTA_ROWS, known.rows // DELTA_SHARE)


def _alike(entries: Sequence[Settled]) -> list[list[int]]:
    """Numbers of the entries that can be read by the same questions."""
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for number, entry in enumerate(entries):
        setting = entry.setting
        groups[entry.horizon, msgspec.structs.replace(setting, members=(), implied=(), channel="")].append(number)
    found: list[list[int]] = []
    for numbers in groups.values():
        settings = [entries[number].setting for number in numbers]
        implied = {member for setting in settings for member in setting.implied}
        agreed = all(implied.intersection(setting.members) == set(setting.implied) for setting in settings)
        found += [numbers] if agreed else [[number] for number in numbers]
    return found


def members_of(entries: Iterable[Settled]) -> set[str]:
    return {member for entry in entries for member in entry.setting.members}
