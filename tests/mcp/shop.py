"""The campaigns of the companion contract with some events, in a real server."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.campaigns.companion import vectors
from tests.stats.inprocess import basic
from tests.support.server import Server

MANAGE, INGEST = "manage-key", "ingest-key"
SALE = "64a1b2c3d4e5f6a7b8c9d0e1"


def fill(server: Server) -> None:
    """A workspace with the campaigns, and events of the sale on 1 December 2024."""
    keys = ("--report-key", vectors.KEY, "--manage-key", MANAGE, "--ingest-key", INGEST)
    server.run("workspace", "create", "A", "--id", vectors.WORKSPACE, *keys)
    _post(server, "/v1/campaigns/import", MANAGE, vectors.documents())
    numbers = {"sent": 10, "delivered": 8, "open": 6, "click": 2}
    events = [
        {
            "event_id": f"{kind}-{user}",
            "type": kind,
            "campaign_id": SALE,
            "channel": "EMAIL",
            "user_id": f"u{user}",
            "time": "2024-12-01T12:00:00Z",
        }
        for kind, users in numbers.items()
        for user in range(users)
    ]
    bounce = {**events[0], "event_id": "bounce", "type": "hard_bounce", "user_id": "u9"}
    _post(server, "/v1/events?import=true", INGEST, [*events, bounce])


def _post(server: Server, path: str, key: str, lines: list[dict[str, Any]]) -> None:
    content = "".join(json.dumps(line) + "\n" for line in lines)
    headers = {"Authorization": basic(vectors.WORKSPACE, key), "Content-Type": "application/x-ndjson"}
    answer = httpx.post(server.url + path, content=content, headers=headers)
    assert answer.status_code == 200, answer.text
