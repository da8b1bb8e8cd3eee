"""The reports of the sample shop, and their comparison with counts of our own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from campanile.demo.check import Comparison, expected
from campanile.demo.plans import PLANS, TIMEZONE
from campanile.demo.world import Demo

MAIL_COLUMNS: Mapping[str, tuple[str, str, str]] = {
    "campaign-stats.sent": ("Total Sent", "sent", "TOTAL"),
    "campaign-stats.delivered": ("Total Delivered", "delivered", "TOTAL"),
    "campaign-stats.unique_opens": ("Unique opens", "opened", "UNIQUE"),
    "campaign-stats.unique_clicks": ("Unique clicks", "click", "UNIQUE"),
}
"""Column → header in the file, field of the Stats API, metric type."""


def definitions() -> list[dict[str, Any]]:
    """A daily report of some channels, and a weekly one of all variations as a spreadsheet."""
    return [
        {
            "name": "Daily mail",
            "selection": {
                "scopes": [{"channel": "EMAIL"}, {"channel": "PUSH"}, {"channel": "SMS"}],
                "date_range": {"type": "rolling", "preset": "yesterday"},
            },
            "content": {
                "columns": {
                    "EMAIL": ["campaign.id", "campaign.name", *MAIL_COLUMNS, "campaign-stats.ctr", "custom.opens_each"]
                },
                "custom_attributes": [
                    {
                        "key": "custom.opens_each",
                        "header": "Opens per reader",
                        "channels": ["EMAIL"],
                        "expression": "@{campaign-stats.opens} / @{campaign-stats.unique_opens}",
                        "decimals": 2,
                    }
                ],
            },
            "schedule": {"type": "daily", "time": "00:10", "time_zone": "UTC"},
            "delivery": {"rest_api": True},
            "on_empty": "header_only",
        },
        {
            "name": "Weekly tests",
            "selection": {
                "scopes": [{"channel": "EMAIL"}, {"channel": "PUSH"}],
                "date_range": {"type": "rolling", "preset": "last_7_days"},
            },
            "content": {"split": {"variation": True}},
            "format": {"type": "xlsx"},
            "schedule": {"type": "weekly", "weekdays": [1], "time": "05:00", "time_zone": TIMEZONE},
            "delivery": {"rest_api": True},
            "on_empty": "header_only",
        },
    ]


def compare_mail(demo: Demo, rows: Iterable[Mapping[str, str]], first: date, last: date) -> Comparison:
    """Compare the e-mail file of the daily report, made for the days `first` to `last`, with counts of our own."""
    campaigns = {plan.campaign_id: plan for plan in PLANS if plan.channel == "EMAIL"}
    parents = {plan.parent_id for plan in campaigns.values()}
    checked, wrong = 0, []
    for row in rows:
        campaign_id = row["Campaign ID"]
        if campaign_id in parents:  # its rows hold its own messages, and it has none
            continue
        for header, field, metric_type in MAIL_COLUMNS.values():
            counts = expected(demo, campaign_id, first, last, metric_type)
            count = counts.get(("EMAIL", "all_locales", "all_variations"), {}).get(field, 0)
            checked += 1
            if row[header] != str(count):
                wrong.append(f"{campaign_id} {header}: expected {count}, the file has {row[header]}")
    return Comparison(checked, tuple(wrong))
