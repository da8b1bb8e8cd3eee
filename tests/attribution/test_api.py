"""The worked examples, from the intake of their events to the answer of the Stats API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campanile.attribution.rules import ATTRIBUTIONS, CONTROL_GROUPS
from campanile.workspaces.schemas import CreatedWorkspace
from tests.oracle.attribution import instant
from tests.oracle.attribution_cases import CASES, is_fixture
from tests.stats.inprocess import InProcess, running
from tests.support.clickhouse import ClusterInfo
from tests.support.engines import EmbeddedEngine

pytestmark = pytest.mark.slow

NAMES = sorted(name for name in CASES if is_fixture(name))
RATES = ("cvr", "uplift", "gcg_uplift", "average_order_value", "average_revenue_per_user")
CONTROL_RATES = {"ccg_cvr": "campaign_control_group", "gcg_cvr": "global_control_group"}
MEMBERS = ("total", "unique", "revenue")


ON_CLUSTER = ("edge_merge_collapses_unique", "edge_parent_and_children", "lim_campaigns_3_control_group")
"""Examples that go all the way on two shards as well; `test_golden` asks the engine about every one."""


@pytest.fixture(name="server", scope="module")
def _server(embedded: EmbeddedEngine) -> Iterator[InProcess]:
    with running(embedded, datetime(2026, 4, 1, tzinfo=UTC)) as server:
        yield server


@pytest.fixture(name="sharded", scope="module")
def _sharded(embedded: EmbeddedEngine, cluster: ClusterInfo) -> Iterator[InProcess]:
    with running(embedded, datetime(2026, 4, 1, tzinfo=UTC), cluster.url) as server:
        yield server


@pytest.mark.parametrize("name", NAMES)
def test_a_worked_example(server: InProcess, name: str) -> None:
    work(server, name)


def work(server: InProcess, name: str) -> None:
    case = CASES[name]
    owner = server.services.workspaces.create(name, id=name, timezone=case["settings"]["timezone"])
    changes = {"stats_dialect": "live"}
    if case["settings"].get("exclude_machine"):
        changes["attribution_exclude_machine"] = "true"
    server.configure(name, changes)
    report = server.import_campaigns(owner, [document(fields) for fields in case["campaigns"]])
    assert report["failed"] == 0, report
    checkpoints = {point["after"]: point["expected"] for point in case.get("checkpoints", ())}
    pending: list[Any] = []
    for event in case["events"]:
        pending.append(sendable(event))
        if event.get("event_id") in checkpoints:
            send(server, owner, pending)
            pending = []
            compare(server, owner, case, checkpoints.pop(event["event_id"]))
    send(server, owner, pending)
    compare(server, owner, case, case["expected"])
    assert not checkpoints


def send(server: InProcess, owner: CreatedWorkspace, events: list[Any]) -> None:
    if events:
        receipt = server.send_events(owner, events)
        assert receipt["accepted"] + receipt["duplicates"] == len(events), receipt


def document(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A campaign of an example as a document."""
    own = ("attribution_window_in_hours", "goals", "flow_id")
    described = {"name": fields["campaign_id"], **{key: value for key, value in fields.items() if key not in own}}
    if "parent_campaign_id" not in fields:
        described["campaign_delivery_type"] = "ONE_TIME"
        described["conversion_goal_details"] = {key: fields[key] for key in own[:2] if key in fields}
    return plain(described)


def sendable(event: Mapping[str, Any]) -> Any:
    return plain({key: value for key, value in event.items() if value != ""})


