"""A campaign as it is stored, and how it becomes what others see of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from campanile.campaigns.checks import parse_time, time_text
from campanile.campaigns.schemas import Attempts, Campaign, CampaignHint, Goal, Source
from campanile.campaigns.vocabulary import DOCUMENT_CHANNELS, PLATFORMS

_INHERITED_DETAILS = ("name", "tags", "team", "platforms", "content_type", "subscription_category")


class Traits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the numbers need of a document. None is "not said": then the parent decides, then a default."""

    platforms: tuple[str, ...] | None = None
    locales: tuple[str, ...] | None = None
    variations: tuple[str, ...] | None = None
    goals: tuple[Goal, ...] | None = None
    attribution_window_hours: int | None = None
    campaign_control_group: bool | None = None
    global_control_group: bool | None = None
    attempts: Attempts | None = None
    delivery_tracking: bool | None = None


class Observed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What events showed; it only ever grows."""

    platforms: tuple[str, ...] = ()
    locales: tuple[str, ...] = ()
    variations: tuple[str, ...] = ()
    sent_at: datetime | None = None
    """The earliest send."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `document` is what was written, in canonical form, with channels as they are stored."""

    campaign_id: str
    channel: str
    delivery_type: str | None
    status: str
    name: str | None
    parent_id: str | None
    flow_id: str | None
    flow_name: str | None
    created_at: datetime
    updated_at: datetime
    sent_time: datetime | None
    traits: Traits
    observed: Observed
    source: Source
    first_event_at: datetime | None
    last_event_at: datetime | None
    revision: int
    version: int


class StoredCampaign(msgspec.Struct, frozen=True):
    """A row together with its document."""

    record: Record
    document: dict[str, Any]


def stored(
    document: dict[str, Any],
    *,
    channel: str,
    source: Source,
    revision: int,
    now: datetime,
    before: Record | None,
) -> StoredCampaign:
    """The row for a canonical document that has its `campaign_id`, given what was stored before."""
    traits = _traits(document)
    observed = before.observed if before is not None else Observed()
    created_at = _time(document, "created_at") or (before.created_at if before is not None else now)
    record = Record(
        campaign_id=document["campaign_id"],
        channel=channel,
        delivery_type=document.get("campaign_delivery_type"),
        status=document["status"],
        name=document.get("basic_details", {}).get("name"),
        parent_id=document.get("parent_id"),
        flow_id=document.get("flow_id"),
        flow_name=document.get("flow_name"),
        created_at=created_at,
        updated_at=_time(document, "updated_at") or now,
        sent_time=_time(document, "sent_time") or observed.sent_at,
        traits=traits,
        observed=observed,
        source=source,
        first_event_at=before.first_event_at if before is not None else None,
        last_event_at=before.last_event_at if before is not None else None,
        revision=revision,
        version=0,
    )
    return StoredCampaign(record, document)


def stub(
    hint: CampaignHint, *, campaign_id: str, channel: str, parent_id: str | None, delivery_type: str | None
) -> StoredCampaign:
    """The row of a campaign known by its events only; what they showed is added by the caller.

    A child without a name has that of its parent.
    """
    document: dict[str, Any] = {"campaign_id": campaign_id, "channel": channel, "status": "ACTIVE"}
    own = campaign_id == hint.campaign_id
    name = hint.name if own else ""
    if own and delivery_type is not None:
        document["campaign_delivery_type"] = delivery_type
    if parent_id is not None:
        document["parent_id"] = parent_id
        if name:
            document["basic_details"] = {"name": name}
    else:
        document["basic_details"] = {"name": name or campaign_id, "tags": []}
        if own and hint.flow_id:
            document["flow_id"] = hint.flow_id
            if hint.flow_name:
                document["flow_name"] = hint.flow_name
    if hint.attempts:
        document["attempts"] = hint.attempts
    return stored(document, channel=channel, source="event", revision=1, now=hint.first_at, before=None)


