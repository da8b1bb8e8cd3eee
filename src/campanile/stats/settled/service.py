"""Keeps what campaigns have been asked for as integers, and answers from them while the log stands still.

An entry is made in the background after a campaign was answered from the log, and is used for as long as no event above
its mark has come: that is asked with every answer, so an answer is never stale. Everything here can be forgotten at any
time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from campanile.campaigns.schemas import Campaign
from campanile.clock import Clock
from campanile.errors import CampanileError
from campanile.stats.settled.entry import Setting, Settled
from campanile.stats.settled.news import News
from campanile.stats.settled.repository import SettledRepository, members_of
from campanile.workspaces.schemas import Workspace

MEMORY_BYTES = 256 * 1024 * 1024
"""Entries kept, by their size; beyond, those used longest ago are forgotten."""

LARGEST_ENTRY_BYTES = MEMORY_BYTES // 8
"""A campaign that needs more is answered from the log: one must not drive out all others."""

WAITING_CAMPAIGNS = 1_000
"""Campaigns that may wait for their entries; more come up again with their next question."""

REMEMBERED_CAMPAIGNS = 100_000
"""Campaigns of which it is remembered when to try again."""

TRY_AGAIN_AFTER = timedelta(minutes=10)
"""Until a campaign that cannot be answered from integers is looked at again."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_log = structlog.get_logger("campanile.stats")

Name = tuple[str, str]
"""(workspace, campaign)."""


class SettledAnswers:
    """Entries of campaigns whose log stands still. Thread-safe; `close` it.

    Args:
        after: seconds that the newest event of a campaign must be old. Sequences are given out before rows are written,
            so where several processes write, a row with a lower one may still be on its way.
    """

    def __init__(self, repository: SettledRepository, clock: Clock, *, after: float) -> None:
        self._repository = repository
        self._clock = clock
        self._after = timedelta(seconds=after)
        self._entries: OrderedDict[Name, Settled] = OrderedDict()
        self._size = 0
        self._later: OrderedDict[Name, datetime] = OrderedDict()
        """Campaigns whose log still moves, or that cannot be answered from integers: when to try again."""
        self._waiting: dict[Name, Future[None]] = {}
        self._lock = threading.Lock()
        self._news = News(repository)
        self._builder = ThreadPoolExecutor(1, thread_name_prefix="settle")

    async def ready(
        self, workspace: Workspace, campaigns: Sequence[Campaign], children: Mapping[str, Sequence[Campaign]]
    ) -> dict[int, Settled]:
        """The entries that hold now, by the numbers of their campaigns; the others are prepared for next time."""
        settings = [self._setting(workspace, each, children.get(each.campaign_id, ())) for each in campaigns]
        found: dict[int, Settled] = {}
        open_: dict[int, Settled] = {}
        with self._lock:
            for number, (campaign, setting) in enumerate(zip(campaigns, settings, strict=True)):
                name = (workspace.id, campaign.campaign_id)
                entry = self._entries.get(name)
                if entry is None or entry.setting != setting:
                    continue
                self._entries.move_to_end(name)
                moved = self._repository.moved_since(entry.moment, workspace.id, setting.members)
                if not moved:
                    (found if moved is False else open_)[number] = entry
        if open_:
            found |= await self._unmoved(workspace.id, open_)
        if len(found) < len(campaigns):
            for number, campaign in enumerate(campaigns):
                if number not in found:
                    self._prepare(workspace.id, campaign, settings[number])
        return found

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

    async def _unmoved(self, workspace: str, found: dict[int, Settled]) -> dict[int, Settled]:
        mark = min(entry.mark for entry in found.values())
        newest = await self._news.newest(workspace, members_of(found.values()), mark)
        return {
            number: entry
            for number, entry in found.items()
            if all(newest.get(member, 0) <= entry.mark for member in entry.setting.members)
        }

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
            if self._clock.now() < self._later.get(name, _EPOCH):
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
        with self._lock:
            del self._waiting[name]
            if entry is not None:
                self._keep(name, entry)
            self._later[name] = later
            self._later.move_to_end(name)
            if len(self._later) > REMEMBERED_CAMPAIGNS:
                self._later.popitem(last=False)

    def _made(self, name: Name, setting: Setting, platforms: Collection[str]) -> tuple[Settled | None, datetime]:
        """The entry, if there can be one, and when to try again."""
        workspace, now = name[0], self._clock.now()
        extent = self._repository.extent(workspace, setting.members)
        if extent is None:
            return None, now + self._after
        settled_at = _EPOCH + timedelta(microseconds=extent.newest) + self._after  # sequences are microseconds
        if settled_at > now:
            return None, settled_at
        entry = None
        if not self._repository.has_reported_counts(workspace, setting.members):
            entry = self._repository.settle(workspace, setting, platforms, extent)
        if entry is None or entry.size_bytes > LARGEST_ENTRY_BYTES:
            return None, now + TRY_AGAIN_AFTER
        return entry, now

    def _keep(self, name: Name, entry: Settled) -> None:
        old = self._entries.pop(name, None)
        self._size += entry.size_bytes - (old.size_bytes if old is not None else 0)
        self._entries[name] = entry
        while self._size > MEMORY_BYTES:
            _, forgotten = self._entries.popitem(last=False)
            self._size -= forgotten.size_bytes
