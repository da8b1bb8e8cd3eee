"""Where an active definition stands in its schedule (report specification 5.1, 7.1)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from campanile.jobs.schedule import Slot, next_slots, spread
from campanile.metadata import Connection
from campanile.reports import repository
from campanile.reports.schemas import ReportDefinition

SLOTS_AT_ONCE = 1_000
"""Slots that are looked back on after a downtime: almost three years of a daily report."""


class Due(NamedTuple):
    """Slots of a definition whose time has come."""

    definition: ReportDefinition
    """As it was before it moved on."""
    slots: tuple[Slot, ...]
    """Oldest first, at least one."""


def take_due(connection: Connection, now: datetime, limit: int) -> list[Due]:
    """The slots that are to become runs now; their definitions move on to the slot after them.

    Runs are to be written in the same transaction: then every slot becomes one run, whatever crashes.
    """
    found = []
    for definition in repository.due(connection, now, limit):
        slots = _passed(definition, now)
        found.append(Due(definition, slots))
        used = definition.slots_used + len(slots)
        moved = placed(msgspec.structs.replace(definition, slots_used=used), slots[-1].at)
        repository.change(connection, moved, due_at(moved))
    return found


def placed(definition: ReportDefinition, after: datetime) -> ReportDefinition:
    """An active definition before its first slot later than `after`; completed when there is none."""
    schedule = definition.spec.schedule
    slots = [] if schedule is None else next_slots(schedule, after, 1, used=definition.slots_used)
    if not slots:
        return msgspec.structs.replace(definition, state="COMPLETED", next_slot=None, next_file_date=None)
    return msgspec.structs.replace(definition, state="ACTIVE", next_slot=slots[0].at, next_file_date=slots[0].file_date)


def due_at(definition: ReportDefinition) -> datetime | None:
    """When the next slot becomes a run. Periodic work is spread over some minutes, what is asked for once is not."""
    schedule = definition.spec.schedule
    if definition.state != "ACTIVE" or definition.next_slot is None or schedule is None:
        return None
    return definition.next_slot + (spread(definition.id) if schedule.periodic else timedelta(0))


def _passed(definition: ReportDefinition, now: datetime) -> tuple[Slot, ...]:
    """The next slot, and those after it that are due as well."""
    schedule, first, file_date = definition.spec.schedule, definition.next_slot, definition.next_file_date
    if schedule is None or first is None or file_date is None:
        raise ValueError(f"the definition {definition.id} has no next slot")
    found = [Slot(first, file_date)]
    if schedule.periodic:
        used = definition.slots_used + 1
        following = next_slots(schedule, first, SLOTS_AT_ONCE, used=used)
        delay = spread(definition.id)
        found += [slot for slot in following if slot.at + delay <= now]
    return tuple(found)


def suspend(connection: Connection, workspace_id: str, definition_id: str, now: datetime) -> bool:
    """Pause an active definition; False if it is not active (any more)."""
    definition = repository.find(connection, workspace_id, definition_id, lock=True)
    if definition is None or definition.state != "ACTIVE":
        return False
    paused = msgspec.structs.replace(definition, state="PAUSED", updated_at=now, next_slot=None, next_file_date=None)
    return repository.change(connection, paused, None)
