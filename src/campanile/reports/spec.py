"""Reads the JSON form of a definition: a valid specification, or everything that is wrong (report specification 15)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

import msgspec

from campanile.jobs.schedule import next_slots
from campanile.reports import content, parts
from campanile.reports.names import NAME_CHARACTERS, is_name
from campanile.reports.periods import MOST_DAYS, MOST_OFFSET_DAYS, AbsolutePeriod, Period, Preset, RollingPeriod
from campanile.reports.reading import Fields, Findings
from campanile.reports.schemas import (
    CHANNELS,
    ChannelSelection,
    DataWindow,
    FileFormat,
    Filters,
    ReportSpec,
    RestDelivery,
    Rule,
    State,
)

CAMPAIGNS = 500
"""Campaigns chosen by hand."""
FILTER_VALUES = 100
"""Values of one filter."""
FILTER_CHARACTERS = 256
"""Longest value of a filter."""

DELIVERY_TYPES = (
    "ONE_TIME",
    "PERIODIC",
    "EVENT_TRIGGERED",
    "BUSINESS_EVENT_TRIGGERED",
    "DEVICE_TRIGGERED",
    "LOCATION_TRIGGERED",
    "BROADCAST_LIVE_ACTIVITY",
)
_SUPPORTED: dict[str, int] = {
    "PUSH": 7,
    **dict.fromkeys(("EMAIL", "SMS", "MMS", "RCS"), 4),
    **dict.fromkeys(("WHATSAPP", "CARDS", "CONNECTOR", "FACEBOOK", "GOOGLE_ADS"), 3),
    **dict.fromkeys(("IN_APP", "ON_SITE"), 2),
}
"""Channel → how many of the delivery types exist for it, in their order."""


def delivery_types(channel: str) -> tuple[str, ...]:
    """Those that exist for a channel token."""
    return DELIVERY_TYPES[: _SUPPORTED[channel]]


ALIASES = {token: channel for channel, token in CHANNELS.items() if channel != token}
"""Names of events and metrics for channels that reports call otherwise."""
STATUSES: dict[str, str] = {
    "ACTIVE": "ACTIVE",
    "EXPIRED": "RETIRED",
    "PAUSED": "PAUSED",
    "SENDING": "SENDING",
    "SENT": "SENT",
    "STOPPED": "STOPPED",
}
"""Word of the filter → status of the campaign."""
READ_ONLY = ("id", "version", "stem", "owner", "created_at", "updated_at", "next_run_at", "next_slots", "last_run")
"""Members that only answers have; sent back, they do nothing. So do `warnings`."""

_STATES: tuple[State, ...] = ("ACTIVE", "DRAFT", "PAUSED", "COMPLETED")
_RULES: tuple[Rule, ...] = get_args(Rule)
_PRESETS: tuple[Preset, ...] = get_args(Preset)
_SOURCES: tuple[Literal["campaigns"], ...] = ("campaigns",)
_TAG_CATEGORIES: tuple[Literal["all"], ...] = ("all",)
_PERIODS: tuple[Literal["absolute", "rolling"], ...] = ("absolute", "rolling")
_MODES: tuple[Literal["all", "manual"], ...] = ("all", "manual")
_MATCHES: tuple[Literal["any", "all"], ...] = ("any", "all")
_EMPTY: tuple[Literal["no_file", "header_only"], ...] = ("no_file", "header_only")
_WINDOWS: dict[str, DataWindow] = {"in_range": "selected_range", "lifetime": "lifetime"}
_CAMPAIGN_ID = re.compile(r"[0-9a-f]{24}", re.ASCII)


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What a document is judged by."""

    now: datetime
    timezone: str
    """Of the workspace."""
    attribution_model: str
    """Of the workspace."""
    recipient_allowed: Callable[[str], bool]
    state: State | None = None
    """Of the stored definition; empty for a new one."""
    previous: ReportSpec | None = None
    """What is stored; a schedule that does not change is not judged by the time."""


class Read(NamedTuple):
    """A document that is right."""

    spec: ReportSpec
    state: State | None
    """As the document says, if it does."""


