"""One request per operation that works: shown by the API description and its pages, sent by the Postman collection."""

from __future__ import annotations

from typing import Any

DAY = "2026-03-18"
TIME = "2026-03-18T11:00:00Z"
EPOCH = 1773831600
"""The same instant in seconds."""
CAMPAIGN = "64a1b2c3d4e5f6a7b8c9d0e1"
WORKSPACE = "WSDEMO000000000000000001"

_PAGE = {"request_id": "r1", "limit": 15, "page": 1}
_EVENT = {
    "event_id": "evt-1", "type": "sent", "time": TIME, "campaign_id": CAMPAIGN, "channel": "PUSH",
    "platform": "ANDROID", "user_id": "user-1",
}  # fmt: skip
_SNAPSHOT = {
    "snapshot_id": "snap-1", "campaign_id": CAMPAIGN, "channel": "PUSH", "platform": "ANDROID", "date": DAY,
    "as_of": TIME, "performance": {"attempted": 3},
}  # fmt: skip
_CAMPAIGN = {
    "channel": "PUSH", "campaign_delivery_type": "ONE_TIME", "status": "SENT",
    "basic_details": {"name": "Spring sale", "tags": ["sale"], "platforms": ["ANDROID"]},
}  # fmt: skip
_REPORT: dict[str, Any] = {
    "name": "Daily push numbers",
    "selection": {
        "scopes": [{"channel": "PUSH"}],
        "date_range": {"type": "rolling", "preset": "yesterday"},
        "campaigns": {"mode": "all"},
    },
    "schedule": {"type": "daily", "time": "06:00", "start_date": DAY},
    "delivery": {"rest_api": True},
    "on_empty": "header_only",
}
_DELIVERY = {
    "RecordType": "Delivery", "MessageID": "m-1", "Recipient": "ana@example.com", "DeliveredAt": TIME,
    "Metadata": {"campaign_id": CAMPAIGN, "user_id": "user-1"},
}  # fmt: skip
_STREAM = {
    "event_name": "Notification Clicked Android", "event_code": "NOTIFICATION_CLICKED_MOE", "event_uuid": "moe-1",
    "event_time": EPOCH, "uid": "user-1", "event_attributes": {"campaign_id": CAMPAIGN},
}  # fmt: skip
_ACTION = {"action": "purchase", "attributes": {"value": 49.9}, "user_time": EPOCH}
_V1, _V5 = "/core-services/v1/campaigns", "/v5/campaigns"

BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/core-services/v1/campaign-stats"): {
        "request_id": "abc", "campaign_ids": [CAMPAIGN], "start_date": DAY, "end_date": DAY,
        "attribution_type": "VIEW_THROUGH", "metric_type": "TOTAL",
    },
    ("POST", f"{_V1}/search"): {**_PAGE, "campaign_fields": {"name": "sale", "status": ["SENT", "ACTIVE"]}},
    ("POST", f"{_V1}/meta"): {**_PAGE, "campaign_fields": {"ids": [CAMPAIGN]}, "include_child_campaigns": True},
    ("POST", f"{_V1}/{{parent_campaign_id}}/executions"): _PAGE,
    ("POST", f"{_V5}/search"): {"limit": 15, "page": 1, "campaign_fields": {"ids": [CAMPAIGN]}},
    ("POST", f"{_V5}/meta"): {"limit": 15, "page": 1, "campaign_fields": {"id": CAMPAIGN}},
    ("POST", "/v1/events"): [_EVENT],
    ("POST", "/v1/funnel"): [_SNAPSHOT],
    ("PUT", "/v1/campaigns/{campaign_id}"): _CAMPAIGN,
    ("POST", "/v1/campaigns/import"): [{"campaign_id": CAMPAIGN, **_CAMPAIGN}],
    ("POST", "/v1/reports"): _REPORT,
    ("PUT", "/v1/reports/{report_id}"): {**_REPORT, "name": "Daily push numbers renamed"},
    ("PATCH", "/v1/reports/{report_id}"): {"on_empty": "no_file"},
    ("POST", "/v1/reports/{report_id}/duplicate"): {"name": "Daily push numbers copy"},
    ("POST", "/v1/reports/{report_id}/run"): {},
    ("POST", "/v1/reports/{report_id}/backfill"): {"from": DAY, "to": DAY},
    ("POST", "/v1/report-previews"): _REPORT,
    ("POST", "/v1/report-runs/{run_id}/send"): {"recipients": ["ana@example.com"]},
    ("POST", "/v1/hooks"): {"provider": "postmark", "name": "Mails"},
    ("POST", "/v1/hooks/{provider}/{address}"): _DELIVERY,
    ("POST", "/v1/hooks/{hook_id}/rotate"): {"address": False},
    ("POST", "/v1/hooks/{hook_id}/test"): _DELIVERY,
    ("POST", "/v1/dead-letters/retry"): {"ids": []},
    ("POST", "/v1/streams/moengage"): {"source": "MOENGAGE", "events": [_STREAM]},
    ("POST", "/v1/event/{workspace_id}"): {"type": "event", "customer_id": "user-1", "actions": [_ACTION]},
}  # fmt: skip
"""(method, path) → request body; a list is one line per entry where the body is NDJSON."""

PATHS = {
    "campaign_id": CAMPAIGN,
    "parent_campaign_id": CAMPAIGN,
    "report_id": "rep_8c1d2e3f4a5b6c7d8e9f",
    "run_id": "run_0123456789abcdef0123",
    "app_id": WORKSPACE,
    "workspace_id": WORKSPACE,
    "filename": "Daily_push_numbers_20260318.zip",
    "token": "q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9z0x1c",
    "hook_id": "hook_0123456789abcdef",
    "provider": "postmark",
    "address": "k7x2m4q6a3b5c7d2e4f6g3h5i7",
}
"""Path parameter → a value of its form."""
