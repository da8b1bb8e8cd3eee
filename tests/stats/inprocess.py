"""The whole application in this process, filled through its own import and intake."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from litestar.testing import TestClient

from campanile.app import application, build_services
from campanile.clock import FixedClock
from campanile.services import Services
from campanile.settings import Settings
from campanile.workspaces.schemas import CreatedWorkspace
from tests.support.engines import EmbeddedEngine
from tests.support.processes import scratch_folder


class InProcess:
    """A running application with a clock that only tests move."""

    def __init__(self, client: TestClient[Any], services: Services, clock: FixedClock) -> None:
        self.client: Any = client
        self.services = services
        self.clock = clock

    def configure(self, workspace_id: str, changes: Mapping[str, str]) -> None:
        if changes:
            self.services.workspaces.update_settings(workspace_id, changes)

    def fresh_window(self) -> None:
        self.clock.advance(60)

    def make_reports(self) -> int:
        """Do everything that is due now in the background; how many jobs that was."""
        return asyncio.run(self.services.office.catch_up())

    def import_campaigns(self, owner: CreatedWorkspace, documents: Iterable[Any]) -> dict[str, Any]:
        return self._post("/v1/campaigns/import", owner, owner.manage_key, documents)

    def send_events(self, owner: CreatedWorkspace, events: Iterable[Any]) -> dict[str, Any]:
        return self._post("/v1/events", owner, owner.ingest_key, events)

    def stats(self, owner: CreatedWorkspace, **body: Any) -> dict[str, Any]:
        """Ask the Stats API as the owner of the workspace; the answer to a request that must succeed."""
        headers = {
            "Authorization": basic(owner.workspace.id, owner.report_key),
            "MOE-APPKEY": owner.workspace.id,
            "Content-Type": "application/json",
        }
        response = self.client.post("/core-services/v1/campaign-stats", content=json.dumps(body), headers=headers)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def _post(self, path: str, owner: CreatedWorkspace, key: str, lines: Iterable[Any]) -> dict[str, Any]:
        headers = {"Authorization": basic(owner.workspace.id, key), "Content-Type": "application/x-ndjson"}
        content = "".join(json.dumps(line) + "\n" for line in lines)
        response = self.client.post(path, content=content, headers=headers)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


@contextmanager
def running(embedded: EmbeddedEngine, now: datetime, engine_url: str = "", **settings: Any) -> Iterator[InProcess]:
    """An empty application at the instant `now`, on chDB or on the engine of `engine_url`.

    Nothing happens in the background but what `make_reports` does.
    """
    embedded.release()
    clock = FixedClock(now)
    with scratch_folder("stats") as folder:
        usual = {"data": str(folder), "engine_url": engine_url, "report_jobs": 0, "report_calls": 10**9}
        services = build_services(Settings(**{**usual, **settings}), clock)
        with TestClient(application(services)) as client:
            yield InProcess(client, services, clock)
