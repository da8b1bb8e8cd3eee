"""Random histories for attribution: small, crowded, and full of coincidences.

Clocks are coarse, so that touches tie and conversions fall exactly on the ends of windows; one history in four runs on
a clock of a millisecond, where they miss them by that much. Everything comes from one seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

Fields = dict[str, Any]

CHANNEL_EVENTS: Mapping[str, Sequence[str]] = {
    "PUSH": ("sent", "impression", "click", "dismiss"),
    "EMAIL": ("sent", "delivered", "open", "click", "hard_bounce"),
    "SMS": ("sent", "delivered", "click"),
    "MMS": ("sent", "delivered", "click"),
    "WHATSAPP": ("sent", "delivered", "read", "click"),
    "RCS": ("sent", "delivered", "read", "click"),
    "IN_APP": ("impression", "click", "close"),
    "OSM": ("impression", "click", "close"),
    "WEB_PERSONALIZATION": ("impression", "click"),
    "CARDS": ("sent", "delivered", "impression", "click"),
    "CONNECTOR": ("sent", "failed"),
    "CONNECTED_APPS": ("sent",),
    "FACEBOOK_AUDIENCE": ("synced",),
    "GOOGLE_ADS_AUDIENCE": ("synced",),
    "OTHER": ("sent", "click"),
}
PLATFORMS = ("ANDROID", "IOS", "WEB", "MWEB", "TIZEN", "UNKNOWN", "")
NAMES = ("Purchase", "Cart", "View")
WINDOWS = (1, 2, 6, 24, 36, 240)
CLOCKS = (1, 1_000, 60_000, 1_800_000, 3_600_000)
"""Milliseconds between two ticks."""
CONDITIONS: Sequence[Fields | None] = (
    None,
    None,
    None,
    {"name": "amount", "condition": "greaterThan", "data_type": "NUMBER", "value": "50"},
    {"name": "amount", "condition": "between", "data_type": "DOUBLE", "value": 10, "value1": 60.5},
    {"name": "amount", "condition": "lessThan", "data_type": "NUMBER", "value": 60, "negate": True},
    {"name": "category", "condition": "is", "data_type": "STRING", "value": ["Shoes", "hats"]},
    {"name": "category", "condition": "is", "data_type": "STRING", "value": "shoes", "is_case_sensitive": True},
    {"name": "category", "condition": "contains", "data_type": "STRING", "value": "_%"},
    {"name": "category", "condition": "startsWith", "data_type": "STRING", "value": "SH", "negate": True},
    {"name": "category", "condition": "endsWith", "data_type": "ARRAY_STRING", "value": ["s"]},
    {"name": "gift", "condition": "is", "data_type": "BOOL", "value": True},
    {"name": "gift", "condition": "exists", "data_type": "BOOL"},
    {"name": "at", "condition": "greaterThan", "data_type": "DATETIME", "value": "2026-01-01T00:00:00Z"},
    {
        "name": "cart.items", "condition": "is", "data_type": "ARRAY_OBJECT", "filter_operator": "and",
        "filters": [
            {"name": "price", "condition": "greaterThan", "data_type": "NUMBER", "value": 9},
            {"name": "kind", "condition": "is", "data_type": "STRING", "value": "hat"},
        ],
    },
    {
        "name": "cart.items", "condition": "is", "data_type": "ARRAY_OBJECT", "filter_operator": "or", "negate": True,
        "filters": [
            {"name": "price", "condition": "is", "data_type": "NUMBER", "value": [3, 4.5]},
            {"name": "kind", "condition": "exists", "data_type": "STRING", "negate": True},
        ],
    },
)  # fmt: skip
AMOUNTS: Sequence[Any] = (
    10,
    50,
    60,
    60.5,
    Decimal("49.9"),
    -20,
    "12.5",
    " 7 ",
    "free",
    True,
    [1, "2.5", None, "x"],
    0.00005,
)
CATEGORIES: Sequence[Any] = ("shoes", "Shoes", "HATS", "bags_%", ["socks", "Shoes"], 5, None, {"name": "shoes"})
CARTS: Sequence[Any] = (
    {"items": [{"price": 10.5, "kind": "hat"}, {"price": "4.5", "kind": "Sock"}]},
    {"items": [{"price": 10.5, "kind": "sock"}, {"price": 1, "kind": "hat"}]},
    {"items": {"price": 3}},
    {"items": []},
    {},
)
PATHS = ("", "amount", "cart.items.price", "cart.items", "nothing")


@dataclass(frozen=True)
class Crowd:
    """One history: campaigns and events in order of arrival."""

    campaigns: list[Fields]
    events: list[Fields]


def crowd(random: Random, center: datetime, *, merges: bool = True) -> Crowd:
    """Some campaigns, some people, and what they did around `center`."""
    campaigns = _campaigns(random)
    users = [f"u{number}" for number in range(random.randint(1, 4))]
    tick = timedelta(milliseconds=random.choice(CLOCKS))
    ticks = random.choice((3, 8, 30))
    start = center - tick * (ticks // 2)

    def moment() -> datetime:
        when = start + tick * random.randrange(ticks)
        if random.random() < 0.35:  # exactly a window, or a session, later, or just beside that
            span = random.choice([timedelta(minutes=30), *(timedelta(hours=hours) for hours in WINDOWS)])
            when += span + timedelta(milliseconds=random.choice((0, 0, 1, -1)))
        return when

    events = [_touch(random, campaigns, users, moment()) for _ in range(random.randint(3, 30))]
    events += [_action(random, users, moment()) for _ in range(random.randint(1, 12))]
    random.shuffle(events)
    for number, event in enumerate(events):
        event["event_id"] = f"{random.choice('aeiz')}{number:02}{'x' * random.choice((0, 0, 0, 20))}"
    events += [dict(event) for event in random.sample(events, len(events) // 6)]
    if merges and random.random() < 0.3:
        events += [_merge(random, users) for _ in range(random.randint(1, 3))]
    random.shuffle(events)
    return Crowd(campaigns, events)


def shuffled(random: Random, of: Crowd) -> Crowd:
    """The same facts in another order of arrival."""
    return Crowd(of.campaigns, random.sample(of.events, len(of.events)))


def _campaigns(random: Random) -> list[Fields]:
    found: list[Fields] = []
    for number in range(random.randint(1, 5)):
        channel = random.choice(list(CHANNEL_EVENTS))
        root: Fields = {
            "campaign_id": f"{random.randrange(3):08x}b{number:015x}",
            "channel": channel,
            "created_at": f"2026-01-0{random.randint(1, 2)}T00:00:00Z",
            "delivery_tracking": random.random() < 0.7,
            "goals": [_goal(random, position) for position in range(random.choice((0, 1, 1, 2, 3)))],
        }
        if random.random() < 0.8:
            root["attribution_window_in_hours"] = random.choice(WINDOWS)
        found.append(root)
        if random.random() < 0.3:
            found += [
                {
                    "campaign_id": f"{random.randrange(3):08x}c{number:07x}{child:08x}",
                    "channel": channel,
                    "parent_campaign_id": root["campaign_id"],
                    "delivery_tracking": root["delivery_tracking"],
                }
                for child in range(random.randint(1, 3))
            ]
    return found


def _goal(random: Random, position: int) -> Fields:
    goal: Fields = {"goal_name": f"Goal {position + 1}", "goal_event_name": random.choice(NAMES)}
    condition = random.choice(CONDITIONS)
    if condition is not None:
        goal["goal_event_attribute"] = condition
    path = random.choice(PATHS)
    if path:
        goal["revenue_attribute"] = path
    if random.random() < 0.25:
        goal["attribution_window_in_hours"] = random.choice(WINDOWS)
    return goal


def _touch(random: Random, campaigns: Sequence[Fields], users: Sequence[str], at: datetime) -> Fields:
    campaign = random.choice(campaigns)
    event: Fields = {
        "type": random.choice(CHANNEL_EVENTS[campaign["channel"]]),
        "ts": _text(at),
        "campaign_id": campaign["campaign_id"],
        "channel": campaign["channel"],
        "user_id": random.choice(users),
        "platform": random.choice(PLATFORMS),
        "locale": random.choice(("en", "de", "")),
        "variation": random.choice(("variation_1", "variation_2", "")),
    }
    if random.random() < 0.5:
        event["instance_id"] = random.choice(("i1", "i2"))
    if event["type"] in ("open", "click") and random.random() < 0.2:
        event["machine"] = True
    if random.random() < 0.2:
        event["type"] = "removed"
        event["reason"] = random.choice(("campaign_control_group", "global_control_group", "f_c_removed"))
    return event


def _action(random: Random, users: Sequence[str], at: datetime) -> Fields:
    attributes: Fields = {}
    if random.random() < 0.8:
        attributes["amount"] = random.choice(AMOUNTS)
    if random.random() < 0.5:
        attributes["category"] = random.choice(CATEGORIES)
    if random.random() < 0.3:
        attributes["gift"] = random.choice((True, False, "true"))
    if random.random() < 0.3:
        attributes["cart"] = random.choice(CARTS)
    if random.random() < 0.3:
        attributes["at"] = random.choice(("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+00:30", "2026-02-01", "soon", 5))
    return {
        "type": "custom",
        "name": random.choice(NAMES[:2] if random.random() < 0.8 else NAMES),
        "ts": _text(at),
        "user_id": random.choice(users),
        "platform": random.choice(PLATFORMS),
        "attributes": attributes,
    }


def _merge(random: Random, users: Sequence[str]) -> Fields:
    left, right = random.choice([*users, "guest-1"]), random.choice([*users, "guest-2"])
    return {
        "type": "user_merge",
        "ts": _text(datetime(2026, 1, 1, tzinfo=UTC)),
        "from_user_id": left,
        "to_user_id": right,
    }


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
