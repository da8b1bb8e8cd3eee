"""A definition as a caller would write it, and short ways to change it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from campanile.reports.schemas import ReportSpec
from campanile.reports.spec import Circumstances, read

NOW = datetime(2025, 3, 5, 12, 0, tzinfo=UTC)
"""A Wednesday, half past five in the afternoon in Kolkata."""
KOLKATA = "Asia/Kolkata"
CAMPAIGN = "64a1b2c3d4e5f6a7b8c9d0e1"

DEFINITION: dict[str, Any] = {
    "name": "Daily campaigns T-1",
    "team_ids": [],
    "selection": {
        "source": "campaigns",
        "scopes": [{"channel": "PUSH", "delivery_types": ["ONE_TIME", "PERIODIC"]}, {"channel": "EMAIL"}],
        "date_range": {"type": "rolling", "preset": "yesterday"},
        "rule": "active_or_counted",
        "campaigns": {"mode": "all"},
        "filters": {
            "tags": {"match": "any", "values": ["sale"]},
            "created_by": [],
            "approved_by": [],
            "statuses": [],
            "include_archived": False,
        },
    },
    "content": {
        "performance_window": "in_range",
        "split": {"date": False, "child": True, "variation": False, "locale": False},
        "parent_totals": False,
        "skip_zero_days": False,
        "tag_categories": "all",
        "columns": {
            "PUSH": ["campaign.id", "campaign.name", "campaign-stats.sent", "custom.android_share"],
            "EMAIL": "default",
        },
        "custom_attributes": [
            {
                "key": "custom.android_share",
                "header": "Android click share",
                "channels": ["PUSH"],
                "expression": "100 * @{campaign-stats.android.clicks} / @{campaign-stats.clicks}",
                "type": "percent",
                "decimals": 2,
                "on_zero_division": "blank",
            }
        ],
    },
    "format": {
        "type": "csv",
        "delimiter": ",",
        "bom": False,
        "newline": "lf",
        "formula_guard": True,
        "lists": "literal",
        "compression": "zip",
        "include_manifest": False,
    },
    "schedule": {
        "type": "daily",
        "time": "06:00",
        "time_zone": KOLKATA,
        "start_date": "2025-03-01",
        "end": {"type": "never"},
    },
    "delivery": {
        "rest_api": True,
        "email": {"recipients": ["ops@example.com"], "require_login": False},
        "webhook": None,
    },
    "on_empty": "no_file",
    "state": "ACTIVE",
}
"""Every member of a definition."""

SMALL: dict[str, Any] = {
    "name": "Small",
    "selection": {"scopes": [{"channel": "EMAIL"}], "date_range": {"type": "rolling", "preset": "yesterday"}},
    "schedule": {"type": "daily", "time": "06:00"},
    "delivery": {"rest_api": True},
}
"""The fewest members."""

GONE = object()
"""Value of a member that is to be taken out."""


def changed(base: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A copy with other members; `__` in a name leads into an object: `selection__scopes`."""
    found = copy.deepcopy(base)
    for path, value in members.items():
        *parents, name = path.split("__")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is GONE:
            place.pop(name, None)
        else:
            place[name] = value
    return found


def circumstances(**members: Any) -> Circumstances:
    usual: dict[str, Any] = {
        "now": NOW,
        "timezone": KOLKATA,
        "attribution_model": "all_interactions",
        "recipient_allowed": lambda _: True,
    }
    return Circumstances(**{**usual, **members})


def spec(base: dict[str, Any] = SMALL, given: Circumstances | None = None, **members: Any) -> ReportSpec:
    return read(changed(base, **members), given or circumstances()).spec
