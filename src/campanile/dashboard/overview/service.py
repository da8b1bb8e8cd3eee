"""What the first page shows: how things go, compared with before, and what needs a look."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import anyio.to_thread
import msgspec

from campanile.campaigns.schemas import Campaign, ListPage, ListQuery
from campanile.dashboard import formats, words
from campanile.dashboard.campaigns.views import SeriesTable, series_table
from campanile.dashboard.overview import alerts
from campanile.dashboard.ranges import View
from campanile.kit.times import Window, window
from campanile.metrics.formulas import rate
from campanile.metrics.registry import COUNTS, RATES
from campanile.stats.schemas import Attribution, GroupTotals, Number, Series, SeriesUnit, Totals
from campanile.workspaces.schemas import Workspace

SERIES_METRICS = ("sent", "delivered", "impression", "click")
RANKED = 5
"""Campaigns at the top and at the bottom."""
RANKED_MINIMUM = 100
"""What a campaign's click rate must divide by at least to be ranked: below that it is chance."""
USUAL_INDEX = 100
"""The click rate of the channel, in percent of itself."""
CHANGE_DECIMALS = Decimal("0.1")


class Counting(Protocol):
    """Counts; the analysis service."""

    async def totals(self, workspace: Workspace, days: Window, attribution: Attribution) -> Totals: ...

    async def compared(
        self, workspace: Workspace, days: Window, attribution: Attribution, rates: Collection[str]
    ) -> GroupTotals: ...

    async def channel_series(
        self, workspace: Workspace, days: Window, unit: SeriesUnit, metrics: Sequence[str]
    ) -> dict[str, Series]: ...


class Campaigns(Protocol):
    """Knows campaigns; the campaign service."""

    def page(self, workspace_id: str, query: ListQuery) -> ListPage: ...


class Reports(Protocol):
    """Knows report runs; the run service."""

    def failures(self, workspace_id: str, since: datetime, limit: int) -> list[dict[str, Any]]: ...


class Tile(msgspec.Struct, frozen=True):
    """One number at the top."""

    label: str
    definition: str
    value: Number
    is_rate: bool
    before: Number
    change: Decimal | None
    """Percent against the period before; None when there was nothing. Of rates: percentage points."""
    tone: str
    note: str = ""


class ChannelRow(msgspec.Struct, frozen=True):
    """One channel beside the others."""

    key: str
    label: str
    numbers: GroupTotals
    sent: Number | None
    arrived: Number | None
    reached: Number | None
    """Different people the channel reached."""
    clicks: Number | None
    click_rate: Number | None
    failure_rate: Number | None
    share: Number
    """Percent of all messages that arrived; the length of the bar."""


class Ranked(msgspec.Struct, frozen=True):
    """A campaign by how its click rate compares with its channel."""

    campaign: Campaign
    click_rate: Number
    parts: tuple[int, int]
    against: Number
    """Click rate of the channel."""
    index: int
    """Percent of the channel's click rate."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The first page."""

    totals: Totals
    tiles: list[Tile]
    revenue: list[tuple[str, Decimal]]
    """By currency."""
    channels: list[ChannelRow]
    series: SeriesTable
    top: list[Ranked]
    flop: list[Ranked]
    alerts: list[alerts.Alert]


class OverviewPages:
    """Read-only; every number is what would be counted when it is asked for."""

    def __init__(self, numbers: Counting, campaigns: Campaigns, reports: Reports) -> None:
        self._numbers = numbers
        self._campaigns = campaigns
        self._reports = reports

    async def overview(self, workspace: Workspace, view: View, now: datetime) -> Overview:
        totals, before, series, attention = await asyncio.gather(
            self._numbers.totals(workspace, view.window, view.attribution),
            self._numbers.compared(workspace, view.before, view.attribution, TILE_RATES),
            self._numbers.channel_series(workspace, view.window, view.unit, SERIES_METRICS),
            self._alerts(workspace, now),
        )
        ranked = rank(totals)
        return Overview(
            totals=totals,
            tiles=tiles(totals.everything, before),
            revenue=sorted(totals.everything.revenue.items()),
            channels=channel_rows(totals),
            series=series_table(series[""], SERIES_METRICS, view.metric_type),
            top=[item for item in ranked if item.index >= USUAL_INDEX][:RANKED],
            flop=[item for item in ranked if item.index < USUAL_INDEX][::-1][:RANKED],
            alerts=attention,
        )

    async def _alerts(self, workspace: Workspace, now: datetime) -> list[alerts.Alert]:
        zone = ZoneInfo(workspace.settings.timezone)
        today = now.astimezone(zone).date()
        first = today - timedelta(days=alerts.FAILURE_RECENT_DAYS + alerts.FAILURE_USUAL_DAYS - 1)
        days = window(first, today, workspace.settings.timezone)
        series = await self._numbers.channel_series(workspace, days, "day", alerts.METRICS)
        last, failures = await anyio.to_thread.run_sync(self._recent, workspace.id, now)

        def said(moment: datetime | None) -> str:
            return formats.moment(moment, workspace.settings.timezone)

        return [
            *alerts.failure_jumps(series),
            *alerts.silence(last, now, said(last)),
            *alerts.failed_reports(failures, {failure["at"]: said(failure["at"]) for failure in failures}),
        ]

    def _recent(self, workspace_id: str, now: datetime) -> tuple[datetime | None, list[dict[str, Any]]]:
        """When the last event happened, and which reports failed lately."""
        page = self._campaigns.page(workspace_id, ListQuery(sort="active", limit=1))
        last = page.items[0].campaign.last_event_at if page.items else None
        return last, self._reports.failures(workspace_id, now - alerts.REPORT_MEMORY, alerts.REPORTS_SHOWN)


