"""The wire contract of the Stats API, vector by vector, through the whole application."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest
from litestar.testing import TestClient

from campanile.app import application, build_services
from campanile.clock import FixedClock
from campanile.services import Services
from campanile.settings import Settings
from tests.stats import vectors
from tests.support.engines import EmbeddedEngine
from tests.support.processes import scratch_folder


class InProcess:
    """The application in this process, with a clock that can be moved."""

    def __init__(self, client: TestClient[Any], services: Services, clock: FixedClock) -> None:
        self.client: Any = client
        self._services = services
        self._clock = clock

    def configure(self, workspace_id: str, changes: Mapping[str, str]) -> None:
        if changes:
            self._services.workspaces.update_settings(workspace_id, changes)

    def fresh_window(self) -> None:
        self._clock.advance(60)

    def post_lines(self, path: str, workspace_id: str, key: str, lines: Iterable[Any]) -> dict[str, Any]:
        """Send NDJSON as the owner of `key`."""
        headers = {
            "Authorization": "Basic " + b64encode(f"{workspace_id}:{key}".encode()).decode(),
            "Content-Type": "application/x-ndjson",
        }
        content = "".join(json.dumps(line) + "\n" for line in lines)
        response = self.client.post(path, content=content, headers=headers)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


@pytest.fixture(name="server", scope="module")
def _server(embedded: EmbeddedEngine) -> Iterator[InProcess]:
    """The fixture of the vectors, sent through the import of campaigns and the intake of events."""
    embedded.release()
    described = vectors.fixture()
    clock = FixedClock(datetime.fromisoformat(described["now"]))
    with scratch_folder("vectors") as folder:
        services = build_services(Settings(data=str(folder)), clock)
        with TestClient(application(services)) as client:
            server = InProcess(client, services, clock)
            for workspace in described["workspaces"]:
                created = services.workspaces.create(
                    workspace["name"], id=workspace["id"], report_key=workspace["report_key"]
                )
                server.configure(workspace["id"], workspace["settings"])
                documents = vectors.campaign_documents(workspace["id"])
                report = server.post_lines("/v1/campaigns/import", workspace["id"], created.manage_key, documents)
                assert report["created"] == len(documents), report
                if workspace["id"] == vectors.WORKSPACE:
                    events = list(vectors.events())
                    receipt = server.post_lines("/v1/events", workspace["id"], created.ingest_key, events)
                    assert receipt["accepted"] == len(events), receipt
            yield server


def test_all_vectors_are_here() -> None:
    assert [vector["id"] for vector in vectors.vectors()] == [f"S{number:02}" for number in range(1, 43)]


@pytest.mark.parametrize("vector", vectors.vectors(), ids=lambda vector: vector["id"])
def test_vector(server: InProcess, vector: dict[str, Any]) -> None:
    server.fresh_window()
    vectors.check(server, vector)
