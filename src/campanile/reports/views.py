"""Definitions as answers show them (report specification 15.1, 15.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from campanile.jobs.schedule import Slot
from campanile.reports.columns import ColumnDef, catalogue, is_active
from campanile.reports.definitions import Draft, View
from campanile.reports.documents import document
from campanile.reports.schemas import CHANNELS, ReportSpec
from campanile.workspaces.schemas import Workspace

Shown = dict[str, Any]


def definition(workspace: Workspace, view: View) -> Shown:
    """A stored definition with what the server knows about it."""
    found = view.definition
    return {
        "id": found.id,
        "version": found.version,
        **document(found.spec),
        "state": found.state,
        "stem": found.stem,
        "owner": found.created_by,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "next_run_at": found.next_slot,
        "next_slots": slots(workspace, found.spec, view.slots),
        "last_run": view.last_run,
        "warnings": view.warnings,
    }


def draft(workspace: Workspace, found: Draft) -> Shown:
    """A document that was checked and not stored."""
    return {
        **document(found.spec),
        "state": found.state,
        "next_slots": slots(workspace, found.spec, found.slots),
        "warnings": found.warnings,
    }


def slots(workspace: Workspace, spec: ReportSpec, found: Sequence[Slot]) -> list[Shown]:
    """Slots in UTC, in the zone of the schedule and in that of the workspace."""
    if spec.schedule is None:
        return []
    own, theirs = ZoneInfo(spec.schedule.time_zone), ZoneInfo(workspace.settings.timezone)
    return [
        {
            "at": slot.at,
            "file_date": f"{slot.file_date:%Y%m%d}",
            "schedule_time": slot.at.astimezone(own),
            "workspace_time": slot.at.astimezone(theirs),
        }
        for slot in found
    ]


def columns(channel: str | None, text: str, attribution_model: str) -> list[Shown]:
    """Columns whose key or header contains `text`, of one channel or all; those of the other model are left out."""
    wanted = text.lower()
    return [
        _column(name, column)
        for name in ([channel] if channel is not None else CHANNELS)
        for column in _offered(name, attribution_model)
        if wanted in column.key or wanted in column.header.lower()
    ]


def _offered(channel: str, attribution_model: str) -> Iterator[ColumnDef]:
    return (column for column in catalogue(channel) if is_active(column.attribution_dependent, attribution_model))


def _column(channel: str, column: ColumnDef) -> Shown:
    return {
        "channel": channel,
        "key": column.key,
        "header": column.header,
        "type": column.type,
        "source_metric": column.source,
        "attribution_dependent": column.attribution_dependent,
        "split_support": column.splits,
        "default_selected": column.default_selected,
    }
