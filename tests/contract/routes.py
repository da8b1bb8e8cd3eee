"""Every route of the application with requests that use somebody's ids: the matrix behind the contract tests."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any, NamedTuple

from litestar import Litestar
from litestar.routes import HTTPRoute

from campanile.workspaces.schemas import CreatedWorkspace

KINDS = ("report", "ingest", "manage")
DAY = "2026-03-18"
"""The day of the test clock."""


class Ids(NamedTuple):
    """Names that a workspace uses."""

    workspace_id: str
    campaign_id: str
    event_id: str
    user_id: str


class Call(NamedTuple):
    """One request without its credentials."""

    path: str
    content: bytes = b""
    media_type: str = "application/json"


class Case(NamedTuple):
    """A route, the kinds of keys it accepts, and requests that name the ids."""

    method: str
    route: str
    kinds: frozenset[str]
    calls: Callable[[Ids], list[Call]]
    app_key_required: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


def routes_of(app: Litestar) -> set[tuple[str, str]]:
    """(method, path) of everything the application answers; HEAD and OPTIONS follow from the others."""
    return {
        (method, route.path_format)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method not in ("HEAD", "OPTIONS")
    }


def headers(case: Case, call: Call, workspace_id: str, key: str, *, app_key: str = "") -> dict[str, str]:
    """Basic credentials, as every authenticated route accepts them."""
    found = {
        "Authorization": "Basic " + b64encode(f"{workspace_id}:{key}".encode()).decode(),
        "Content-Type": call.media_type,
    }
    if app_key or case.app_key_required:
        found["MOE-APPKEY"] = app_key or workspace_id
    return found


def key_of(owner: CreatedWorkspace, kind: str) -> str:
    key: str = getattr(owner, f"{kind}_key")
    return key


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def event(ids: Ids, **changes: str) -> dict[str, str]:
    return {
        "event_id": ids.event_id,
        "type": "sent",
        "time": f"{DAY}T11:00:00Z",
        "campaign_id": ids.campaign_id,
        "channel": "PUSH",
        "platform": "ANDROID",
        "user_id": ids.user_id,
        **changes,
    }


def _stats(ids: Ids) -> list[Call]:
    body = {
        "request_id": "r",
        "start_date": DAY,
        "end_date": DAY,
        "attribution_type": "VIEW_THROUGH",
        "metric_type": "TOTAL",
    }
    path = "/core-services/v1/campaign-stats"
    return [Call(path, _json({**body, "campaign_ids": [ids.campaign_id]})), Call(path, _json(body))]


def _events(ids: Ids) -> list[Call]:
    return [
        Call("/v1/events?dry_run=true", _json([event(ids)])),
        Call("/v1/events", _json([event(ids)])),
        Call("/v1/events", _json([event(ids, event_id=f"{ids.event_id}-own", workspace_id=ids.workspace_id)])),
        Call(
            "/v1/events",
            _json(
                [
                    event(
                        ids,
                        event_id=f"{ids.event_id}-child",
                        campaign_id=ids.campaign_id[::-1],
                        parent_campaign_id=ids.campaign_id,
                    )
                ]
            ),
        ),
    ]


def _intake_state(ids: Ids) -> list[Call]:
    return [Call("/v1/ingest/status"), Call(f"/v1/ingest/status?workspace_id={ids.workspace_id}")]


def _rejects(ids: Ids) -> list[Call]:
    return [Call("/v1/ingest/rejects"), Call(f"/v1/ingest/rejects?workspace_id={ids.workspace_id}")]


def _funnel(ids: Ids) -> list[Call]:
    snapshot = {
        "snapshot_id": f"{ids.event_id}-snapshot",
        "campaign_id": ids.campaign_id,
        "channel": "PUSH",
        "platform": "ANDROID",
        "date": DAY,
        "as_of": f"{DAY}T11:00:00Z",
        "performance": {"attempted": 3},
    }
    return [Call("/v1/funnel", _json([snapshot]))]


def _campaign(ids: Ids) -> list[Call]:
    return [Call(f"/v1/campaigns/{ids.campaign_id}")]


def document(ids: Ids, name: str) -> dict[str, Any]:
    return {
        "campaign_id": ids.campaign_id,
        "channel": "PUSH",
        "campaign_delivery_type": "ONE_TIME",
        "name": name,
    }


def _put_campaign(ids: Ids) -> list[Call]:
    return [Call(f"/v1/campaigns/{ids.campaign_id}", _json(document(ids, "Spring")))]


def _import_campaigns(ids: Ids) -> list[Call]:
    lines = _json(document(ids, "Spring")) + b"\n"
    return [
        Call("/v1/campaigns/import?dry_run=true", lines, "application/x-ndjson"),
        Call("/v1/campaigns/import?mode=merge", lines, "application/x-ndjson"),
    ]


CASES = (
    Case("POST", "/core-services/v1/campaign-stats", frozenset({"report", "manage"}), _stats, app_key_required=True),
    Case("GET", "/v1/campaigns/{campaign_id}", frozenset({"report", "manage"}), _campaign),
    Case("PUT", "/v1/campaigns/{campaign_id}", frozenset({"manage"}), _put_campaign),
    Case("POST", "/v1/campaigns/import", frozenset({"manage"}), _import_campaigns),
    Case("POST", "/v1/events", frozenset({"ingest"}), _events),
    Case("POST", "/v1/funnel", frozenset({"ingest"}), _funnel),
    Case("GET", "/v1/ingest/status", frozenset({"ingest", "manage"}), _intake_state),
    Case("GET", "/v1/ingest/rejects", frozenset({"ingest", "manage"}), _rejects),
)

PUBLIC = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/openapi.json"), ("GET", "/metrics")}
"""Routes without a workspace. The metrics are the operator's and count per workspace; the others show nothing."""
