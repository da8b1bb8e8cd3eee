"""A shop with one campaign whose experiments have numbers known by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

Fields = dict[str, Any]
CAMPAIGN = "e" * 24
EVENT, GOAL = "order_placed", "Purchase"
SENT_AT = datetime(2026, 3, 16, 9, tzinfo=UTC)
WINDOW_HOURS = 24


class Group(NamedTuple):
    """People who are treated alike: so many, so many of whom buy."""

    name: str
    people: int
    buyers: int
    variation: str = ""
    opens: int = 0
    """How many open the mail; buyers first."""


FIRST = Group("a", 400, 20, "variation_1", opens=100)
SECOND = Group("b", 400, 60, "variation_2", opens=100)
HELD = Group("h", 200, 10)


def document(**changes: Any) -> Fields:
    return {
        "campaign_id": CAMPAIGN,
        "channel": "EMAIL",
        "campaign_delivery_type": "ONE_TIME",
        "name": "Voucher",
        "control_group_details": {
            "is_campaign_control_group_enabled": True,
            "campaign_control_group_percentage": 20,
        },
        "campaign_content": {
            "variation_details": {
                "distribution_type": "MANUAL",
                "manual_distribution_percentage": {"variation_1": 40, "variation_2": 40},
            }
        },
        "conversion_goal_details": {
            "attribution_window_in_hours": WINDOW_HOURS,
            "goals": [{"goal_name": GOAL, "goal_event_name": EVENT, "is_primary_goal": True}],
        },
        **changes,
    }


def events(*groups: Group) -> Iterator[Fields]:
    for group in groups:
        for number in range(group.people):
            yield from _life(group, number)


def message(kind: str, user: str, at: datetime, **changes: Any) -> Fields:
    return {
        "event_id": f"{kind}-{user}-{at.timestamp()}",
        "type": kind,
        "time": at.isoformat(),
        "campaign_id": CAMPAIGN,
        "channel": "EMAIL",
        "user_id": user,
        **changes,
    }


def order(user: str, at: datetime) -> Fields:
    return {
        "event_id": f"order-{user}-{at.timestamp()}",
        "type": "custom",
        "name": EVENT,
        "time": at.isoformat(),
        "user_id": user,
    }


def _life(group: Group, number: int) -> Iterator[Fields]:
    user = f"u-{group.name}{number:05}"
    if group.variation:
        yield message("sent", user, SENT_AT, variation=group.variation)
        if number < group.opens:
            yield message("open", user, SENT_AT + timedelta(hours=1), variation=group.variation)
    else:
        yield message("removed", user, SENT_AT, reason="campaign_control_group")
    if number < group.buyers:
        yield order(user, SENT_AT + timedelta(hours=2))
