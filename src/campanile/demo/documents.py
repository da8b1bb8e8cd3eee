"""The campaign documents of the sample shop, as `PUT /v1/campaigns/{campaign_id}` takes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from campanile.demo.messages import Calendar
from campanile.demo.plans import (
    CURRENCY,
    PURCHASE_EVENT,
    PURCHASE_GOAL,
    SHOP,
    VISIT_EVENT,
    VISIT_GOAL,
    Plan,
    object_id,
)

_AUTHORS = {"CRM": "mara.lind@northwind-outdoor.example", "DACH": "jonas.weber@northwind-outdoor.example"}
_ATTRIBUTION_HOURS = {"EMAIL": 72, "SMS": 48, "WHATSAPP": 72}


def document(plan: Plan, calendar: Calendar) -> dict[str, object]:
    """The document of one campaign."""
    start = calendar.moment(plan.days_ago, plan.hour).astimezone(UTC)
    author = _AUTHORS.get(plan.team, "team@northwind-outdoor.example")
    value: dict[str, object] = {
        "campaign_id": plan.campaign_id,
        "channel": plan.document_channel or plan.channel,
        "campaign_delivery_type": plan.delivery_type,
        "status": plan.status,
        "created_by": author,
        "updated_by": author,
        "created_at": _text(start - timedelta(days=2, hours=3)),
        "basic_details": _basics(plan),
        "campaign_content": _content(plan),
        "segmentation_details": {"is_all_user_campaign": False},
        "scheduling_details": _schedule(plan, calendar, start),
        "control_group_details": {
            "is_campaign_control_group_enabled": plan.control > 0,
            "campaign_control_group_percentage": plan.control,
            "is_global_control_group_enabled": plan.global_control,
        },
        "utm_params": {"utm_source": "campanile-demo", "utm_medium": plan.channel.lower(), "utm_campaign": plan.key},
    }
    if plan.has_events:
        value["sent_time"] = _text(start)
        value["reachability_details"] = {"count": plan.audience, "last_updated_time": _text(start)}
    if plan.goals:
        value["conversion_goal_details"] = _goals(plan)
    if plan.parent:
        value["parent_id"] = plan.parent_id
    if plan.flow:
        value["flow_id"] = object_id(plan.flow)
        value["flow_name"] = plan.flow
    if not plan.delivery_tracking:
        value["delivery_tracking"] = False
    return value


def _basics(plan: Plan) -> dict[str, object]:
    basics: dict[str, object] = {"name": plan.name, "tags": list(plan.tags), "team": plan.team}
    if plan.platforms:
        basics["platforms"] = list(plan.platforms)
    if plan.channel == "EMAIL":
        basics["content_type"] = "PROMOTIONAL"
        basics["subscription_category"] = "offers"
    return basics


def _content(plan: Plan) -> dict[str, object]:
    content: dict[str, object] = {"locales": list(plan.locales)}
    if plan.variations:
        content["variation_details"] = {
            "distribution_type": "MANUAL",
            "no_of_variations": len(plan.variations),
            "manual_distribution_percentage": {
                variation.name: variation.percent * (100 - plan.control) // 100 for variation in plan.variations
            },
        }
    if plan.channel == "EMAIL":
        content["content"] = {"email": {"subject": plan.name, "sender_name": SHOP}}
    elif plan.channel == "SMS":
        content["content"] = {"sms": {"message": f"{SHOP}: {plan.name}"}}
    return content


def _schedule(plan: Plan, calendar: Calendar, start: datetime) -> dict[str, object]:
    schedule: dict[str, object] = {"delivery_type": "AT_FIXED_TIME", "start_time": _text(start)}
    if plan.delivery_type == "PERIODIC" and not plan.parent:
        schedule["periodic_details"] = {
            "sending_frequency": "WEEKLY",
            "repeat_frequency": 1,
            "repeat_on_days_of_week": [calendar.day(plan.days_ago).strftime("%A").upper()],
        }
    if plan.duration > 1 and plan.status == "RETIRED":
        schedule["expiry_time"] = _text(start + timedelta(days=plan.duration))
    return schedule


def _goals(plan: Plan) -> dict[str, object]:
    known = {
        PURCHASE_EVENT: {"goal_name": PURCHASE_GOAL, "revenue_attribute": "total", "revenue_currency": CURRENCY},
        VISIT_EVENT: {"goal_name": VISIT_GOAL},
    }
    goals = [
        {"goal_event_name": event, "is_primary_goal": index == 0, **known[event]}
        for index, event in enumerate(plan.goals)
    ]
    return {"attribution_window_in_hours": attribution_hours(plan), "goals": goals}


def attribution_hours(plan: Plan) -> int:
    """How long after a touch a goal counts."""
    return _ATTRIBUTION_HOURS.get(plan.channel, 36)


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
