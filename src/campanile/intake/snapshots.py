"""Counts that senders report as numbers: `POST /v1/funnel` (ingest specification 4.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Literal

import msgspec

from campanile.errors import Problem
from campanile.intake.decode import Format
from campanile.intake.fields import (
    ATTRIBUTIONS,
    campaign_id_of_key,
    channel_name,
    choice,
    currency_code,
    locale_name,
    money,
    object_id,
    platform_name,
    text,
    variation_name,
)
from campanile.intake.limits import ID_CHARS, MAX_SNAPSHOT_VALUE, NAME_CHARS
from campanile.intake.notices import Notices
from campanile.intake.parse import RecordReader, refusal, rejection
from campanile.intake.policy import Policy
from campanile.intake.records import split
from campanile.intake.strict_json import Malformed
from campanile.intake.times import calendar_day, instant
from campanile.intake.validate import is_event_id
from campanile.intake.verdicts import Refused, Rejection, Warned
from campanile.kit.pii import masked
from campanile.metrics.channels import ALL_LOCALES, ALL_VARIATIONS, CHANNELS, UNKNOWN_PLATFORM
from campanile.metrics.funnel import MESSAGE_STEPS
from campanile.metrics.reasons import normalise_reason
from campanile.metrics.registry import COUNTS, performance_keys, wire_names

Kind = Literal["funnel", "performance", "failure", "conversion"]
Mode = Literal["replace", "add"]

_PARTS = ("funnel", "performance", "conversions", "failures")
_FIELDS = frozenset(
    {
        "snapshot_id", "campaign_id", "campaign_key", "channel", "platform", "locale", "variation", "date", "as_of",
        "mode", "workspace_id", *_PARTS,
    }
)  # fmt: skip
_AGGREGATE_LOCALES = frozenset({"", ALL_LOCALES, "all_locale"})
_AGGREGATE_VARIATIONS = frozenset({"", ALL_VARIATIONS})
_ZONE_SPREAD = timedelta(days=1)
"""A local day may lie before or after the UTC day."""


class SnapshotValue(msgspec.Struct, frozen=True):
    """One count of a snapshot. A plain number serves as total and as unique."""

    kind: Kind
    key: str
    """Funnel step, key of a count, or key of a reason; empty for conversions."""
    total: int
    unique: int
    goal: str = ""
    attribution: str = ""
    revenue: Decimal | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What one cell (campaign, day, platform, locale, variation) counted, as its sender knew it at `as_of`."""

    snapshot_id: str
    campaign_id: str
    campaign_name: str = ""
    """The sender's campaign key, if it has no id of our form: becomes the name of a new campaign."""
    channel: str
    platform: str
    locale: str
    variation: str
    date: date
    """Day in the workspace's time zone."""
    as_of: datetime
    mode: Mode
    values: tuple[SnapshotValue, ...]
    """At least one; no two of the same kind, key, goal and attribution."""