_TILES: tuple[tuple[str, bool, bool], ...] = (
    ("sent", False, True),
    ("delivered", False, True),
    ("impression", False, True),
    ("click", False, True),
    ("ctr", True, True),
    ("failure_rate", True, False),
    ("unsubscribe", False, False),
)
"""Key, whether it is a rate, whether more is better."""
TILE_RATES = [key for key, is_rate, _ in _TILES if is_rate]


def tiles(now: GroupTotals, before: GroupTotals) -> list[Tile]:
    """Nothing is said about the users of the period before."""
    found = []
    for key, is_rate, more_is_better in _TILES:
        value, earlier = now.total.get(key, 0), before.total.get(key, 0)
        if not value and not earlier:
            continue
        note = f"{formats.number(now.unique[key])} unique" if not is_rate else _of(now.fractions.get(key))
        metric = RATES[key] if is_rate else COUNTS[key]
        had = before.fractions.get(key, (0, 0))[1] if is_rate else earlier
        change = _difference(value, earlier) if is_rate else _change(value, earlier)
        found.append(
            _tile(
                metric.label, metric.definition, value, is_rate, earlier, change if had else None, more_is_better, note
            )
        )
    found.append(
        _tile(
            "Conversions",
            "Conversions of all goals, attributed as chosen.",
            now.conversions,
            False,
            before.conversions,
            _change(now.conversions, before.conversions),
            True,
            f"{formats.number(now.converted)} unique",
        )
    )
    return found


def _tile(
    label: str,
    definition: str,
    value: Number,
    is_rate: bool,
    before: Number,
    change: Decimal | None,
    more_is_better: bool,
    note: str,
) -> Tile:
    tone = "" if not change else "good" if (change > 0) == more_is_better else "bad"
    return Tile(label, definition, value, is_rate, before, change, tone, note)


def _of(parts: tuple[int, int] | None) -> str:
    return "" if parts is None else f"{formats.number(parts[0])} of {formats.number(parts[1])}"


def _change(now: Number, before: Number) -> Decimal | None:
    """Percent; None where there was nothing before."""
    if not before:
        return None
    return ((Decimal(str(now)) / Decimal(str(before)) - 1) * 100).quantize(CHANGE_DECIMALS)


def _difference(now: Number, before: Number) -> Decimal:
    return (Decimal(str(now)) - Decimal(str(before))).quantize(CHANGE_DECIMALS / 10)


def channel_rows(totals: Totals) -> list[ChannelRow]:
    rows = []
    arrivals = {key: _arrived(group.total) or 0 for key, group in totals.channels.items()}
    most = max(arrivals.values(), default=0)
    for key, group in totals.channels.items():
        rows.append(
            ChannelRow(
                key=key,
                label=words.channel(key),
                numbers=group,
                sent=group.total.get("sent"),
                arrived=_arrived(group.total),
                reached=_arrived(group.unique),
                clicks=group.total.get("click"),
                click_rate=_known(group, "ctr"),
                failure_rate=_known(group, "failure_rate"),
                share=rate(int(arrivals[key]), int(most)),
            )
        )
    return rows


def _arrived(numbers: Mapping[str, int | float]) -> int | float | None:
    return numbers.get("delivered", numbers.get("impression", numbers.get("successfully_synced")))


def _known(group: GroupTotals, key: str) -> int | float | None:
    """A rate, unless there is nothing to divide by."""
    return group.total.get(key) if group.fractions.get(key, (0, 0))[1] else None


def rank(totals: Totals) -> list[Ranked]:
    """Campaigns with enough messages, best first, by click rate against that of their channel."""
    found = []
    for campaign, group in totals.campaigns:
        own = group.fractions.get("ctr", (0, 0))
        whole = totals.channels[campaign.channel].fractions.get("ctr", (0, 0))
        if own[1] < RANKED_MINIMUM or not whole[0] or "click" not in group.total:
            continue
        index = round(100 * own[0] * whole[1] / (own[1] * whole[0]))
        found.append(Ranked(campaign, rate(*own), own, rate(*whole), index))
    return sorted(found, key=lambda item: (-item.index, item.campaign.campaign_id))
