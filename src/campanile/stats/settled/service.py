"""Keeps what campaigns have been asked for as integers, and answers from them.

An entry is made in the background after a campaign was answered from the log. Whether an event above its mark has come
is asked with every answer, so an answer is never stale: what has come is added to the entry first, if that is cheaper
than to ask the log for everything. Everything here can be forgotten at any time.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import NamedTuple

import structlog

from campanile.campaigns.schemas import Campaign
from campanile.clock import Clock
from campanile.errors import CampanileError
from campanile.stats.settled.entry import Setting, Settled
from campanile.stats.settled.news import News
from campanile.stats.settled.repository import EPOCH, Ground, SettledRepository, Until, members_of
from campanile.stats.settled.turns import Turns
from campanile.workspaces.schemas import Workspace

MEMORY_BYTES = 256 * 1024 * 1024
"""Entries kept, by their size; beyond, those used longest ago are forgotten."""

LARGEST_ENTRY_BYTES = MEMORY_BYTES // 8
"""A campaign that needs more is answered from the log: one must not drive out all others."""

WAITING_CAMPAIGNS = 1_000
"""Campaigns that may wait for their entries; more come up again with their next question."""

REMEMBERED_CAMPAIGNS = 100_000
"""Campaigns of which it is remembered when to try again."""

NOTHING_YET = timedelta(seconds=5)
"""Until a campaign without events is looked at again."""

WORKSPACES_AT_ONCE = 4
"""Workspaces whose entries are brought up to date side by side."""

TRY_AGAIN_AFTER = timedelta(minutes=10)
"""Until a campaign that cannot be answered from integers is looked at again."""

_log = structlog.get_logger("campanile.stats")

Name = tuple[str, str]
"""(workspace, campaign)."""


class _Moved(NamedTuple):
    """An entry of a campaign that has moved."""

    entry: Settled
    platforms: Collection[str]


class SettledAnswers:
    """Entries of campaigns, brought up to date by what came in since. Thread-safe; `close` it.

    Args:
        after: seconds that an event must be old before an entry is kept that counts it, where other processes write:
            sequences are given out before rows are written, so a row with a lower one may still be on its way.
    """

    def __init__(self, repository: SettledRepository, clock: Clock, *, after: float) -> None:
        self._repository = repository
        self._clock = clock
        self._after = timedelta(seconds=after)
        self._entries: OrderedDict[Name, Settled] = OrderedDict()
        self._size = 0
        self._later: OrderedDict[Name, datetime] = OrderedDict()
        """Campaigns that have nothing final yet, or that cannot be answered from integers: when to try again."""
        self._waiting: dict[Name, Future[None]] = {}
        self._lock = threading.Lock()
        self._news = News(repository)
        self._moved: dict[str, dict[Name, _Moved]] = {}
        """By workspace: what the next turn brings up to date."""
        self._turns: Turns[Mapping[Name, Settled]] = Turns()
        self._builder = ThreadPoolExecutor(1, thread_name_prefix="settle")
        self._follower = ThreadPoolExecutor(WORKSPACES_AT_ONCE, thread_name_prefix="settle-news")

    async def ready(
        self, workspace: Workspace, campaigns: Sequence[Campaign], children: Mapping[str, Sequence[Campaign]]
    ) -> dict[int, Settled]:
        """Entries that count everything that is acknowledged by now, by the numbers of their campaigns; the others are
        prepared for next time."""
        settings = [self._setting(workspace, each, children.get(each.campaign_id, ())) for each in campaigns]
        found: dict[int, Settled] = {}
        open_: dict[int, Settled] = {}
        moved: dict[int, Settled] = {}
        with self._lock:
            for number, (campaign, setting) in enumerate(zip(campaigns, settings, strict=True)):
                name = (workspace.id, campaign.campaign_id)
                entry = self._entries.get(name)
                if entry is None or entry.setting != setting:
                    continue
                self._entries.move_to_end(name)
                match self._repository.moved_since(entry.moment, workspace.id, setting.members):
                    case True:
                        moved[number] = entry
                    case False:
                        found[number] = entry
                    case None:
                        open_[number] = entry
        if open_:
            unmoved = await self._unmoved(workspace.id, open_)
            found |= unmoved
            moved |= {number: entry for number, entry in open_.items() if number not in unmoved}
        if moved:
            wanted = {
                (workspace.id, campaigns[number].campaign_id): _Moved(entry, frozenset(campaigns[number].platforms))
                for number, entry in moved.items()
            }
            grown = await self._followed(workspace.id, wanted)
            names = {number: (workspace.id, campaigns[number].campaign_id) for number in moved}
            found |= {
                number: grown[name]
                for number, name in names.items()
                if name in grown and grown[name].setting == settings[number]
            }
        for number, campaign in enumerate(campaigns):
            if number not in found or (number in moved and not self._keeps(workspace.id, campaign, found[number])):
                self._prepare(workspace.id, campaign, settings[number])
        return found

    def retraced(
        self, workspace: Workspace, campaign: Campaign, children: Sequence[Campaign], chance: Random
    ) -> Settled | None:
        """The integers that are kept of a campaign, made in two steps: read as of some time in its past, and with what
        came in since. None where there is no such time.

        Raises:
            EngineUnavailable: the event store cannot be read.
        """
        known = self._entries.get((workspace.id, campaign.campaign_id))
        setting = self._setting(workspace, campaign, children)
        if known is None or known.setting != setting or known.extent.oldest == known.extent.newest:
            return None
        mark = chance.randrange(known.extent.oldest, known.extent.newest)
        fresh = self._repository.first(workspace.id, setting, self._clock.now(), as_of=mark)
        until = Until(known.mark, known.mark, known.moment)
        ground = Ground(fresh, mark, known.moment)
        early = self._repository.settle(workspace.id, setting, campaign.platforms, ground)
        if early is None:
            return None
        (grown,) = self._repository.grow(workspace.id, [early], [campaign.platforms], until, sparing=False)
        return None if grown is None else grown.entry

    def settle_all(self) -> None:
        """Wait until every entry that was asked for is made, or was found impossible."""
        with self._lock:
            waiting = list(self._waiting.values())
        for future in waiting:
            future.result()

    def forget(self) -> None:
        """Drop everything."""
        with self._lock:
            self._entries.clear()
            self._later.clear()
            self._size = 0

    @property
    def size_bytes(self) -> int:
        """Rough memory of all entries, in bytes."""
        return self._size

    def close(self) -> None:
        self._builder.shutdown(wait=True, cancel_futures=True)
        self._follower.shutdown(wait=True, cancel_futures=True)

    def _keeps(self, workspace: str, campaign: Campaign, entry: Settled) -> bool:
        return self._entries.get((workspace, campaign.campaign_id)) is entry

    async def _unmoved(self, workspace: str, found: dict[int, Settled]) -> dict[int, Settled]:
        mark = min(entry.mark for entry in found.values())
        newest = await self._news.newest(workspace, members_of(found.values()), mark)
        return {
            number: entry
            for number, entry in found.items()
            if all(newest.get((member, ""), 0) <= entry.mark for member in entry.setting.members)
        }

    async def _followed(self, workspace: str, moved: Mapping[Name, _Moved]) -> Mapping[Name, Settled]:
        """Entries that were brought up to date after this was called; what is not worth it is left out."""
        self._moved.setdefault(workspace, {}).update(moved)
        return await self._turns.next(workspace, partial(self._follow, workspace))

    async def _follow(self, workspace: str) -> Mapping[Name, Settled]:
        work = partial(self._up_to_date, workspace, self._moved.pop(workspace))
        return await asyncio.get_running_loop().run_in_executor(self._follower, work)

    def _up_to_date(self, workspace: str, moved: Mapping[Name, _Moved]) -> Mapping[Name, Settled]:
        try:
            return self._grown(workspace, moved)
        except CampanileError as error:  # answered from the log, or not at all
            _log.warning("settling_failed", workspace_id=workspace, reason=str(error))
            return {}

    def _grown(self, workspace: str, moved: Mapping[Name, _Moved]) -> Mapping[Name, Settled]:
        until = self._until(workspace)
        if until is None:
            return {}
        found: dict[Name, Settled] = {}
        growing: dict[Name, Settled] = {}
        for name, (given, _) in moved.items():
            with self._lock:
                known = self._entries.get(name, given)
            entry = known if known.setting == given.setting and known.mark > given.mark else given
            if not self._repository.grown_since(entry.moment, workspace):
                self._drop(name, entry)
            elif self._repository.moved_since(entry.moment, workspace, entry.setting.members) is False:
                found[name] = entry
            else:
                growing[name] = entry
        platforms = [moved[name].platforms for name in growing]
        grown = self._repository.grow(workspace, list(growing.values()), platforms, until)
        merged_through = self._repository.merged_through(workspace)
        for (name, entry), each in zip(growing.items(), grown, strict=True):
            if each is None or merged_through != entry.setting.merged_through:
                self._drop(name, entry)
            else:
                found[name] = each.entry
                if each.final and each.entry is not entry:
                    self._keep(name, each.entry)
        return found

    def _until(self, workspace: str) -> Until | None:
        """How far the log can be read now, and for good; None if that cannot be told."""
        if not self._repository.sees_all:
            return Until(self._final)
        sight = self._repository.sight(workspace)
        return None if sight is None else Until(sight.through, sight.through, sight.moment)

    @property
    def _final(self) -> int:
        return self._repository.final(self._clock.now(), self._after)

    def _setting(self, workspace: Workspace, campaign: Campaign, children: Sequence[Campaign]) -> Setting:
        family = (campaign, *children)
        settings = workspace.settings
        return Setting(
            members=tuple(sorted({member.campaign_id for member in family})),
            implied=tuple(sorted({member.campaign_id for member in family if member.attempts == "implied"})),
            channel=campaign.channel,
            timezone=settings.timezone,
            bot_mode=settings.bot_mode,
            unsubscribe_bot=settings.unsubscribe_bot,
            show_ios_impressions=settings.show_ios_impressions,
            merged_through=self._repository.merged_through(workspace.id),
        )

    def _prepare(self, workspace: str, campaign: Campaign, setting: Setting) -> None:
        name = (workspace, campaign.campaign_id)
        with self._lock:
            if name in self._waiting or len(self._waiting) >= WAITING_CAMPAIGNS:
                return
            if self._clock.now() < self._later.get(name, EPOCH):
                return
            work = partial(self._settle, name, setting, frozenset(campaign.platforms))
            try:
                self._waiting[name] = self._builder.submit(work)
            except RuntimeError:  # shutting down
                return

    def _settle(self, name: Name, setting: Setting, platforms: Collection[str]) -> None:
        entry, later = None, self._clock.now()
        try:
            entry, later = self._made(name, setting, platforms)
        except CampanileError as error:  # the next question tries again
            _log.warning("settling_failed", workspace_id=name[0], campaign_id=name[1], reason=str(error))
        if entry is not None:
            self._keep(name, entry)
        with self._lock:
            del self._waiting[name]
            self._later[name] = later
            self._later.move_to_end(name)
            if len(self._later) > REMEMBERED_CAMPAIGNS:
                self._later.popitem(last=False)

    def _made(self, name: Name, setting: Setting, platforms: Collection[str]) -> tuple[Settled | None, datetime]:
        """The entry, if there can be one, and when to try again."""
        workspace, now, final = name[0], self._clock.now(), self._final
        again = now if self._repository.sees_all else now + self._after
        known = self._entries.get(name)
        if known is not None and known.setting == setting and not self._repository.sees_all:
            (grown,) = self._repository.grow(workspace, [known], [platforms], Until(final, final))
            if grown is not None:
                return grown.entry, again
        ground = self._repository.ground(workspace, setting, final, now)
        if ground is None:
            return None, now + NOTHING_YET
        entry = self._repository.settle(workspace, setting, platforms, ground)
        if entry is None or entry.size_bytes > LARGEST_ENTRY_BYTES:
            return None, now + TRY_AGAIN_AFTER
        return entry, again

    def _keep(self, name: Name, entry: Settled) -> None:
        """Keep an entry, unless one is kept that has come further."""
        with self._lock:
            old = self._entries.get(name)
            if old is not None and old.setting == entry.setting and old.mark > entry.mark:
                return
            self._forget(name)
            if entry.size_bytes > LARGEST_ENTRY_BYTES:
                return
            self._size += entry.size_bytes
            self._entries[name] = entry
            while self._size > MEMORY_BYTES:
                self._forget(next(iter(self._entries)))

    def _drop(self, name: Name, entry: Settled) -> None:
        """Keep an entry no longer."""
        with self._lock:
            if self._entries.get(name) is entry:
                self._forget(name)

    def _forget(self, name: Name) -> None:
        forgotten = self._entries.pop(name, None)
        if forgotten is not None:
            self._size -= forgotten.size_bytes
