"""Time series and totals count what the oracle counts, and marks notice what is stored, on both engines."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from campanile.campaigns.schemas import Campaign
from campanile.engine import Engine
from campanile.kit.times import Window, epoch_milliseconds, window
from campanile.metrics.formulas import performance_stats
from campanile.metrics.pairs import Pair
from campanile.metrics.registry import COUNTS, RATES
from campanile.stats.analysis import Analysis, buckets
from campanile.stats.numbers import NumbersService
from campanile.stats.repository import StatsRepository
from campanile.stats.schemas import GroupTotals, Series, SeriesUnit
from campanile.stats.settled.service import SettledAnswers
from campanile.workspaces.schemas import Workspace
from tests.oracle import model
from tests.oracle.fixtures import NAMES, load, workspace
from tests.oracle.histories import History, histories
from tests.support.attribution import service
from tests.support.log import Family, campaign_of, workspace_of, write
from tests.support.sampling import examples

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
UNITS: tuple[SeriesUnit, ...] = get_args(SeriesUnit)
_names = itertools.count()


class Campaigns(Family):
    """Stands in for the campaign service."""

    def __init__(self, campaigns: Iterable[Campaign]) -> None:
        super().__init__(campaigns)
        self._known = {campaign.campaign_id: campaign for campaign in self._campaigns}

    def get_many(self, _: str, ids: Iterable[str]) -> dict[str, Campaign]:
        return {name: self._known[name] for name in ids if name in self._known}


def analysis(
    engine: Engine, past: model.Workspace, settled: SettledAnswers | None = None
) -> tuple[Analysis, list[Campaign]]:
    campaigns = [campaign_of(fields) for fields in past.campaigns]
    credits = service(engine, campaigns)
    repository = StatsRepository(engine)
    known = Campaigns(campaigns)
    return Analysis(repository, known, NumbersService(repository, known, credits, settled), credits), campaigns


def counted(past: model.Workspace, events: Sequence[Any], campaign: Mapping[str, Any]) -> dict[str, Pair]:
    found = model.count_all(events, campaign, past)
    return {key: Pair(*pair) for key, pair in found.items() if key in COUNTS}


def messages(past: model.Workspace, members: set[str]) -> list[Any]:
    return [
        event
        for event in model.in_range(model.deduplicated(past.events), past)
        if event.get("campaign_id") in members and event["type"] in model.MESSAGE_TYPES
    ]


def compare_series(
    past: model.Workspace, series: Series, campaign: Mapping[str, Any], edges: Sequence[datetime]
) -> None:
    events = messages(past, model.family(past, campaign["campaign_id"]))
    starts = [point.start.astimezone(UTC) for point in series.points]
    assert starts == list(edges)
    for point, start, end in zip(series.points, starts, [*edges[1:], datetime.max.replace(tzinfo=UTC)], strict=True):
        here = [event for event in events if start <= model.instant(event["ts"]) < end]
        assert point.counts == counted(past, here, campaign), (campaign["campaign_id"], series.unit, start)
    assert not series.undated


async def check(engine: Engine, past: model.Workspace, identifier: str) -> None:
    asked, campaigns = analysis(engine, past)
    tenant = workspace_of(identifier, past.settings)
    first, last = (date.fromisoformat(past.request[name]) for name in ("start_date", "end_date"))
    days = window(first, last, tenant.settings.timezone)
    for campaign, fields in zip(campaigns, past.campaigns, strict=True):
        for unit in UNITS:
            series = await asked.campaign_series(tenant, campaign, days, unit, list(COUNTS))
            compare_series(past, series, fields, buckets(days, unit))
    totals = await asked.totals(tenant, days, "VIEW_THROUGH")
    with_stats = {item.campaign_id for item in campaigns if item.has_stats}
    for root, group in totals.campaigns:
        fields = past.campaign(root.campaign_id)
        events = messages(past, model.family(past, root.campaign_id) & with_stats)
        expected = performance_stats(
            root.channel,
            counted(past, events, fields),
            metric_type="UNIQUE",
            bot_mode=tenant.settings.bot_mode,
            delivery_tracking=root.delivery_tracking,
            extended=True,
        )
        assert group.unique == expected, root.campaign_id
    listed = await asked.summed(tenant, [root for root, _ in totals.campaigns], days, "VIEW_THROUGH")
    assert listed == {root.campaign_id: group for root, group in totals.campaigns}
    active = {root.campaign_id for root, _ in totals.campaigns}
    for channel, group in totals.channels.items():
        roots = [root for root, _ in totals.campaigns if root.channel == channel]
        members = {name for root in roots for name in model.family(past, root.campaign_id)} & with_stats
        found = counted(past, messages(past, members), {"channel": channel})
        for key, count in COUNTS.items():
            if channel in count.channels:
                assert group.total[count.wire] == found[key].total
                assert group.unique[count.wire] == found[key].unique
        assert group.campaigns == len(roots)
    everyone = {name for root in active for name in model.family(past, root)} & with_stats
    whole = counted(past, messages(past, everyone), {"channel": "OTHER"})
    for key in ("sent", "click", "delivered", "unsubscribe"):
        assert (totals.everything.total[key], totals.everything.unique[key]) == whole[key]
    await check_comparison(asked, tenant, days, totals.everything, ["ctr", "failure_rate"])
    await check_comparison(asked, tenant, days, totals.everything, list(RATES))
    assert await asked.totals(tenant, days, "VIEW_THROUGH") == totals
    per_channel = await asked.channel_series(tenant, days, "day", ["sent", "click"])
    assert set(per_channel) == {*totals.channels, ""}
    for key in ("sent", "click"):
        assert sum(point.counts[key].total for point in per_channel[""].points) == whole[key].total


async def check_comparison(
    asked: Analysis, tenant: Workspace, days: Window, everything: GroupTotals, rates: Sequence[str]
) -> None:
    """What other days are compared with is the same, as far as it goes."""
    found = await asked.compared(tenant, days, "VIEW_THROUGH", rates)
    assert found.total == {key: everything.total[key] for key in (*COUNTS, *rates) if key in everything.total}
    assert found.fractions == {key: everything.fractions[key] for key in rates if key in everything.fractions}
    assert found.unique == {}
    for name in ("campaigns", "conversions", "converted", "revenue"):
        assert getattr(found, name) == getattr(everything, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_golden_pasts(engine: Engine, name: str) -> None:
    past = workspace(load(name))
    write(engine, "w", model.deduplicated(past.events))
    asyncio.run(check(engine, past, "w"))


@pytest.mark.slow
def test_random_pasts(engine: Engine) -> None:
    @examples(25, engine)
    @given(history=histories())
    def holds(history: History) -> None:
        past = history.workspace()
        identifier = f"w{next(_names)}"
        write(engine, identifier, model.deduplicated(past.events))
        asyncio.run(check(engine, past, identifier))

    holds()


def test_stretches_of_a_range() -> None:
    days = window(date(2026, 3, 28), date(2026, 4, 7), "Europe/Berlin")  # summer time begins on the 29th
    zone = ZoneInfo("Europe/Berlin")

    def local(unit: SeriesUnit) -> list[str]:
        return [start.astimezone(zone).strftime("%d.%m. %H:%M") for start in buckets(days, unit)]

    assert len(local("hour")) == 11 * 24 - 1
    assert local("day")[:3] == ["28.03. 00:00", "29.03. 00:00", "30.03. 00:00"]
    assert local("week") == ["28.03. 00:00", "30.03. 00:00", "06.04. 00:00"]
    assert local("month") == ["28.03. 00:00", "01.04. 00:00"]
    assert buckets(days, "hour")[-1] == days.end - timedelta(hours=1)


SNAPSHOT_DAYS = (date(2026, 3, 14), date(2026, 3, 17))


def test_reported_counts_are_in_series_and_totals(engine: Engine) -> None:
    """Where a sender reports a count for a day, events of that cell and day do not count."""
    past = model.Workspace([{"campaign_id": "c", "channel": "EMAIL"}], _sends(), {}, {})
    write(engine, "w", past.events)
    rows = len(SNAPSHOT_DAYS)
    engine.append(
        "snapshots",
        {
            "workspace_id": ["w"] * rows, "campaign_id": ["c"] * rows, "date": list(SNAPSHOT_DAYS),
            "platform": ["EMAIL"] * rows, "locale": ["all_locales"] * rows, "variation": ["all_variations"] * rows,
            "kind": ["performance"] * rows, "key": ["sent"] * rows, "goal": [""] * rows, "attribution": [""] * rows,
            "mode": ["replace"] * rows, "as_of": [NOW] * rows, "total": [100, 7], "unique": [90, 7],
            "revenue": [None] * rows, "snapshot_id": ["a", "b"], "snapshot_key": [1, 2], "sequence": [900, 901],
            "received_at": [NOW] * rows,
        },
    )  # fmt: skip
    asked, campaigns = analysis(engine, past)
    tenant = workspace_of("w", {})
    days = window(date(2026, 3, 13), date(2026, 3, 18), "UTC")

    async def ask() -> None:
        by_day = await asked.campaign_series(tenant, campaigns[0], days, "day", ["sent"])
        found = {point.start.date(): point.counts["sent"] for point in by_day.points if any(point.counts["sent"])}
        assert found == {SNAPSHOT_DAYS[0]: Pair(100, 90), date(2026, 3, 15): Pair(2, 2), SNAPSHOT_DAYS[1]: Pair(7, 7)}
        by_week = await asked.channel_series(tenant, days, "week", ["sent"])
        assert [point.counts["sent"] for point in by_week[""].points] == [Pair(102, 92), Pair(7, 7)]
        totals = await asked.totals(tenant, days, "VIEW_THROUGH")
        assert totals.everything.total["sent"] == totals.channels["EMAIL"].total["sent"] == 109
        summed = await asked.summed(tenant, campaigns, days, "VIEW_THROUGH")
        assert summed["c"] == totals.campaigns[0][1]
        measured = await asked.measured(tenant, campaigns, days, "VIEW_THROUGH")
        node = measured["c"].total["EMAIL"]["all_locales"]["all_variations"]
        assert node.performance is not None
        assert node.performance["sent"] == 109
        by_hour = await asked.campaign_series(tenant, campaigns[0], days, "hour", ["sent"])
        assert sum(point.counts["sent"].total for point in by_hour.points) == 2
        assert by_hour.undated

    asyncio.run(ask())


def _sends() -> list[dict[str, Any]]:
    """One send on the 14th, where a snapshot answers, and two on the 15th."""
    return [
        {"event_id": f"e{number}", "type": "sent", "ts": f"2026-03-{day}T10:00:00Z", "campaign_id": "c",
         "channel": "EMAIL", "user_id": f"u{number}"}
        for number, day in enumerate((14, 15, 15))
    ]  # fmt: skip


def test_marks_notice_what_is_stored_and_nothing_else(engine: Engine) -> None:
    past = model.Workspace(
        [{"campaign_id": "c", "channel": "EMAIL"}, {"campaign_id": "d", "channel": "EMAIL"}], [], {}, {}
    )
    asked, campaigns = analysis(engine, past)
    tenant, campaign = workspace_of("w", {}), campaigns[0]
    sequence = epoch_milliseconds(NOW) * 1000

    def store(campaign_id: str, number: int) -> None:
        engine.append(
            "events",
            {
                "workspace_id": ["w"], "campaign_id": [campaign_id], "type": ["sent"], "ts": [NOW],
                "event_key": [abs(number)], "message_key": [0], "sequence": [sequence + number], "received_at": [NOW],
                "channel": ["EMAIL"], "platform": ["EMAIL"], "user_id": ["u"], "event_id": [str(number)],
            },
        )  # fmt: skip

    async def look(mark: str) -> bool:
        return await asked.unchanged(tenant, campaign, mark)

    store("c", 1)
    mark = asyncio.run(asked.mark(tenant, campaign, NOW))
    assert asyncio.run(look(mark))
    store("d", 2)
    assert asyncio.run(look(mark))
    store("c", 3)
    assert not asyncio.run(look(mark))
    later = asyncio.run(asked.mark(tenant, campaign, NOW))
    assert asyncio.run(look(later))
    store("c", -60_000_000)  # another process was slower, its sequence is from before the mark
    assert not asyncio.run(look(later))
    for broken in ("", "x", "9" * 40, "-1-2-3"):
        assert not asyncio.run(look(broken))
