"""What the pages about campaigns show: the list, one campaign, and everything of it as files."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import anyio.to_thread
import msgspec

from campanile.campaigns.schemas import Campaign, CampaignDocument, Listed, ListPage, ListQuery, SortKey
from campanile.dashboard.campaigns import views
from campanile.dashboard.ranges import ATTRIBUTION_LABELS, View
from campanile.errors import InvalidInput, NotFound
from campanile.kit.times import Window
from campanile.metrics.registry import COUNTS
from campanile.metrics.words import conversion_base_words, conversion_words
from campanile.stats.schemas import Attribution, GroupTotals, Measured, Series, SeriesUnit
from campanile.workspaces.schemas import Workspace

ROWS = 25
"""Campaigns of a page of the list."""
CHILDREN_SHOWN = 10
"""Children on the page of their parent; the list has all of them."""
CHART_METRICS = ("sent", "delivered", "impression", "opened", "read", "click", "successfully_synced", "failed")
"""Counts of a time series, where the channel has them."""
CURSOR_CHARACTERS = 2_000
INSTANTS: frozenset[SortKey] = frozenset({"created", "sent", "active"})
"""Orders whose values are milliseconds."""
INSTANT_BITS = 63


class Campaigns(Protocol):
    """Knows campaigns; the campaign service."""

    def get(self, workspace_id: str, campaign_id: str) -> Campaign | None: ...

    def get_many(self, workspace_id: str, ids: Collection[str]) -> dict[str, Campaign]: ...

    def document(self, workspace_id: str, campaign_id: str) -> CampaignDocument | None: ...

    def page(self, workspace_id: str, query: ListQuery) -> ListPage: ...

    def tags(self, workspace_id: str) -> list[str]: ...


class Numbers(Protocol):
    """Counts; the analysis service."""

    async def measured(
        self, workspace: Workspace, campaigns: Sequence[Campaign], days: Window, attribution: Attribution
    ) -> dict[str, Measured]: ...

    async def summed(
        self, workspace: Workspace, campaigns: Sequence[Campaign], days: Window, attribution: Attribution
    ) -> dict[str, GroupTotals]: ...

    async def campaign_series(
        self, workspace: Workspace, campaign: Campaign, days: Window, unit: SeriesUnit, metrics: Sequence[str]
    ) -> Series: ...

    async def mark(self, workspace: Workspace, campaign: Campaign, now: datetime) -> str: ...

    async def unchanged(self, workspace: Workspace, campaign: Campaign, mark: str) -> bool: ...


class ListRow(msgspec.Struct, frozen=True):
    """A campaign in a table."""

    listed: Listed
    numbers: GroupTotals | None
    """None where a campaign has no statistics."""

    @property
    def sent(self) -> int | float | None:
        return None if self.numbers is None else self.numbers.total.get("sent")

    @property
    def arrived(self) -> int | float | None:
        """Deliveries, or impressions where the channel has no deliveries."""
        if self.numbers is None:
            return None
        total = self.numbers.total
        return total.get("delivered", total.get("impression"))

    @property
    def clicks(self) -> int | float | None:
        return None if self.numbers is None else self.numbers.total.get("click")

    @property
    def click_rate(self) -> int | float | None:
        """None where there is nothing to divide by, too."""
        if self.numbers is None or not self.numbers.fractions.get("ctr", (0, 0))[1]:
            return None
        return self.numbers.total.get("ctr")

    @property
    def conversions(self) -> int | None:
        return None if self.numbers is None else self.numbers.conversions


class CampaignBody(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a campaign page that changes while events arrive."""

    mark: str
    measured: Measured | None
    """None where a campaign has no statistics."""
    counts: list[views.Line]
    rates: list[views.Line]
    headlines: list[views.Line]
    funnel: list[views.Bar]
    failures: list[views.Bar]
    splits: list[views.Split]
    goals: list[views.GoalLine]
    base: str
    """What conversion rates divide by."""
    goal_words: Mapping[str, str]
    """What the numbers of a goal mean."""
    series: views.SeriesTable | None
    children: list[ListRow]
    children_total: int


