"""MoEngage's own MCP server, as it is published, runs against a Campanile server and understands every answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest

from mcp import Client, StdioServerParameters, stdio_client
from tests.campaigns.companion import vectors
from tests.mcp.shop import SALE, fill
from tests.support.isolated import isolated_environment
from tests.support.processes import scratch_folder
from tests.support.server import Server, running_server
from tests.support.tls_proxy import TlsProxy, tls_proxy

pytestmark = pytest.mark.slow

HOST = "api-01.moengage.com"
REQUIREMENTS = Path(__file__).parent / "vendor-requirements.txt"
"""Every package with its hash: `uv pip compile --generate-hashes` of `moengage-mcp-server==0.1.2` and `mcp<2`."""


class Vendor(NamedTuple):
    """The program in an environment of its own, and the way it takes to the server under test."""

    program: Path
    proxy: TlsProxy
    folder: Path
    key: str = vectors.KEY

    def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        """What a tool answers."""
        return self.session(lambda client: client.call_tool(tool, arguments)).structured_content

    def session(self, act: Any) -> Any:
        parameters = StdioServerParameters(
            command=str(self.program),
            env={
                "PATH": os.environ["PATH"],
                "HTTPS_PROXY": self.proxy.url,
                "SSL_CERT_FILE": str(self.proxy.authority),
                "MOENGAGE_WORKSPACE_ID": vectors.WORKSPACE,
                "MOENGAGE_CAMPAIGN_REPORTS_API_KEY": self.key,
                "MOENGAGE_DATA_CENTER": "01",
                "MOENGAGE_MAX_RETRIES": "0",
            },
            cwd=self.folder,
        )

        async def run() -> Any:
            with anyio.fail_after(60), (self.folder / "vendor.log").open("a") as log:
                async with Client(stdio_client(parameters, errlog=log)) as client:
                    return await act(client)

        return anyio.run(run)


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[Server]:
    with scratch_folder("vendor") as folder, running_server(folder / "data") as server:
        yield server


@pytest.fixture(name="vendor", scope="module")
def _vendor(server: Server) -> Iterator[Vendor]:
    fill(server)
    program = isolated_environment(REQUIREMENTS) / "moengage-mcp-server"
    with scratch_folder("vendor-run") as folder, tls_proxy(HOST, server.port, folder) as proxy:
        yield Vendor(program, proxy, folder)


def test_its_tools_are_those_we_know(vendor: Vendor) -> None:
    tools = vendor.session(lambda client: client.list_tools()).tools
    assert {tool.name for tool in tools} == {
        "get_campaign_stats", "get_email_campaigns", "get_push_campaigns", "get_sms_campaigns",
    }  # fmt: skip


@pytest.mark.parametrize("vector", vectors.mcp_vectors(), ids=lambda vector: str(vector["id"]))
def test_campaigns(vendor: Vendor, vector: dict[str, Any]) -> None:
    before = len(vendor.proxy.requests)
    found = vendor.call(vector["tool"], vector["arguments"])
    vectors.assert_subset(found, vector["result"])
    assert vendor.proxy.requests[before:] == ["/core-services/v1/campaigns/search"] * vector["requests"]
    assert set(vendor.proxy.targets) <= {f"{HOST}:443"}


@pytest.mark.parametrize("metric_type", ["TOTAL", "UNIQUE"])
def test_statistics(vendor: Vendor, metric_type: str) -> None:
    arguments = {
        "campaign_ids": [SALE, "64a1b2c3d4e5f6a7b8c9d0e2"],
        "start_date": "2024-12-01",
        "end_date": "2024-12-02",
        "metric_type": metric_type,
    }
    found = vendor.call("get_campaign_stats", arguments)
    assert found["success"] is True, found
    vectors.assert_subset(vendor_numbers(found, SALE), {"sent": 10, "click": 2})


def vendor_numbers(found: Any, campaign_id: str) -> Any:
    """The numbers of a campaign, wherever the tool puts them."""
    (campaign,) = [item for item in found["campaigns"] if item["campaign_id"] == campaign_id]
    return campaign.get("all_variations", campaign)


def test_refusals_reach_its_user_as_sentences(vendor: Vendor) -> None:
    denied = vendor._replace(key="wrong").call("get_email_campaigns", {})
    assert (denied["success"], denied["total_campaigns"]) == (False, 0)
    assert "workspace" in denied["error_message"].lower()
    many = [f"{number:024x}" for number in range(11)]
    refused = vendor.call(
        "get_campaign_stats", {"campaign_ids": many, "start_date": "2024-12-01", "end_date": "2024-12-02"}
    )
    assert (refused["success"], refused["error_message"]) == (False, "Client error: 400")


def test_its_resource_and_prompt_work(vendor: Vendor) -> None:
    text = vendor.session(lambda client: client.read_resource("moengage://config")).contents[0].text
    assert "Data Center: DC01" in text and vectors.KEY not in text
    prompts = vendor.session(lambda client: client.list_prompts()).prompts
    assert [prompt.name for prompt in prompts] == ["analyze_campaign_performance"]