class ParsedSnapshots(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts of parsing on every record: `received = len(snapshots) + len(rejections)`."""

    received: int
    snapshots: list[Snapshot]
    indexes: list[int]
    """For every snapshot its zero-based position in the request."""
    lines: Sequence[int] | None
    rejections: list[Rejection]
    warnings: list[Warned]

    def reject(self, position: int, problem: Problem) -> Rejection:
        """The rejection of `snapshots[position]` for a reason found later, such as `snapshot_mode_conflict`."""
        index = self.indexes[position]
        line = None if self.lines is None else self.lines[index]
        snapshot_id = self.snapshots[position].snapshot_id
        return Rejection(index, line, snapshot_id, problem.type, problem.attribute, problem.message)


def parse_snapshots(body: bytes, form: Format, policy: Policy, now: datetime) -> ParsedSnapshots:
    """Every record of `body` as a snapshot or as a rejection. Raises like `parse.parse_events`."""
    records = split(body, form, policy.limits, "records")
    notices = Notices(_known_names())
    validator = _Validator(policy, now, notices)
    reader = RecordReader(body, policy)
    snapshots: list[Snapshot] = []
    indexes: list[int] = []
    rejections: list[Rejection] = []
    for index, raw in enumerate(records.raws):
        snapshot_id: object = None
        try:
            record = reader.read(raw)
            snapshot_id = record.get("snapshot_id")
            snapshot = validator.validate(record)
        except Refused as refused:
            rejections.append(rejection(records, index, snapshot_id, refused))
        except Malformed as fault:
            rejections.append(rejection(records, index, None, refusal(records, index, fault)))
        else:
            snapshots.append(snapshot)
            indexes.append(index)
    return ParsedSnapshots(
        received=len(records.raws),
        snapshots=snapshots,
        indexes=indexes,
        lines=records.lines,
        rejections=rejections,
        warnings=notices.all(),
    )


def _known_names() -> frozenset[str]:
    steps = {f"funnel.{step}" for channel in CHANNELS.values() for step in channel.funnel}
    counts = {f"performance.{name}" for key in COUNTS for name in wire_names(key)}
    return _FIELDS | steps | counts


class _Validator:
    """Judges the records of one request, in their order."""

    def __init__(self, policy: Policy, now: datetime, notices: Notices) -> None:
        limits = policy.limits
        self._policy = policy
        self._notices = notices
        earliest = limits.earliest if limits.age is None else max(limits.earliest, now - limits.age)
        self._first_day = (earliest - _ZONE_SPREAD).date()
        self._notice = now + limits.future_notice
        self._latest = now + limits.future
        self._days: set[date] = set()

    def validate(self, record: dict[str, object]) -> Snapshot:
        """The snapshot in `record`. Raises `Refused`."""
        unknown = self._unknown(record)
        self._check_workspace(record.get("workspace_id"))
        snapshot_id = _required(record, "snapshot_id")
        if not is_event_id(snapshot_id):
            code: Literal["invalid_value", "invalid_type"] = (
                "invalid_value" if isinstance(snapshot_id, str) else "invalid_type"
            )
            raise Refused(code, "snapshot_id", f"snapshot_id must be a string of 1 to {ID_CHARS} printable characters")
        campaign_id, campaign_name = self._campaign(record)
        channel = channel_name(_required(record, "channel"))
        if not channel:
            raise Refused("missing_field", "channel", "channel is required")
        if self._policy.channels is not None and channel not in self._policy.channels:
            raise Refused("forbidden_channel", "channel", "channel is not one that the key may write")
        day = self._day(_required(record, "date"))
        as_of = instant(_required(record, "as_of"), "as_of")
        if as_of > self._latest:
            raise Refused("time_in_future", "as_of", "as_of lies too far ahead")
        platform = platform_name(record.get("platform"), "platform") or UNKNOWN_PLATFORM
        platform = platform if CHANNELS[channel].device_platforms else channel
        snapshot = Snapshot(
            snapshot_id=snapshot_id,
            campaign_id=campaign_id,
            campaign_name=campaign_name,
            channel=channel,
            platform=platform,
            locale=_cell_name(record.get("locale"), locale_name, _AGGREGATE_LOCALES, ALL_LOCALES),
            variation=_cell_name(record.get("variation"), variation_name, _AGGREGATE_VARIATIONS, ALL_VARIATIONS),
            date=day,
            as_of=as_of,
            mode="add" if choice(record.get("mode"), "mode", frozenset({"REPLACE", "ADD"})) == "ADD" else "replace",
            values=tuple(_values(record, channel, platform)),
        )
        self._count_day(day)
        for name in unknown:
            self._notices.add("unknown_field", name)
        if as_of > self._notice:
            self._notices.add("time_ahead", "as_of")
        for field in _implausible(snapshot):
            self._notices.add("implausible", field)
        return snapshot

    def _unknown(self, record: dict[str, object]) -> list[str]:
        unknown = [name for name in record if name not in _FIELDS]
        if unknown and self._policy.strict:
            raise Refused("invalid_value", "", "A field is not known for snapshots")
        return unknown

    def _check_workspace(self, value: object) -> None:
        if value is not None and text(value, "workspace_id", NAME_CHARS) != self._policy.workspace_id:
            raise Refused("wrong_workspace", "workspace_id", "workspace_id must be that of the credential")

    def _campaign(self, record: dict[str, object]) -> tuple[str, str]:
        campaign_id = object_id(record.get("campaign_id"), "campaign_id")
        key = text(record.get("campaign_key"), "campaign_key", ID_CHARS)
        if key:
            derived = campaign_id_of_key(self._policy.workspace_id, key)
            if campaign_id and campaign_id != derived:
                raise Refused("invalid_value", "campaign_key", "campaign_key contradicts campaign_id")
            return derived, key
        if not campaign_id:
            raise Refused("missing_field", "campaign_id", "campaign_id is required")
        return campaign_id, ""

    def _day(self, value: object) -> date:
        day = calendar_day(value, "date")
        if day < self._first_day:
            raise Refused("too_old", "date", f"date must not lie before {self._first_day}")
        if day > (self._latest + _ZONE_SPREAD).date():
            raise Refused("time_in_future", "date", "date lies too far ahead")
        return day

    def _count_day(self, day: date) -> None:
        if day not in self._days and len(self._days) >= self._policy.limits.days:
            raise Refused("too_many_days", "date", f"A request may touch {self._policy.limits.days} days")
        self._days.add(day)


def _required(record: dict[str, object], field: str) -> object:
    value = record.get(field)
    if value is None:
        raise Refused("missing_field", field, f"{field} is required")
    return value


def _cell_name(value: object, read: Callable[[object], str], aggregates: frozenset[str], aggregate: str) -> str:
    if value is None or (isinstance(value, str) and value.lower() in aggregates):
        return aggregate
    return read(value)


def _values(record: dict[str, object], channel: str, platform: str) -> Iterator[SnapshotValue]:
    parts = {part: _object(record.get(part), part) for part in _PARTS}
    if not any(parts.values()):
        raise Refused("missing_field", "", f"One of {', '.join(_PARTS)} is required")
    yield from _funnel(parts["funnel"], channel)
    yield from _performance(parts["performance"], channel)
    yield from _failures(parts["failures"], channel, platform)
    for goal, kinds in parts["conversions"].items():
        if not text(goal, "conversions", NAME_CHARS):
            raise Refused("invalid_value", "conversions", "A goal in conversions must have a name")
        yield from _conversions(goal, _object(kinds, "conversions"))


def _object(value: object, field: str) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused("invalid_type", field, f"{field} must be an object")
    return value


def _funnel(values: Mapping[str, object], channel: str) -> Iterator[SnapshotValue]:
    for key, value in values.items():
        if key not in CHANNELS[channel].funnel:
            raise Refused("invalid_value", "funnel", f"A key in funnel is no stage of channel {channel}")
        yield SnapshotValue("funnel", key, *_numbers(value, f"funnel.{key}"))


def _performance(values: Mapping[str, object], channel: str) -> Iterator[SnapshotValue]:
    counts = {name: key for key in performance_keys(channel) if key in COUNTS for name in (key, *wire_names(key))}
    seen: set[str] = set()
    for name, value in values.items():
        key = counts.get(name)
        if key is None:
            raise Refused("invalid_value", "performance", f"A key in performance is no count of channel {channel}")
        if key in seen:
            raise Refused("invalid_value", f"performance.{name}", f"performance.{name} is given under two names")
        seen.add(key)
        yield SnapshotValue("performance", key, *_numbers(value, f"performance.{name}"))


def _failures(values: Mapping[str, object], channel: str, platform: str) -> Iterator[SnapshotValue]:
    """Reasons whose names mean the same are added up."""
    sums: dict[str, tuple[int, int]] = {}
    for label, value in values.items():
        if not text(label, "failures", NAME_CHARS).strip():
            raise Refused("invalid_value", "failures", "A reason in failures must have a name")
        key, _ = normalise_reason(masked(label), type="failed", channel=channel, platform=platform)
        total, unique = _numbers(value, "failures")
        known = sums.get(key, (0, 0))
        sums[key] = (known[0] + total, known[1] + unique)
    for key, (total, unique) in sums.items():
        yield SnapshotValue("failure", key, total, unique)


def _conversions(goal: str, kinds: Mapping[str, object]) -> Iterator[SnapshotValue]:
    seen: set[str] = set()
    for name, value in kinds.items():
        attribution = choice(name, "conversions", ATTRIBUTIONS)
        if not attribution or attribution in seen:
            raise Refused("invalid_value", "conversions", "conversions must name every attribution type once")
        seen.add(attribution)
        revenue = None
        if isinstance(value, dict):
            revenue = money(value.get("revenue"), "conversions.revenue")
            currency_code(value.get("currency"), "conversions.currency")
        total, unique = _numbers(value, "conversions")
        yield SnapshotValue("conversion", "", total, unique, goal, attribution, revenue)


def _numbers(value: object, field: str) -> tuple[int, int]:
    if isinstance(value, dict):
        for part in ("total", "unique"):
            if value.get(part) is None:
                raise Refused("missing_field", f"{field}.{part}", f"{field}.{part} is required")
        return _number(value["total"], f"{field}.total"), _number(value["unique"], f"{field}.unique")
    number = _number(value, field)
    return number, number


def _number(value: object, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused("invalid_type", field, f"{field} must be an integer")
    if not 0 <= value <= MAX_SNAPSHOT_VALUE:
        raise Refused("invalid_value", field, f"{field} must be between 0 and 10^12")
    return value


def _implausible(snapshot: Snapshot) -> Iterator[str]:
    """Fields whose numbers can hardly be right."""
    funnel = {value.key: value for value in snapshot.values if value.kind == "funnel"}
    counts = {value.key: value for value in snapshot.values if value.kind == "performance"}
    channel = CHANNELS[snapshot.channel]
    # Devices and messages to them may outnumber the users before them.
    stages = [
        key for key in channel.funnel if key in funnel and not (channel.device_platforms and key in MESSAGE_STEPS)
    ]
    for before, after in pairwise(stages):
        if funnel[after].total > funnel[before].total:
            yield f"funnel.{after}"
    if "attempted" in counts and "failed" in counts and counts["attempted"].total < counts["failed"].total:
        yield "performance.failed"
    for value in snapshot.values:
        if value.unique > value.total:
            yield {"failure": "failures", "conversion": "conversions"}.get(value.kind, f"{value.kind}.{value.key}")
