"""Labels of what campaigns are."""

from __future__ import annotations

from campanile.metrics.channels import CHANNELS
from campanile.metrics.reasons import REASONS
from campanile.metrics.registry import COUNTS, RATES

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


COLUMNS = {
    "sent": f"{COUNTS['sent'].definition} Every repeat counts.",
    "arrived": "Deliveries; impressions where a channel has no deliveries; synced users of audiences. Repeats count.",
    "people": "Different people whom messages reached, in the same sense as arrived.",
    "clicks": COUNTS["click"].definition,
    "click_rate": "Clicks ÷ what the channel divides by: impressions, deliveries or messages sent. The page of a "
    "campaign says which.",
    "failure_rate": f"{RATES['failure_rate'].definition} Failed ÷ attempted.",
    "conversions": "Conversions of all goals, attributed as chosen above.",
    "campaigns": "Campaigns with events in these days; a parent and its children are one.",
    "total": "Every event counts, repeats by the same person, too.",
    "unique": "Different people over the whole range of days.",
    "of_totals": "Totals divided by totals.",
    "of_uniques": "Different people divided by different people.",
    "divided": "What the rate of totals divides: numerator ÷ denominator.",
    "index": "The click rate of the campaign ÷ the click rate of its channel.",
    "group_size": "People the campaign was sent to, or who were held out.",
    "group_converted": "Those of them who reached the goal within its window.",
    "group_rate": "People who converted ÷ people of the group.",
    "group_interval": "Where the true rate lies in 95 of 100 such experiments.",
}
"""What heads of columns mean that several pages have."""


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
