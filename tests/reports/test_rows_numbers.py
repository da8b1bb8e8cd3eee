"""Rows show the Stats API's numbers: for every channel, split and day, on both back ends."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.campaigns.schemas import Campaign
from campanile.engine import Engine
from campanile.kit.times import Window, window
from campanile.metrics.channels import ALL_LOCALES, ALL_PLATFORMS, ALL_VARIATIONS
from campanile.metrics.funnel import user_steps
from campanile.metrics.pairs import ZERO, MetricType, Pair
from campanile.metrics.registry import RATES
from campanile.reports.columns import columns_by_key
from campanile.reports.columns.definitions import (
    ColumnDef,
    Counted,
    Failing,
    HeldOut,
    RegistryRate,
    Share,
    StepPassed,
)
from campanile.reports.columns.omissions import DIFFERENCES
from campanile.reports.schemas import CHANNELS, Splits
from campanile.stats.numbers import CONTROL_REASONS, CampaignNumbers, NodeNumbers, NumbersService
from campanile.stats.repository import StatsRepository
from campanile.stats.tree import campaign_tree
from campanile.workspaces.schemas import Workspace
from tests.oracle import model
from tests.oracle.histories import CHANNELS as HISTORY_CHANNELS
from tests.oracle.histories import History, histories, platforms_of
from tests.reports.past import Register, days_of, every_key, read, rows_service, spec_of
from tests.support.attribution import service
from tests.support.log import CREATED, Family, campaign_of, workspace_of, write
from tests.support.sampling import examples

pytestmark = pytest.mark.slow

TOKENS = {channel: token for token, channel in CHANNELS.items()}
_REPORTED = [channel for channel in HISTORY_CHANNELS if channel in TOKENS]
_names = itertools.count()
_NOBODY = NodeNumbers({}, {}, {}, {})

SPLITS = st.builds(
    Splits,
    date=st.booleans(),
    child=st.booleans(),
    variation=st.booleans(),
    locale=st.booleans(),
    parent_totals=st.booleans(),
)


class Statistics:
    """The Stats API's numbers of a past, by window."""

    def __init__(self, engine: Engine, workspace: Workspace, campaigns: Sequence[Campaign]) -> None:
        self._service = NumbersService(StatsRepository(engine), Family(campaigns), service(engine, campaigns))
        self._workspace = workspace
        self._campaigns = campaigns
        self._known: dict[Window, dict[str, CampaignNumbers]] = {}

    def of(self, campaign_id: str, days: Window) -> CampaignNumbers:
        if days not in self._known:
            self._known[days] = asyncio.run(
                self._service.measure(self._workspace, self._campaigns, days, "VIEW_THROUGH", all_platforms=True)
            )
        return self._known[days][campaign_id]

    def shown(self, numbers: CampaignNumbers, metric_type: MetricType, key: tuple[str, str, str]) -> dict[str, Any]:
        """`performance_stats` of a node; nothing where there is none."""
        tree = campaign_tree(numbers, metric_type, "VIEW_THROUGH", self._workspace.settings)
        node = tree.get(key[0], {}).get(key[1], {}).get(key[2])
        return dict(node.performance or {}) if node is not None else {}


def expected(
    statistics: Statistics, numbers: CampaignNumbers, column: ColumnDef, locale: str, variation: str
) -> Decimal | int | None:
    """What the Stats API says for a cell; None where it has no such number."""
    cell = column.cell
    place = (getattr(cell, "platform", "") or ALL_PLATFORMS, locale, variation)
    node = numbers.nodes.get(place, _NOBODY)
    match cell:
        case Counted(count, metric_type):
            return node.counts.get(count, ZERO).under(metric_type)
        case StepPassed(step):
            return node.funnel.get(step, ZERO).total
        case Failing(reasons):
            return sum(node.failures.get(reason, ZERO).total for reason in reasons)
        case HeldOut(group):
            held = numbers.nodes.get((place[0], ALL_LOCALES, group), _NOBODY)
            return held.failures.get(CONTROL_REASONS[group], Pair(0, 0)).total
        case RegistryRate(rate, metric_type):
            shown = statistics.shown(numbers, metric_type, place)
            return Decimal(str(shown.get(RATES[rate].key, 0)))
        case _:
            return None


def rounded(value: Decimal | int) -> Decimal:
    return Decimal(value).quantize(Decimal("0.01"), ROUND_HALF_UP)


def check_row(
    statistics: Statistics,
    row: dict[str, Any],
    numbers: CampaignNumbers,
    token: str,
    splits: frozenset[str],
    locale: str,
    variation: str,
) -> None:
    """Every cell equals the Stats API's number or is blank because of a split."""
    for key, value in row.items():
        column = columns_by_key(token)[key]
        if not column.numeric or not key.startswith("campaign-stats."):
            continue
        if not splits <= set(column.splits):
            assert value is None, key
            continue
        wanted = expected(statistics, numbers, column, locale, variation)
        if wanted is not None and value is not None:
            assert rounded(value) == rounded(wanted), (key, row["campaign.id"], row.get("split.date"))


