"""The part of an event that it shares with thousands of others (ingest specification 1.9, 1.10, 1.12).

Type, campaign, channel, platform, locale, variation and their like are the same for whole series of events; only ids
and times differ. This part is judged once per distinct combination and request, and the result is a prototype event.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from campanile.errors import Problem
from campanile.intake.event import Event
from campanile.intake.fields import (
    ATTRIBUTIONS,
    DELIVERY_TYPE_ALIASES,
    DELIVERY_TYPES,
    RESERVED_NAME_PREFIX,
    STEPS,
    TYPE_ALIASES,
    TYPES,
    WITH_REASON,
    WITHOUT_CAMPAIGN,
    campaign_id_of_key,
    channel_name,
    choice,
    currency_code,
    flag,
    locale_name,
    object_id,
    platform_name,
    text,
    variation_name,
)
from campanile.intake.limits import ID_CHARS, LABEL_CHARS, NAME_CHARS, SHORT_CHARS, TITLE_CHARS
from campanile.intake.policy import Policy
from campanile.intake.verdicts import Refused
from campanile.kit.pii import masked
from campanile.metrics.channels import CHANNELS, UNKNOWN_PLATFORM
from campanile.metrics.funnel import entry_steps, steps
from campanile.metrics.reasons import CAMPAIGN_CONTROL, GLOBAL_CONTROL, UNKNOWN_ERROR, normalise_reason

OWN_FIELDS = frozenset(
    {
        "event_id", "time", "ts", "user_id", "device_id", "message_id", "instance_id", "reason_detail", "revenue",
        "attributes", "link", "link_id", "received_at", "from_user_id", "to_user_id",
        "user_agent", "ip_address",
    }
)  # fmt: skip
"""Fields that differ from event to event."""
CAMPAIGN_FIELDS = frozenset(
    {
        "campaign_id", "campaign_key", "parent_campaign_id", "flow_id", "campaign_name", "flow_name",
        "campaign_delivery_type", "delivery_type",
    }
)  # fmt: skip
DEFAULT_FIELDS = CAMPAIGN_FIELDS | {"instance_id", "channel", "platform", "locale", "variation", "provider"}
"""Fields that `defaults` of a request may set for all its events."""
_SHARED_FIELDS = DEFAULT_FIELDS - OWN_FIELDS | {
    "type", "workspace_id", "device_platform", "transport", "source", "reason", "machine", "currency",
}  # fmt: skip
_OF_TYPES: dict[str, frozenset[str]] = {
    "step": frozenset({"qualified"}),
    "name": frozenset({"custom", "conversion"}),
    "goal": frozenset({"conversion"}),
    "attribution": frozenset({"conversion"}),
    "bounce_type": frozenset({"bounce"}),
    "stage": frozenset({"failed"}),
    "control_group": frozenset({"control_group"}),
}
"""Fields that mean something to some types only, by the type as sent or stored; elsewhere they are unknown."""
PAYLOAD_TYPES = frozenset({"custom", "conversion"})
"""Types whose `attributes` and `revenue` are kept."""
ALWAYS_KNOWN_FIELDS = OWN_FIELDS | _SHARED_FIELDS
"""Fields that are known whatever the type of the event, so that null is the same as nothing."""
KNOWN_FIELDS = ALWAYS_KNOWN_FIELDS | _OF_TYPES.keys()

_CONTROL_GROUPS = {"CAMPAIGN": CAMPAIGN_CONTROL, "GLOBAL": GLOBAL_CONTROL}
_BOUNCES = {"HARD": "hard_bounce", "SOFT": "soft_bounce"}
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class Shape(msgspec.Struct, frozen=True):
    """A prototype and what is to be said about its events."""

    event: Event
    ignored: tuple[str, ...]
    """Fields that are not stored."""
    types: tuple[tuple[str, type], ...]
    """Fields whose values are no texts, with their types: `1`, `1.0` and `true` are equal, but not alike."""


KNOWN_SHAPES = 20_000
"""Shapes remembered, about 1 KB each; one more request may come to that."""
KNOWN_POLICIES = 256
"""Policies whose shapes are remembered: one or two per workspace that is sending."""


class ShapeMemory:
    """Shapes judged before. A campaign sends the same ones all day long."""

    def __init__(self) -> None:
        self._shapes: dict[Policy, dict[tuple[object, ...], Shape]] = {}

    def of(self, policy: Policy) -> dict[tuple[object, ...], Shape]:
        """What is known under a policy, to be added to."""
        if len(self._shapes) > KNOWN_POLICIES or sum(map(len, self._shapes.values())) > KNOWN_SHAPES:
            self._shapes = {}
        return self._shapes.setdefault(policy, {})


memory = ShapeMemory()
"""Of this process. What a shape is depends on nothing but its fields and the policy."""


def shape_of(shared: dict[str, object], policy: Policy) -> Shape:
    """Judge the shared fields. Raises `Refused`."""
    sent_type, event_type, control = _type(shared)
    _check_workspace(shared.get("workspace_id"), policy)
    names = {sent_type, event_type}
    ignored = tuple(name for name in shared if name not in _SHARED_FIELDS and names.isdisjoint(_OF_TYPES.get(name, ())))
    if ignored and policy.strict:
        shown = ignored[0] if ignored[0] in KNOWN_FIELDS else ""
        raise Refused("invalid_value", shown, f"{shown or 'A field'} is not known for type {event_type}")
    fields = {name: value for name, value in shared.items() if name not in ignored}
    channel = channel_name(fields.get("channel"))
    if channel and policy.channels is not None and channel not in policy.channels:
        raise _forbidden()
    event = Event(
        event_id="",
        ts=_NO_TIME,
        type=event_type,
        platform=platform_name(fields.get("platform"), "platform"),
        device_platform=platform_name(fields.get("device_platform"), "device_platform"),
        locale=locale_name(fields.get("locale")),
        variation=variation_name(fields.get("variation")),
        reason=_reason(fields.get("reason"), event_type, control),
        step=_step(fields.get("step")),
        machine=flag(fields.get("machine"), "machine"),
        provider=text(fields.get("provider"), "provider", SHORT_CHARS),
        transport=text(fields.get("transport"), "transport", SHORT_CHARS),
        source=text(fields.get("source"), "source", SHORT_CHARS),
        currency=currency_code(fields.get("currency"), "currency"),
    )
    event = msgspec.structs.replace(
        event, **_conversion(fields, event_type, policy), **_campaign(fields, event_type, policy)
    )
    if event_type in WITHOUT_CAMPAIGN:
        event = _without_campaign(event)
    elif channel:
        event = settled(event, channel)
    types = tuple((name, type(value)) for name, value in shared.items() if not isinstance(value, str))
    return Shape(event, ignored, types)


def complete(event: Event, channel: str, allowed: frozenset[str] | None = None) -> Event | Problem:
    """An event that was sent without `channel`, as it is on the channel its campaign turned out to have.

    Fills in what depends on the channel: platform, device platform, and the key of the reason. `allowed` are the
    channels that the credential may write.
    """
    try:
        if allowed is not None and channel not in allowed:
            raise _forbidden()
        return settled(event, channel)
    except Refused as refused:
        return refused.problem


def settled(event: Event, channel: str) -> Event:
    """`event` by the rules of `channel`. Raises `Refused`."""
    platform, device_platform = event.platform, event.device_platform
    if CHANNELS[channel].device_platforms:
        platform = platform or UNKNOWN_PLATFORM
    else:
        if not device_platform and platform not in CHANNELS and platform != UNKNOWN_PLATFORM:
            device_platform = platform
        platform = channel
    step = event.step
    if step and step not in steps(channel) and step not in entry_steps(channel):
        raise Refused("invalid_value", "step", f"step must be a funnel stage of channel {channel}")
    if step == "eligible":
        step = ""
    reason, detail = event.reason, event.reason_detail
    if reason:
        reason, short = normalise_reason(reason, type=event.type, channel=channel, platform=platform)
        detail = joined_detail(short, detail)
    return msgspec.structs.replace(
        event,
        channel=channel,
        platform=platform,
        device_platform=device_platform,
        step=step,
        reason=reason,
        reason_detail=detail,
    )


def joined_detail(short: str, free: str) -> str:
    """The short name of a reason beside its free text."""
    return f"{short}: {free}" if short and free else short or free


def _type(shared: dict[str, object]) -> tuple[str, str, str]:
    """The type as sent (lower case), the canonical type, and the reason of a control group."""
    value = shared.get("type")
    if value is None:
        raise Refused("missing_field", "type", "type is required")
    sent = text(value, "type", LABEL_CHARS).lower()
    if sent == "bounce":
        return sent, _BOUNCES[_member(shared, "bounce_type", sent, _BOUNCES)], ""
    if sent == "control_group":
        return sent, "removed", _CONTROL_GROUPS[_member(shared, "control_group", sent, _CONTROL_GROUPS)]
    if sent == "failed" and shared.get("stage") is not None:
        choice(shared["stage"], "stage", frozenset({"DELIVERY"}))
        return sent, "undelivered" if shared["stage"] else "failed", ""
    canonical = TYPE_ALIASES.get(sent, sent)
    if canonical not in TYPES:
        raise Refused("unknown_type", "type", "type is not one of the event types")
    return sent, canonical, ""


def _member(shared: dict[str, object], field: str, sent: str, words: dict[str, str]) -> str:
    word = choice(shared.get(field), field, frozenset(words))
    if not word:
        raise Refused("missing_field", field, f"{field} is required for type {sent}")
    return word


def _check_workspace(value: object, policy: Policy) -> None:
    if value is None or value == policy.workspace_id:
        return
    if not isinstance(value, str):
        raise Refused("invalid_type", "workspace_id", "workspace_id must be a string")
    raise Refused("wrong_workspace", "workspace_id", "workspace_id must be that of the credential")


def _campaign(fields: dict[str, object], event_type: str, policy: Policy) -> dict[str, str]:
    campaign_id = object_id(fields.get("campaign_id"), "campaign_id")
    key = text(fields.get("campaign_key"), "campaign_key", ID_CHARS)
    name = text(fields.get("campaign_name"), "campaign_name", TITLE_CHARS)
    if key:
        derived = campaign_id_of_key(policy.workspace_id, key)
        if campaign_id and campaign_id != derived:
            raise Refused("invalid_value", "campaign_key", "campaign_key contradicts campaign_id")
        campaign_id, name = derived, name or key
    if not campaign_id and event_type not in WITHOUT_CAMPAIGN:
        raise Refused("missing_field", "campaign_id", f"campaign_id is required for type {event_type}")
    parent = object_id(fields.get("parent_campaign_id"), "parent_campaign_id")
    if parent and parent == campaign_id:
        raise Refused("invalid_value", "parent_campaign_id", "parent_campaign_id must name another campaign")
    return {
        "campaign_id": campaign_id,
        "instance_id": campaign_id,
        "campaign_name": name,
        "parent_campaign_id": parent,
        "flow_id": object_id(fields.get("flow_id"), "flow_id"),
        "flow_name": text(fields.get("flow_name"), "flow_name", TITLE_CHARS),
        "delivery_type": _delivery_type(fields),
    }


def _delivery_type(fields: dict[str, object]) -> str:
    given = choice(
        fields.get("campaign_delivery_type"), "campaign_delivery_type", DELIVERY_TYPES, DELIVERY_TYPE_ALIASES
    )
    alias = choice(fields.get("delivery_type"), "delivery_type", DELIVERY_TYPES, DELIVERY_TYPE_ALIASES)
    if given and alias and given != alias:
        raise Refused("invalid_value", "delivery_type", "delivery_type contradicts campaign_delivery_type")
    return given or alias


def _conversion(fields: dict[str, object], event_type: str, policy: Policy) -> dict[str, str]:
    name = text(fields.get("name"), "name", NAME_CHARS)
    goal = text(fields.get("goal"), "goal", NAME_CHARS)
    attribution = choice(fields.get("attribution"), "attribution", ATTRIBUTIONS)
    required = {"custom": {"name": name}, "conversion": {"goal": goal, "attribution": attribution}}
    for field, value in required.get(event_type, {}).items():
        if not value:
            raise Refused("missing_field", field, f"{field} is required for type {event_type}")
    if event_type == "custom" and not policy.reserved_names and name.lower().startswith(RESERVED_NAME_PREFIX):
        raise Refused("reserved_value", "name", f"name must not start with {RESERVED_NAME_PREFIX}")
    return {"name": name, "goal": goal, "attribution": attribution}


def _reason(value: object, event_type: str, control: str) -> str:
    """The label of the reason, still to be turned into a key by the channel."""
    label = masked(text(value, "reason", NAME_CHARS)).strip()
    if control:
        if label and normalise_reason(label, type=event_type, channel="", platform="")[0] != control:
            raise Refused("invalid_value", "reason", "reason contradicts control_group")
        return control
    return label or (UNKNOWN_ERROR if event_type in WITH_REASON else "")


def _step(value: object) -> str:
    step = text(value, "step", LABEL_CHARS).lower()
    if step and step not in STEPS:
        raise Refused("invalid_value", "step", "step must be a funnel stage")
    return step


def _without_campaign(event: Event) -> Event:
    platform = event.platform
    if platform in CHANNELS and not CHANNELS[platform].device_platforms:
        platform = ""
    return msgspec.structs.replace(
        event,
        platform=platform,
        campaign_id="",
        instance_id="",
        locale="",
        variation="",
        parent_campaign_id="",
        campaign_name="",
        delivery_type="",
        flow_name="",
    )


def _forbidden() -> Refused:
    return Refused("forbidden_channel", "channel", "channel is not one that the key may write")
