"""A small set of campaigns, and short ways to say things about campaigns."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from campanile.campaigns.schemas import Campaign, CampaignHint
from campanile.campaigns.service import CampaignService

NEWSLETTER, RUN_1, RUN_2, RUN_3 = ("64a1b2c3d4e5f6a7b8c9d0a0", "64a1b2c3d4e5f6a7b8c9d0a1", "64a1b2c3d4e5f6a7b8c9d0a2",
                                   "64a1b2c3d4e5f6a7b8c9d0a3")  # fmt: skip
SALE, PUSH, SMS, NODE = ("64a1b2c3d4e5f6a7b8c9d0e1", "64a1b2c3d4e5f6a7b8c9d0e2", "64a1b2c3d4e5f6a7b8c9d0f0",
                         "64a1b2c3d4e5f6a7b8c9d0d0")  # fmt: skip
OLD = "64a1b2c3d4e5f6a7b8c9d0f1"
FLOW = "64a1b2c3d4e5f6a7b8c9d1f0"
NEW = "64a1b2c3d4e5f6a7b8c9d0c1"
OTHER = "64a1b2c3d4e5f6a7b8c9d0c2"
NOBODY = "ffffffffffffffffffffffff"
T0 = datetime(2024, 11, 30, 10, 0, tzinfo=UTC)

SALE_DOCUMENT: dict[str, Any] = {
    "campaign_id": SALE, "channel": "EMAIL", "campaign_delivery_type": "ONE_TIME", "status": "SENT",
    "created_by": "ana@example.com", "created_at": "2024-07-04T08:00:54.847Z", "updated_at": "2024-07-04T19:00:00Z",
    "sent_time": "2024-07-04T20:32:00Z",
    "basic_details": {"name": "Summer Sale", "content_type": "PROMOTIONAL", "tags": ["summer", "sale"],
                      "team": "Growth"},
    "campaign_content": {"locales": ["es-ES"], "variation_details": {"distribution_type": "MANUAL",
        "no_of_variations": 2, "manual_distribution_percentage": {"variation_1": "50", "variation_2": "45"}}},
    "conversion_goal_details": {"attribution_window_in_hours": 36, "goals": [
        {"goal_name": "Purchase", "goal_event_name": "purchase_completed", "is_primary_goal": True,
         "goal_event_attribute": {"name": "price", "condition": "greater", "data_type": "DOUBLE", "value": 10},
         "revenue_attribute": "price", "revenue_currency": "USD"}]},
    "control_group_details": {"is_campaign_control_group_enabled": True, "campaign_control_group_percentage": 5,
                              "is_global_control_group_enabled": True},
    "utm_params": {"utm_source": "shop", "utm_medium": "email"},
    "connector": {"connector_type": "SENDGRID", "connector_name": "default"},
}  # fmt: skip
NEWSLETTER_DOCUMENT: dict[str, Any] = {
    "campaign_id": NEWSLETTER, "channel": "EMAIL", "campaign_delivery_type": "PERIODIC", "status": "ACTIVE",
    "created_by": "ana@example.com", "created_at": "2024-01-01T09:00:00Z",
    "basic_details": {"name": "Weekly Newsletter", "tags": ["newsletter"], "team": "Retention"},
    "conversion_goal_details": {"goals": [{"goal_name": "Visit", "goal_event_name": "visit"}]},
    "control_group_details": {"is_global_control_group_enabled": True},
    "attempts": "implied", "delivery_tracking": False,
}  # fmt: skip
DOCUMENTS: list[dict[str, Any]] = [
    {"campaign_id": RUN_2, "parent_id": NEWSLETTER, "status": "SENT", "created_at": "2024-07-01T14:30:00Z",
     "sent_time": "2024-07-01T14:30:11Z"},
    SALE_DOCUMENT,
    {"campaign_id": PUSH, "channel": "PUSH", "campaign_delivery_type": "ONE_TIME", "status": "SCHEDULED",
     "created_at": "2024-11-20T10:00:00Z", "basic_details": {"name": "Flash", "platforms": ["ANDROID", "IOS"]}},
    NEWSLETTER_DOCUMENT,
    {"campaign_id": RUN_1, "parent_id": NEWSLETTER, "status": "SENT", "created_at": "2024-06-24T14:30:00Z"},
    {"campaign_id": NODE, "channel": "EMAIL", "campaign_delivery_type": "EVENT_TRIGGERED", "flow_id": FLOW,
     "flow_name": "Onboarding", "created_at": "2024-04-01T00:00:00Z", "name": "Onboarding 1"},
    {"campaign_id": SMS, "channel": "SMS", "campaign_delivery_type": "ONE_TIME", "status": "STOPPED",
     "created_at": "2024-05-20T06:04:50.505Z", "name": "Discount", "sender_name": "SHOP"},
    {"campaign_id": OLD, "channel": "EMAIL", "campaign_delivery_type": "ONE_TIME", "status": "ARCHIVED",
     "created_at": "2023-02-01T00:00:00Z", "name": "Old Promo"},
]  # fmt: skip
"""A child stands before its parent."""


def lines(*documents: dict[str, Any] | str) -> bytes:
    return "\n".join(item if isinstance(item, str) else json.dumps(item) for item in documents).encode()


def simple(name: str = "x", **members: Any) -> dict[str, Any]:
    """The smallest document."""
    return {"channel": "EMAIL", "campaign_delivery_type": "ONE_TIME", "basic_details": {"name": name}, **members}


def hint(campaign_id: str = NEW, *, at: float = 0, until: float | None = None, **members: Any) -> CampaignHint:
    """What events say; times are seconds after `T0`, sets may be given as texts."""
    for name in ("platforms", "locales", "variations"):
        if name in members:
            members[name] = frozenset(members[name].split())
    if "sent" in members:
        members["sent_at"] = T0 + timedelta(seconds=members.pop("sent"))
    first, last = T0 + timedelta(seconds=at), T0 + timedelta(seconds=at if until is None else until)
    return CampaignHint(campaign_id=campaign_id, **{"channel": "PUSH", "first_at": first, "last_at": last, **members})


def listing(campaigns: CampaignService, workspace_id: str) -> list[Campaign]:
    """Campaigns as lists show them, in order."""
    return list(campaigns.get_many(workspace_id, campaigns.order(workspace_id).listed).values())