class CampaignPages:
    """Read-only; every number is counted when it is asked for."""

    def __init__(self, campaigns: Campaigns, numbers: Numbers) -> None:
        self._campaigns = campaigns
        self._numbers = numbers

    async def find(self, workspace: Workspace, campaign_id: str) -> tuple[Campaign, dict[str, Any], Campaign | None]:
        """A campaign, its document, and its parent.

        Raises:
            NotFound: no such campaign in this workspace.
        """

        def read() -> tuple[Campaign, dict[str, Any], Campaign | None]:
            found = self._campaigns.get(workspace.id, campaign_id)
            document = self._campaigns.document(workspace.id, campaign_id)
            if found is None or document is None:
                raise NotFound("There is no such campaign in this workspace.")
            parent = None if found.parent_id is None else self._campaigns.get(workspace.id, found.parent_id)
            return found, document.document, parent

        return await anyio.to_thread.run_sync(read)

    async def rows(
        self, workspace: Workspace, query: ListQuery, view: View
    ) -> tuple[ListPage, list[ListRow], list[str]]:
        """A page of the list with its numbers, and the tags to filter by."""
        page = await anyio.to_thread.run_sync(self._campaigns.page, workspace.id, query)
        tags = await anyio.to_thread.run_sync(self._campaigns.tags, workspace.id)
        return page, await self._with_numbers(workspace, page, view), tags

    async def _with_numbers(self, workspace: Workspace, page: ListPage, view: View) -> list[ListRow]:
        numbers = await self._numbers.summed(
            workspace, [item.campaign for item in page.items], view.window, view.attribution
        )
        return [ListRow(item, numbers.get(item.campaign.campaign_id)) for item in page.items]

    async def body(self, workspace: Workspace, campaign: Campaign, view: View, now: datetime) -> CampaignBody:
        """All sections of a campaign page."""
        mark = await self._numbers.mark(workspace, campaign, now)
        children = ListQuery(parent_id=campaign.campaign_id, statuses=(), limit=CHILDREN_SHOWN)
        page = await anyio.to_thread.run_sync(self._campaigns.page, workspace.id, children)
        found, series, rows = await asyncio.gather(
            self.measured(workspace, campaign, view),
            self.series(workspace, campaign, view),
            self._with_numbers(workspace, page, view),
        )
        lines = [] if found is None else views.lines(found, workspace.settings)
        base = conversion_base_words(campaign.channel, view.attribution, delivery_tracking=campaign.delivery_tracking)
        return CampaignBody(
            mark=mark,
            measured=found,
            counts=[line for line in lines if not line.is_rate],
            rates=[line for line in lines if line.is_rate],
            headlines=views.headlines(lines),
            funnel=[] if found is None else views.funnel(found),
            failures=[] if found is None else views.failures(found),
            splits=[] if found is None else views.splits(found, view.metric_type, view.shown, workspace.settings),
            goals=[] if found is None else views.goals(found),
            base=base,
            goal_words=conversion_words(base),
            series=series,
            children=rows,
            children_total=page.total,
        )

    async def unchanged(self, workspace: Workspace, campaign: Campaign, mark: str) -> bool:
        """Whether a page made at `mark` would look the same now."""
        return await self._numbers.unchanged(workspace, campaign, mark)

    async def measured(
        self, workspace: Workspace, campaign: Campaign, view: View, attribution: Attribution | None = None
    ) -> Measured | None:
        found = await self._numbers.measured(workspace, [campaign], view.window, attribution or view.attribution)
        return found.get(campaign.campaign_id)

    async def series(self, workspace: Workspace, campaign: Campaign, view: View) -> views.SeriesTable | None:
        """Counts over time; None for channels without counts."""
        keys = [key for key in CHART_METRICS if campaign.channel in COUNTS[key].channels]
        if not keys or not campaign.has_stats:
            return None
        found = await self._numbers.campaign_series(workspace, campaign, view.window, view.unit, keys)
        return views.series_table(found, keys, view.metric_type)

    async def attributions(self, workspace: Workspace, campaign: Campaign, view: View) -> list[views.AttributionRow]:
        """The goals of a campaign under every attribution type."""
        answers = await asyncio.gather(
            *(self.measured(workspace, campaign, view, attribution) for attribution in ATTRIBUTION_LABELS)
        )
        rows: list[views.AttributionRow] = []
        for attribution, found in zip(ATTRIBUTION_LABELS, answers, strict=True):
            goals = [] if found is None else [line for line in views.goals(found) if line.is_whole]
            base = conversion_base_words(campaign.channel, attribution, delivery_tracking=campaign.delivery_tracking)
            label = ATTRIBUTION_LABELS[attribution]
            rows += [views.AttributionRow(attribution, label, base, line) for line in goals]
        return rows


def download(measured: Measured, view: View) -> dict[str, Any]:
    """Everything of a campaign as one document."""
    return {
        "campaign_id": measured.campaign.campaign_id,
        "name": measured.campaign.name,
        "channel": measured.campaign.channel,
        "start_date": view.first,
        "end_date": view.last,
        "timezone": view.timezone,
        "attribution_type": view.attribution,
        "total": measured.total,
        "unique": measured.unique,
    }


def encode_cursor(position: tuple[str | int, str] | None) -> str:
    """A place in a list as part of a URL."""
    if position is None:
        return ""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(text: str, sort: SortKey) -> tuple[str | int, str] | None:
    """The place in a list of that order.

    Raises:
        InvalidInput: the text is no such place.
    """
    if not text:
        return None
    broken = InvalidInput("This link to a page of the list is broken.", attribute="after", type="format")
    try:
        raw = base64.urlsafe_b64decode(text[:CURSOR_CHARACTERS] + "=" * (-len(text) % 4))
        value, campaign_id = msgspec.json.decode(raw, type=tuple[str | int, str])
    except (binascii.Error, ValueError, msgspec.MsgspecError, UnicodeError) as error:
        raise broken from error
    fits = isinstance(value, int) and value.bit_length() < INSTANT_BITS if sort in INSTANTS else isinstance(value, str)
    if not fits or "\0" in f"{value}{campaign_id}":
        raise broken
    return value, campaign_id


def split_labels(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Tags of a filter, separated by commas."""
    return tuple(dict.fromkeys(tag.strip() for tag in parameters.get("tags", "").split(",") if tag.strip()))
