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

pytestmark = pytest.mark.slow

V1, V5 = "/core-services/v1/campaigns", "/v5/campaigns/search"
NEWSLETTER, SALE = "64a1b2c3d4e5f6a7b8c9d0a0", "64a1b2c3d4e5f6a7b8c9d0e1"
BOTH = {"include_child_campaigns": True, "include_archive_campaigns": True}


STORIES = "WORKSPACE_WITH_STORIES"
"""A workspace whose campaigns say what they send."""


class Client:
    """Sends as the owner of the workspace; each call is a second after the one before."""

    def __init__(self, server: InProcess, workspace: str = vectors.WORKSPACE) -> None:
        self._server = server
        self._workspace = workspace

    def of(self, workspace: str) -> Client:
        return Client(self._server, workspace)

    def wait(self, seconds: float) -> None:
        self._server.clock.advance(seconds)

    def send(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        """Whatever comes back, at once."""
        given = {
            "Authorization": basic(self._workspace, vectors.KEY),
            "MOE-APPKEY": self._workspace,
            "Content-Type": "application/json",
            **headers,
        }
        return self._server.client.post(path, content=json.dumps(body), headers=given)

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        self.wait(1)
        answer = self.send(path, body, **headers)
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
        storyteller = server.services.workspaces.create("B", id=STORIES, report_key=vectors.KEY)
        assert server.import_campaigns(storyteller, stories())["failed"] == 0
        yield Client(server)


@pytest.fixture(name="storyteller", scope="module")
def _storyteller(client: Client) -> Client:
    return client.of(STORIES)


def stories() -> Iterator[dict[str, Any]]:
    """A parent and 25 runs with titles for two platforms, and a mail with everything a loader takes."""
    titles = {
        platform: {"basic_details": {"title": f"Hello {platform}", "message": "…"}} for platform in ("android", "ios")
    }
    push = {
        "campaign_id": f"{0:024x}", "channel": "PUSH", "campaign_delivery_type": "PERIODIC", "status": "ACTIVE",
        "created_at": "2024-01-01T00:00:00Z", "basic_details": {"name": "Daily", "tags": ["habit"]},
        "campaign_content": {"content": {"push": titles}},
    }  # fmt: skip
    yield push
    for number in range(1, 26):
        sent = {"sent_time": f"2024-02-{number:02}T08:00:00Z", "created_at": f"2024-02-{number:02}T07:00:00Z"}
        yield {"campaign_id": f"{number:024x}", "parent_id": push["campaign_id"], "status": "SENT", **sent}
    segments = {"filter_operator": "and", "filters": [{"filter_type": "custom_segments", "name": "VIP", "id": "s1"}]}
    yield {
        "campaign_id": "fe" * 12, "channel": "EMAIL", "campaign_delivery_type": "ONE_TIME", "status": "COMPLETED",
        "created_at": "2024-03-01T00:00:00Z", "sent_time": "2024-03-02T00:00:00Z", "created_by": "ana@example.com",
        "basic_details": {"name": "Spring", "tags": ["sale"], "content_type": "PROMOTIONAL"},
        "campaign_content": {"content": {"email": {"subject": "Spring is here", "preview_text": "Look"}}},
        "segmentation_details": {"included_filters": segments, "is_all_user_campaign": False},
        "control_group_details": {"is_global_control_group_enabled": True},
        "delivery_controls": {"ignore_frequency_capping": True},
        "utm_params": {"utm_source": "moe", "utm_campaign": "spring"},
        "connector": {"connector_type": "SENDGRID", "connector_name": "default"},
        "conversion_goal_details": {"goals": [{"goal_name": "Order", "goal_event_name": "o", "is_primary_goal": True}]},
    }  # fmt: skip
    yield {
        "campaign_id": "fd" * 12, "channel": "WHATSAPP", "campaign_delivery_type": "EVENT_TRIGGERED",
        "status": "ACTIVE", "created_at": "2024-03-03T00:00:00Z", "basic_details": {"name": "Order shipped"},
    }  # fmt: skip


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


def test_report_loader_reads_titles_and_waits_when_told_to(storyteller: Client) -> None:
    """An id at a time, faster than the limit allows; then the parents, which say what their runs send."""

    def one(campaign_id: str) -> dict[str, Any]:
        body = {"request_id": "r", "limit": 1, "page": 1, "campaign_fields": {"id": campaign_id}, **BOTH}
        answer = storyteller.send(f"{V1}/search", body)
        while answer.status_code == 429:
            waits.append(int(answer.headers["Retry-After"]))
            storyteller.wait(waits[-1])
            answer = storyteller.send(f"{V1}/search", body)
        (row,) = answer.json()
        return dict(row)

    waits: list[int] = []
    runs = [one(f"{number:024x}") for number in range(1, 26)]
    assert waits and all(seconds >= 1 for seconds in waits)
    assert all(run["basic_details"] == {"name": "Daily", "tags": ["habit"]} for run in runs)
    parents = [one(campaign_id) for campaign_id in {run["parent_id"] for run in runs}]
    (content,) = [parent["campaign_content"]["content"]["push"] for parent in parents]
    assert [content[system]["basic_details"]["title"] for system in ("android", "ios")] == [
        "Hello android",
        "Hello ios",
    ]


def test_metrics_tool_asks_id_by_id(client: Client) -> None:
    """What is sent once advertises, what an event triggers informs."""
    kinds = {"ONE_TIME": "promotional", "EVENT_TRIGGERED": "transactional"}
    found = {}
    for campaign_id in (SALE, "64a1b2c3d4e5f6a7b8c9d0c0", "64a1b2c3d4e5f6a7b8c9d0ff"):
        body = {"request_id": "r", "limit": 1, "page": 1, "campaign_fields": {"id": campaign_id}}
        for row in client.post(f"{V1}/meta", body):
            assert isinstance(row["campaign_tags"], list) and row["campaign_status"] in ("Sent", "Paused")
            found[row["campaign_id"]] = kinds[row["campaign_delivery_type"]]
    assert found == {SALE: "promotional", "64a1b2c3d4e5f6a7b8c9d0c0": "transactional"}


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


def test_dashboard_falls_back_to_version_5(client: Client) -> None:
    assert client.send(f"{V1}/meta", {"limit": 15, "page": 1}).status_code == 400, "a request id is missing"
    rows = client.post(V5, {"limit": 15, "page": 1})["data"]["campaigns"]
    assert {row["status"] for row in rows} >= {"SENT", "SCHEDULED"} and all(row["channel"] for row in rows)


def test_marketing_engine_stops_at_an_empty_page_only(storyteller: Client) -> None:
    rows: list[dict[str, Any]] = []
    for number in range(1, 41):
        page = storyteller.post(f"{V1}/search", {"request_id": "r", "limit": 1, "page": number})
        if not page:
            break
        rows += page
    by_name = {row["basic_details"]["name"]: row for row in rows}
    assert list(by_name) == ["Order shipped", "Spring", "Daily"]
    spring = by_name["Spring"]
    assert spring["status"].lower() == "sent" and spring["basic_details"]["content_type"] == "PROMOTIONAL"
    assert spring["segmentation_details"]["included_filters"]["filters"][0]["name"] == "VIP"
    assert [goal["name"] for goal in spring["conversion_goal_details"]["goals"]] == ["Order"]


def test_catalogue_loader_takes_whole_configurations(storyteller: Client) -> None:
    (row,) = [row for page in storyteller.pages(f"{V1}/search", {}, 2) for row in page if row["channel"] == "EMAIL"]
    assert row["campaign_content"]["content"]["email"]["subject"] == "Spring is here"
    assert row["utm_params"] == {"utm_source": "moe", "utm_campaign": "spring"}
    assert row["control_group_details"] == {"is_global_control_group_enabled": True}
    assert row["connector"] == {"connector_type": "SENDGRID", "connector_name": "default"}


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


def test_quality_tool_reads_controls_and_goals(storyteller: Client) -> None:
    fields = {"status": ["COMPLETED"], "channels": ["EMAIL"]}
    (row,) = storyteller.post(f"{V1}/search", {"request_id": "r", "limit": 15, "page": 1, "campaign_fields": fields})
    assert row["delivery_controls"] == {"ignore_frequency_capping": True}
    assert row["conversion_goal_details"]["goals"][0]["is_primary_goal"] is True


def test_quality_tool_asks_version_5_for_whatsapp_and_meta_when_refused(storyteller: Client) -> None:
    body = {"limit": 15, "page": 1, "campaign_fields": {"channels": ["WHATSAPP"]}}
    (row,) = storyteller.post(V5, body)["data"]["campaigns"]
    assert (row["id"], row["status"]) == ("fd" * 12, "ACTIVE")
    refused = storyteller.send(V5, body, Authorization=basic(STORIES, "a-key-of-another-tile"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "UNAUTHORIZED")
    (row,) = storyteller.post(f"{V1}/meta", {"request_id": "r", **body})
    assert (row["campaign_id"], row["campaign_name"]) == ("fd" * 12, "Order shipped")


@pytest.mark.parametrize("channel", ["PUSH", "EMAIL", "SMS", "INAPP", "WHATSAPP", "MMS", "RCS", "ON_SITE"])
def test_typescript_dashboard_asks_per_channel(client: Client, channel: str) -> None:
    fields = {"channels": [channel]}
    for row in client.post(f"{V1}/search", {"request_id": "r", "limit": 15, "page": 1, "campaign_fields": fields}):
        assert row["basic_details"]["name"] and row["campaign_delivery_type"] and row["created_at"]


@pytest.mark.parametrize("given", [{"from_date": "2024-03-01", "to_date": "2024-03-31"}, {}], ids=["dates", "none"])
def test_community_agent_reads_whole_rows(storyteller: Client, given: dict[str, str]) -> None:
    body = {
        "request_id": "r",
        "limit": 15,
        "page": 1,
        **({"campaign_fields": {"created_date": given}} if given else {}),
    }
    names = {"Order shipped", "Spring", *(() if given else ("Daily",))}
    assert {row["basic_details"]["name"] for row in storyteller.post(f"{V1}/search", body)} == names
    assert {row["campaign_name"] for row in storyteller.post(f"{V1}/meta", body)} == names


def test_community_agent_reads_runs(client: Client) -> None:
    found = client.post(f"{V1}/{NEWSLETTER}/executions", {"request_id": "r", "limit": 15, "page": 1})
    assert [run["status"] for run in found["executions"]] == ["Sent", "Sent", "Sending"]
