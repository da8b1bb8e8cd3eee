"""What rows say about their campaign (report specification 12.1, 12.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from campanile.campaigns.schemas import Campaign, Goal
from campanile.reports.columns.content import DOCUMENT
from campanile.reports.columns.definitions import Content, Trait
from campanile.reports.selection import Target
from campanile.reports.sheet import Type, Value

TYPES = {
    "PUSH": "Push Notification",
    "EMAIL": "Email",
    "SMS": "SMS",
    "MMS": "MMS",
    "RCS": "RCS",
    "WHATSAPP": "WhatsApp",
    "IN_APP": "In-App",
    "OSM": "On-site Messaging",
    "CARDS": "Cards",
    "CONNECTOR": "Connector",
    "FACEBOOK_AUDIENCE": "Facebook Audience",
    "GOOGLE_ADS_AUDIENCE": "Google Ads Audience",
}
"""Channel of events → what files call its campaigns."""
CHANNEL_NAMES = {**TYPES, "PUSH": "Push", "OSM": "On-site", "FACEBOOK_AUDIENCE": "Facebook",
                 "GOOGLE_ADS_AUDIENCE": "Google Ads"}  # fmt: skip
STATUSES = {"RETIRED": "Expired", "FAILED": "Stopped"}
"""Statuses that files call otherwise."""
FLOW = "Flows"
"""First word of the delivery type of campaigns that are nodes of a flow."""
DEFAULT_LOCALE = "default"
DEFAULT_VARIATION = "variation_1"

_VARIATION = re.compile(r"variation[ _]?(\d+)", re.IGNORECASE)
_Document = Mapping[str, Any]


def variation_text(name: str) -> str:
    """`Variation 1` for `variation_1`; a name of its own as it is."""
    match = _VARIATION.fullmatch(name)
    return f"Variation {match.group(1)}" if match else name


class Traits:
    """Everything that can be said about one target, from the campaign and, if it was asked for, its document."""

    def __init__(
        self, target: Target, goals: Sequence[Goal], document: _Document, parent: _Document, zone: ZoneInfo
    ) -> None:
        self._target = target
        self._campaign = target.campaign
        self._goals = goals
        self._document = document
        self._parent = parent
        self._zone = zone

    def trait(self, trait: Trait, kind: Type) -> Value:
        """A trait of the campaign; None if nobody said it."""
        if trait.number:
            goal = self._goals[trait.number - 1] if trait.number <= len(self._goals) else None
            return None if goal is None else _goal(goal, trait.name.rpartition(".")[2])
        if trait.platform and trait.platform not in self._campaign.platforms:
            return None
        return _as(_TRAITS[trait.name](self), kind, self._zone)

    def content(self, content: Content, kind: Type, locale: str, variation: str) -> Value:
        """A part of the message of a locale and variation; '' for the first variation and the default content."""
        for document in (self._document, self._parent):
            message = _message(document.get("campaign_content"), locale, variation)
            for path in content.paths:
                found = _at(document, path[1:]) if path[0] == DOCUMENT else _at(message, path)
                if found not in (None, ""):
                    return _as(found, kind, self._zone)
        return None

    # --- single traits

    def _member(self, *path: str) -> Any:
        found = _at(self._document, path)
        return _at(self._parent, path) if found is None else found

    def _delivery_type(self) -> str | None:
        campaign = self._campaign
        words = None if campaign.delivery_type is None else campaign.delivery_type.replace("_", " ").title()
        if campaign.flow_id is not None:
            return FLOW if words is None else f"{FLOW} {words}"
        return words

    def _trigger_delay(self) -> str | None:
        condition = self._member("trigger_condition")
        if not isinstance(condition, dict):
            return None
        parts = [condition.get(f"trigger_delay_{part}") for part in ("type", "value", "granularity")]
        return " ".join(str(part) for part in parts if part not in (None, "")) or None

    def _segment_name(self) -> str | None:
        if self._member("segmentation_details", "is_all_user_campaign") is True:
            return "All Users"
        names = list(_segments(self._member("segmentation_details", "included_filters")))
        return ", ".join(dict.fromkeys(names)) or None

    def _control_percentage(self) -> int | None:
        if self._member("control_group_details", "is_campaign_control_group_enabled") is not True:
            return None
        percentage = self._member("control_group_details", "campaign_control_group_percentage")
        return percentage if isinstance(percentage, int) else None


_TRAITS: dict[str, Callable[[Traits], Any]] = {
    "campaign.id": lambda of: of._campaign.campaign_id,
    "campaign.name": lambda of: of._campaign.name,
    "campaign.parent_id": lambda of: of._campaign.parent_id,
    "campaign.flow_name": lambda of: of._campaign.flow_name,
    "campaign.flow_id": lambda of: of._campaign.flow_id,
    "campaign.type": lambda of: TYPES.get(of._campaign.channel),
    "campaign.delivery_type": lambda of: of._delivery_type(),
    "campaign.channel": lambda of: CHANNEL_NAMES.get(of._campaign.channel),
    "campaign.status": lambda of: STATUSES.get(of._campaign.status, of._campaign.status.title()),
    "campaign.sending_type": lambda of: of._member("scheduling_details", "delivery_type"),
    "campaign.start_time": lambda of: of._member("scheduling_details", "start_time") or of._campaign.created_at,
    "campaign.sent_time": lambda of: of._target.sent_at,
    "campaign.end_time": lambda of: of._member("scheduling_details", "expiry_time"),
    "campaign.created_time": lambda of: of._campaign.created_at,
    "campaign.created_by": lambda of: of._member("created_by"),
    "campaign.team": lambda of: of._member("basic_details", "team"),
    "campaign.trigger_delay": lambda of: of._trigger_delay(),
    "campaign.segment_name": lambda of: of._segment_name(),
    "campaign.segment_filters": lambda of: of._member("segmentation_details", "included_filters"),
    "campaign.attribution_window": lambda of: of._campaign.attribution_window_hours,
    "campaign.content_type": lambda of: of._member("basic_details", "content_type"),
    "campaign.control_group_percentage": lambda of: of._control_percentage(),
    "campaign.platforms": lambda of: of._campaign.platforms,
    "campaign.push_amp_plus_enabled": lambda of: of._member(
        "basic_details", "platform_specific_details", "android", "push_amp_plus_enabled"
    ),
    "campaign.tags.default": lambda of: (),
    "campaign.tags.uncategorized": lambda of: of._member("basic_details", "tags") or (),
}


def _goal(goal: Goal, part: str) -> str | None:
    if part == "name":
        return goal.name
    if part == "event":
        return goal.event or None
    condition = msgspec.json.decode(goal.attribute) if goal.attribute else {}
    name = {"attribute": "name", "condition": "condition", "value": "value"}[part]
    found = condition.get(name) if isinstance(condition, dict) else None
    return None if found is None else _text(found)


def _segments(filters: Any) -> list[str]:
    """Names of the custom segments in a filter tree."""
    if isinstance(filters, list):
        return [name for item in filters for name in _segments(item)]
    if not isinstance(filters, dict):
        return []
    names = _segments(filters.get("filters"))
    if filters.get("filter_type") == "custom_segments" and isinstance(filters.get("name"), str):
        names.append(filters["name"])
    return names


def _message(content: Any, locale: str, variation: str) -> Any:
    """The content of one locale and variation; documents with a single one have it directly."""
    found = content.get("content") if isinstance(content, dict) else None
    for name, default in ((locale, DEFAULT_LOCALE), (variation, DEFAULT_VARIATION)):
        if not isinstance(found, dict):
            return None
        if name in found or default in found:
            found = found.get(name, found.get(default))
    return found


def _at(value: Any, path: Sequence[str]) -> Any:
    """What a path leads to; numbers are places in lists."""
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _as(value: Any, kind: Type, zone: ZoneInfo) -> Value:
    """A value of a document in the type of its column; None if it is something else."""
    if value is None:
        return None
    match kind:
        case "list":
            return tuple(_text(item) for item in value) if isinstance(value, list | tuple) else (_text(value),)
        case "boolean":
            return value if isinstance(value, bool) else None
        case "integer":
            return value if isinstance(value, int) and not isinstance(value, bool) else None
        case "datetime":
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
            return moment.astimezone(zone) if isinstance(moment, datetime) else None
        case _:
            return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def campaign_goals(campaign: Campaign, named: Sequence[str]) -> list[Goal]:
    """The goals of a campaign: configured ones in their order, then those that only events name."""
    known = {goal.name for goal in campaign.goals}
    return [*campaign.goals, *(Goal(name=name) for name in named if name not in known)]
