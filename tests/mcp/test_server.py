"""Our server for agents, driven by the SDK's client over both of its transports against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import httpx
import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client

from mcp import Client, StdioServerParameters, stdio_client
from tests.campaigns.companion import vectors
from tests.mcp.shop import INGEST, MANAGE, SALE, fill
from tests.stats.inprocess import basic
from tests.support.processes import DIE_WITH_PARENT, free_ports, scratch_folder, status_of, stop, wait_until
from tests.support.server import Server, running_server

pytestmark = pytest.mark.slow

PROGRAM = str(Path(sys.executable).with_name("campanile"))
DAYS = {"start_date": "2024-12-01", "end_date": "2024-12-02"}
NEWSLETTER = "64a1b2c3d4e5f6a7b8c9d0a0"
TOOLS = {
    "search_email_campaigns", "search_push_campaigns", "search_sms_campaigns",
    "get_email_campaigns", "get_push_campaigns", "get_sms_campaigns",
    "get_campaign_stats", "get_detailed_campaign_stats", "get_delivery_stats",
    "get_campaign_content", "get_campaign_details", "get_campaign_executions",
    "compare_campaigns", "get_experiment_result", "explain_metric", "list_reports",
}  # fmt: skip


class Agent(NamedTuple):
    """A way to the server for agents."""

    connect: Callable[[], Any]

    def do(self, act: Any) -> Any:
        async def run() -> Any:
            with anyio.fail_after(60):
                transport = self.connect()
                async with Client(transport) as client:
                    return await act(client)

        return anyio.run(run)

    def call(self, tool: str, **arguments: Any) -> Any:
        """The structured answer of a tool that must succeed."""
        result = self.do(lambda client: client.call_tool(tool, arguments))
        assert not result.is_error, result.content
        assert json.loads(result.content[0].text) == result.structured_content
        return result.structured_content

    def refusal(self, tool: str, **arguments: Any) -> str:
        result = self.do(lambda client: client.call_tool(tool, arguments))
        assert result.is_error
        text: str = result.content[0].text
        return text


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[Server]:
    with scratch_folder("agents") as folder, running_server(folder / "data") as server:
        fill(server)
        yield server


@pytest.fixture(name="address", scope="module")
def _address(server: Server) -> Iterator[str]:
    """Where `campanile mcp --transport http` answers."""
    (port,) = free_ports(1)
    command = [PROGRAM, "mcp", "--transport", "http", "--port", str(port), "--server", server.url]
    process = subprocess.Popen([*DIE_WITH_PARENT, *command], env=_environment(server))

    wait_until(lambda: status_of(f"http://127.0.0.1:{port}/mcp", "POST") == 401, process, what="campanile mcp")
    yield f"http://127.0.0.1:{port}/mcp"
    stop(process, gently=10)


def _environment(server: Server) -> dict[str, str]:
    return {name: value for name, value in server.environment.items() if not name.startswith("CAMPANILE_")}


def over_stdio(server: Server, key: str = vectors.KEY) -> Agent:
    credentials = {"CAMPANILE_WORKSPACE": vectors.WORKSPACE, "CAMPANILE_KEY": key, "CAMPANILE_BASE_URL": server.url}
    parameters = StdioServerParameters(command=PROGRAM, args=["mcp"], env=credentials)
    return Agent(lambda: stdio_client(parameters))


def over_http(address: str, workspace_id: str = vectors.WORKSPACE, key: str = vectors.KEY) -> Agent:
    @asynccontextmanager
    async def connect() -> AsyncIterator[Any]:
        headers = {"Authorization": basic(workspace_id, key)}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as client,
            streamable_http_client(address, http_client=client) as transport,
        ):
            yield transport

    return Agent(connect)


@pytest.fixture(name="agent", scope="module", params=["stdio", "http"])
def _agent(request: pytest.FixtureRequest, server: Server) -> Agent:
    if request.param == "stdio":
        return over_stdio(server)
    return over_http(request.getfixturevalue("address"))


def test_all_tools_are_there_and_only_read(agent: Agent) -> None:
    tools = agent.do(lambda client: client.list_tools()).tools
    assert {tool.name for tool in tools} == TOOLS
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools)


def test_campaigns_are_found_shortly_or_in_full(agent: Agent) -> None:
    short = agent.call("search_email_campaigns", campaign_name="sale")
    assert short == {
        "campaigns": [{
            "campaign_id": SALE, "channel": "EMAIL", "status": "Sent", "campaign_delivery_type": "ONE_TIME",
            "created_at": "2024-07-04 08:00:54.847000", "sent_time": "2024-07-04 20:32:00",
            "name": "Summer Sale Email", "tags": ["summer", "sale"],
        }],
        "page": 1, "more": False,
    }  # fmt: skip
    (full,) = agent.call("get_email_campaigns", campaign_name="sale")["campaigns"]
    assert full["utm_params"]["utm_source"] == "moe"
    assert agent.call("search_push_campaigns", status="draft")["campaigns"][0]["name"] == "Draft push"
    assert agent.call("search_sms_campaigns", limit=1)["more"] is True
    assert agent.call("get_campaign_details", campaign_id="64a1b2c3d4e5f6a7b8c9d0a2")["parent_id"] == NEWSLETTER
    assert agent.call("get_campaign_content", campaign_id=SALE)["content"]["locales"] == ["es-ES"]
    assert agent.call("get_campaign_executions", campaign_id=NEWSLETTER)["total"] == 3


def test_numbers_have_names_and_remarks(agent: Agent) -> None:
    found = agent.call("get_campaign_stats", campaign_ids=[SALE, "f" * 24], metric_type="UNIQUE", **DAYS)
    (campaign,) = found["campaigns"]
    assert (campaign["name"], campaign["channel"]) == ("Summer Sale Email", "EMAIL")
    performance = campaign["platforms"]["EMAIL"]["performance"]
    assert (performance["sent"], performance["delivered"], performance["click"]) == (10, 8, 2)
    assert found["unknown"] == ["f" * 24]
    assert "added up" in found["remark"]
    detailed = agent.call("get_detailed_campaign_stats", campaign_ids=[SALE], **DAYS)
    locales = detailed["campaigns"][0]["platforms"]["EMAIL"]["locales"]
    assert "campaign_control_group" in locales["all_locales"]["variations"]
    lost = agent.call("get_delivery_stats", campaign_ids=[SALE], **DAYS)["campaigns"][0]["platforms"]["EMAIL"]
    assert (lost["funnel"]["sent"], lost["funnel"]["delivered"]) == (10, 8)
    assert set(lost["control_groups"]) == {"campaign_control_group", "global_control_group"}


def test_campaigns_are_compared_metric_by_metric(agent: Agent) -> None:
    found = agent.call("compare_campaigns", campaign_ids=[SALE, NEWSLETTER], metrics=["sent", "ctr"], **DAYS)
    first, second = found["rows"]
    assert first["difference_to_first"] == {"sent": 0, "ctr": 0}
    assert second["difference_to_first"]["sent"] == second["metrics"]["sent"] - first["metrics"]["sent"]


def test_experiments_reports_and_metrics_are_explained(agent: Agent) -> None:
    experiment = agent.call("get_experiment_result", campaign_id=SALE, **DAYS)
    assert experiment["campaign_id"] == SALE
    assert agent.call("list_reports") == {"reports": [], "more": False}
    meaning = agent.call("explain_metric", name="Delivery rate")["meanings"][0]
    assert meaning["kind"] == "rate" and "delivered" in meaning["formulas"]["EMAIL"]
    assert {item["kind"] for item in agent.call("explain_metric", name="sent")["meanings"]} == {"count", "funnel step"}
    assert "Similar" in agent.refusal("explain_metric", name="deliver")


def test_refusals_are_sentences(agent: Agent) -> None:
    assert "no campaign" in agent.refusal("get_campaign_content", campaign_id="f" * 24)
    assert "end_date" in agent.refusal("get_campaign_stats", campaign_ids=[SALE], start_date="2024-12-01", end_date="x")
    assert "campaign_ids" in agent.refusal("get_campaign_stats", campaign_ids=[], **DAYS)


def test_wrong_keys_are_refused_by_the_server(server: Server, address: str) -> None:
    for agent in (over_stdio(server, "wrong-key"), over_http(address, key="wrong-key")):
        text = agent.refusal("search_email_campaigns")
        assert "401" in text or "uthenti" in text
        assert "wrong-key" not in text


def test_each_caller_sees_its_own_workspace(server: Server, address: str) -> None:
    server.run("workspace", "create", "B", "--id", "WORKSPACE_B", "--report-key", "key-of-b-1", "--manage-key",
               MANAGE + "-b", "--ingest-key", INGEST + "-b")  # fmt: skip
    assert over_http(address, "WORKSPACE_B", "key-of-b-1").call("search_email_campaigns")["campaigns"] == []
    assert len(over_http(address).call("search_email_campaigns")["campaigns"]) == 2


def test_http_asks_for_credentials_and_for_a_name_it_knows(address: str) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic !"}):
        refused = httpx.post(address, headers=headers)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Basic realm="campanile"')
    foreign = {"Authorization": basic("W", "k"), "Host": "evil.example", "Content-Type": "application/json"}
    assert httpx.post(address, headers=foreign, content=b"{}").status_code in (403, 421)


@pytest.mark.parametrize("arguments", [["--transport", "http", "--key", "k"], []])
def test_credentials_belong_to_one_transport(arguments: list[str]) -> None:
    done = subprocess.run([PROGRAM, "mcp", *arguments], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (3, "")