def read(document: object, given: Circumstances) -> Read:
    """
    Raises:
        Unprocessable, InvalidInput: all problems of the document, see `Findings.raise_any`.
    """
    find = Findings()
    fields = Fields(find, document)
    name = _name(fields)
    _nothing(fields, "team_ids")
    selection = fields.fields("selection", required=True)
    channels = _scopes(selection)
    tokens = [selected.channel for selected in channels]
    period = None if selection is None else _period(selection.fields("date_range", required=True), given)
    inner = fields.fields("content") or Fields(find, {}, "content")
    custom = content.custom_columns(inner, tokens, given.attribution_model)
    keys = content.columns(inner.fields("columns"), tokens, custom)
    content.check_headers(inner, keys, custom, given.attribution_model)
    inner.choice("tag_categories", _TAG_CATEGORIES)
    state = fields.choice("state", _STATES[:2] if given.state is None else _STATES)
    draft = (given.state or state) == "DRAFT"
    timing = fields.fields("schedule", required=not draft)
    schedule = None
    if timing is not None:
        before = None if given.previous is None else given.previous.schedule
        schedule = parts.schedule(timing, timezone=given.timezone, now=given.now, before=before)
    output = parts.file_format(fields.fields("format"))
    targets = fields.fields("delivery", required=not draft)
    spec = ReportSpec(
        name=name,
        channels=channels,
        period=period or RollingPeriod("yesterday"),
        rule=(selection.choice("rule", _RULES) if selection is not None else None) or "active_or_counted",
        data_window=_WINDOWS[inner.choice("performance_window", tuple(_WINDOWS)) or "in_range"],
        campaigns=_campaigns(selection),
        filters=_filters(selection),
        columns=keys,
        custom=custom,
        splits=content.splits(inner, tokens),
        format=output,
        schedule=schedule,
        delivery=() if targets is None else parts.delivery(targets, allowed=given.recipient_allowed),
        on_empty=fields.choice("on_empty", _EMPTY) or "no_file",
    )
    inner.close()
    if selection is not None:
        selection.close()
    fields.close(*READ_ONLY, "warnings")
    _check_together(fields, spec, given, draft=draft)
    find.raise_any(document)
    return Read(spec, state)


def _name(fields: Fields) -> str:
    name = fields.text("name", required=True)
    if name is not None and not is_name(name):
        fields.wrong(
            "name",
            "name_invalid",
            f"must have 1 to {NAME_CHARACTERS} ASCII letters, digits, spaces, _ or -, begin with a letter and not end "
            "with a space",
        )
    return name or ""


def _nothing(fields: Fields, name: str) -> None:
    """A member for something that does not exist here: it may be there as long as it asks for nothing."""
    if fields.value(name) not in (None, []):
        fields.wrong(name, "invalid_value", "must be empty: there is no such thing here")


def _scopes(selection: Fields | None) -> tuple[ChannelSelection, ...]:
    if selection is None:
        return ()
    selection.choice("source", _SOURCES)
    found: dict[str, ChannelSelection] = {}
    for index, entry in enumerate(selection.array("scopes", most=len(CHANNELS), required=True)):
        fields = Fields(selection.find, entry, selection.path(f"scopes[{index}]"))
        channel = _channel(fields)
        types = _delivery_types(fields, channel)
        fields.close()
        if channel in found:
            fields.wrong("channel", "invalid_value", "is named twice")
        elif channel is not None:
            found[channel] = ChannelSelection(channel, types)
    if selection.value("scopes") == []:
        selection.wrong("scopes", "required", "must name at least one channel")
    return tuple(found[channel] for channel in CHANNELS if channel in found)


def _channel(fields: Fields) -> str | None:
    text = fields.text("channel", required=True)
    channel = ALIASES.get(text or "", text)
    if channel is not None and channel not in CHANNELS:
        fields.wrong("channel", "invalid_value", f"must be one of: {', '.join(CHANNELS)}")
        return None
    return channel


def _delivery_types(fields: Fields, channel: str | None) -> tuple[str, ...]:
    found = []
    for path, name in fields.texts("delivery_types", most=len(DELIVERY_TYPES), longest=FILTER_CHARACTERS):
        if name not in DELIVERY_TYPES:
            fields.find.add("invalid_value", path, f"{path} must be one of: {', '.join(DELIVERY_TYPES)}.")
        elif channel is not None and DELIVERY_TYPES.index(name) >= _SUPPORTED[channel]:
            fields.find.add("delivery_type_not_supported", path, f"{path}: {channel} has no {name} campaigns.")
        else:
            found.append(name)
    if fields.value("delivery_types") == []:
        fields.wrong("delivery_types", "invalid_value", "must name at least one type, or be left out for all")
    return tuple(name for name in DELIVERY_TYPES if name in found)


def _period(fields: Fields | None, given: Circumstances) -> Period | None:
    if fields is None:
        return None
    before = len(fields.find.problems)
    kind = fields.choice("type", _PERIODS, required=True)
    found: Period | None = None
    if kind == "absolute":
        found = _absolute(fields, given)
    elif fields.has("preset"):
        found = RollingPeriod(fields.choice("preset", _PRESETS))
    elif kind == "rolling":
        days = fields.integer("days", 1, MOST_DAYS, required=True, code="range_too_long")
        offset = fields.integer("offset_days", 0, MOST_OFFSET_DAYS)
        found = RollingPeriod(days=days or 1, offset_days=offset or 0)
    if kind is not None:
        fields.close()
    return found if len(fields.find.problems) == before else None


