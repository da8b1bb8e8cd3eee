"""Definitions and runs in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from campanile.dashboard import formats, words
from campanile.jobs.schedule import Schedule
from campanile.reports.schemas import CHANNELS, EmailDelivery, FileFormat, ReportSpec, RestDelivery, WebhookDelivery
from campanile.reports.service import AbsolutePeriod, Period, RollingPeriod, RunState

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHOWN_CHANNELS = 4
"""Channels that a list names; of more, the number."""

RANGES: dict[str, str] = {
    "yesterday": "Yesterday",
    "last_7_days": "Last 7 days",
    "last_30_days": "Last 30 days",
    "last_90_days": "Last 90 days",
    "previous_week": "Previous week, Monday to Sunday",
    "previous_month": "Previous month",
    "month_to_date": "This month until yesterday",
    "today": "Today",
}
"""Rolling ranges by their word in a document."""
FORMATS: dict[str, str] = {"csv": "CSV", "xlsx": "Excel", "parquet": "Parquet", "jsonl": "JSON Lines"}
SEPARATORS: dict[str, str] = {",": "Comma", ";": "Semicolon", "|": "Pipe", ":": "Colon", "\t": "Tab"}
COMPRESSIONS: dict[str, str] = {"zip": "Zip", "tar": "Tar", "gz": "Tar, compressed (.tar.gz)"}
SPLITS: dict[str, str] = {
    "date": "a row per day",
    "child": "a row per child campaign",
    "variation": "a row per variation",
    "locale": "a row per locale",
}

STATES: dict[str, tuple[str, str]] = {
    "DRAFT": ("Draft", ""),
    "ACTIVE": ("Active", "good"),
    "PAUSED": ("Paused", "warn"),
    "COMPLETED": ("Completed", ""),
}
"""State of a definition → label and tone."""
RUN_STATES: Mapping[RunState, tuple[str, str]] = {
    "QUEUED": ("Queued", ""),
    "WAITING_FOR_DATA": ("Waiting for the end of its days", ""),
    "RUNNING": ("Running", ""),
    "PACKAGING": ("Packing", ""),
    "SUCCESSFUL": ("Successful", "good"),
    "NO_DATA": ("Successful, no data", "good"),
    "FAILED": ("Failed", "bad"),
    "CANCELLED": ("Cancelled", "warn"),
    "MISSED": ("Missed", "warn"),
    "EXPIRED": ("Successful, file expired", ""),
}
"""State of a run → label and tone."""
TRIGGERS: dict[str, str] = {
    "schedule": "planned",
    "manual": "by hand",
    "backfill": "for a past slot",
    "api": "by the API",
    "daily": "daily report of the workspace",
}


def channel(token: str) -> str:
    """The label of a channel token of reports."""
    return words.channel(CHANNELS[token])


def channels(spec: ReportSpec) -> str:
    """`Push, E-mail`, or how many there are."""
    if len(spec.channels) == len(CHANNELS):
        return "All channels"
    if len(spec.channels) > SHOWN_CHANNELS:
        return f"{len(spec.channels)} channels"
    return ", ".join(channel(scope.channel) for scope in spec.channels)


def schedule(found: Schedule | None) -> str:
    """When a report is made: `Every Monday at 06:00, Europe/Berlin`."""
    if found is None:
        return "No schedule yet"
    if found.kind == "once":
        when = "as soon as possible" if found.at is None else f"on {formats.day(found.at.date())} at {found.at:%H:%M}"
        return f"Once, {when}" + ("" if found.at is None else f", {found.time_zone}")
    return f"{_rhythm(found)} at {found.time_of_day:%H:%M}, {found.time_zone}{_end(found)}"


def _rhythm(found: Schedule) -> str:
    days = listed([WEEKDAYS[number - 1] for number in found.weekdays])
    if found.kind == "daily":
        return "Every day"
    if found.kind == "weekly":
        return f"Every {days}"
    day = "the last day" if found.day == "last" else f"day {found.day}"
    if found.kind == "monthly":
        return f"Every month on {day}"
    every = f"Every {found.step[:-1]}" if found.every == 1 else f"Every {found.every} {found.step}"
    if found.unit == "weeks":
        return f"{every} on {days}"
    return f"{every} on {day}" if found.unit == "months" else every


def _end(found: Schedule) -> str:
    if found.end_date is not None:
        return f", until {formats.day(found.end_date)}"
    return "" if found.end_runs is None else f", {formats.count(found.end_runs, 'time', 'times')}"


def listed(texts: Sequence[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return " and ".join(part for part in (", ".join(texts[:-1]), *texts[-1:]) if part)


def period(found: Period) -> str:
    """The days of a report."""
    if isinstance(found, AbsolutePeriod):
        return days(found.first, found.last)
    if isinstance(found, RollingPeriod) and found.preset is not None:
        return RANGES[found.preset]
    rolling = formats.count(found.days, "day", "days")
    if not found.offset_days:
        return f"{rolling} until yesterday"
    return f"{rolling}, ending {formats.count(found.offset_days + 1, 'day', 'days')} before the date of the file"


def days(first: date, last: date) -> str:
    return formats.day(first) if first == last else f"{formats.day(first)} to {formats.day(last)}"


def campaigns(spec: ReportSpec) -> str:
    if spec.campaigns != "all":
        return formats.count(len(spec.campaigns), "chosen campaign", "chosen campaigns")
    filters = spec.filters
    limits = []
    if filters.untagged:
        limits.append("without tags")
    if filters.tags:
        limits.append(f"tagged {(' and ' if filters.tags_match == 'all' else ' or ').join(filters.tags)}")
    if filters.created_by:
        limits.append(f"created by {' or '.join(filters.created_by)}")
    if filters.statuses:
        limits.append(f"status {' or '.join(words.words(status) for status in filters.statuses)}")
    limits.append("archived ones, too" if filters.include_archived else "not archived")
    return f"All that were active or counted something, {', '.join(limits)}"


def rows(spec: ReportSpec) -> str:
    """What has rows of its own."""
    return listed(["a row per campaign", *(text for name, text in SPLITS.items() if getattr(spec.splits, name))])


def columns(spec: ReportSpec) -> str:
    chosen = [
        f"{channel(token)}: {formats.count(len(keys), 'column', 'columns')}" for token, keys in spec.columns.items()
    ]
    if not chosen:
        return "the usual ones of each channel"
    return "; ".join([*chosen, *(["the usual ones of the others"] if len(chosen) < len(spec.channels) else [])])


def file_format(found: FileFormat) -> str:
    separated = f", separated by {SEPARATORS[found.separator].lower()}" if found.kind == "csv" else ""
    return f"{FORMATS[found.kind]}{separated}, {COMPRESSIONS[found.compression]}"


def deliveries(spec: ReportSpec) -> list[str]:
    found = []
    for target in spec.delivery:
        match target:
            case RestDelivery():
                found.append("Download by name, with the API")
            case EmailDelivery(recipients=recipients):
                found.append(f"E-mail to {', '.join(recipients)}")
            case WebhookDelivery(url=url):
                found.append(f"Webhook {url}")
    return found


def change(value: Any) -> str:
    """A value of a document in the history: short."""
    if value is None or value in ("", [], {}):
        return formats.NOTHING
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
