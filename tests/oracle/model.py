"""What the numbers must be: the metric rules written down once more, slowly and literally.

Nothing here is shared with the product's registry, formulas or SQL, so that an error in one of them cannot hide. Every
number is a set comprehension over all events; there is no cleverness to get wrong.

Choices where the rules leave room:

* Presence (metrics specification 3.1): a platform, locale or variation is seen when an event of one of the types of
  section 1.1 carries it. Several locales means at least two different non-empty ones.
* The funnel's triples (instance, user, platform) belong to one campaign. Their removals count whatever locale and
  variation the removal carries; qualified events count in the node of their own locale and variation.
* Reported survivors answer a step for the whole requested campaign, children included, as soon as one exists in the
  range. Triples that left before step 1 are in no user-level step.
* Rows of a child follow the child's own `attempts`; rates follow the requested campaign's `delivery_tracking`.
* `machine` matters on e-mail only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

Event = Mapping[str, Any]
Campaign = Mapping[str, Any]
NodeKey = tuple[str, str, str]

CAMPAIGN_CONTROL = "user_removed_due_to_campaing_control_group"
GLOBAL_CONTROL = "user_removed_due_to_global_control_group"
CONTROL_GROUPS = {"campaign_control_group": CAMPAIGN_CONTROL, "global_control_group": GLOBAL_CONTROL}

MESSAGE_TYPES = {
    "qualified", "removed", "attempted", "sent", "failed", "undelivered", "delivered", "hard_bounce", "soft_bounce",
    "impression", "open", "read", "click", "close", "dismiss", "unsubscribe", "complaint", "synced",
}  # fmt: skip
"""The types of section 1.1; all others feed no number."""

DEVICE_CHANNELS = {"PUSH", "IN_APP", "OSM", "WEB_PERSONALIZATION"}

_CONTROLS = {
    "f_c_removed",
    "rejected_because_of_dnd",
    "users_removed_due_to_dnd",
    "users_removed_due_to_minimum_delay",
    "users_removed_due_to_campaign_level_minimum_delay",
    "users_removed_due_to_campaign_frequency_limit",
    "users_removed_due_to_campaign_audience_limit",
    "users_removed_due_to_atmost_notification",
}
_PHONE: dict[str, set[str]] = {
    "reachable_users_in_segment": {"user_without_mobile_number"},
    "after_fc": {*_CONTROLS, "not_sent_due_to_campaign_level_min_delay"},
    "users_after_dup": {"duplicate_number_removed"},
    "after_invalid_removal": {"invalid_mobile_number"},
}
_CONNECTOR: dict[str, set[str]] = {
    "total_user_in_segment": set(),
    "after_fc": _CONTROLS,
    "after_personalization_removal": {"personalization_failed"},
}
LEAVING: dict[str, dict[str, set[str]]] = {
    "PUSH": {
        "reachable_users_in_segment": {
            "users_removed_as_no_device_was_found",
            "users_removed_as_no_active_device_token_was_found",
        },
        "segment_after_uninstall": {"users_removed_due_to_uninstall"},
        "after_fc": _CONTROLS,
        "users_after_dup": {"users_removed_due_to_deduplication"},
    },
    "EMAIL": {
        "total_user_in_segment": set(),
        "user_with_email": {"user_without_email"},
        "user_with_email_after__h_b": {
            "b_u_c_removed",
            "bounces,__unsubscribes,__complaints_removed",
            "mo_engage_suppression",
        },
        "user_after_duplicate_removal": {"duplicate_email_removed", "duplicate__emails_removed"},
        "after_invalid_removal": {"invalid_email"},
        "after_fc": _CONTROLS,
        "after_personalization_removal": {"personalization_failed"},
    },
    "SMS": _PHONE,
    "MMS": _PHONE,
    "RCS": _PHONE,
    "WHATSAPP": _PHONE,
    "CONNECTOR": _CONNECTOR,
    "CONNECTED_APPS": _CONNECTOR,
}
"""User-level steps in order, each with the reasons that make a user leave there. Reasons of the first step keep the
user out of it; so do the control groups."""

MESSAGE_STEPS: dict[str, tuple[str, ...]] = {
    "PUSH": ("user_devices", "active_device_token", "sent", "impressions"),
    "EMAIL": ("sent", "delivered"),
    "SMS": ("sent", "delivered"),
    "MMS": ("sent", "delivered"),
    "RCS": ("sent", "delivered"),
    "WHATSAPP": ("sent", "delivered"),
    "CONNECTOR": ("sent",),
    "CONNECTED_APPS": ("sent",),
    "CARDS": ("sent", "delivered", "impressions"),
}


class Pair(NamedTuple):
    total: int
    unique: int


@dataclass
class Node:
    """Raw numbers of one node."""

    counts: dict[str, Pair] = field(default_factory=dict)
    funnel: dict[str, Pair] = field(default_factory=dict)
    failures: dict[str, Pair] = field(default_factory=dict)
    control_group: bool = False

    @property
    def removed(self) -> Pair:
        """Removals without control groups."""
        return self.counts["removed"]


@dataclass
class Workspace:
    """Everything the numbers depend on, in the form of the golden fixtures."""

    campaigns: Sequence[Campaign]
    events: Sequence[Event]
    request: Mapping[str, str]
    settings: Mapping[str, Any]

    def campaign(self, campaign_id: str) -> Campaign:
        return next(c for c in self.campaigns if c["campaign_id"] == campaign_id)

    @property
    def bot_mode(self) -> str:
        return str(self.settings.get("bot_mode", "off"))


# ---- 1. Deduplicate, 2. keep the range, 3. expand a parent -------------------------------------------------------


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def deduplicated(events: Iterable[Event]) -> list[Event]:
    """One event per id: the copy accepted first; of several at the same instant the smallest serialised one."""

    def acceptance(event: Event) -> tuple[datetime, str]:
        content = {key: value for key, value in event.items() if key != "received_at"}
        return instant(event.get("received_at", event["ts"])), json.dumps(content, sort_keys=True)

    winners: dict[str, Event] = {}
    for event in sorted(events, key=acceptance):
        winners.setdefault(event["event_id"], event)
    return list(winners.values())


@lru_cache(maxsize=1000)
def day_start(day: date, timezone: str) -> datetime:
    """The first minute whose local date is `day`."""
    zone = ZoneInfo(timezone)
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=30)
    while moment.astimezone(zone).date() < day:
        moment += timedelta(minutes=1)
    return moment


def in_range(events: Iterable[Event], workspace: Workspace) -> list[Event]:
    timezone = workspace.settings.get("timezone", "UTC")
    start = day_start(date.fromisoformat(workspace.request["start_date"]), timezone)
    end = day_start(date.fromisoformat(workspace.request["end_date"]) + timedelta(days=1), timezone)
    return [event for event in events if start <= instant(event["ts"]) < end]


def family(workspace: Workspace, campaign_id: str) -> set[str]:
    """The campaign and its children."""
    return {campaign_id} | {c["campaign_id"] for c in workspace.campaigns if c.get("parent_campaign_id") == campaign_id}


# ---- Who and where -----------------------------------------------------------------------------------------------


def user(event: Event) -> tuple[str, str]:
    return ("user", event["user_id"]) if event.get("user_id") else ("device", event["device_id"])


def instance(event: Event) -> tuple[str, str]:
    return event["campaign_id"], event.get("instance_id") or event["campaign_id"]


def platform(event: Event) -> str:
    if event.get("platform"):
        return str(event["platform"]).upper()
    return "UNKNOWN" if event["channel"] in DEVICE_CHANNELS else str(event["channel"])


def locale(event: Event) -> str:
    return str(event.get("locale", ""))


def variation(event: Event) -> str:
    return str(event.get("variation", ""))


def reason(event: Event) -> str:
    return event.get("reason") or "unknown_error"


def triple(event: Event) -> tuple[tuple[str, str], tuple[str, str], str]:
    return instance(event), user(event), platform(event)


def of_node(events: Iterable[Event], key: NodeKey) -> list[Event]:
    """4. Split into nodes."""
    return [
        event
        for event in events
        if key[0] in ("ALL_PLATFORMS", platform(event))
        and key[1] in ("all_locales", locale(event))
        and key[2] in ("all_variations", variation(event))
    ]


def counted(events: Iterable[Event]) -> Pair:
    events = list(events)
    return Pair(len(events), len({user(event) for event in events}))


# ---- 5. and 6. Row sets and counts -------------------------------------------------------------------------------


def count_all(here: Sequence[Event], campaign: Campaign, workspace: Workspace) -> dict[str, Pair]:
    def of(*types: str) -> list[Event]:
        return [event for event in here if event["type"] in types]

    def implied(event: Event) -> bool:
        return str(workspace.campaign(event["campaign_id"]).get("attempts")) == "implied"

    def machine(event: Event) -> bool:
        return event["channel"] == "EMAIL" and bool(event.get("machine"))

    def substituted(event: Event) -> bool:
        shown = workspace.settings.get("show_ios_impressions", True)
        return event["channel"] == "PUSH" and platform(event) == "IOS" and not shown

    def entering(event: Event) -> bool:
        return event.get("step", "") in entry_steps(campaign["channel"])

    attempted = [e for e in of("attempted") if not implied(e)] + [e for e in of("sent", "failed") if implied(e)]
    tokens = [e for e in attempted if e.get("device_id")]
    inactive = [e for e in of("removed") if reason(e) == "inactive_device_token"]
    shown = [e for e in of("impression") if not substituted(e)] + [e for e in of("sent") if substituted(e)]
    human_open = [e for e in of("open") if not machine(e)]
    human_click = [e for e in of("click") if not machine(e)]
    human_only = workspace.bot_mode == "adjusted_only"
    ignore_machine_unsubscribes = workspace.settings.get("unsubscribe_bot", "count") == "ignore"

    return {
        "attempted": counted(attempted),
        "sent": counted(of("sent")),
        "failed": counted(of("failed")),
        "undelivered": counted(of("undelivered")),
        "removed": counted(e for e in of("removed") if reason(e) not in CONTROL_GROUPS.values()),
        "delivered": counted(of("delivered")),
        "hard_bounce": counted(of("hard_bounce")),
        "soft_bounce": counted(of("soft_bounce")),
        "bounced": counted(of("hard_bounce", "soft_bounce")),
        "impression": counted(shown),
        "opened": counted(human_open if human_only else of("open")),
        "read": counted(of("read")),
        "click": counted(human_click if human_only else of("click")),
        "closed_click": counted(of("close")),
        "unsubscribe": counted(e for e in of("unsubscribe") if not (ignore_machine_unsubscribes and machine(e))),
        "complaint": counted(of("complaint")),
        "eligible_users": counted(e for e in of("qualified") if entering(e)),
        "successfully_synced": counted(of("synced")),
        "human_open": counted(human_open),
        "human_click": counted(human_click),
        "all_open": counted(of("open")),
        "active_device_token": counted(tokens),
        "user_devices": counted(tokens + inactive),
    }


def failures(here: Sequence[Event]) -> dict[str, Pair]:
    """Every reason of the node, control groups included."""
    lost = [event for event in here if event["type"] in ("failed", "undelivered", "removed")]
    return {key: counted(e for e in lost if reason(e) == key) for key in {reason(e) for e in lost}}


# ---- 8. Funnel ---------------------------------------------------------------------------------------------------


def entry_steps(channel: str) -> set[str]:
    if channel in ("FACEBOOK_AUDIENCE", "GOOGLE_ADS_AUDIENCE"):
        return {"", "eligible"}
    return {""} | set(list(LEAVING.get(channel, {}))[:1])


def funnel(
    everything: Sequence[Event], here: Sequence[Event], campaign: Campaign, counts: Mapping[str, Pair]
) -> dict[str, Pair]:
    """`everything` are the campaign's events in the range, `here` those of the node."""
    channel = campaign["channel"]
    leaving = LEAVING.get(channel, {})
    qualified = [e for e in here if e["type"] == "qualified"]
    reported = {e["step"] for e in everything if e["type"] == "qualified" and e.get("step")} - entry_steps(channel)

    def gone(reasons: set[str]) -> set[Any]:
        return {triple(e) for e in everything if e["type"] in ("removed", "failed") and reason(e) in reasons}

    held_out = gone({CAMPAIGN_CONTROL, GLOBAL_CONTROL})
    passing = {triple(e) for e in qualified if e.get("step", "") in entry_steps(channel)} - held_out
    result: dict[str, Pair] = {}
    never_in: set[Any] = set(held_out)
    for number, (step, reasons) in enumerate(leaving.items()):
        passing = passing - gone(reasons)
        if number == 0:
            never_in |= gone(reasons)
        if step in reported:
            result[step] = _people({triple(e) for e in qualified if e.get("step") == step} - never_in)
        else:
            result[step] = _people(passing)
    for step in MESSAGE_STEPS.get(channel, ()):
        if step in reported:
            result[step] = counted(e for e in qualified if e.get("step") == step)
        else:
            result[step] = counts["impression" if step == "impressions" else step]
    return result


