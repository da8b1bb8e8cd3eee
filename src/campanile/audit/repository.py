"""SQL of the audit log. Entries are added and read, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from campanile.metadata import AnyRow
from campanile.metadata.people import AuditRow

_ENTRY = (
    AuditRow.id,
    AuditRow.workspace_id,
    AuditRow.at,
    AuditRow.actor,
    AuditRow.action,
    AuditRow.subject,
    AuditRow.before,
    AuditRow.after,
)


def add(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(insert(AuditRow).values(**values))


def newest(connection: Connection, workspace_id: str, before: int | None, limit: int) -> Sequence[AnyRow]:
    """Entries of a workspace, newest first, older than the entry `before`."""
    statement = select(*_ENTRY).where(AuditRow.workspace_id == workspace_id)
    if before is not None:
        statement = statement.where(AuditRow.id < before)
    return connection.execute(statement.order_by(AuditRow.id.desc()).limit(limit)).all()
