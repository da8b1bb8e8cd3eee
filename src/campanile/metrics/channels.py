"""The channels and what each of them reports (metrics specification 1.2, 1.3, 1.4)."""

from __future__ import annotations

import msgspec

from campanile.metrics.funnel import steps, user_steps
from campanile.metrics.registry import performance_keys, wire_names

ALL_PLATFORMS = "ALL_PLATFORMS"
ALL_LOCALES = "all_locales"
ALL_VARIATIONS = "all_variations"
CAMPAIGN_CONTROL_GROUP = "campaign_control_group"
GLOBAL_CONTROL_GROUP = "global_control_group"
UNKNOWN_PLATFORM = "UNKNOWN"
"""Events of a channel with device platforms that name none."""


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """One channel."""

    key: str
    label: str
    device_platforms: bool
    """Whether platforms are devices; otherwise the channel itself is the only platform."""
    platforms: tuple[str, ...]
    """Known platform keys; others pass through in upper case."""
    fields: tuple[str, ...]
    """Names in `performance_stats` without extended fields and aliases, in order."""
    extended_fields: tuple[str, ...]
    """Names of the extended fields, those that need bot filtering included, in order."""
    funnel: tuple[str, ...]
    """Steps of `delivery_funnel`, in order."""
    user_steps: tuple[str, ...]
    """The user-level ones among them: always the first ones."""

    @property
    def default_platforms(self) -> tuple[str, ...]:
        """Platforms of a campaign without configured platforms and without events."""
        return () if self.device_platforms else (self.key,)

    def platform(self, name: str) -> str:
        """The platform key of an event that names `name` (possibly nothing)."""
        return name.upper() or (UNKNOWN_PLATFORM if self.device_platforms else self.key)


_PUSH_PLATFORMS = ("ANDROID", "IOS", "WEB", "MWEB", "WINDOWS", UNKNOWN_PLATFORM)
_TELEVISIONS = ("TV", "ANDROID_TV", "FIRE_OS", "TVOS", "TIZEN", "WEBOS", "ROKU")

_DEVICES: dict[str, tuple[str, ...]] = {
    "PUSH": _PUSH_PLATFORMS,
    "IN_APP": (*_PUSH_PLATFORMS[:-1], *_TELEVISIONS, UNKNOWN_PLATFORM),
    "OSM": ("WEB", "MWEB"),
    "WEB_PERSONALIZATION": ("WEB", "MWEB"),
}
_LABELS = {
    "PUSH": "Push",
    "EMAIL": "E-mail",
    "SMS": "SMS",
    "MMS": "MMS",
    "RCS": "RCS",
    "WHATSAPP": "WhatsApp",
    "IN_APP": "In-app",
    "OSM": "On-site messaging",
    "WEB_PERSONALIZATION": "Web personalization",
    "CARDS": "Cards",
    "CONNECTOR": "Connector",
    "CONNECTED_APPS": "Connected Apps",
    "FACEBOOK_AUDIENCE": "Facebook Audience",
    "GOOGLE_ADS_AUDIENCE": "Google Ads Audience",
    "OTHER": "Other",
}


def _channel(key: str, label: str) -> Channel:
    fields = performance_keys(key, extended=False)
    extended = [metric for metric in performance_keys(key) if metric not in fields]
    return Channel(
        key=key,
        label=label,
        device_platforms=key in _DEVICES,
        platforms=_DEVICES.get(key, (key,)),
        fields=tuple(wire_names(metric)[0] for metric in fields),
        extended_fields=tuple(wire_names(metric)[0] for metric in extended),
        funnel=steps(key),
        user_steps=user_steps(key),
    )


CHANNELS: dict[str, Channel] = {key: _channel(key, label) for key, label in _LABELS.items()}
"""Every channel by key. `OTHER` has no fields and no funnel, only a failure breakdown."""
