"""The request patterns of clients in the wild, and their answers read as those clients read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.campaigns.companion import vectors
from tests.stats.inprocess import InProcess, basic, running
from tests.support.engines import EmbeddedEngine

V1, V5 = "/core-services/v1/campaigns", "/v5/campaigns/search"
NEWSLETTER, SALE = "64a1b2c3d4e5f6a7b8c9d0a0", "64a1b2c3d4e5f6a7b8c9d0e1"
BOTH = {"include_child_campaigns": True, "include_archive_campaigns": True}


class Client:
    """Sends as the owner of the workspace; each call is a second after the one before."""

    def __init__(self, server: InProcess) -> None:
        self._server = server

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        self._server.clock.advance(1)
        given = {
            "Authorization": basic(vectors.WORKSPACE, vectors.KEY),
            "MOE-APPKEY": vectors.WORKSPACE,
            "Content-Type": "application/json",
            **headers,
        }
        answer = self._server.client.post(path, content=json.dumps(body), headers=given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pages(self, path: str, body: dict[str, Any], limit: int = 15) -> Iterator[list[dict[str, Any]]]:
        """Pages until one is not full."""
        number = 1
        while True:
            rows = self.post(path, {"request_id": "r", **body, "limit": limit, "page": number})
            yield rows
            if len(rows) < limit:
                return
            number += 1


@pytest.fixture(name="client", scope="module")
def _client(embedded: EmbeddedEngine) -> Iterator[Client]:
    with running(embedded, datetime(2024, 12, 1, tzinfo=UTC)) as server:
        owner = server.services.workspaces.create("A", id=vectors.WORKSPACE, report_key=vectors.KEY)
        server.import_campaigns(owner, vectors.documents())
        yield Client(server)


def test_warehouse_connector_pulls_version_5(client: Client) -> None:
    """Probe, then pages of everything without a request id, a new idempotency key per call."""
    assert client.post(V5, {"limit": 1, "page": 1})["data"]["campaigns"][0]["id"]
    found: list[dict[str, Any]] = []
    for number in range(1, 10):
        body = {**BOTH, "limit": 5, "page": number}
        rows = client.post(V5, body, **{"Idempotency-Key": f"k{number}"})["data"]["campaigns"]
        found += rows
        if len(rows) < 5:
            break
    assert len({row["id"] for row in found}) == 13
    assert all(datetime.strptime(row["created_at"], "%Y-%m-%d %H:%M:%S.%f").year > 2000 for row in found)  # noqa: DTZ007


def test_report_loader_asks_id_by_id_and_then_for_parents(client: Client) -> None:
    def one(campaign_id: str) -> dict[str, Any]:
        body = {"request_id": "r", "limit": 1, "page": 1, "campaign_fields": {"id": campaign_id}, **BOTH}
        (row,) = client.post(f"{V1}/search", body)
        return dict(row)

    child = one("64a1b2c3d4e5f6a7b8c9d0a1")
    parent = one(child["parent_id"])
    assert (child["basic_details"]["name"], parent["campaign_delivery_type"]) == ("Weekly Newsletter", "PERIODIC")
    assert child["sent_time"] and child["basic_details"]["tags"] == ["newsletter"]


@pytest.mark.parametrize("days", [("2024-06-01", "2024-07-31"), ("01-06-2024", "31-07-2024")])
def test_metrics_tool_reads_meta_by_dates(client: Client, days: tuple[str, str]) -> None:
    fields = {"created_date": {"from_date": days[0], "to_date": days[1]}}
    (row,) = client.post(f"{V1}/meta", {"request_id": "r", "limit": 15, "page": 1, "campaign_fields": fields})
    assert (row["campaign_name"], row["channel"], row["platform"]) == ("Summer Sale Email", "EMAIL", [])
    assert row["campaign_delivery_type"] == "ONE_TIME" and row["campaign_start_time"].startswith("2024-07-04T")


def test_dashboard_reads_meta_until_a_page_is_empty(client: Client) -> None:
    rows: list[dict[str, Any]] = []
    for number in range(1, 10):
        page = client.post(f"{V1}/meta", {"request_id": "r", "limit": 3, "page": number})
        if not page:
            break
        rows += page
    assert len(rows) == 8
    assert all({"campaign_name", "channel", "campaign_status", "campaign_start_time"} <= row.keys() for row in rows)


def test_engines_and_loaders_read_search_without_a_filter(client: Client) -> None:
    rows = [row for page in client.pages(f"{V1}/search", {}, limit=4) for row in page]
    assert [row["status"].lower() for row in rows][:3] == ["scheduled", "retired", "sent"]
    (sale,) = [row for row in rows if row["campaign_id"] == SALE]
    assert [goal["name"] for goal in sale["conversion_goal_details"]["goals"]] == ["Purchase"]
    assert sale["connector"]["connector_type"] == "SENDGRID" and "platform" not in sale


def test_quality_tool_asks_for_one_status_and_channel(client: Client) -> None:
    fields = {"status": ["SCHEDULED"], "channels": ["PUSH"]}
    (row,) = client.post(f"{V1}/search", {"request_id": "r", "limit": 15, "page": 1, "campaign_fields": fields})
    assert row["scheduling_details"]["start_time"] == "2024-12-24T12:18:00"


@pytest.mark.parametrize("channel", ["PUSH", "EMAIL", "SMS", "INAPP", "WHATSAPP", "MMS", "RCS", "ON_SITE"])
def test_typescript_dashboard_asks_per_channel(client: Client, channel: str) -> None:
    fields = {"channels": [channel]}
    for row in client.post(f"{V1}/search", {"request_id": "r", "limit": 15, "page": 1, "campaign_fields": fields}):
        assert row["basic_details"]["name"] and row["campaign_delivery_type"] and row["created_at"]


def test_community_agent_reads_runs(client: Client) -> None:
    found = client.post(f"{V1}/{NEWSLETTER}/executions", {"request_id": "r", "limit": 15, "page": 1})
    assert [run["status"] for run in found["executions"]] == ["Sent", "Sent", "Sending"]
