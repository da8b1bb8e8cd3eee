"""Labels of what campaigns are."""

from __future__ import annotations

from campanile.metrics.channels import CHANNELS
from campanile.metrics.reasons import REASONS

STATUS_TONES = {"ACTIVE": "good", "SENDING": "good", "SENT": "", "FAILED": "bad", "PAUSED": "warn", "STOPPED": "warn"}
STATUSES = (
    "DRAFT", "SCHEDULED", "ACTIVE", "SENDING", "PAUSED", "SENT", "STOPPED", "FAILED", "RETIRED", "ARCHIVED",
)  # fmt: skip
DELIVERY_TYPES = (
    "ONE_TIME", "PERIODIC", "EVENT_TRIGGERED", "BUSINESS_EVENT_TRIGGERED", "DEVICE_TRIGGERED", "LOCATION_TRIGGERED",
    "BROADCAST_LIVE_ACTIVITY", "API_TRIGGERED",
)  # fmt: skip
PLATFORM_LABELS = {
    "ALL_PLATFORMS": "All platforms", "IOS": "iOS", "ANDROID": "Android", "WEB": "Web", "MWEB": "Mobile web",
    "TV": "TV", "ANDROID_TV": "Android TV", "FIRE_OS": "Fire OS", "TVOS": "tvOS", "WEBOS": "webOS",
}  # fmt: skip
VARIATION_LABELS = {
    "all_variations": "All variations",
    "campaign_control_group": "Campaign control group",
    "global_control_group": "Global control group",
}


def words(key: str) -> str:
    """`EVENT_TRIGGERED` as `Event triggered`."""
    return key.replace("_", " ").strip().capitalize()


def channel(key: str) -> str:
    return CHANNELS[key].label if key in CHANNELS else words(key)


def platform(key: str) -> str:
    """A device platform or a channel."""
    return PLATFORM_LABELS.get(key) or channel(key)


def variation(key: str) -> str:
    label = VARIATION_LABELS.get(key)
    if label is None:
        label = words(key) if key.startswith("variation_") else key
    return label


def reason(key: str) -> str:
    """A reason of the registry by its label; others as the provider spelled them."""
    return REASONS[key].label if key in REASONS else key
