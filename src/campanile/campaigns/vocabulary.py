"""Words of campaign documents and their many spellings (campaign specification 2.2 to 2.4)."""

from __future__ import annotations

import re

CHANNELS: tuple[str, ...] = (
    "PUSH", "EMAIL", "SMS", "MMS", "RCS", "WHATSAPP", "IN_APP", "OSM", "CARDS", "WEB_PERSONALIZATION", "CONNECTOR",
    "CONNECTED_APPS", "FACEBOOK_AUDIENCE", "GOOGLE_ADS_AUDIENCE", "OTHER",
)  # fmt: skip
"""Channels as they are stored and as events name them."""

DOCUMENT_CHANNELS = {
    "OSM": "ONSITE",
    "CONNECTOR": "CONNECTORS",
    "FACEBOOK_AUDIENCE": "FACEBOOK",
    "GOOGLE_ADS_AUDIENCE": "GOOGLE ADS",
}
"""Stored channel → its name in campaign documents, where the two differ."""

_CHANNEL_NAMES = {
    **{name: name for name in CHANNELS},
    **{shown: stored for stored, shown in DOCUMENT_CHANNELS.items()},
    "INAPP": "IN_APP",
    "ON_SITE": "OSM",
    "CARD": "CARDS",
    "GOOGLE_ADS": "GOOGLE_ADS_AUDIENCE",
}

DELIVERY_TYPES: dict[str, str | None] = {
    "ONE_TIME": None,
    "PERIODIC": None,
    "EVENT_TRIGGERED": None,
    "BUSINESS_EVENT_TRIGGERED": None,
    "DEVICE_TRIGGERED": "PUSH",
    "LOCATION_TRIGGERED": "PUSH",
    "BROADCAST_LIVE_ACTIVITY": "PUSH",
    "API_TRIGGERED": "EMAIL",
}
"""Delivery type → the only channel it exists for, if there is only one."""

STATUSES: tuple[str, ...] = (
    "DRAFT", "SCHEDULED", "ACTIVE", "SENDING", "PAUSED", "SENT", "STOPPED", "FAILED", "RETIRED", "ARCHIVED",
)  # fmt: skip

PLATFORMS: tuple[str, ...] = ("ANDROID", "IOS", "WEB", "MWEB")
"""Platforms a document may name; events may name more."""
PLATFORM_CHANNELS = frozenset({"PUSH", "IN_APP", "CARDS", "OSM", "WEB_PERSONALIZATION"})
"""Channels whose documents have platforms."""

CAMPAIGN_ID = re.compile(r"[0-9a-f]{24}")
RESERVED = frozenset({"all_locales", "all_locale", "all_variations", "campaign_control_group", "global_control_group"})
"""Keys of the Stats API that no locale may bear."""


def channel(text: str) -> str | None:
    """The stored channel for any spelling of it."""
    return _CHANNEL_NAMES.get(text.strip().upper())


def delivery_type(text: str) -> str | None:
    """The delivery type for any spelling of it."""
    name = text.strip().upper()
    name = "BUSINESS_EVENT_TRIGGERED" if name == "BUSINESS_TRIGGERED" else name
    return name if name in DELIVERY_TYPES else None


def status(text: str) -> str | None:
    """The stored status for any spelling of it."""
    name = text.strip().upper()
    name = "SENT" if name == "COMPLETED" else name
    return name if name in STATUSES else None


def campaign_id(text: str) -> str | None:
    """The id in lower case, or None if it is not 24 hexadecimal digits."""
    name = text.lower() if len(text) == 24 else ""
    return name if CAMPAIGN_ID.fullmatch(name) else None
