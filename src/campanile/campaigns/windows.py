"""How long the attribution windows of a channel are meant to be (conversions specification 3).

Longer ones are measured as they are set: what was configured elsewhere is what counts. They are worth a remark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from campanile.campaigns.schemas import Remark

MAX_WINDOW_HOURS: dict[str, int] = {
    "PUSH": 36, "IN_APP": 36, "OSM": 36, "CARDS": 36, "CONNECTOR": 36, "WEB_PERSONALIZATION": 36,
    "CONNECTED_APPS": 36, "FACEBOOK_AUDIENCE": 36, "GOOGLE_ADS_AUDIENCE": 36,
    "SMS": 240, "EMAIL": 240, "WHATSAPP": 240, "MMS": 240, "RCS": 240,
}  # fmt: skip
"""Longest window of each channel, in hours."""
MAX_FLOW_WINDOW_HOURS = 240
"""Longest window of a campaign inside a flow, whatever its channel."""

_WINDOW = "attribution_window_in_hours"


def window_remarks(document: Mapping[str, Any]) -> Iterator[Remark]:
    """Remarks on windows of a canonical document that are longer than its channel is meant for."""
    details = document.get("conversion_goal_details") or {}
    in_flow = document.get("flow_id") is not None
    longest = MAX_FLOW_WINDOW_HOURS if in_flow else MAX_WINDOW_HOURS.get(document.get("channel", ""))
    if longest is None:
        return
    target = "conversion_goal_details"
    windows = {f"{target}.{_WINDOW}": details.get(_WINDOW)}
    for index, goal in enumerate(details.get("goals") or ()):
        windows[f"{target}.goals.{index}.{_WINDOW}"] = goal.get(_WINDOW)
    for name, hours in windows.items():
        if hours is not None and hours > longest:
            place = "a flow" if in_flow else document["channel"]
            yield Remark(name, f"longer than the {longest} hours that {place} is meant for; measured as it is")
