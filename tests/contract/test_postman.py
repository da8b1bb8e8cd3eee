"""The Postman collection: complete, with examples that fit the description, and run by newman against a real server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from campanile.app import OPERATIONS
from campanile.http.examples import BODIES
from campanile.http.openapi import document
from campanile.http.postman import collection
from tests.contract.routes import report
from tests.stats.inprocess import basic
from tests.support.processes import scratch_folder, wait_until
from tests.support.server import Credentials, Server, running_server

NEWMAN = Path(__file__).parent.parent / "node_modules" / "newman" / "bin" / "newman.js"
DOCUMENT = document(OPERATIONS)
FAIL = {
    "Runs of a parent campaign": {400},  # the campaign of the examples has no runs
    "Run a report for past slots": {202, 422},  # whether it has one today depends on the hour
    "Carry out a failed run once more": {409},
    "End a run": {200, 202, 409},  # it may be over
    "What the files of a run hold": {200, 404, 409},
    "Download the file of a run": {200, 404, 409},
    "Mail the file of a run": {409},  # as long as there is none
    "Download a daily dump": {400},
    "Download by the link of an e-mail": {404},
    "Handshake of WhatsApp": {403, 404},  # the hook is one of Postmark
}
"""Requests that cannot succeed, or need time, in a new workspace; all others must."""


def items(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for folder in found["item"]:
        yield from folder["item"]


def test_every_operation_is_in_the_collection() -> None:
    expected = sum(operation.method != "HEAD" for operation in OPERATIONS)
    assert len(list(items(collection(DOCUMENT)))) == expected


def test_examples_belong_to_operations_and_fit_their_schemas() -> None:
    assert set(BODIES) <= {(operation.method, operation.path) for operation in OPERATIONS}
    for operation in OPERATIONS:
        shown = DOCUMENT["paths"][operation.path][operation.method.lower()].get("requestBody", {}).get("content", {})
        for content in shown.values():
            if "example" in content:
                schema = {**content["schema"], "components": DOCUMENT["components"]}
                Draft202012Validator(schema).validate(content["example"])


def test_requests_carry_the_credentials_that_their_scope_needs() -> None:
    for item in items(collection(DOCUMENT)):
        request = item["request"]
        scripts = "".join(line for event in item["event"] for line in event["script"]["exec"])
        assert "is answered as described" in scripts
        if "campaign_reports" in request["url"]["raw"]:
            assert request["auth"] == {"type": "noauth"}
            assert "SHA256" in scripts
    (stats,) = [item for item in items(collection(DOCUMENT)) if item["name"] == "Statistics of campaigns"]
    assert stats["request"]["auth"]["basic"][1] == {"key": "password", "value": "{{report_key}}"}
    assert {"key": "MOE-APPKEY", "value": "{{workspace_id}}"} in stats["request"]["header"]


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[Server]:
    # Looking again and again whether a report is there is more than callers may usually ask.
    with scratch_folder("postman") as folder, running_server(folder / "data", {"report_calls": "1000000"}) as server:
        yield server


def finished_file(server: Server, owner: Credentials) -> str:
    """The name of a report's file that can be downloaded."""
    headers = {"Authorization": basic(owner.workspace_id, owner.manage_key)}
    with httpx.Client(base_url=server.url, headers=headers) as client:
        made = client.post("/v1/reports", json=report("For Postman"))
        assert made.status_code == 201, made.text
        run = client.post(f"/v1/reports/{made.json()['id']}/run", json={}).json()
        state: dict[str, Any] = {}

        def done() -> bool:
            state.update(client.get(f"/v1/report-runs/{run['id']}").json())
            return state["status"] in ("SUCCESSFUL", "FAILED")

        wait_until(done, what="the report")
        assert state["status"] == "SUCCESSFUL", state.get("error")
    name: str = state["file_name"]
    return name


@pytest.mark.slow
def test_newman_runs_it_against_a_server(server: Server, tmp_path: Path) -> None:
    owner = server.create_workspace("Postman")
    (tmp_path / "collection.json").write_bytes(httpx.get(f"{server.url}/postman.json").content)
    values = {"base_url": server.url, **owner._asdict(), "filename": finished_file(server, owner)}
    command = ["node", str(NEWMAN), "run", "collection.json", "--reporters", "json"]
    command += ["--reporter-json-export", "result.json", "--timeout-request", "20000", "--delay-request", "110"]
    for name, value in values.items():
        command += ["--env-var", f"{name}={value}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    result = json.loads((tmp_path / "result.json").read_text())["run"]
    failures = [f"{failure['source']['name']}: {failure['error']['message']}" for failure in result["failures"]]
    assert failures == [], done.stdout
    codes: dict[str, set[int]] = {}
    for execution in result["executions"]:
        codes.setdefault(execution["item"]["name"], set()).add(execution["response"]["code"])
    assert len(codes) > 40
    wrong = {
        name: found - FAIL.get(name, set())
        for name, found in codes.items()
        if not all(code in FAIL[name] if name in FAIL else code < 300 for code in found)
    }
    assert wrong == {}
    assert set(FAIL) <= set(codes)