def _people(triples: Iterable[Any]) -> Pair:
    triples = list(triples)
    return Pair(len({(i, u) for i, u, _ in triples}), len({u for _, u, _ in triples}))


# ---- Nodes of a campaign (3.1) -----------------------------------------------------------------------------------


def measure(workspace: Workspace, campaign_id: str) -> dict[NodeKey, Node]:
    """Every node of a campaign; `ALL_PLATFORMS` always among them."""
    campaign = workspace.campaign(campaign_id)
    members = family(workspace, campaign_id)
    everything = [
        event
        for event in in_range(deduplicated(workspace.events), workspace)
        if event.get("campaign_id") in members and event["type"] in MESSAGE_TYPES
    ]
    nodes: dict[NodeKey, Node] = {}

    def node(key: NodeKey) -> Node:
        here = of_node(everything, key)
        counts = count_all(here, campaign, workspace)
        lost = {k: pair for k, pair in failures(here).items() if k not in CONTROL_GROUPS.values()}
        return Node(counts, funnel(everything, here, campaign, counts), lost)

    seen = {platform(event) for event in everything}
    platforms = list(campaign.get("platforms", ()))
    if campaign["channel"] not in DEVICE_CHANNELS and not seen and not platforms:
        platforms = [campaign["channel"]]
    platforms += sorted(seen - set(platforms))
    locales = sorted({locale(event) for event in everything} - {""})
    variations = sorted({variation(event) for event in everything} - {""})

    for p in ["ALL_PLATFORMS", *platforms]:
        for loc in ["all_locales", *(locales if len(locales) > 1 else [])]:
            if loc != "all_locales" and not of_node(everything, (p, loc, "all_variations")):
                continue
            nodes[p, loc, "all_variations"] = node((p, loc, "all_variations"))
            for var in variations if len(variations) > 1 else []:
                if of_node(everything, (p, loc, var)):
                    nodes[p, loc, var] = node((p, loc, var))
        for group, key in CONTROL_GROUPS.items():
            if campaign.get(group) or key in failures(everything):
                nodes[p, "all_locales", group] = _control_node(
                    campaign["channel"], key, of_node(everything, (p, "all_locales", "all_variations"))
                )
    return nodes


def _control_node(channel: str, key: str, here: Sequence[Event]) -> Node:
    without_step = channel in ("EMAIL", "CONNECTOR", "CONNECTED_APPS")
    return Node(
        funnel={} if without_step else {"reachable_users_in_segment": Pair(0, 0)},
        failures={k: pair for k, pair in failures(here).items() if k == key},
        control_group=True,
    )