def plain(value: Any) -> Any:
    """The same without exact numbers, which JSON libraries do not write."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return float(value) if type(value).__name__ == "Decimal" else value


def compare(server: InProcess, owner: CreatedWorkspace, case: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for kind in ATTRIBUTIONS:
        answer = ask(server, owner, case, kind)
        for campaign, goals in expected[kind].items():
            nodes = answer[campaign]
            assert members(nodes["all_variations"]) == goals, (kind, campaign)
            for group in CONTROL_GROUPS:
                held = case.get("expected_control", {}).get(group, {}).get(kind, {}).get(campaign)
                if held is not None and any(goal["total"] for goal in held.values()):
                    assert members(nodes[group]) == held, (kind, campaign, group)
                elif group in nodes:
                    assert not any(goal["total"] for goal in members(nodes[group]).values()), (kind, campaign, group)
    if expected is case["expected"]:
        for kind, campaigns in case.get("expected_stats", {}).items():
            answer = ask(server, owner, case, kind)
            for campaign, goals in campaigns.items():
                for goal, stats in goals.items():
                    nodes = answer[campaign]
                    found = nodes["all_variations"]["conversion_goal_stats"][goal]
                    shown = {key: found[key] for key in RATES if key in stats}
                    for key, group in CONTROL_RATES.items():
                        if key in stats and group in nodes:
                            control = nodes[group]["conversion_goal_stats"][goal]
                            shown[key] = control["cvr"]
                            assert control["uplift"] == control["gcg_uplift"] == 0
                    assert shown == {key: value for key, value in plain(stats).items() if key in shown}, (kind, goal)


def members(node: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {goal: {key: stats[key] for key in MEMBERS} for goal, stats in node["conversion_goal_stats"].items()}


def ask(server: InProcess, owner: CreatedWorkspace, case: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Nodes over all platforms and locales, by campaign; the range holds all that happened."""
    zone = ZoneInfo(case["settings"]["timezone"])
    moments = [instant(event["ts"]).astimezone(zone).date() for event in case["events"]]
    first, last = min(moments), max(moments)
    assert last - first <= timedelta(days=30)
    answers: dict[str, Any] = {}
    ids = [fields["campaign_id"] for fields in case["campaigns"]]
    server.fresh_window()
    for start in range(0, len(ids), 10):
        data = server.stats(
            owner,
            request_id="r",
            campaign_ids=ids[start : start + 10],
            start_date=first.isoformat(),
            end_date=last.isoformat(),
            attribution_type=kind,
            metric_type="TOTAL",
        )["data"]
        for campaign, elements in data.items():
            answers[campaign] = over_all(elements[0])
    return answers


def over_all(element: Mapping[str, Any]) -> dict[str, Any]:
    """The nodes over all platforms and locales."""
    platforms = {name.upper(): node for name, node in element["platforms"].items()}
    top = platforms["ALL_PLATFORMS"]["locales"]
    nodes: dict[str, Any] = (top.get("all_locales") or top["all_locale"])["variations"]
    return nodes


def test_reported_conversions_are_counted_once_per_user_and_instance(server: InProcess) -> None:
    """As those that are matched here: runs of a parent that share an instance are one instance."""
    owner = server.services.workspaces.create("reported", id="reported")
    server.configure("reported", {"stats_dialect": "live"})
    parent, *runs = (f"{number:024x}" for number in (10, 11, 12))
    documents = [{"campaign_id": parent, "channel": "EMAIL", "campaign_delivery_type": "PERIODIC", "name": "parent"}]
    documents += [{"campaign_id": run, "channel": "EMAIL", "parent_campaign_id": parent, "name": run} for run in runs]
    assert server.import_campaigns(owner, documents)["failed"] == 0
    event = {"type": "conversion", "goal": "Goal 1", "attribution": "CLICK_THROUGH", "channel": "EMAIL", "revenue": 5}
    event |= {"time": "2026-03-02T10:00:00Z", "user_id": "u", "instance_id": "spring"}
    send(server, owner, [{**event, "event_id": run, "campaign_id": run} for run in runs])
    server.fresh_window()
    days = {"start_date": "2026-03-02", "end_date": "2026-03-02"}
    body = {"request_id": "r", "campaign_ids": [parent], "attribution_type": "CLICK_THROUGH", "metric_type": "TOTAL"}
    (element,) = server.stats(owner, **body, **days)["data"][parent]
    assert members(over_all(element)["all_variations"]) == {"Goal 1": {"total": 2, "unique": 1, "revenue": 10}}


@pytest.mark.parametrize("name", ON_CLUSTER)
def test_a_worked_example_on_a_cluster(sharded: InProcess, name: str) -> None:
    work(sharded, name)
