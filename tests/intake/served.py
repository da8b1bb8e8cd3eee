"""The intake behind HTTP, over a real store and a real metadata database, in this process."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar
from litestar.di import Provide

from campanile.campaigns.service import CampaignService
from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.http.errors import ErrorRenderer
from campanile.http.middleware import wrap
from campanile.http.rate_limit import Limiter
from campanile.intake.routes import intake_routes
from campanile.intake.service import IntakeService
from campanile.metadata import migrate, open_metadata
from campanile.settings import Settings
from campanile.workspaces.secrets import MasterKey
from campanile.workspaces.service import WorkspaceService
from tests.http.apps import FixedIds, client_of
from tests.intake.worlds import CAMPAIGN, NOW

TIME = int(NOW.timestamp()) - 3600
BAD = {"event_id": "bad", "type": "click", "time": TIME, "channel": "EMAIL", "user_id": "u-1"}
"""Lacks its campaign."""
KEYS = {"report_key": "report-key", "ingest_key": "ingest-key", "manage_key": "manage-key"}


class Monotonic:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Served:
    """An application with the intake only. Workspaces `w` and `v`."""

    def __init__(self, engine: Engine, folder: Path, clock: FixedClock, **settings: Any) -> None:
        self.settings = Settings(**{"data": str(folder), "commit_interval": 0.0, "min_free_bytes": 0, **settings})
        self.engine = engine
        self.clock = clock
        self.monotonic = Monotonic()
        self.limiter = Limiter(clock)
        self.metadata = open_metadata(self.settings.resolved_metadata_url)
        migrate(self.metadata.engine)
        self.workspaces = WorkspaceService(self.metadata, MasterKey("k" * 32), clock)
        if self.workspaces.get("w") is None:
            for name in ("w", "v"):
                self.workspaces.create(
                    name, id=name, report_key="report-key", ingest_key="ingest-key", manage_key="manage-key"
                )
        self.campaigns = CampaignService(self.metadata, clock)
        self.restart()

    def restart(self) -> None:
        """A new process over the same data."""
        self.intake = IntakeService(
            self.engine, self.metadata, self.workspaces, self.campaigns, self.settings, self.clock,
            monotonic=self.monotonic, jitter=lambda: 0.0,
        )  # fmt: skip

    def run(self, scenario: Callable[[Sender], Awaitable[None]]) -> None:
        """Start, let the scenario send what it wants, stop."""

        async def run() -> None:
            await self.intake.start()
            async with client_of(self.app()) as client:
                await scenario(Sender(client))
            await self.intake.close()

        asyncio.run(run())

    def app(self) -> Litestar:
        ids = FixedIds()
        app = Litestar(
            list(intake_routes()),
            dependencies={"services": Provide(lambda: self, sync_to_thread=False)},
            exception_handlers={Exception: ErrorRenderer(ids=ids)},
            openapi_config=None,
            logging_config=None,
        )
        return wrap(app, ids=ids)

    def close(self) -> None:
        self.metadata.close()


class Sender:
    """Sends what tests want to send."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def events(self, *events: dict[str, Any], query: str = "", **headers: str) -> httpx.Response:
        return await self.post("/v1/events", ndjson(*events), query=query, **headers)

    async def funnel(self, *records: dict[str, Any], query: str = "", **headers: str) -> httpx.Response:
        return await self.post("/v1/funnel", ndjson(*records), query=query, **headers)

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        query: str = "",
        content_type: str = "application/x-ndjson",
        user: str = "w:ingest-key",
        **headers: str,
    ) -> httpx.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(
            path + query,
            content=body,
            headers={"Content-Type": content_type, "Authorization": authorization(user), **names},
        )

    async def get(self, path: str, *, user: str = "w:ingest-key") -> httpx.Response:
        return await self.client.get(path, headers={"Authorization": authorization(user)})


def authorization(user: str) -> str:
    return "Basic " + base64.b64encode(user.encode()).decode()


def ndjson(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def click(event_id: str | None, **fields: Any) -> dict[str, Any]:
    record = {
        "event_id": event_id, "type": "click", "time": TIME, "campaign_id": CAMPAIGN, "channel": "EMAIL",
        "user_id": "u-1001", **fields,
    }  # fmt: skip
    return {name: value for name, value in record.items() if value is not None}


def counts(response: httpx.Response) -> tuple[int, int, int, int]:
    """received, accepted, duplicates, rejected"""
    body = response.json()
    return body["received"], body["accepted"], body["duplicates"], body["rejected"]