def places(row: dict[str, Any], numbers: CampaignNumbers, splits: frozenset[str]) -> tuple[str, str] | None:
    """The node of the Stats API for a row; None where it has none of its own."""
    locale, variation = ALL_LOCALES, ALL_VARIATIONS
    locales = {key[1] for key in numbers.nodes} - {ALL_LOCALES}
    variations = {key[2] for key in numbers.nodes} - {ALL_VARIATIONS, *CONTROL_REASONS}
    if "locale" in splits:
        if row["split.locale"] not in ("en", "fr") or not locales:
            return None
        locale = row["split.locale"]
    if "variation" in splits:
        if row["split.variation"] is None:
            return None
        name = row["split.variation"].lower().replace(" ", "_")
        if not variations:
            return None
        variation = name
    return locale, variation


_KEYS = {"sent": "sent", "click": "click", "impression": "impression", "attempted": "attempted", "failed": "failed"}


@st.composite
def reported_counts(draw: Any, history: History) -> list[dict[str, Any]]:
    """Counts that senders report as numbers for some cells and days of a history."""
    first = date.fromisoformat(history.request["start_date"])
    days = (date.fromisoformat(history.request["end_date"]) - first).days + 1
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    events = [event for batch in history.batches for event in batch]
    for number in range(draw(st.integers(0, 6))):
        like = draw(st.sampled_from([{}, *events, *events]))  # so that counts and events meet in a cell
        campaign = {item["campaign_id"]: item for item in history.campaigns}.get(like.get("campaign_id", ""))
        campaign = campaign or draw(st.sampled_from(history.campaigns))
        channel = campaign["channel"]
        steps = user_steps(channel)
        kind = draw(st.sampled_from(["performance", "failure", *(["funnel"] if steps else [])]))
        keys = {"performance": ("sent", "click", "impression", "attempted", "failed"), "funnel": steps,
                "failure": (*CONTROL_REASONS.values(), "email_unsubscribe_drop")}[kind]  # fmt: skip
        row = {
            "campaign_id": campaign["campaign_id"],
            "date": first + timedelta(days=draw(st.integers(0, days - 1))),
            "platform": like.get("platform", "").upper()
            or draw(st.sampled_from(platforms_of(channel))).upper()
            or channel,
            "locale": draw(st.sampled_from(["all_locales", like.get("locale", "en")])),
            "variation": draw(st.sampled_from(["all_variations", like.get("variation", "variation_1")])),
            "kind": kind,
            "key": _KEYS.get(like.get("type", ""), "") if kind == "performance" else "",
            "total": draw(st.integers(0, 9)),
            "unique": draw(st.integers(0, 3)),
        }
        row["key"] = row["key"] or draw(st.sampled_from(keys))
        if kind == "funnel" or row["key"] in CONTROL_REASONS.values():
            row |= {"locale": "all_locales", "variation": "all_variations"}
        found[tuple(value for key, value in row.items() if key not in ("total", "unique"))] = row | {"number": number}
    return list(found.values())


def report(engine: Engine, workspace: str, counts: Sequence[dict[str, Any]]) -> None:
    """Write reported counts, each as a snapshot of its own."""
    if counts:
        columns = {name: [row[name] for row in counts] for name in counts[0] if name != "number"}
        numbers = [row["number"] + 1 for row in counts]
        fixed: dict[str, Any] = {"workspace_id": workspace, "mode": "replace", "as_of": CREATED, "received_at": CREATED}
        columns |= {name: [value] * len(counts) for name, value in fixed.items()}
        columns |= {"snapshot_id": [str(number) for number in numbers], "snapshot_key": numbers, "sequence": numbers}
        engine.append("snapshots", columns)


