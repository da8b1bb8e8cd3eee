"""The JSON form of a specification: what `spec.read` takes, in one canonical spelling (report specification 15.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from campanile.jobs.schedule import Schedule
from campanile.reports.periods import AbsolutePeriod, Period
from campanile.reports.schemas import (
    Change,
    Delivery,
    EmailDelivery,
    FileFormat,
    Filters,
    ReportSpec,
    RestDelivery,
    WebhookDelivery,
)
from campanile.reports.spec import STATUSES

PATCH_LEVELS = 16
"""Levels of a merge patch that are merged; definitions have half as many."""

_STATUS_WORDS = {status: word for word, status in STATUSES.items()}

Document = dict[str, Any]


def document(spec: ReportSpec) -> Document:
    """Every member, defaults included, in plain JSON values. Reading it gives `spec` again."""
    found: Document = msgspec.json.decode(msgspec.json.encode(_document(spec)))
    return found


def _document(spec: ReportSpec) -> Document:
    return {
        "name": spec.name,
        "selection": {
            "source": "campaigns",
            "scopes": [
                {"channel": scope.channel, **({"delivery_types": scope.delivery_types} if scope.delivery_types else {})}
                for scope in spec.channels
            ],
            "date_range": _period(spec.period),
            "rule": spec.rule,
            "campaigns": {"mode": "all"} if spec.campaigns == "all" else {"mode": "manual", "ids": spec.campaigns},
            "filters": _filters(spec.filters),
        },
        "content": {
            "performance_window": "in_range" if spec.data_window == "selected_range" else "lifetime",
            "split": {
                "date": spec.splits.date,
                "child": spec.splits.child,
                "variation": spec.splits.variation,
                "locale": spec.splits.locale,
            },
            "parent_totals": spec.splits.parent_totals,
            "skip_zero_days": spec.splits.skip_zero_days,
            "tag_categories": "all",
            "columns": {scope.channel: spec.columns.get(scope.channel, "default") for scope in spec.channels},
            "custom_attributes": [
                {
                    "key": column.key,
                    "header": column.header,
                    "channels": column.channels,
                    "expression": column.expression,
                    "type": column.type,
                    "decimals": column.decimals,
                    "on_zero_division": column.on_zero_division,
                }
                for column in spec.custom
            ],
        },
        "format": _format(spec.format),
        "schedule": None if spec.schedule is None else _schedule(spec.schedule),
        "delivery": _delivery(spec.delivery) if spec.delivery else None,
        "on_empty": spec.on_empty,
    }


def _period(period: Period) -> Document:
    if isinstance(period, AbsolutePeriod):
        return {"type": "absolute", "start": period.first, "end": period.last}
    if period.preset is not None:
        return {"type": "rolling", "preset": period.preset}
    return {"type": "rolling", "days": period.days, "offset_days": period.offset_days}


def _filters(filters: Filters) -> Document:
    tags: Document = {"match": filters.tags_match, "values": filters.tags}
    if filters.untagged:
        tags["untagged"] = True
    return {
        "tags": tags,
        "created_by": filters.created_by,
        "statuses": [_STATUS_WORDS[status] for status in filters.statuses],
        "include_archived": filters.include_archived,
    }


def _format(output: FileFormat) -> Document:
    return {
        "type": output.kind,
        "delimiter": output.separator,
        "bom": output.bom,
        "newline": output.newline,
        "formula_guard": output.formula_guard,
        "lists": output.lists,
        "compression": output.compression,
        "include_manifest": output.manifest,
    }


def _schedule(schedule: Schedule) -> Document:
    found: Document = {"type": schedule.kind, "time_zone": schedule.time_zone}
    if schedule.kind == "once":
        found["at"] = "asap" if schedule.at is None else f"{schedule.at:%Y-%m-%dT%H:%M}"
        return found
    found["time"] = f"{schedule.time_of_day:%H:%M}"
    found["start_date"] = schedule.start_date
    if schedule.kind == "custom":
        found |= {"every": schedule.every, "unit": schedule.unit}
    if schedule.weekdays:
        found["weekdays"] = schedule.weekdays
    if schedule.day is not None:
        found["day"] = schedule.day
    found["end"] = {"type": "never"}
    if schedule.end_date is not None:
        found["end"] = {"type": "on_date", "date": schedule.end_date}
    elif schedule.end_runs is not None:
        found["end"] = {"type": "after_runs", "runs": schedule.end_runs}
    return found


def _delivery(targets: tuple[Delivery, ...]) -> Document:
    found: Document = {"rest_api": RestDelivery() in targets, "email": None, "webhook": None}
    for target in targets:
        if isinstance(target, EmailDelivery):
            found["email"] = {"recipients": target.recipients, "require_login": target.require_login}
        elif isinstance(target, WebhookDelivery):
            found["webhook"] = {"url": target.url}
    return found


def merged(target: object, patch: object, levels: int = PATCH_LEVELS) -> object:
    """`target` after a JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict) or not levels:
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value, levels - 1)
    return found


def changes(before: ReportSpec, after: ReportSpec) -> tuple[Change, ...]:
    """The members that differ, in the order of the document."""
    return tuple(_changes("", document(before), document(after)))


def _changes(path: str, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _changes(f"{path}.{name}".lstrip("."), before.get(name), after.get(name))
    else:
        yield Change(path, before, after)
