"""Random pasts in which much happens: every channel, type, platform, locale and variation, goals and control groups."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

import msgspec

from campanile.campaigns.schemas import Campaign, Goal
from campanile.engine import Engine
from campanile.kit.hashing import identity_key
from campanile.kit.times import Window, window
from campanile.metrics.funnel import user_steps
from campanile.metrics.rows import EVENT_TYPES
from campanile.stats.numbers import CONTROL_REASONS
from campanile.workspaces.schemas import Workspace
from tests.oracle.histories import platforms_of, reasons_of
from tests.reports.test_rows_numbers import report
from tests.support.log import campaign_of, workspace_of

FIRST = date(2025, 3, 7)
DAYS = 4
START = datetime(2025, 3, 6, 12, tzinfo=UTC)
HOURS = 24 * (DAYS + 1)
NOW = 1_741_996_800_000_000
"""A sequence some days later."""
CAMPAIGNS = 3
EVENTS = 120
"""Of one campaign."""
NAMES = (
    "Spring, sale", '"quoted"', "=1+1", "-5", " edge ", "two\r\nlines\x00", "’\ud800é", "'=1",
    "a|b;c:d\te", "", "\u00a0=x",
)  # fmt: skip
GOAL_EVENTS = ("Bought", "Booked")
_numbers = itertools.count()


class Crowd(NamedTuple):
    """A past that is in the log."""

    workspace: Workspace
    campaigns: Sequence[Campaign]
    days: Window


def crowd(engine: Engine, random: Random, channels: Sequence[str]) -> Crowd:
    """Write a random past of some channels (as events name them)."""
    settings = {
        "timezone": random.choice(["UTC", "America/New_York", "Asia/Kolkata"]),
        "bot_mode": random.choice(["off", "both", "adjusted_only"]),
        "unsubscribe_bot": random.choice(["count", "ignore"]),
        "show_ios_impressions": random.random() < 0.5,
        "attribution_model": random.choice(["all_interactions", "last_interaction"]),
    }
    workspace = workspace_of(f"crowd{next(_numbers)}", settings)
    campaigns = [item for channel in channels for item in _campaigns(random, channel)]
    events = [event for item in campaigns for event in _events(random, item)]
    events += [_custom(random) for _ in range(40)]
    _append(engine, workspace.id, events)
    if random.random() < 0.3:
        report(engine, workspace.id, _reported(random, campaigns))
    return Crowd(workspace, campaigns, window(FIRST, FIRST + timedelta(days=DAYS - 1), workspace.settings.timezone))


def _campaigns(random: Random, channel: str) -> list[Campaign]:
    found: list[Campaign] = []
    for number in range(CAMPAIGNS):
        fields: dict[str, Any] = {
            "campaign_id": f"{random.getrandbits(90):024x}"[-24:],
            "channel": channel,
            "delivery_type": random.choice(["ONE_TIME", "EVENT_TRIGGERED", "PERIODIC"]),
            "platforms": [name for name in platforms_of(channel) if name],
            "attempts": random.choice(["explicit", "explicit", "implied"]),
            "delivery_tracking": random.random() < 0.7,
            "campaign_control_group": random.random() < 0.5,
        }
        if found and number == 1 and random.random() < 0.7:
            fields["parent_campaign_id"] = found[0].campaign_id
        goals = tuple(
            Goal(name=f"goal {place}", event=name, revenue_attribute="revenue", revenue_currency="EUR")
            for place, name in enumerate(GOAL_EVENTS[: random.randrange(3)])
        )
        made = msgspec.structs.replace(
            campaign_of(fields),
            name=random.choice(NAMES),
            goals=goals,
            variations=("variation_1", "variation_2") if random.random() < 0.5 else (),
            locales=("en", "fr") if random.random() < 0.3 else (),
            sent_time=_moment(random),
            attribution_window_hours=36,
        )
        found.append(made)
    return found


def _moment(random: Random) -> datetime:
    return START + timedelta(minutes=random.randrange(HOURS * 60))


def _events(random: Random, campaign: Campaign) -> list[dict[str, Any]]:
    kinds = [kind for kind in EVENT_TYPES if kind not in ("custom", "uninstall", "user_merge")]
    kinds += ["sent", "delivered", "impression", "open", "click", "attempted"] * 3
    split = random.random() < 0.7
    found = []
    for _ in range(EVENTS):
        kind = random.choice(kinds)
        event: dict[str, Any] = {
            "type": kind,
            "campaign_id": campaign.campaign_id,
            "channel": campaign.channel,
            "platform": random.choice([name.upper() for name in platforms_of(campaign.channel)]) or campaign.channel,
            "locale": random.choice(["", "en", "fr", "default"]) if split else "",
            "variation": random.choice(["", "variation_1", "variation_2"]) if split else "",
            "instance_id": random.choice([campaign.campaign_id, "run"]),
            "device_id": random.choice(["", "device"]),
            "machine": random.random() < 0.2,
            "source": random.choice(["", "push_amplification"]),
            "transport": random.choice(["", "sms"]),
            "link": random.choice(["", "https://example.com"]),
        }
        if kind in ("failed", "removed", "undelivered"):
            held = list(CONTROL_REASONS.values())
            event["reason"] = random.choice([*reasons_of(campaign.channel), *held, "email_unsubscribe_drop"])
        if kind == "qualified":
            event["step"] = random.choice(["", "", "", "after_fc"])
        if kind == "conversion":
            event["goal"] = random.choice(["goal 0", "goal 1", "own"])
            event["attribution"] = random.choice(["view_through", "click_through", "in_session", "total_conversions"])
            event["revenue"] = Decimal(random.randrange(10**6)) / 100
        found.append(event)
    for event in found:
        event |= {"ts": _moment(random), "user_id": f"u{random.randrange(15)}"}
    return found


def _custom(random: Random) -> dict[str, Any]:
    name = random.choice(GOAL_EVENTS)
    paid = Decimal(random.randrange(10**5)) / 100
    return {
        "type": "custom",
        "name": name,
        "revenue": paid,
        "ts": _moment(random),
        "user_id": f"u{random.randrange(15)}",
    }


def _append(engine: Engine, workspace: str, events: Sequence[dict[str, Any]]) -> None:
    texts = ("campaign_id", "type", "channel", "platform", "locale", "variation", "instance_id", "user_id", "device_id",
             "reason", "step", "goal", "attribution", "name", "source", "transport", "link")  # fmt: skip
    columns: dict[str, list[Any]] = {name: [event.get(name, "") for event in events] for name in texts}
    ids = [f"e{number}" for number in range(len(events))]
    columns |= {
        "workspace_id": [workspace] * len(events),
        "ts": [event["ts"] for event in events],
        "event_id": ids,
        "event_key": [identity_key(name) for name in ids],
        "message_key": [0] * len(events),
        "sequence": list(range(1, len(events) + 1)),
        "received_at": [START] * len(events),
        "machine": [event.get("machine", False) for event in events],
        "revenue": [event.get("revenue") for event in events],
    }
    engine.append("events", columns)


def _reported(random: Random, campaigns: Sequence[Campaign]) -> list[dict[str, Any]]:
    """Counts that were reported as numbers."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number in range(25):
        campaign = random.choice(campaigns)
        steps = user_steps(campaign.channel)
        kind = random.choice(["performance", "performance", "failure", *(["funnel"] if steps else [])])
        keys = {"performance": ("sent", "click", "impression", "attempted", "failed"), "funnel": steps,
                "failure": (*CONTROL_REASONS.values(), "email_unsubscribe_drop")}[kind]  # fmt: skip
        key = random.choice(keys)
        split = kind != "funnel" and key not in CONTROL_REASONS.values()
        row = {
            "campaign_id": campaign.campaign_id,
            "date": FIRST + timedelta(days=random.randrange(DAYS)),
            "platform": random.choice([name.upper() for name in platforms_of(campaign.channel)]) or campaign.channel,
            "locale": random.choice(["all_locales", "en"]) if split else "all_locales",
            "variation": random.choice(["all_variations", "variation_1"]) if split else "all_variations",
            "kind": kind,
            "key": key,
        }
        found[tuple(row.values())] = row | {
            "total": random.randrange(9), "unique": random.randrange(4), "number": number
        }  # fmt: skip
    return list(found.values())
