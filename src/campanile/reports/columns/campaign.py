"""Columns that tell a campaign, and those that tell its rows apart (report specification 12.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from campanile.reports.columns.definitions import (
    ColumnDef,
    Selection,
    Source,
    Split,
    SplitCell,
    Trait,
    Type,
    Unknown,
    letters,
)

GOALS = 5
"""Conversion goals with columns of their own."""

LOCALE_SPLIT = ("PUSH", "EMAIL", "SMS", "RCS", "IN_APP")
"""Channels whose rows can be split by locale."""
PLATFORM_WORDS = {"android": "Android", "ios": "Ios", "web": "Web", "mweb": "Mweb"}


class _Row(NamedTuple):
    key: str
    header: str
    type: Type
    default: Selection = "no"
    source: str = ""
    """Where it differs from the key."""
    cell: Source | None = None
    """Where it is not the trait that the key names."""
    only: tuple[str, ...] = ()
    """Channels that have it; empty: all."""


_CONTROLLED = ("SMS", "MMS", "RCS", "WHATSAPP", "IN_APP", "ON_SITE")

_BEFORE_TAGS = (
    _Row("split.date", "Date", "date", "auto", cell=SplitCell("date")),
    _Row("campaign.id", "Campaign ID", "text", "yes"),
    _Row("campaign.name", "Campaign Name", "text", "yes"),
    _Row("campaign.parent_id", "Parent Campaign ID", "text", "yes"),
    _Row("campaign.flow_name", "Flows Name", "text", "auto", "flow.name"),
    _Row("campaign.flow_id", "Flows Id", "text", "auto", "flow.id"),
    _Row("split.variation", "Variation", "text", "auto", cell=SplitCell("variation")),
    _Row("split.locale", "Locale", "text", "auto", cell=SplitCell("locale")),
    _Row("campaign.version_name", "Campaign Version Name", "text", cell=Unknown()),
    _Row("campaign.type", "Campaign Type", "text", "yes"),
    _Row("campaign.delivery_type", "Campaign Delivery Type", "text", "yes"),
    _Row("campaign.channel", "Campaign Channel", "text", "yes"),
    _Row("campaign.status", "Campaign Status", "text", "yes"),
    _Row("campaign.sending_type", "Campaign Sending Type", "text"),
    _Row("campaign.start_time", "Campaign Start Time", "datetime", "yes", only=("IN_APP",)),
    _Row("campaign.sent_time", "Campaign Sent Time", "datetime", "yes", "campaign.first_sent_time"),
    _Row("campaign.end_time", "Campaign End Time", "datetime"),
    _Row("campaign.created_time", "Campaign Created Time", "datetime"),
    _Row("campaign.created_by", "Created By", "text", "yes"),
    _Row("campaign.approved_by", "Approved By", "text", cell=Unknown()),
    _Row("campaign.team", "Team", "text"),
    _Row("campaign.trigger_delay", "Trigger Delay", "text"),
    _Row("campaign.segment_name", "Custom Segment Name", "text"),
    _Row("campaign.segment_filters", "Custom Segment Filters", "text"),
    _Row("campaign.attribution_window", "Attribution window", "integer", source="campaign.attribution_window_hours"),
)
_CONTROL_GROUPS = (
    _Row("campaign.content_type", "Campaign Content Type", "text", only=("EMAIL",)),
    _Row("campaign.control_group_percentage", "Campaign CG", "integer", only=("EMAIL",)),
    _Row("campaign.control_group_percentage", "Campaign Control Group Percentage", "integer", only=_CONTROLLED),
)
_PLATFORMS = (
    _Row("campaign.platforms", "Platforms", "list", only=("PUSH", "IN_APP", "ON_SITE", "CARDS")),
    _Row("campaign.push_amp_plus_enabled", "Push Amp Plus Enabled", "boolean", only=("PUSH",)),
    *(
        _Row(
            f"campaign.{platform}.control_group_percentage",
            f"{PLATFORM_WORDS[platform]} Campaign Control Group Percentage",
            "integer",
            source=f"campaign.control_group_percentage[{platform.upper()}]",
            cell=Trait("campaign.control_group_percentage", platform=platform.upper()),
            only=("PUSH",),
        )
        for platform in ("android", "ios", "web")
    ),
)
_TAGS = (
    _Row("campaign.tags.default", "Tag Category: Default", "list", "yes", "campaign.tags[Default]"),
    _Row("campaign.tags.uncategorized", "Tag Category: Uncategorized", "list", "yes", "campaign.tags[Uncategorized]"),
)
_GOALS = tuple(
    _Row(
        f"campaign.goal_{number}.{part}",
        f"Conversion Goal {number} {part.title()}",
        "text",
        "yes" if number == 1 and part in ("name", "event") else "no",
        f"campaign.goals[{number}].{part}",
        Trait(f"campaign.goal.{part}", number=number),
    )
    for number in range(1, GOALS + 1)
    for part in ("name", "event", "attribute", "condition", "value")
)
_ROWS = (*_BEFORE_TAGS, *_CONTROL_GROUPS, *_PLATFORMS, *_TAGS, *_GOALS)
_OTHER_HEADERS = {("EMAIL", "campaign.segment_filters"): "Campaign Segment Filters"}
_OTHER_DEFAULTS: dict[tuple[str, str], Selection] = {("IN_APP", "campaign.sent_time"): "no"}


def plain_splits(channel: str) -> tuple[Split, ...]:
    """The splits a channel's file may have; what is said about the campaign itself is filled under all of them."""
    return letters("DCVL" if channel in LOCALE_SPLIT else "DCV")


def campaign_columns(channel: str) -> Iterator[ColumnDef]:
    """Split and campaign columns of a channel, in order."""
    for row in _ROWS:
        if row.only and channel not in row.only:
            continue
        place = (channel, row.key)
        cell = row.cell or Trait(row.key)
        yield ColumnDef(
            key=row.key,
            header=_OTHER_HEADERS.get(place, row.header),
            type=row.type,
            source=row.source or row.key,
            splits=_own_split(channel, cell.split) if isinstance(cell, SplitCell) else plain_splits(channel),
            default_selected=_OTHER_DEFAULTS.get(place, row.default),
            cell=cell,
        )


def _own_split(channel: str, split: Split) -> tuple[Split, ...]:
    return () if split == "locale" and channel not in LOCALE_SPLIT else (split,)
