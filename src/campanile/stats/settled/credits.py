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
from typing import NamedTuple, Protocol

import structlog

from campanile.attribution.schemas import Basis, ControlNumbers, Conversions, CreditKey, CreditRows
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

_log = structlog.get_logger("campanile.stats")

Name = tuple[str, str, Attribution]
"""(workspace, campaign, attribution)."""


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
        self, workspace: Workspace, targets: Sequence[Campaign], attribution: Attribution
    ) -> list[Basis | None]: ...

    def histories(
        self,
        workspace_id: str,
        basis: Basis,
        levels: Collection[int],
        days: Window,
        starts: Sequence[int],
        as_of: int | None = None,
    ) -> CreditRows: ...


class _Needs(NamedTuple):
    """Everything but the log that an entry depends on."""

    basis: Basis
    timezone: str
    merged_through: int


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
        self._histories: Histories[str] = Histories(rows.histories)
        self._revenue = [(cell_of(row), int(row[5]), Decimal(row[6])) for row in rows.revenue]

    @property
    def size_bytes(self) -> int:
        return self._histories.size_bytes + ROW_BYTES * len(self._revenue)

    def credited(self, levels: Collection[int], window: Window) -> dict[tuple[str, str, str, str], Conversions]:
        """By (platform, locale, variation, goal)."""
        start, end = epoch_milliseconds(window.start), epoch_milliseconds(window.end)
        paid: dict[Cell[str], Decimal] = defaultdict(Decimal)
        for cell, day, amount in self._revenue:
            if start <= day < end:
                paid[cell] += amount
        return {
            cell[1:]: Conversions(pair.total, pair.unique, paid[cell])
            for cell, pair in self._histories.between(start, end).items()
            if cell.level in levels
        }


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
        found: dict[CreditKey, Conversions] = {}
        others: list[int] = []
        merged_through = self._repository.merged_through(workspace.id)
        final = self._repository.final(self._clock.now(), self._after)
        newest = await self._newest(workspace.id, attribution, targets, numbers, bases, final)
        for number, basis in zip(numbers, bases, strict=True):
            if basis is None:
                continue
            name = (workspace.id, targets[number].campaign_id, attribution)
            needs = _Needs(basis, workspace.settings.timezone, merged_through)
            wanted = frozenset(levels[number])
            last = _last(newest, basis) if newest is not None else None
            entry = self._standing(name, needs, wanted, last)
            if entry is None:
                others.append(number)
                self._prepare(name, needs, wanted, final, last)
            else:
                found |= {(number, *key): value for key, value in entry.credited(wanted, window).items()}
        if others:
            asked, of = [targets[number] for number in others], [levels[number] for number in others]
            counted = await self._matched.credited(workspace, asked, of, window, attribution)
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
        """As the conversion service, from the log."""
        return await self._matched.control(workspace, targets, window, attribution, covered)

    def settle_all(self) -> None:
        """Wait until every entry that was asked for is made."""
        self._builder.submit(lambda: None).result()

    def close(self) -> None:
        self._builder.shutdown(wait=True, cancel_futures=True)

    async def _newest(
        self,
        workspace: str,
        attribution: Attribution,
        targets: Sequence[Campaign],
        numbers: Sequence[int],
        bases: Sequence[Basis | None],
        final: int,
    ) -> Mapping[Thing, int] | None:
        """What has come in above the lowest mark; None where this process knows by itself."""
        if self._repository.sees_all:
            return None
        marks = [final]
        campaigns: set[str] = set()
        names: set[str] = set()
        with self._lock:
            for number, basis in zip(numbers, bases, strict=True):
                if basis is not None:
                    entry = self._entries.get((workspace, targets[number].campaign_id, attribution))
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
            entry = self._made(name[0], needs, levels, final)
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

    def _made(self, workspace: str, needs: _Needs, levels: frozenset[int], final: int) -> _Entry:
        point = _Point(self._repository.moment, final)
        as_of = None if self._repository.sees_all else final
        extent = self._repository.extent(workspace, needs.basis.counted, as_of=as_of)
        if extent is None:
            return _Entry(needs, levels, point, CreditRows([], []))
        days, starts = self._repository.days(extent, needs.timezone, needs.basis.reach)
        rows = self._matched.histories(workspace, needs.basis, levels, days, starts, as_of)
        return _Entry(needs, levels, point, rows)


def _last(newest: Mapping[Thing, int], basis: Basis) -> int:
    """The newest sequence of all that a campaign's conversions depend on; 0 where nothing has come."""
    things = [*((member, "") for member in basis.plan.members), *(("", name) for name in basis.names)]
    return max((newest.get(thing, 0) for thing in things), default=0)