def _absolute(fields: Fields, given: Circumstances) -> Period | None:
    first, last = fields.day("start", required=True), fields.day("end", required=True)
    if first is None or last is None:
        return None
    if first > last:
        fields.wrong("end", "range_inverted", "must not be before the start")
    elif (last - first).days > MOST_DAYS:
        fields.wrong("end", "range_too_long", f"must not be more than {MOST_DAYS} days after the start")
    if first > given.now.astimezone(ZoneInfo(given.timezone)).date():
        fields.wrong("start", "range_in_future", "must not lie in the future")
    return AbsolutePeriod(first, last)


def _campaigns(selection: Fields | None) -> Literal["all"] | tuple[str, ...]:
    fields = None if selection is None else selection.fields("campaigns")
    if fields is None:
        return "all"
    mode = fields.choice("mode", _MODES, required=True)
    if mode != "manual":
        if mode is not None:
            fields.close()
        return "all"
    ids: dict[str, None] = {}
    for path, text in fields.texts("ids", most=CAMPAIGNS, longest=FILTER_CHARACTERS, code="too_many_campaigns"):
        if _CAMPAIGN_ID.fullmatch(text.lower()) is None:
            fields.find.add("invalid_value", path, f"{path} must be 24 hexadecimal digits.")
        ids[text.lower()] = None
    if not fields.value("ids"):
        fields.wrong("ids", "required", "must name at least one campaign")
    fields.close()
    return tuple(ids)


def _filters(selection: Fields | None) -> Filters:
    fields = None if selection is None else selection.fields("filters")
    if fields is None:
        return Filters()
    tags: tuple[str, ...] = ()
    match: Literal["any", "all"] | None = None
    untagged = False
    if (inner := fields.fields("tags")) is not None:
        tags = _values(inner, "values")
        match = inner.choice("match", _MATCHES)
        untagged = inner.boolean("untagged")
        if untagged and tags:
            inner.wrong("untagged", "invalid_value", "excludes a list of tags")
        inner.close()
    statuses = []
    for path, word in fields.texts("statuses", most=FILTER_VALUES, longest=FILTER_CHARACTERS):
        if word.upper() in STATUSES:
            statuses.append(STATUSES[word.upper()])
        else:
            fields.find.add("invalid_value", path, f"{path} must be one of: {', '.join(STATUSES)}.")
    _nothing(fields, "approved_by")
    found = Filters(
        tags=tags,
        tags_match=match or "any",
        untagged=untagged,
        created_by=_values(fields, "created_by"),
        statuses=tuple(dict.fromkeys(statuses)),
        include_archived=fields.boolean("include_archived"),
    )
    fields.close()
    return found


def _values(fields: Fields, name: str) -> tuple[str, ...]:
    values = fields.texts(name, most=FILTER_VALUES, longest=FILTER_CHARACTERS)
    return tuple(dict.fromkeys(text for _, text in values))


def _check_together(fields: Fields, spec: ReportSpec, given: Circumstances, *, draft: bool) -> None:
    """What members mean for each other."""
    _check_time(fields, spec, given)
    _check_output(fields, spec.format, rest=RestDelivery() in spec.delivery)
    if not draft and fields.has("delivery") and not spec.delivery:
        fields.wrong("delivery", "no_delivery", "must name at least one target: rest_api, email or webhook")


def _check_time(fields: Fields, spec: ReportSpec, given: Circumstances) -> None:
    schedule, before = spec.schedule, given.previous
    if schedule is None:
        return
    if schedule.periodic and spec.period == RollingPeriod("today"):
        path = "selection.date_range.preset"
        fields.find.add("invalid_value", path, f"{path}: today is for reports that are made once.")
    unchanged = before is not None and before.schedule == schedule
    if not unchanged and not next_slots(schedule, given.now, 1):
        if schedule.kind == "once":
            fields.find.add("schedule_in_past", "schedule.at", "schedule.at lies in the past.")
        else:
            fields.wrong("schedule", "schedule_empty", "has no run in the future")


def _check_output(fields: Fields, output: FileFormat, *, rest: bool) -> None:
    if rest and output.compression != "zip":
        path = "format.compression"
        fields.find.add("compression_needs_zip", path, f"{path} must be zip for files that are downloaded by name.")
