"""SQL of report definitions. Every function runs in the transaction of the caller."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from campanile.metadata import AnyRow
from campanile.metadata.models import ReportDefinitionRow, ReportFileRow, ReportRunRow, ReportVersionRow
from campanile.reports.names import stem_key
from campanile.reports.schemas import ReportDefinition, ReportSpec

DELETED = "DELETED"
_ID = re.compile(r"rep_[0-9a-f]{20}")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ReportSpec).decode
_COLUMNS = tuple(getattr(ReportDefinitionRow, name) for name in ReportDefinition.__struct_fields__)
_INDEX = tuple(
    getattr(ReportDefinitionRow, name) for name in ("id", "name", "stem_key", "state", "periodic", "created_by",
                                                    "created_at", "next_slot")
)  # fmt: skip


def new_id() -> str:
    return f"rep_{secrets.token_hex(10)}"


def add(connection: Connection, definition: ReportDefinition, due_at: datetime | None) -> bool:
    """Store a new definition and its first version; False if its stem is taken.

    After False the transaction is of no use any more.
    """
    values = {**_values(definition, due_at), "id": definition.id, "workspace_id": definition.workspace_id}
    values |= {"created_by": definition.created_by, "created_at": definition.created_at}
    try:
        connection.execute(insert(ReportDefinitionRow), values)
    except IntegrityError:
        return False
    add_version(connection, definition, definition.created_by)
    return True


def change(connection: Connection, definition: ReportDefinition, due_at: datetime | None) -> bool:
    """Store everything that can change of a definition; False if its stem is taken, as `add`."""
    statement = update(ReportDefinitionRow).where(ReportDefinitionRow.id == definition.id)
    try:
        connection.execute(statement.values(_values(definition, due_at)))
    except IntegrityError:
        return False
    return True


def add_version(connection: Connection, definition: ReportDefinition, author: str) -> None:
    connection.execute(
        insert(ReportVersionRow),
        {
            "definition_id": definition.id,
            "version": definition.version,
            "spec": _encode(definition.spec).decode(),
            "saved_by": author,
            "saved_at": definition.updated_at,
        },
    )


def find(
    connection: Connection, workspace_id: str, definition_id: str, *, lock: bool = False
) -> ReportDefinition | None:
    """A definition that is not deleted; `lock` keeps others from changing it until the transaction ends."""
    if _ID.fullmatch(definition_id) is None:  # PostgreSQL refuses some of what a path may hold
        return None
    statement = select(*_COLUMNS).where(
        ReportDefinitionRow.id == definition_id,
        ReportDefinitionRow.workspace_id == workspace_id,
        ReportDefinitionRow.state != DELETED,
    )
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _definition(row)


def many(connection: Connection, workspace_id: str, ids: Sequence[str]) -> dict[str, ReportDefinition]:
    """Those of the definitions that are there and not deleted."""
    statement = select(*_COLUMNS).where(
        ReportDefinitionRow.id.in_(ids),
        ReportDefinitionRow.workspace_id == workspace_id,
        ReportDefinitionRow.state != DELETED,
    )
    return {row.id: _definition(row) for row in connection.execute(statement)}


def index(connection: Connection, workspace_id: str) -> Sequence[AnyRow]:
    """(id, name, stem_key, state, periodic, created_by, created_at, next_slot) of all that are not deleted."""
    statement = select(*_INDEX).where(
        ReportDefinitionRow.workspace_id == workspace_id, ReportDefinitionRow.state != DELETED
    )
    return connection.execute(statement).all()


def count(connection: Connection, workspace_id: str) -> int:
    statement = select(func.count()).where(
        ReportDefinitionRow.workspace_id == workspace_id, ReportDefinitionRow.state != DELETED
    )
    return connection.execute(statement).scalar_one()


def holder(connection: Connection, workspace_id: str, name: str) -> AnyRow | None:
    """(id, name) of the definition whose files a report of this name would be taken for."""
    statement = select(ReportDefinitionRow.id, ReportDefinitionRow.name).where(
        ReportDefinitionRow.workspace_id == workspace_id, ReportDefinitionRow.stem_key == stem_key(name)
    )
    return connection.execute(statement).one_or_none()


def carried(connection: Connection, workspace_id: str, key: str, own_id: str, now: datetime) -> bool:
    """Whether a file that has not expired, of another definition than `own_id`, has a name with this stem."""
    file, run = ReportFileRow, ReportRunRow
    statement = (
        select(file.id)
        .join(run, run.id == file.run_id)
        .where(
            file.workspace_id == workspace_id,
            func.lower(file.stem) == key,
            file.expires_at > now,
            file.purged_at.is_(None),
            run.definition_id != own_id,
        )
        .limit(1)
    )
    return connection.execute(statement).first() is not None


def versions(connection: Connection, definition_id: str, limit: int) -> list[tuple[int, str, datetime, ReportSpec]]:
    """(version, saved_by, saved_at, spec) of the newest versions, newest first."""
    row = ReportVersionRow
    statement = (
        select(row.version, row.saved_by, row.saved_at, row.spec)
        .where(row.definition_id == definition_id)
        .order_by(row.version.desc())
        .limit(limit)
    )
    return [(number, author, at, _decode(spec)) for number, author, at, spec in connection.execute(statement)]


def spec_of(connection: Connection, definition_id: str, version: int) -> ReportSpec | None:
    """What a definition said in one of its versions."""
    statement = select(ReportVersionRow.spec).where(
        ReportVersionRow.definition_id == definition_id, ReportVersionRow.version == version
    )
    found = connection.execute(statement).scalar_one_or_none()
    return None if found is None else _decode(found)


def due(connection: Connection, now: datetime, limit: int) -> list[ReportDefinition]:
    """Active definitions whose next slot is to become a run, the most urgent first; nobody else gets them meanwhile."""
    statement = (
        select(*_COLUMNS)
        .where(ReportDefinitionRow.due_at <= now)
        .order_by(ReportDefinitionRow.due_at, ReportDefinitionRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [_definition(row) for row in connection.execute(statement)]


def _values(definition: ReportDefinition, due_at: datetime | None) -> Mapping[str, Any]:
    spec = definition.spec
    return {
        "name": spec.name,
        "stem_key": None if definition.state == DELETED else stem_key(spec.name),
        "state": definition.state,
        "periodic": None if spec.schedule is None else spec.schedule.periodic,
        "spec": _encode(spec).decode(),
        "version": definition.version,
        "updated_at": definition.updated_at,
        "next_slot": definition.next_slot,
        "next_file_date": definition.next_file_date,
        "due_at": due_at,
        "slots_used": definition.slots_used,
    }


def _definition(row: AnyRow) -> ReportDefinition:
    values = dict(zip(ReportDefinition.__struct_fields__, row, strict=True))
    values["spec"] = _decode(row.spec)
    return ReportDefinition(**values)
