"""Conversions that the server matches itself, from integers: while the touches and events they depend on stand still.

A conversion is credited to the same touch whatever range is asked for, and it counts on its own day. So the day pairs
of docs/decisions/0011 hold for conversions as well; only who has to stand still is another question: all campaigns
whose touches compete, and the events that may be conversions. Where this process sees everything that is written, it
knows; elsewhere the store is asked what has come since, and only what is old enough to be complete is kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, Protocol

import structlog

from campanile.attribution.schemas import (
    Basis,
    ControlKey,
    ControlNumbers,
    Conversions,
    CreditKey,
    CreditRows,
    HoldoutKey,
)
from campanile.campaigns.schemas import Campaign
from campanile.clock import Clock
from campanile.errors import CampanileError
from campanile.kit.times import Window, epoch_milliseconds
from campanile.stats.schemas import Attribution
from campanile.stats.settled.entry import ROW_BYTES
from campanile.stats.settled.histories import Cell, Histories, cell_of
from campanile.stats.settled.news import News
from campanile.stats.settled.repository import SettledRepository, Thing
from campanile.workspaces.schemas import Workspace

MEMORY_BYTES = 64 * 1024 * 1024
"""Entries kept, by their size; beyond, those used longest ago are forgotten."""
LARGEST_ENTRY_BYTES = MEMORY_BYTES // 8
WAITING_CAMPAIGNS = 1_000
"""Campaigns that may wait for their entries; more come up again with their next question."""
WATCHED_CAMPAIGNS = 10_000
"""Campaigns of which it is remembered since when they stand still."""
BY_PLATFORM = 1
"""Bit of a level that keeps platforms apart."""
EVERYWHERE = frozenset({0, BY_PLATFORM})
"""Levels of control groups."""

_log = structlog.get_logger("campanile.stats")

Name = tuple[str, str, Attribution, bool]
"""(workspace, campaign, attribution, whether it is about its control groups)."""


class Credits(Protocol):
    """Knows which conversions campaigns earned. Targets are numbered as they are passed."""

    async def credited(
        self,
        workspace: Workspace,
        targets: Sequence[Campaign],
        levels: Sequence[Iterable[int]],
        window: Window,
        attribution: Attribution,
    ) -> Mapping[CreditKey, Conversions]: ...

    async def control(
        self,
        workspace: Workspace,
        targets: Mapping[int, Campaign],
        window: Window,
        attribution: Attribution,
        covered: Sequence[str],
    ) -> ControlNumbers: ...


class Matched(Credits, Protocol):
    """Counts conversions from the log; the conversion service."""

    async def bases(
        self, workspace: Workspace, targets: Sequence[Campaign], attribution: Attribution, *, books: bool = False
    ) -> list[Basis | None]: ...

    def histories(
        self,
        workspace_id: str,
        basis: Basis,
        levels: Collection[int],
        days: Window,
        starts: Sequence[int],
        as_of: int | None = None,
        *,
        books: bool = False,
    ) -> CreditRows: ...


class _Needs(NamedTuple):
    """Everything but the log that an entry depends on."""

    basis: Basis
    timezone: str
    merged_through: int


class _Asked(NamedTuple):
    """What is asked about a campaign."""

    name: Name
    basis: Basis
    levels: frozenset[int]


class _Point(NamedTuple):
    """Up to where the log was read."""

    moment: int | None
    """When, where this process sees everything that is written; then that is all that was there."""
    mark: int
    """Sequence, where it does not."""


class _Entry:
    """Conversions of one campaign as of a point."""

    def __init__(self, needs: _Needs, levels: frozenset[int], point: _Point, rows: CreditRows) -> None:
        self.needs = needs
        self.levels = levels
        self.point = point
        self._histories: Histories[Any] = Histories(rows.histories)
        self._held_out: Histories[str] = Histories(rows.held_out)
        self._revenue = [(cell_of(row), int(row[5]), Decimal(row[6])) for row in rows.revenue]

    @property
    def size_bytes(self) -> int:
        return self._histories.size_bytes + self._held_out.size_bytes + ROW_BYTES * len(self._revenue)

    def credited(self, levels: Collection[int], window: Window) -> dict[tuple[str, str, str, Any], Conversions]:
        """By (platform, locale, variation, goal); of control groups (group, goal)."""
        start, end = epoch_milliseconds(window.start), epoch_milliseconds(window.end)
        paid: dict[Cell[Any], Decimal] = defaultdict(Decimal)
        for cell, day, amount in self._revenue:
            if start <= day < end:
                paid[cell] += amount
        return {
            cell[1:]: Conversions(pair.total, pair.unique, paid[cell])
            for cell, pair in self._histories.between(start, end).items()
            if cell.level in levels
        }

    def held_out(self, window: Window) -> dict[tuple[str, str], int]:
        """Pairs that were held out, by (group, platform)."""
        start, end = epoch_milliseconds(window.start), epoch_milliseconds(window.end)
        return {(cell.thing, cell.platform): pair.unique for cell, pair in self._held_out.between(start, end).items()}


class _Watch(NamedTuple):
    """Since when nothing that a campaign depends on was written."""

    moment: int
    since: datetime


class SettledCredits:
    """Stands in for the conversion service. Thread-safe; `close` it.

    Args:
        after: seconds for which everything has to stand still before an entry is made. Where other processes write,
            rows with lower sequences may come in for so long.
    """

    def __init__(self, matched: Matched, repository: SettledRepository, clock: Clock, *, after: float) -> None:
        self._matched = matched
        self._repository = repository
        self._clock = clock
        self._after = timedelta(seconds=after)
        self._entries: OrderedDict[Name, _Entry] = OrderedDict()
        self._size = 0
        self._watches: OrderedDict[Name, _Watch] = OrderedDict()
        self._waiting: set[Name] = set()
        self._lock = threading.Lock()
        self._news = News(repository)
        self._builder = ThreadPoolExecutor(1, thread_name_prefix="settle-credits")

    async def credited(
        self,
        workspace: Workspace,
        targets: Sequence[Campaign],
        levels: Sequence[Iterable[int]],
        window: Window,
        attribution: Attribution,
    ) -> Mapping[CreditKey, Conversions]:
        """As the conversion service."""
        numbers = [number for number, target in enumerate(targets) if target.goals]
        if not numbers or window.timezone != workspace.settings.timezone:
            return await self._matched.credited(workspace, targets, levels, window, attribution)
        bases = await self._matched.bases(workspace, [targets[number] for number in numbers], attribution)
        asked = {
            number: _Asked((workspace.id, targets[number].campaign_id, attribution, False), basis, frozenset(wanted))
            for number, basis, wanted in zip(numbers, bases, (levels[number] for number in numbers), strict=True)
            if basis is not None
        }
        entries = await self._entries_of(workspace, asked)
        found: dict[CreditKey, Conversions] = {
            (number, *key): value
            for number, entry in entries.items()
            for key, value in entry.credited(asked[number].levels, window).items()
        }
        others = [number for number in asked if number not in entries]
        if others:
            campaigns, of = [targets[number] for number in others], [levels[number] for number in others]
            counted = await self._matched.credited(workspace, campaigns, of, window, attribution)
            found |= {(others[place], *key): value for (place, *key), value in counted.items()}  # type: ignore[misc]
        return found

    async def control(
        self,
        workspace: Workspace,
        targets: Mapping[int, Campaign],
        window: Window,
        attribution: Attribution,
        covered: Sequence[str],
    ) -> ControlNumbers:
        """As the conversion service."""
        if not targets or covered or window.timezone != workspace.settings.timezone:
            return await self._matched.control(workspace, targets, window, attribution, covered)
        bases = await self._matched.bases(workspace, list(targets.values()), attribution, books=True)
        asked = {
            number: _Asked((workspace.id, target.campaign_id, attribution, True), basis, EVERYWHERE)
            for (number, target), basis in zip(targets.items(), bases, strict=True)
            if basis is not None
        }
        entries = await self._entries_of(workspace, asked)
        conversions: dict[ControlKey, Conversions] = {}
        held_out: dict[HoldoutKey, int] = {}
        for number, entry in entries.items():
            for (platform, _, _, (group, goal)), value in entry.credited(EVERYWHERE, window).items():
                conversions[number, group, platform, goal] = value
            for (group, platform), pairs in entry.held_out(window).items():
                held_out[number, group, platform] = pairs
        others = {number: target for number, target in targets.items() if number not in entries}
        if others:
            counted = await self._matched.control(workspace, others, window, attribution, covered)
            conversions |= counted.conversions
            held_out |= counted.held_out
        return ControlNumbers(conversions, held_out)

    def settle_all(self) -> None:
        """Wait until every entry that was asked for is made."""
        self._builder.submit(lambda: None).result()

    def close(self) -> None:
        self._builder.shutdown(wait=True, cancel_futures=True)

    async def _entries_of(self, workspace: Workspace, asked: Mapping[int, _Asked]) -> dict[int, _Entry]:
        """The entries that hold; the others are prepared for next time."""
        if not asked:
            return {}
        merged_through = self._repository.merged_through(workspace.id)
        final = self._repository.final(self._clock.now(), self._after)
        newest = await self._newest(workspace.id, asked.values(), final)
        found: dict[int, _Entry] = {}
        for number, (name, basis, levels) in asked.items():
            needs = _Needs(basis, workspace.settings.timezone, merged_through)
            last = None if newest is None else _last(newest, basis)
            entry = self._standing(name, needs, levels, last)
            if entry is None:
                self._prepare(name, needs, levels, final, last)
            else:
                found[number] = entry
        return found

    async def _newest(self, workspace: str, asked: Iterable[_Asked], final: int) -> Mapping[Thing, int] | None:
        """What has come in above the lowest mark; None where this process knows by itself."""
        if self._repository.sees_all:
            return None
        marks = [final]
        campaigns: set[str] = set()
        names: set[str] = set()
        with self._lock:
            for name, basis, _ in asked:
                entry = self._entries.get(name)
                marks += [entry.point.mark] if entry is not None else []
                campaigns.update(basis.plan.members)
                names.update(basis.names)
        return await self._news.newest(workspace, campaigns, min(marks), names)

    def _standing(self, name: Name, needs: _Needs, levels: frozenset[int], last: int | None) -> _Entry | None:
        """The entry, if it still holds; `last` is the newest sequence of all it depends on, None where this process
        knows by itself."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or not entry.levels >= levels or entry.needs != needs:
                return None
            moved = self._moved(entry.point.moment, name, needs.basis) if last is None else last > entry.point.mark
            if moved:  # for good: its mark would only make later looks at the log reach further back
                self._forget(name)
                return None
            self._entries.move_to_end(name)
            return entry

    def _moved(self, moment: int | None, name: Name, basis: Basis) -> bool:
        return self._repository.moved_since(moment, name[0], basis.plan.members, basis.names) is not False

    def _prepare(self, name: Name, needs: _Needs, levels: frozenset[int], final: int, last: int | None) -> None:
        """Make an entry if everything has stood still for long enough; look again at the next question if not."""
        with self._lock:
            still = self._still(name, needs) if last is None else last <= final
            if not still or name in self._waiting or len(self._waiting) >= WAITING_CAMPAIGNS:
                return
            everything = levels | {level & ~BY_PLATFORM for level in levels}
            try:
                self._builder.submit(partial(self._make, name, needs, everything, final))
            except RuntimeError:  # shutting down
                return
            self._waiting.add(name)

    def _still(self, name: Name, needs: _Needs) -> bool:
        """Whether nothing was written for long enough, as far as this process has watched."""
        now, moment = self._clock.now(), self._repository.moment
        watch = self._watches.get(name)
        if watch is None or self._moved(watch.moment, name, needs.basis):
            self._watches[name] = watch = _Watch(moment or 0, now)
            self._watches.move_to_end(name)
            if len(self._watches) > WATCHED_CAMPAIGNS:
                self._watches.popitem(last=False)
        return now - watch.since >= self._after

    def _make(self, name: Name, needs: _Needs, levels: frozenset[int], final: int) -> None:
        entry = None
        try:
            entry = self._made(name, needs, levels, final)
        except CampanileError as error:  # the next question tries again
            _log.warning("settling_failed", workspace_id=name[0], campaign_id=name[1], reason=str(error))
        with self._lock:
            self._waiting.discard(name)
            if entry is None or entry.size_bytes > LARGEST_ENTRY_BYTES:
                return
            self._forget(name)
            self._size += entry.size_bytes
            self._entries[name] = entry
            while self._size > MEMORY_BYTES:
                self._forget(next(iter(self._entries)))

    def _forget(self, name: Name) -> None:
        forgotten = self._entries.pop(name, None)
        if forgotten is not None:
            self._size -= forgotten.size_bytes

    def _made(self, name: Name, needs: _Needs, levels: frozenset[int], final: int) -> _Entry:
        workspace, _, _, books = name
        point = _Point(self._repository.moment, final)
        as_of = None if self._repository.sees_all else final
        extent = self._repository.extent(workspace, needs.basis.counted, as_of=as_of)
        if extent is None:
            return _Entry(needs, levels, point, CreditRows([], []))
        days, starts = self._repository.days(extent, needs.timezone, needs.basis.reach)
        rows = self._matched.histories(workspace, needs.basis, levels, days, starts, as_of, books=books)
        return _Entry(needs, levels, point, rows)


def _last(newest: Mapping[Thing, int], basis: Basis) -> int:
    """The newest sequence of all that a campaign's conversions depend on; 0 where nothing of it has come."""
    if not newest:
        return 0
    members, names = ((each, "") for each in basis.plan.members), (("", each) for each in basis.names)
    return max((newest.get(thing, 0) for thing in chain(members, names)), default=0)
