"""SQL of the audit log. Entries are added and read, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select

from campanile.audit.schemas import Accounts
from campanile.metadata import AnyRow
from campanile.metadata.people import AuditRow, MembershipRow, UserRow

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


def newest(
    connection: Connection, workspace_id: str, before: int | None, limit: int, accounts: Accounts
) -> Sequence[AnyRow]:
    """Entries of a workspace and of accounts, newest first, older than the entry `before`."""
    statement = select(*_ENTRY).where(or_(AuditRow.workspace_id == workspace_id, *_of_accounts(workspace_id, accounts)))
    if before is not None:
        statement = statement.where(AuditRow.id < before)
    return connection.execute(statement.order_by(AuditRow.id.desc()).limit(limit)).all()


def _of_accounts(workspace_id: str, accounts: Accounts) -> list[ColumnElement[bool]]:
    """Which entries that belong to no workspace are meant."""
    if accounts == "none":
        return []
    if accounts == "all":
        return [AuditRow.workspace_id.is_(None)]
    members = select(MembershipRow.user_id).where(MembershipRow.workspace_id == workspace_id)
    people = select(UserRow.email).where(or_(UserRow.role.is_not(None), UserRow.id.in_(members)))
    return [and_(AuditRow.workspace_id.is_(None), AuditRow.subject.in_(people))]
