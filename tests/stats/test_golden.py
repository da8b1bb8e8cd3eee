"""The golden examples of the metric rules, from the intake of their events to the answer of the Stats API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campanile.workspaces.schemas import CreatedWorkspace
from tests.oracle.fixtures import NAMES, load
from tests.stats.inprocess import InProcess, running
from tests.support.engines import EmbeddedEngine

ALL = "ALL_PLATFORMS"
ALIASES = {"bounce": "bounced", "open": "opened"}

Place = tuple[str, str, str]


@pytest.fixture(name="server", scope="module")
def _server(embedded: EmbeddedEngine) -> Iterator[InProcess]:
    with running(embedded, datetime(2025, 1, 1, tzinfo=UTC)) as server:
        yield server


def document(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A campaign of an example as a document."""
    described = {"name": fields["campaign_id"], **fields}
    if "parent_campaign_id" not in fields:
        described["campaign_delivery_type"] = "ONE_TIME"
    return described


def leaves(platforms: Mapping[str, Any]) -> dict[Place, dict[str, Any]]:
    """Nodes by place, whatever dialect spelled it."""
    return {
        (platform.upper(), "all_locales" if locale == "all_locale" else locale, variation): node
        for platform, locales in platforms.items()
        for locale, variations in locales["locales"].items()
        for variation, node in variations["variations"].items()
    }


def expected_blocks(node: Mapping[str, Any]) -> dict[str, Any]:
    """The blocks an answer must hold, extended fields merged in."""
    blocks = {name: node[name] for name in ("delivery_funnel", "failure_breakdown")}
    if "performance_stats" in node:
        blocks["performance_stats"] = node["performance_stats"] | node.get("performance_stats_extended", {})
    return blocks


def answered_blocks(node: Mapping[str, Any]) -> dict[str, Any]:
    """The blocks of an answer without aliases, each of which must repeat its field."""
    blocks = {name: dict(block) for name, block in node.items() if name != "conversion_goal_stats"}
    stats = blocks.get("performance_stats", {})
    for alias, name in ALIASES.items():
        if name in stats:
            assert stats.pop(alias) == stats[name]
    return blocks


@pytest.mark.parametrize("name", NAMES)
def test_golden(server: InProcess, name: str) -> None:
    example = load(name)
    owner = server.services.workspaces.create(name, id=name)
    server.configure(name, {key: str(value) for key, value in example["settings"].items()})
    server.import_campaigns(owner, map(document, example["campaigns"]))
    server.clock.set(datetime.fromisoformat(example["request"]["end_date"]).replace(tzinfo=UTC) + timedelta(days=2))
    events = sorted(example["events"], key=lambda event: event.get("received_at", event["ts"]))
    receipt = server.send_events(owner, events)
    assert receipt["accepted"] + receipt["duplicates"] == len(events), receipt

    for metric_type in ("TOTAL", "UNIQUE"):
        docs, live = (ask(server, owner, example, metric_type, dialect) for dialect in ("docs", "live"))
        assert list(docs) == list(live) == [campaign["campaign_id"] for campaign in example["campaigns"]]
        for campaign_id, tree in example["expected"][metric_type].items():
            wanted = {key: expected_blocks(node) for key, node in leaves(tree["platforms"]).items()}
            if not any(platform == ALL for platform, _, _ in wanted):  # the examples leave it out for one platform
                wanted |= {(ALL, *place): blocks for (_, *place), blocks in wanted.items()}
            found = {key: answered_blocks(node) for key, node in live[campaign_id].items()}
            assert found == wanted, (campaign_id, metric_type)
            single = {key: blocks for key, blocks in found.items() if key[0] != ALL}
            assert {key: answered_blocks(node) for key, node in docs[campaign_id].items()} == single


def ask(
    server: InProcess, owner: CreatedWorkspace, example: Mapping[str, Any], metric_type: str, dialect: str
) -> dict[str, dict[Place, Any]]:
    """The nodes of every campaign of the example, as answered in a dialect, under logical keys."""
    server.configure(owner.workspace.id, {"stats_dialect": dialect})
    body = {
        "request_id": example["name"],
        "campaign_ids": [campaign["campaign_id"] for campaign in example["campaigns"]],
        "attribution_type": "VIEW_THROUGH",
        "metric_type": metric_type,
        **example["request"],
    }
    data = server.stats(owner, **body)["data"]
    return {campaign_id: leaves(elements[0]["platforms"]) for campaign_id, elements in data.items()}