def check(engine: Engine, history: History, splits: Splits, counts: Sequence[dict[str, Any]] = ()) -> None:
    past = history.workspace()
    identifier = f"w{next(_names)}"
    write(engine, identifier, model.deduplicated(past.events))
    report(engine, identifier, counts)
    campaigns = [campaign_of(fields) for fields in past.campaigns]
    workspace = workspace_of(identifier, past.settings)
    days = days_of(past.request, workspace.settings.timezone)
    tokens = [token for token, channel in CHANNELS.items() if channel in {item.channel for item in campaigns}]
    spec = spec_of(tokens, splits, columns={token: every_key(token) for token in tokens})
    found, _ = read(rows_service(engine, Register(campaigns)), workspace, spec, days)
    statistics = Statistics(engine, workspace, campaigns)
    parents = {campaign.parent_id for campaign in campaigns if campaign.parent_id}
    for token, rows in found.items():
        active = {
            name
            for name in ("date", "variation", "locale")
            if getattr(splits, name) and name in columns_by_key(token)[f"split.{name}"].splits
        }
        totals: dict[tuple[str, str], int] = defaultdict(int)
        for row in rows:
            campaign_id = row["campaign.id"]
            when = days if not splits.date else window(row["split.date"], row["split.date"], days.timezone)
            numbers = statistics.of(campaign_id, when)
            own_events_only = splits.child and not splits.parent_totals and campaign_id in parents
            if not own_events_only:
                place = places(row, numbers, frozenset(active))
                if place is not None:
                    check_row(statistics, row, numbers, token, frozenset(active), *place)
            for key, value in row.items():
                cell = columns_by_key(token)[key].cell
                if isinstance(cell, Counted) and cell.metric_type == "TOTAL" and value is not None:
                    totals[(campaign_id, key)] += value
        if not counts:  # reported counts hold for their cell alone, so splits of them need not add up
            check_totals(statistics, totals, campaigns, token, splits, days)


def check_totals(
    statistics: Statistics,
    totals: dict[tuple[str, str], int],
    campaigns: Sequence[Campaign],
    token: str,
    splits: Splits,
    days: Window,
) -> None:
    """Rows of a campaign add up to the unsplit number, those of a family to the parent's."""
    roots = [item for item in campaigns if item.parent_id is None and item.channel == CHANNELS[token]]
    filled = frozenset(
        name
        for name in ("date", "variation", "locale")
        if getattr(splits, name) and name in columns_by_key(token)[f"split.{name}"].splits
    )
    for root in roots:
        family = [item.campaign_id for item in campaigns if root.campaign_id in (item.campaign_id, item.parent_id)]
        for key in every_key(token):
            column = columns_by_key(token)[key]
            if not isinstance(column.cell, Counted) or column.cell.metric_type != "TOTAL":
                continue
            if not filled <= frozenset(column.splits):
                continue
            whole = expected(statistics, statistics.of(root.campaign_id, days), column, ALL_LOCALES, ALL_VARIATIONS)
            if splits.child and splits.parent_totals and len(family) > 1:
                assert totals[(root.campaign_id, key)] == whole, key
                added = sum(totals[(name, key)] for name in family if name != root.campaign_id)
                assert added <= (whole or 0)
            else:
                assert sum(totals[(name, key)] for name in family) == whole, key


@examples(60)
@given(history=histories(_REPORTED), splits=SPLITS)
def test_rows_are_the_numbers_of_the_stats_api(chdb_engine: Engine, history: History, splits: Splits) -> None:
    check(chdb_engine, history, splits)


@examples(40)
@given(data=st.data(), history=histories(_REPORTED), splits=SPLITS)
def test_rows_take_reported_counts_as_the_stats_api_does(
    chdb_engine: Engine, data: st.DataObject, history: History, splits: Splits
) -> None:
    check(chdb_engine, history, splits, data.draw(reported_counts(history)))


@examples(6)
@given(history=histories(_REPORTED), splits=SPLITS)
def test_rows_are_the_same_on_a_cluster(cluster_engine: Engine, history: History, splits: Splits) -> None:
    check(cluster_engine, history, splits)


def test_only_listed_rates_are_shares_that_the_stats_api_has_too() -> None:
    """Every rate that both surfaces have is compared above, unless it is listed with a reason."""
    listed = {(note.channel, note.key) for note in DIFFERENCES}
    for token in CHANNELS:
        for column in columns_by_key(token).values():
            if isinstance(column.cell, Share):
                name = column.key.rsplit(".", 1)[-1].replace("unsubscribe", "unsub")
                shared = name in RATES and RATES[name].ratio(CHANNELS[token]) is not None
                assert shared == ((token, column.key) in listed)


def test_days_follow_each_other_without_a_gap(chdb_engine: Engine) -> None:
    days = window(
        (start := model.instant("2025-03-08T12:00:00Z").date()), start + timedelta(days=3), "America/New_York"
    )
    campaign = campaign_of({"campaign_id": "a" * 24, "channel": "PUSH", "platforms": ["ANDROID"]})
    found, _ = read(
        rows_service(chdb_engine, Register([campaign])),
        workspace_of("quiet", {"timezone": "America/New_York"}),
        spec_of(["PUSH"], Splits(date=True)),
        days,
    )
    assert [row["split.date"] for row in found["PUSH"]] == [start + timedelta(days=number) for number in range(4)]
    assert {row["campaign-stats.sent"] for row in found["PUSH"]} == {0}
