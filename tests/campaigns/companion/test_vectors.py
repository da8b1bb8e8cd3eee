"""Every read example of the contract, against the whole application."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from campanile.workspaces.schemas import CreatedWorkspace
from tests.campaigns.companion import vectors
from tests.stats.inprocess import InProcess, basic, running
from tests.support.engines import EmbeddedEngine

NOW = datetime(2024, 12, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(name="server", scope="module")
def _server(embedded: EmbeddedEngine) -> Iterator[InProcess]:
    with running(embedded, NOW) as server:
        fill(server, vectors.WORKSPACE)
        yield server


def fill(server: InProcess, workspace_id: str) -> CreatedWorkspace:
    """A workspace with the campaigns of the fixture."""
    owner = server.services.workspaces.create("A", id=workspace_id, report_key=vectors.KEY)
    assert server.import_campaigns(owner, vectors.documents())["created"] == len(vectors.documents())
    return owner


def send(server: InProcess, workspace_id: str, vector: dict[str, Any]) -> Any:
    headers = {
        "Authorization": basic(workspace_id, vectors.KEY),
        "MOE-APPKEY": workspace_id,
        "Content-Type": "application/json",
        **vector.get("headers", {}),
    }
    given = {name: value for name, value in headers.items() if value is not None}
    return server.client.request(
        vector["method"], vector["path"], content=json.dumps(vector["body"]), headers=given, follow_redirects=False
    )


def test_all_read_examples_are_here() -> None:
    expected = [f"R-{number:02}" for number in range(1, 31)] + ["W-04", "W-16"]
    assert [vector["id"] for vector in vectors.vectors()] == expected


@pytest.mark.parametrize("vector", vectors.vectors(), ids=lambda vector: str(vector["id"]))
def test_vector(server: InProcess, vector: dict[str, Any]) -> None:
    server.fresh_window()
    workspace_id = vectors.WORKSPACE
    if "given_document" in vector or "given_event" in vector:
        workspace_id = vector["id"]
        owner = fill(server, workspace_id)
        if document := vector.get("given_document"):
            server.services.campaigns.put(workspace_id, document["campaign_id"], document)
        if event := vector.get("given_event"):
            server.clock.set(NOW)
            server.send_events(owner, [{"event_id": "1", "type": "sent", "user_id": "u", **event}])
    answer = send(server, workspace_id, vector)
    assert answer.status_code == vector["status"], answer.text
    vectors.check(answer.json(), vector)