def resolved(record: Record, parent: Record | None) -> Campaign:
    """What others see: own values, else the parent's, else a default."""
    own = record.traits
    above = parent.traits if parent is not None else _NO_TRAITS
    observed = record.observed
    devices = tuple(platform for platform in observed.platforms if platform != record.channel)
    return Campaign(
        campaign_id=record.campaign_id,
        channel=record.channel,
        delivery_type=record.delivery_type or (parent.delivery_type if parent is not None else None),
        status=record.status,
        name=record.name or (parent.name if parent is not None else None) or record.campaign_id,
        parent_id=record.parent_id,
        flow_id=record.flow_id,
        flow_name=record.flow_name,
        created_at=record.created_at,
        updated_at=record.updated_at,
        sent_time=record.sent_time,
        platforms=own.platforms or above.platforms or devices,
        locales=own.locales or above.locales or observed.locales,
        variations=own.variations or above.variations or observed.variations,
        goals=own.goals or above.goals or (),
        attribution_window_hours=own.attribution_window_hours or above.attribution_window_hours,
        campaign_control_group=_first(own.campaign_control_group, above.campaign_control_group, False),
        global_control_group=_first(own.global_control_group, above.global_control_group, False),
        attempts=own.attempts or above.attempts or "explicit",
        delivery_tracking=_first(own.delivery_tracking, above.delivery_tracking, True),
        source=record.source,
        revision=record.revision,
        observed_platforms=observed.platforms,
        observed_locales=observed.locales,
        observed_variations=observed.variations,
        first_event_at=record.first_event_at,
        last_event_at=record.last_event_at,
    )


def shown(own: StoredCampaign, parent: StoredCampaign | None, children: int) -> dict[str, Any]:
    """The complete document for readers: times and inherited members filled in, channels as documents name them."""
    record, written = own.record, own.document
    above = parent.document if parent is not None else {}
    campaign = resolved(record, parent.record if parent is not None else None)
    details = written.get("basic_details", {})
    basics = {key: value for key, value in above.get("basic_details", {}).items() if key in _INHERITED_DETAILS}
    basics = {"name": campaign.name, "tags": [], **basics, **details}
    observed = [platform for platform in campaign.platforms if platform in PLATFORMS]
    if not basics.get("platforms") and observed:
        basics["platforms"] = observed
    document: dict[str, Any] = {
        "campaign_id": record.campaign_id,
        "status": record.status,
        "channel": DOCUMENT_CHANNELS.get(record.channel, record.channel),
        "campaign_delivery_type": campaign.delivery_type,
        "created_by": written.get("created_by", above.get("created_by")),
        "updated_by": written.get("updated_by"),
        "created_at": time_text(record.created_at),
        "updated_at": time_text(record.updated_at),
        "sent_time": _text(record.sent_time),
        "parent_id": record.parent_id,
        "flow_id": record.flow_id,
        "flow_name": record.flow_name,
        "basic_details": basics,
    }
    document |= {key: value for key, value in written.items() if key not in document}
    document |= {
        "source": record.source,
        "auto_registered": record.source == "event",
        "revision": record.revision,
        "first_event_at": _text(record.first_event_at),
        "last_event_at": _text(record.last_event_at),
        "total_child_campaigns": children,
    }
    return {key: value for key, value in document.items() if value is not None}


_NO_TRAITS = Traits()


def _traits(document: dict[str, Any]) -> Traits:
    content = document.get("campaign_content", {})
    conversion = document.get("conversion_goal_details", {})
    groups = document.get("control_group_details", {})
    goals = conversion.get("goals")
    return Traits(
        platforms=_tuple(document.get("basic_details", {}).get("platforms")),
        locales=_tuple(content.get("locales")),
        variations=_variations(content.get("variation_details") or {}),
        goals=None if goals is None else tuple(_goal(goal) for goal in goals),
        attribution_window_hours=conversion.get("attribution_window_in_hours"),
        campaign_control_group=groups.get("is_campaign_control_group_enabled"),
        global_control_group=groups.get("is_global_control_group_enabled"),
        attempts=document.get("attempts"),
        delivery_tracking=document.get("delivery_tracking"),
    )


def _goal(goal: dict[str, Any]) -> Goal:
    attribute = goal.get("goal_event_attribute")
    return Goal(
        name=goal["goal_name"],
        event=goal.get("goal_event_name", ""),
        attribute="" if attribute is None else msgspec.json.encode(attribute).decode(),
        is_primary=goal.get("is_primary_goal", False),
        revenue_attribute=goal.get("revenue_attribute", ""),
        revenue_currency=goal.get("revenue_currency", ""),
        attribution_window_hours=goal.get("attribution_window_in_hours"),
    )


def _variations(details: dict[str, Any]) -> tuple[str, ...] | None:
    count = details.get("no_of_variations")
    return None if count is None else tuple(f"variation_{number}" for number in range(1, count + 1))


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _first(own: bool | None, above: bool | None, default: bool) -> bool:
    if own is not None:
        return own
    return default if above is None else above


def _time(document: dict[str, Any], name: str) -> datetime | None:
    text = document.get(name)
    return None if text is None else parse_time(text)


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else time_text(instant)
