"""The event as it is stored: one validated, normalised fact."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted event; every text field is `""` when absent (ingest specification 1.9).

    The campaign hints at the end are used to register unknown campaigns and are not stored with the event.
    """

    event_id: str
    type: str
    ts: datetime
    """When it happened: UTC, cut to milliseconds."""
    campaign_id: str = ""
    """24 lower-case hex digits; empty for events without a campaign (custom, uninstall)."""
    channel: str = ""
    platform: str = ""
    locale: str = ""
    variation: str = ""
    instance_id: str = ""
    """Never empty on events with a campaign: falls back to `campaign_id`."""
    user_id: str = ""
    device_id: str = ""
    reason: str = ""
    """Stored failure key, not the short name."""
    reason_detail: str = ""
    step: str = ""
    machine: bool = False
    name: str = ""
    goal: str = ""
    attribution: str = ""
    revenue: Decimal | None = None
    currency: str = ""
    provider: str = ""
    message_id: str = ""
    transport: str = ""
    source: str = ""
    device_platform: str = ""
    flow_id: str = ""
    link: str = ""
    link_id: str = ""
    attributes: str = ""
    """Canonical JSON object, or empty."""

    parent_campaign_id: str = ""
    campaign_name: str = ""
    delivery_type: str = ""
    flow_name: str = ""


EVENT_COLUMNS: tuple[str, ...] = (
    "type", "ts", "campaign_id", "channel", "platform", "locale", "variation", "instance_id", "user_id", "device_id",
    "reason", "reason_detail", "step", "machine", "name", "goal", "attribution", "revenue", "currency", "provider",
    "message_id", "transport", "source", "device_platform", "flow_id", "link", "link_id", "attributes", "event_id",
)  # fmt: skip
"""Fields of `Event` that are columns of the log under the same name."""
