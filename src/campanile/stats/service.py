"""Answers Stats API requests: which campaigns, which page, which numbers (Stats API 5)."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence, Set
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import anyio

from campanile.campaigns.schemas import Campaign
from campanile.campaigns.service import CampaignService
from campanile.kit.times import Window, window
from campanile.metrics.channels import ALL_LOCALES, ALL_PLATFORMS, ALL_VARIATIONS
from campanile.metrics.funnel import reach_step
from campanile.stats.numbers import NumbersService
from campanile.stats.schemas import StatsRequest, Tree
from campanile.stats.settled.entry import Settled
from campanile.stats.spoken import Phrase, Spoken
from campanile.stats.tree import campaign_tree
from campanile.stats.wire import StatsPage, encode_ready, encode_tree
from campanile.workspaces.schemas import Dialect, Workspace

LAST_DAY = date(2200, 1, 1)
"""Days after this are cut off: the intake accepts no event from so far ahead, and the calendar ends in 9999."""


REMEMBERED_LISTS = 50
"""Lists of campaigns that are kept for their next pages, a few megabytes each where campaigns are many."""


class StatsService:
    """Read-only; every answer is counted when it is asked for."""

    def __init__(self, campaigns: CampaignService, numbers: NumbersService) -> None:
        self._campaigns = campaigns
        self._numbers = numbers
        self._spoken = Spoken()
        self._lists: OrderedDict[tuple[str, Window], _List] = OrderedDict()

    async def answer(self, workspace: Workspace, request: StatsRequest, dialect: Dialect) -> bytes:
        """The JSON text of the page that `request` asks for.

        Raises:
            EngineUnavailable: the event store cannot be read.
        """
        days = _window(request, workspace.settings.timezone)
        total, shown = await self._matching(workspace, request, days)
        entries = await self._numbers.entries(workspace, shown)
        # Conversions that are matched here depend on more than a campaign's own log.
        standing = {campaign.campaign_id: entries.get(campaign.campaign_id) for campaign in shown if not campaign.goals}
        phrase = Phrase(workspace.id, days, request.attribution, request.metric_type, dialect)
        known = {
            campaign.campaign_id: self._spoken.recall(
                phrase, campaign, workspace.settings, standing.get(campaign.campaign_id)
            )
            for campaign in shown
        }
        texts = {name: text or b"" for name, text in known.items()}  # in the order of the page
        missing = [campaign for campaign in shown if known[campaign.campaign_id] is None]
        if missing:
            live = dialect == "live"
            trees = await self._trees(workspace, missing, days, request, all_platforms=live, entries=entries)
            for campaign in missing:
                name = campaign.campaign_id
                texts[name] = text = encode_tree(trees[name], dialect, workspace.settings)
                self._spoken.keep(phrase, campaign, workspace.settings, standing.get(name), text)
        return encode_ready(_page(request, total, {}), {n: text for n, text in texts.items() if text is not None})

    async def page(self, workspace: Workspace, request: StatsRequest, *, all_platforms: bool) -> StatsPage:
        """The page that `request` asks for. `all_platforms` adds the nodes over all platforms.

        Raises:
            EngineUnavailable: the event store cannot be read.
        """
        days = _window(request, workspace.settings.timezone)
        total, shown = await self._matching(workspace, request, days)
        trees = await self._trees(workspace, shown, days, request, all_platforms=all_platforms)
        return _page(request, total, trees)

    async def _trees(
        self,
        workspace: Workspace,
        campaigns: Sequence[Campaign],
        days: Window,
        request: StatsRequest,
        *,
        all_platforms: bool,
        entries: Mapping[str, Settled] | None = None,
    ) -> dict[str, Tree]:
        attribution = request.attribution
        numbers = await self._numbers.measure(
            workspace, campaigns, days, attribution, all_platforms=all_platforms, entries=entries
        )
        return {
            campaign.campaign_id: campaign_tree(
                numbers[campaign.campaign_id], request.metric_type, attribution, workspace.settings
            )
            for campaign in campaigns
        }

    async def reach(self, workspace: Workspace, campaigns: Sequence[Campaign], now: datetime) -> dict[str, int]:
        """People whom campaigns reach, by the funnels they have so far; campaigns without one are left out.

        An audience is a state, not a flow: where senders report it as numbers, those of the latest day count.

        Raises:
            EngineUnavailable: the event store cannot be read.
        """
        if not campaigns:
            return {}
        timezone = workspace.settings.timezone
        today = now.astimezone(ZoneInfo(timezone)).date()
        begun = min(campaign.created_at for campaign in campaigns).astimezone(ZoneInfo(timezone)).date()
        lifetime = window(min(begun, today), today, timezone)
        reported = await self._numbers.reported_reach(workspace, campaigns, lifetime)
        groups: dict[Window, list[Campaign]] = defaultdict(list)
        for campaign in campaigns:
            day = reported.get(campaign.campaign_id)
            groups[lifetime if day is None else window(day, day, timezone)].append(campaign)
        found: dict[str, int] = {}
        for days, members in groups.items():
            numbers = await self._numbers.measure(workspace, members, days, "VIEW_THROUGH", all_platforms=True)
            for name, counted in numbers.items():
                step = counted.nodes[ALL_PLATFORMS, ALL_LOCALES, ALL_VARIATIONS].funnel.get(
                    reach_step(counted.campaign.channel) or ""
                )
                if step is not None and step.unique:
                    found[name] = step.unique
        return found

    async def _matching(
        self, workspace: Workspace, request: StatsRequest, days: Window
    ) -> tuple[int, Sequence[Campaign]]:
        """How many campaigns the request means, and those on its page."""
        page = slice(request.offset, request.offset + request.limit)
        if request.campaign_ids:
            named = _named(await self._campaigns_of(workspace.id, request.campaign_ids), request.campaign_ids)
            return len(named), named[page]
        listed = await self._listed(workspace, days)
        ids = listed[page]
        known = await self._campaigns_of(workspace.id, ids) if ids else {}
        return len(listed), [known[name] for name in ids if name in known]

    async def _campaigns_of(self, workspace_id: str, ids: Sequence[str]) -> Mapping[str, Campaign]:
        """The campaigns of these ids, archived ones included; unknown ids are left out."""
        known = self._campaigns.recall(workspace_id, ids)
        return await anyio.to_thread.run_sync(self._campaigns.get_many, workspace_id, ids) if known is None else known

    async def _listed(self, workspace: Workspace, days: Window) -> Sequence[str]:
        """Ids of all campaigns that the workspace lists for a range, in order: made once, until either changes."""
        if workspace.settings.list_inactive:
            return (await anyio.to_thread.run_sync(self._campaigns.order, workspace.id)).listed
        active = await self._numbers.active(workspace, days)
        order = await anyio.to_thread.run_sync(self._campaigns.order, workspace.id)
        known = self._lists.pop((workspace.id, days), None)
        if known is None or known.active is not active or known.order is not order:
            known = _List(active, order, await anyio.to_thread.run_sync(order.active, active))
        self._lists[workspace.id, days] = known
        while len(self._lists) > REMEMBERED_LISTS:
            self._lists.popitem(last=False)
        return known.ids


class _List(NamedTuple):
    active: Set[str]
    order: object
    ids: Sequence[str]


def _named(known: Mapping[str, Campaign], ids: Sequence[str]) -> list[Campaign]:
    found = [known[campaign_id] for campaign_id in ids if campaign_id in known]
    # Two spellings of one id are two ids to the request and one campaign here.
    return list({campaign.campaign_id: campaign for campaign in found if campaign.has_stats}.values())


def _page(request: StatsRequest, campaigns: int, trees: Mapping[str, Tree]) -> StatsPage:
    return StatsPage(
        request_id=request.request_id,
        total_campaigns=campaigns,
        current_page=request.offset // request.limit + 1,
        total_pages=max(1, -(-campaigns // request.limit)),
        trees=trees,
    )


def _window(request: StatsRequest, timezone: str) -> Window:
    return window(min(request.first, LAST_DAY), min(request.last, LAST_DAY), timezone)
