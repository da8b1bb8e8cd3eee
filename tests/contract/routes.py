"""Every route of the application with requests that use somebody's ids: the matrix behind the contract tests."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

from litestar import Litestar
from litestar.routes import HTTPRoute

from campanile.dashboard.routes import dashboard_routes
from campanile.workspaces.schemas import CreatedWorkspace

KINDS = ("report", "ingest", "manage")
DAY = "2026-03-18"
"""The day of the test clock."""
FILE_NAME = "Contract_20260318.zip"
"""The file of the report that a world has made."""
DUMP_NAME = "20260317.zip"


class Ids(NamedTuple):
    """Names that a workspace uses."""

    workspace_id: str
    campaign_id: str
    event_id: str
    user_id: str
    report_id: str
    run_id: str
    hook_id: str


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
    signed: bool = False
    """Whether the name of a file is signed instead of sending the key."""

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


def routes_of(app: Litestar) -> set[tuple[str, str]]:
    """(method, path) of everything the application answers to programs; HEAD and OPTIONS follow from the others.

    Pages have a matrix of their own, in `tests/dashboard`.
    """
    pages = {path for handler in dashboard_routes() for path in handler.paths}
    return {
        (method, route.path_format.replace("{rest}", "{app_id}/{filename}"))
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path not in pages
        for method in route.methods
        if method not in ("HEAD", "OPTIONS")
    }


def headers(case: Case, call: Call, workspace_id: str, key: str, *, app_key: str = "") -> dict[str, str]:
    """Basic credentials, as every authenticated route accepts them, or a signature."""
    found = {"Content-Type": call.media_type}
    if case.signed:
        name = call.path.rpartition("/")[2]
        found["Signature"] = sha256(f"{workspace_id}|{name}|{key}".encode()).hexdigest()
    else:
        found["Authorization"] = "Basic " + b64encode(f"{workspace_id}:{key}".encode()).decode()
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


def _experiment(ids: Ids) -> list[Call]:
    path = f"/v1/campaigns/{ids.campaign_id}/experiment"
    return [Call(path), Call(f"{path}?start_date={DAY}&end_date={DAY}&attribution_type=CLICK_THROUGH,IN_SESSION")]


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


def report(name: str, *campaign_ids: str) -> dict[str, Any]:
    """A definition of a report that is made every day."""
    campaigns = {"mode": "manual", "ids": list(campaign_ids)} if campaign_ids else {"mode": "all"}
    return {
        "name": name,
        "selection": {
            "scopes": [{"channel": "PUSH"}],
            "date_range": {"type": "rolling", "preset": "yesterday"},
            "campaigns": campaigns,
        },
        "schedule": {"type": "daily", "time": "06:00", "start_date": "2026-03-10"},
        "delivery": {"rest_api": True},
        "on_empty": "header_only",
    }


def _create_report(ids: Ids) -> list[Call]:
    body = _json(report(f"Report {ids.event_id}", ids.campaign_id))
    return [Call("/v1/reports?dry_run=true", body), Call("/v1/reports", body)]


def _list_reports(ids: Ids) -> list[Call]:
    return [Call("/v1/reports"), Call(f"/v1/reports?created_by={ids.user_id}")]


def _of_report(rest: str = "", content: Any = None) -> Callable[[Ids], list[Call]]:
    body = b"" if content is None else _json(content)
    return lambda ids: [Call(f"/v1/reports/{ids.report_id}{rest}", body)]


def _put_report(ids: Ids) -> list[Call]:
    return [Call(f"/v1/reports/{ids.report_id}", _json(report(f"Report {ids.event_id} again")))]


def _duplicate(ids: Ids) -> list[Call]:
    return [Call(f"/v1/reports/{ids.report_id}/duplicate", _json({"name": f"Copy {ids.event_id}"}))]


def _preview(ids: Ids) -> list[Call]:
    return [Call("/v1/report-previews", _json(report("Preview", ids.campaign_id)))]


def _columns(_: Ids) -> list[Call]:
    return [Call("/v1/report-columns?channel=PUSH&q=sent")]


def _list_runs(ids: Ids) -> list[Call]:
    return [Call("/v1/report-runs"), Call(f"/v1/report-runs?definition_id={ids.report_id}")]


def _of_run(rest: str = "", content: Any = None) -> Callable[[Ids], list[Call]]:
    body = b"" if content is None else _json(content)
    return lambda ids: [Call(f"/v1/report-runs/{ids.run_id}{rest}", body)]


def _secret(_: Ids) -> list[Call]:
    return [Call("/v1/report-webhook-secret")]


def _file(prefix: str, name: str) -> Callable[[Ids], list[Call]]:
    return lambda ids: [Call(f"{prefix}/{ids.workspace_id}/{name}")]


def _create_hook(ids: Ids) -> list[Call]:
    return [Call("/v1/hooks", _json({"provider": "postmark", "name": f"Hook {ids.event_id}"}))]


def _of_hook(rest: str = "") -> Callable[[Ids], list[Call]]:
    return lambda ids: [Call(f"/v1/hooks/{ids.hook_id}{rest}")]


def _at(path: str) -> Callable[[Ids], list[Call]]:
    return lambda _: [Call(path)]


def _streams(ids: Ids) -> list[Call]:
    item = {
        "event_name": "Notification Clicked Android", "event_code": "NOTIFICATION_CLICKED_MOE",
        "event_uuid": f"{ids.event_id}-stream", "event_time": 1773831600, "uid": ids.user_id,
        "event_attributes": {"campaign_id": ids.campaign_id},
    }  # fmt: skip
    return [Call("/v1/streams/moengage", _json({"events": [item]}))]


def _track(ids: Ids) -> list[Call]:
    body = {"type": "event", "customer_id": ids.user_id, "actions": [{"action": "bought", "user_time": 1773831600}]}
    return [Call(f"/v1/event/{ids.workspace_id}", _json(body))]


READERS, WRITERS = frozenset({"report", "manage"}), frozenset({"manage"})
REPORT_CASES = (
    Case("GET", "/v1/reports", READERS, _list_reports),
    Case("POST", "/v1/reports", WRITERS, _create_report),
    Case("GET", "/v1/reports/{report_id}", READERS, _of_report()),
    Case("PUT", "/v1/reports/{report_id}", WRITERS, _put_report),
    Case("PATCH", "/v1/reports/{report_id}", WRITERS, _of_report("", {"on_empty": "no_file"})),
    Case("DELETE", "/v1/reports/{report_id}", WRITERS, _of_report()),
    Case("POST", "/v1/reports/{report_id}/duplicate", WRITERS, _duplicate),
    Case("POST", "/v1/reports/{report_id}/activate", WRITERS, _of_report("/activate")),
    Case("POST", "/v1/reports/{report_id}/pause", WRITERS, _of_report("/pause")),
    Case("POST", "/v1/reports/{report_id}/resume", WRITERS, _of_report("/resume")),
    Case("POST", "/v1/reports/{report_id}/run", WRITERS, _of_report("/run", {"file_date": DAY.replace("-", "")})),
    Case("POST", "/v1/reports/{report_id}/backfill", WRITERS, _of_report("/backfill", {"from": DAY, "to": DAY})),
    Case("POST", "/v1/reports/{report_id}/preview", READERS, _of_report("/preview")),
    Case("GET", "/v1/reports/{report_id}/versions", READERS, _of_report("/versions")),
    Case("POST", "/v1/report-previews", READERS, _preview),
    Case("GET", "/v1/report-columns", READERS, _columns),
    Case("GET", "/v1/report-runs", READERS, _list_runs),
    Case("GET", "/v1/report-runs/{run_id}", READERS, _of_run()),
    Case("GET", "/v1/report-runs/{run_id}/manifest", READERS, _of_run("/manifest")),
    Case("GET", "/v1/report-runs/{run_id}/file", READERS, _of_run("/file")),
    Case("POST", "/v1/report-runs/{run_id}/cancel", WRITERS, _of_run("/cancel")),
    Case("POST", "/v1/report-runs/{run_id}/retry", WRITERS, _of_run("/retry")),
    Case("POST", "/v1/report-runs/{run_id}/send", WRITERS, _of_run("/send", {"recipients": ["a@example.com"]})),
    Case("GET", "/v1/report-webhook-secret", WRITERS, _secret),
    *(
        Case("GET", f"{prefix}/{{app_id}}/{{filename}}", frozenset({"report"}), _file(prefix, name), signed=True)
        for prefix, name in (
            ("/campaign_reports/rest_api", FILE_NAME),
            ("/dailyCampaignReportDump", DUMP_NAME),
            ("/v1/dailyCampaignReportDump", DUMP_NAME),
        )
    ),
)


def _lookup(path: str, **more: Any) -> Callable[[Ids], list[Call]]:
    """By id, by name, and without a filter."""

    def calls(ids: Ids) -> list[Call]:
        body = {"request_id": "r", "limit": 15, "page": 1, "include_child_campaigns": True, **more}
        path_of = path.format(campaign_id=ids.campaign_id)
        filters: list[dict[str, Any]] = [{"ids": [ids.campaign_id]}, {"name": "alpha"}, {}]
        return [Call(path_of, _json({**body, "campaign_fields": fields})) for fields in filters]

    return calls


def _details(ids: Ids) -> list[Call]:
    return [Call(f"/v5/campaigns/{ids.campaign_id}")]


UNLIMITED = {f"campaign_calls_per_{span}": 0 for span in ("second", "minute", "hour")}
"""Settings: the clock of these tests stands still, so a limit per second would never end."""

_V1, _V5 = "/core-services/v1/campaigns", "/v5/campaigns"
COMPANION_CASES = (
    Case("POST", f"{_V1}/search", READERS, _lookup(f"{_V1}/search"), app_key_required=True),
    Case("POST", f"{_V1}/meta", READERS, _lookup(f"{_V1}/meta"), app_key_required=True),
    Case(
        "POST",
        f"{_V1}/{{parent_campaign_id}}/executions",
        READERS,
        _lookup(f"{_V1}/{{campaign_id}}/executions"),
        app_key_required=True,
    ),
    Case("POST", f"{_V5}/search", READERS, _lookup(f"{_V5}/search")),
    Case("POST", f"{_V5}/meta", READERS, _lookup(f"{_V5}/meta")),
    Case("GET", f"{_V5}/{{campaign_id}}", READERS, _details),
)

CASES = (
    Case("POST", "/core-services/v1/campaign-stats", frozenset({"report", "manage"}), _stats, app_key_required=True),
    Case("GET", "/v1/campaigns/{campaign_id}", frozenset({"report", "manage"}), _campaign),
    Case("GET", "/v1/campaigns/{campaign_id}/experiment", frozenset({"report", "manage"}), _experiment),
    Case("PUT", "/v1/campaigns/{campaign_id}", frozenset({"manage"}), _put_campaign),
    Case("POST", "/v1/campaigns/import", frozenset({"manage"}), _import_campaigns),
    Case("POST", "/v1/events", frozenset({"ingest"}), _events),
    Case("POST", "/v1/funnel", frozenset({"ingest"}), _funnel),
    Case("GET", "/v1/ingest/status", frozenset({"ingest", "manage"}), _intake_state),
    Case("GET", "/v1/ingest/rejects", frozenset({"ingest", "manage"}), _rejects),
    *COMPANION_CASES,
    Case("POST", "/v1/streams/moengage", frozenset({"ingest"}), _streams),
    Case("POST", "/v1/event/{workspace_id}", frozenset({"ingest"}), _track),
    Case("GET", "/v1/hooks", WRITERS, _at("/v1/hooks")),
    Case("POST", "/v1/hooks", WRITERS, _create_hook),
    Case("GET", "/v1/hooks/{hook_id}", WRITERS, _of_hook()),
    Case("POST", "/v1/hooks/{hook_id}/test", WRITERS, _of_hook("/test")),
    Case("GET", "/v1/hooks/{hook_id}/deliveries", WRITERS, _of_hook("/deliveries")),
    Case("POST", "/v1/hooks/{hook_id}/rotate", WRITERS, _of_hook("/rotate")),
    Case("GET", "/v1/dead-letters", WRITERS, _at("/v1/dead-letters")),
    Case("POST", "/v1/dead-letters/retry", WRITERS, _at("/v1/dead-letters/retry")),
    Case("DELETE", "/v1/hooks/{hook_id}", WRITERS, _of_hook()),
    *REPORT_CASES,
)

PUBLIC = {("GET", path) for path in ("/healthz", "/readyz", "/openapi.json", "/postman.json", "/docs", "/metrics")}
"""Routes without a workspace. The metrics are the operator's and count per workspace; the others show nothing."""

LINK = Case("GET", "/v1/export/file/{token}", frozenset(), lambda _: [Call(f"/v1/export/file/{'x' * 43}")])
"""Opened by who knows the address, which is a secret; nobody is asked for a key."""

NO_HOOK = f"/v1/hooks/sendgrid/{'x' * 26}"
KEYLESS = (
    LINK,
    Case("POST", "/v1/hooks/{provider}/{address}", frozenset(), _at(NO_HOOK)),
    Case("GET", "/v1/hooks/{provider}/{address}", frozenset(), _at(NO_HOOK)),
)
"""Routes that ask for no key: a secret address, or the signature of whoever posts there."""
