"""What the tools answer, over a client of a server that speaks the Stats API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

from campanile.client import Client
from campanile.kit.ordering import natural_key

Answer = dict[str, Any]
MetricType = Literal["TOTAL", "UNIQUE"]
Attribution = Literal["VIEW_THROUGH", "CLICK_THROUGH", "IN_SESSION", "TOTAL_CONVERSIONS", "CLICK_CONVERSIONS"]

MAX_CAMPAIGNS = 50
"""Campaigns one call may name; more would fill the context of any agent."""
MAX_RUNS = 100
MAX_REPORTS = 100
_AGGREGATE = ("all_locales", "all_locale")
_GROUPS = ("campaign_control_group", "global_control_group")
UNIQUES = (
    "UNIQUE numbers count people once per platform and date range: they must not be added up over platforms, ranges or "
    "campaigns."
)
TOTALS = "TOTAL numbers count events. A parent's numbers include its children: adding both counts twice."


def search(client: Client, channel: str, *, full: bool, **options: Any) -> Answer:
    """One page of campaigns of a channel; `full`: with their whole configuration."""
    filters = {name: value for name, value in options.items() if name in ("id", "name") and value}
    if options["status"]:
        filters["status"] = [options["status"].upper()]
    rows = client.campaigns.search(
        page=options["page"],
        limit=options["limit"],
        include_archived=options["include_archived"],
        include_children=options["include_children"],
        channels=[channel],
        **filters,
    )
    shown = rows if full else [_summary(row) for row in rows]
    return {"campaigns": shown, "page": options["page"], "more": len(rows) == options["limit"]}


def stats(client: Client, ids: Sequence[str], query: Mapping[str, Any]) -> Answer:
    """Numbers per campaign and platform, over all locales and variations."""
    return _numbers(client, ids, query, lambda node: {
        "performance": node.get("performance_stats", {}), "goals": node.get("conversion_goal_stats", {}),
    })  # fmt: skip


def delivery(client: Client, ids: Sequence[str], query: Mapping[str, Any]) -> Answer:
    """Funnels and failures per campaign and platform, with those of the control groups."""
    return _numbers(client, ids, query, lambda node: {
        "funnel": node.get("delivery_funnel", {}), "failures": node.get("failure_breakdown", {}),
    }, groups=True)  # fmt: skip


def detailed(client: Client, ids: Sequence[str], query: Mapping[str, Any]) -> Answer:
    """The whole tree of each campaign: platforms, locales, variations, control groups."""
    labels = client.campaigns.labels(ids)
    data = _trees(client, ids, query)
    campaigns = [{**_label(name, labels), "platforms": data[name]} for name in ids if name in data]
    return {**_frame(query), "campaigns": campaigns, "unknown": [name for name in ids if name not in data]}


def configuration(client: Client, campaign_id: str) -> Answer:
    """The row of one campaign, whatever its kind.

    Raises:
        LookupError: there is no such campaign.
    """
    statuses = ("DRAFT", "SCHEDULED", "ACTIVE", "PAUSED", "SENT", "STOPPED", "RETIRED", "ARCHIVED")
    rows = client.campaigns.search(
        id=campaign_id, status=statuses, include_children=True, include_archived=True, limit=1
    )
    if not rows:
        raise LookupError(f"There is no campaign {campaign_id} in this workspace.")
    return rows[0]


def content(client: Client, campaign_id: str) -> Answer:
    """What a campaign says, per locale and variation."""
    row = configuration(client, campaign_id)
    return {**_summary(row), "content": row.get("campaign_content", {})}


def runs(client: Client, parent_id: str) -> Answer:
    """The latest runs of a parent."""
    found = list(islice(client.campaigns.executions(parent_id), 100_000))
    return {"campaign_id": parent_id, "runs": found[-MAX_RUNS:], "total": len(found)}


def compare(client: Client, ids: Sequence[str], metrics: Sequence[str], query: Mapping[str, Any]) -> Answer:
    """The same metrics of several campaigns side by side, and how far each is from the first."""
    labels = client.campaigns.labels(ids)
    rows = []
    first: dict[str, Mapping[str, Any]] = {}
    for name, platform, node in _aggregates(_trees(client, ids, query), ids):
        numbers = node.get("performance_stats", {})
        wanted = {key: numbers[key] for key in metrics or numbers if key in numbers}
        base = first.setdefault(platform, wanted)
        differences = {key: round(value - base[key], 2) for key, value in wanted.items() if key in base}
        rows.append({
            **_label(name, labels), "platform": platform, "metrics": wanted, "difference_to_first": differences,
        })  # fmt: skip
    return {
        **_frame(query),
        "rows": rows,
        "remark": "Rates are percentages; a difference of rates is in percentage points and says nothing of chance: "
        "ask for the experiment of a campaign to know what is significant.",
    }


def reports(client: Client, text: str) -> Answer:
    """Report definitions by name, newest first."""
    found = list(islice(client.reports.all(text=text), MAX_REPORTS + 1))
    return {"reports": found[:MAX_REPORTS], "more": len(found) > MAX_REPORTS}


def _numbers(
    client: Client,
    ids: Sequence[str],
    query: Mapping[str, Any],
    shown: Callable[[Mapping[str, Any]], Answer],
    *,
    groups: bool = False,
) -> Answer:
    labels = client.campaigns.labels(ids)
    trees = _trees(client, ids, query)
    found: dict[str, Answer] = {}
    for name, platform, node in _aggregates(trees, ids):
        campaign = found.setdefault(name, {**_label(name, labels), "platforms": {}})
        campaign["platforms"][platform] = shown(node)
        if groups:
            variations = _variations(trees[name][platform])
            held = {group: shown(variations[group]) for group in _GROUPS if group in variations}
            campaign["platforms"][platform] |= {"control_groups": held} if held else {}
    return {**_frame(query), "campaigns": list(found.values()), "unknown": [name for name in ids if name not in found]}


def _trees(client: Client, ids: Sequence[str], query: Mapping[str, Any]) -> dict[str, Any]:
    """The platforms of each campaign as the Stats API gives them."""
    data = client.stats(ids, **query).data
    return {name: entries[0].get("platforms", {}) for name, entries in data.items() if entries}


def _aggregates(
    trees: Mapping[str, Mapping[str, Any]], ids: Sequence[str]
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(campaign, platform, node over all locales and variations) in the order of the ids."""
    for name in ids:
        for platform in sorted(trees.get(name, {}), key=natural_key):
            node = _variations(trees[name][platform]).get("all_variations")
            if node is not None:
                yield name, platform, node


def _variations(platform: Mapping[str, Any]) -> Mapping[str, Any]:
    locales = platform.get("locales", {})
    for key in _AGGREGATE:
        if key in locales:
            found: Mapping[str, Any] = locales[key].get("variations", {})
            return found
    return {}


def _frame(query: Mapping[str, Any]) -> Answer:
    return {**query, "remark": UNIQUES if query["metric_type"] == "UNIQUE" else TOTALS}


def _label(campaign_id: str, labels: Mapping[str, Mapping[str, Any]]) -> Answer:
    row = labels.get(campaign_id, {})
    names = {"campaign_name": "name", "channel": "channel", "parent_campaign_id": "parent_id"}
    return {"campaign_id": campaign_id, **{shown: row[key] for key, shown in names.items() if key in row}}


def _summary(row: Mapping[str, Any]) -> Answer:
    """A row without its configuration."""
    kept = ("campaign_id", "channel", "status", "campaign_delivery_type", "created_at", "sent_time", "parent_id")
    basics = row.get("basic_details", {})
    return {
        **{name: row[name] for name in kept if name in row},
        "name": basics.get("name", ""),
        "tags": basics.get("tags", []),
    }
