"""MoEngage Streams: events as that service exports them (ingest specification 2.1 to 2.7)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from campanile.hooks.drafts import Desk, Unreadable, decode, detail, keyed, missing, text_of
from campanile.hooks.schemas import Draft, Reading
from campanile.hooks.table import FROM_EVENT, Rule

SOURCE = "moengage"
MESSAGE_CODES = ("MOE_", "NOTIFICATION_", "SMS_")
"""How codes of message events begin; an unknown one among them is worth a look by the operator."""
MAX_ATTRIBUTES = 100
"""Attributes kept of one custom event."""
MAX_ATTRIBUTE_CHARACTERS = 2_048
"""Characters kept of one of them."""

_NAME_CHARACTERS = 128
_NOT_WORDS = re.compile(r"[^a-z0-9]+")
_SPACE = re.compile(r"\s+")
_STRAY_SPACE = re.compile(r"\s+(?=_)")
_NUMBER = re.compile(r"\d+(?:\.0+)?", re.ASCII)
_TELEVISIONS = {
    "androidtv": "ANDROID_TV", "fireos": "FIRE_OS", "firetv": "FIRE_OS", "tvos": "TVOS", "tizen": "TIZEN",
    "tizenos": "TIZEN", "webos": "WEBOS", "roku": "ROKU",
}  # fmt: skip
_CHANNELS = {
    "push": "PUSH", "email": "EMAIL", "sms": "SMS", "mms": "MMS", "rcs": "RCS", "whatsapp": "WHATSAPP",
    "in_app": "IN_APP", "inapp": "IN_APP", "mobile_in_app": "IN_APP", "osm": "OSM", "on_site": "OSM", "onsite": "OSM",
    "on_site_messaging": "OSM", "onsite_messaging": "OSM", "cards": "CARDS", "card": "CARDS",
    "web_personalization": "WEB_PERSONALIZATION", "connector": "CONNECTOR", "connectors": "CONNECTOR",
    "facebook": "FACEBOOK_AUDIENCE", "facebook_audience": "FACEBOOK_AUDIENCE",
    "google_ads": "GOOGLE_ADS_AUDIENCE", "google_ads_audience": "GOOGLE_ADS_AUDIENCE",
}  # fmt: skip
_DROPS = {
    "UNSUBSCRIBED_DROPPED_REASON": "unsubscribed",
    "HARD_BOUNCE_DROPPED_REASON": "previously_bounced",
    "SPAM_DROPPED_REASON": "previously_complained",
    "MANUAL_SUPPRESSION_DROPPED_REASON": "suppressed",
}
_PUSH_CODES = {
    "101": "no_device", "102": "no_active_token", "201": "frequency_cap", "202": "dnd",
    "203": "global_control_group", "204": "campaign_control_group", "205": "min_delay", "206": "campaign_min_delay",
    "207": "at_most_limit", "208": "duplicate", "301": "personalization", "302": "template",
    "501": "provider_rejected",
}  # fmt: skip
"""Reasons by the codes of the add-on (ingest specification 1.12)."""
_PERSONAL = frozenset({"push_id", "email_id", "email_address", "mobile_number"})
_WITH_REASON = frozenset({"failed", "removed", "undelivered"})


def read_streams(desk: Desk, body: bytes, unmapped: Counter[str]) -> Reading:
    """What a batch of Streams says. Codes of message events that the table lacks are counted in `unmapped`.

    Raises:
        Unreadable: the body is no such batch.
    """
    content = decode(body)
    events = content.get("events") if isinstance(content, Mapping) else None
    if not isinstance(events, list):
        raise Unreadable
    reading = Reading()
    suspicious = _constants(events)
    for item in events:
        _read(desk, item, reading, unmapped, suspicious)
    return reading


def _constants(events: list[Any]) -> set[str]:
    """Values that stand as `event_uuid` on different events of one batch: they name none of them."""
    seen: dict[str, str] = {}
    found: set[str] = set()
    for item in events:
        if isinstance(item, Mapping) and (name := text_of(item.get("event_uuid"))):
            digest = _digest(item)
            if seen.setdefault(name, digest) != digest:
                found.add(name)
    return found


def _digest(item: Mapping[str, Any]) -> str:
    return sha256(json.dumps(item, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _read(desk: Desk, item: object, reading: Reading, unmapped: Counter[str], suspicious: set[str]) -> None:
    if not isinstance(item, Mapping):
        reading.undraftable.append(missing("event_code", item))
        return
    code = _STRAY_SPACE.sub("", text_of(item.get("event_code")).strip())
    shown = _SPACE.sub(" ", text_of(item.get("event_name"))).strip()
    attributes = item.get("event_attributes")
    attributes = attributes if isinstance(attributes, Mapping) else {}
    words = {_NOT_WORDS.sub("_", str(name).lower()).strip("_"): value for name, value in attributes.items()}
    stamp = _time(item.get("event_time"))
    if not (code or shown) or stamp is None:
        reading.undraftable.append(missing("event_time" if code or shown else "event_code", item))
        return
    conditions = {name: text_of(words.get(name)) for name in ("reasons", "control_group_type", "campaign_channel")}
    rule = desk.table.rule(SOURCE, code or shown, {**conditions, "name": shown}, displayed=(shown, code))
    if rule is None or rule.ignored:
        reading.ignored += 1
        return
    if rule.name == "*" and code.startswith(MESSAGE_CODES):
        unmapped[code[:_NAME_CHARACTERS]] += 1
    event: dict[str, Any] = {
        "event_id": _event_id(item, suspicious), "type": rule.type, "time": stamp, "provider": SOURCE,
        **_who(desk, item),
    }  # fmt: skip
    campaign = _campaign(attributes)
    about_campaign = rule.type not in ("custom", "uninstall") and not (
        rule.type == "removed" and rule.channel == FROM_EVENT and not campaign
    )
    if about_campaign:
        event |= campaign | _dimensions(words) | _channel(rule, words)
        if rule.type in _WITH_REASON:
            event |= _reason(rule, words)
    else:
        event |= _custom(rule, code or shown, shown, attributes, campaign)
    if platform := _platform(rule, item, words):
        event["platform"] = platform
    reading.drafts.append(Draft(event=event, recipient=_recipient(desk, item)))


def _event_id(item: Mapping[str, Any], suspicious: set[str]) -> str:
    name = text_of(item.get("event_uuid")).strip()
    return f"moe:{name}" if name and name not in suspicious else f"moe:{_digest(item)}"


def _time(value: object) -> int | str | None:
    """Epoch seconds or milliseconds, as a number or a text."""
    if isinstance(value, float):
        return round(value * 1000) if 0 < value < 10**11 else round(value) if value > 0 else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return value.strip() or None if isinstance(value, str) else None


def _who(desk: Desk, item: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    people, devices = item.get("user_attributes"), item.get("device_attributes")
    inner = desk.user(people.get("moengage_user_id")) if isinstance(people, Mapping) else ""
    if user := desk.user(item.get("uid")) or (f"moe:{inner}" if inner else ""):
        found["user_id"] = user
    if isinstance(devices, Mapping) and (device := desk.user(devices.get("moengage_device_id"))):
        found["device_id"] = device
    return found


def _recipient(desk: Desk, item: Mapping[str, Any]) -> str:
    """The pseudonym of the address of an event, for those that name no user and no device."""
    if "user_id" in _who(desk, item):
        return ""
    attributes = item.get("event_attributes")
    for place in (item, attributes if isinstance(attributes, Mapping) else {}):
        if address := text_of(place.get("email_id")) or text_of(place.get("email_address")):
            return desk.pseudonym("email", address)
        if number := text_of(place.get("mobile_number")):
            return desk.pseudonym("phone", number)
    return ""


def _campaign(attributes: Mapping[str, Any]) -> dict[str, str]:
    found = keyed({
        ours: text
        for theirs, ours in (
            ("campaign_id", "campaign_id"),
            ("parent_campaign_id", "parent_campaign_id"),
            ("parent_flow_id", "flow_id"),
        )
        if (text := text_of(attributes.get(theirs)).strip())
    })  # fmt: skip
    if found.get("parent_campaign_id", "").lower() == found.get("campaign_id", "-").lower():
        del found["parent_campaign_id"]
    for theirs, ours in (("campaign_name", "campaign_name"), ("parent_flow_name", "flow_name")):
        if found and (text := text_of(attributes.get(theirs)).strip()):
            found[ours] = text[:256]
    return found if "campaign_id" in found or "campaign_key" in found else {}


def _dimensions(words: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    variation = text_of(words.get("variation_id")).strip()
    if variation:
        found["variation"] = f"variation_{int(float(variation))}" if _NUMBER.fullmatch(variation) else variation
    if locale := text_of(words.get("locale_name")).strip() or text_of(words.get("locale_id")).strip():
        found["locale"] = locale
    return found


def _channel(rule: Rule, words: Mapping[str, Any]) -> dict[str, str]:
    if rule.channel != FROM_EVENT:
        return {"channel": rule.channel} if rule.channel else {}
    for name in ("campaign_channel", "moe_campaign_channel"):
        text = _NOT_WORDS.sub("_", text_of(words.get(name)).lower()).strip("_")
        if text in _CHANNELS:
            return {"channel": _CHANNELS[text]}
    return {}


def _platform(rule: Rule, item: Mapping[str, Any], words: Mapping[str, Any]) -> str:
    source, _, otherwise = rule.platform.partition("|")
    if source != FROM_EVENT:
        return "" if source == rule.channel else source
    devices = item.get("device_attributes")
    kind = _NOT_WORDS.sub("", text_of(words.get("moe_os_type")).lower())
    if kind in _TELEVISIONS:
        return _TELEVISIONS[kind]
    named = [words.get(name) for name in ("platform", "os", "os_key")]
    named.append(devices.get("os") if isinstance(devices, Mapping) else None)
    for value in named:
        text = _NOT_WORDS.sub("_", text_of(value).lower()).strip("_").upper()
        if text:
            return text[:32]
    return otherwise


def _reason(rule: Rule, words: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    reason = rule.reason
    if reason == "@code":
        code = text_of(words.get("code")).strip().partition(".")[0]
        reason = _PUSH_CODES.get(code) or text_of(words.get("reason"))[:_NAME_CHARACTERS]
    reason = _DROPS.get(text_of(words.get("reasons")).strip().upper(), reason)
    if reason:
        found["reason"] = reason
    if text := detail(words.get("reason")):
        found["reason_detail"] = text
    return found


def _custom(
    rule: Rule, code: str, shown: str, attributes: Mapping[str, Any], campaign: Mapping[str, str]
) -> dict[str, Any]:
    """What is kept of an event that belongs to no message: everything that a goal may ask about."""
    found: dict[str, Any] = {"type": "uninstall" if rule.type == "uninstall" else "custom"}
    if "flow_id" in campaign:
        found["flow_id"] = campaign["flow_id"]
    if found["type"] == "uninstall":
        return found
    found["name"] = code[:_NAME_CHARACTERS]
    kept = {
        str(name)[:_NAME_CHARACTERS]: value[:MAX_ATTRIBUTE_CHARACTERS] if isinstance(value, str) else value
        for name, value in attributes.items()
        if isinstance(value, str | int | float) and name not in _PERSONAL
    }
    if shown and shown != code:
        kept.setdefault("event_name", shown[:_NAME_CHARACTERS])
    if kept:
        found["attributes"] = dict(list(kept.items())[:MAX_ATTRIBUTES])
    return found
