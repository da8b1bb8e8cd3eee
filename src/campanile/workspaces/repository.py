"""SQL of workspaces and keys. Every function runs in the transaction of the caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from campanile.metadata import AnyRow
from campanile.metadata.models import Base, InstallationRow, KeyRow, WorkspaceRow

_WORKSPACE = (
    WorkspaceRow.id,
    WorkspaceRow.name,
    WorkspaceRow.settings,
    WorkspaceRow.created_at,
    WorkspaceRow.pseudonym_key,
    WorkspaceRow.merged_through,
)
_KEY = (
    KeyRow.id,
    KeyRow.workspace_id,
    KeyRow.kind,
    KeyRow.name,
    KeyRow.scopes,
    KeyRow.stats_dialect,
    KeyRow.created_at,
    KeyRow.regenerated_at,
    KeyRow.archived_at,
)
_CREDENTIAL = (
    *_WORKSPACE,
    KeyRow.id.label("key_id"),
    KeyRow.kind,
    KeyRow.scopes,
    KeyRow.stats_dialect,
    KeyRow.digest,
)


def keep_fact(connection: Connection, name: str, value: str) -> str:
    """The value stored under `name`, which is `value` if there was none."""
    _insert_new(connection, InstallationRow, {"name": name, "value": value})
    return connection.execute(select(InstallationRow.value).where(InstallationRow.name == name)).scalar_one()


def add_workspace(connection: Connection, values: dict[str, Any]) -> bool:
    """Whether it was added; otherwise a workspace with this id exists."""
    return _insert_new(connection, WorkspaceRow, {"campaigns_version": 0, **values})


def workspace(connection: Connection, workspace_id: str) -> AnyRow | None:
    return connection.execute(select(*_WORKSPACE).where(WorkspaceRow.id == workspace_id)).one_or_none()


def workspaces(connection: Connection) -> Sequence[AnyRow]:
    return connection.execute(select(*_WORKSPACE).order_by(WorkspaceRow.created_at, WorkspaceRow.id)).all()


def lock_workspace(connection: Connection, workspace_id: str) -> AnyRow | None:
    """The workspace, unchangeable for others until the end of the transaction."""
    statement = select(*_WORKSPACE).where(WorkspaceRow.id == workspace_id).with_for_update(key_share=True)
    return connection.execute(statement).one_or_none()


def set_settings(connection: Connection, workspace_id: str, settings: str) -> None:
    connection.execute(update(WorkspaceRow).where(WorkspaceRow.id == workspace_id).values(settings=settings))


def credentials(connection: Connection, digest: bytes, workspace_id: str | None = None) -> Sequence[AnyRow]:
    """Keys with this digest together with their workspaces: one query on an index, whatever exists."""
    statement = select(*_CREDENTIAL).join(WorkspaceRow, WorkspaceRow.id == KeyRow.workspace_id)
    statement = statement.where(KeyRow.digest == digest)
    if workspace_id is not None:
        statement = statement.where(KeyRow.workspace_id == workspace_id)
    return connection.execute(statement.limit(2)).all()


def add_key(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(insert(KeyRow).values(**values))


def key(connection: Connection, workspace_id: str, key_id: str) -> AnyRow | None:
    statement = select(*_KEY).where(KeyRow.workspace_id == workspace_id, KeyRow.id == key_id)
    return connection.execute(statement).one_or_none()


def keys(connection: Connection, workspace_id: str) -> Sequence[AnyRow]:
    statement = select(*_KEY).where(KeyRow.workspace_id == workspace_id)
    return connection.execute(statement.order_by(KeyRow.created_at, KeyRow.id)).all()


def count_active(connection: Connection, workspace_id: str, kind: str) -> int:
    statement = select(func.count()).where(
        KeyRow.workspace_id == workspace_id, KeyRow.kind == kind, KeyRow.archived_at.is_(None)
    )
    return connection.execute(statement).scalar_one()


def digest_exists(connection: Connection, workspace_id: str, digest: bytes) -> bool:
    statement = select(KeyRow.id).where(KeyRow.workspace_id == workspace_id, KeyRow.digest == digest)
    return connection.execute(statement).first() is not None


def change_key(connection: Connection, key_id: str, values: dict[str, Any]) -> None:
    connection.execute(update(KeyRow).where(KeyRow.id == key_id).values(**values))


def sealed_values(connection: Connection, workspace_id: str) -> Sequence[AnyRow]:
    """(id, scopes, sealed) of the active keys that can be read again, oldest first."""
    statement = select(KeyRow.id, KeyRow.scopes, KeyRow.sealed).where(
        KeyRow.workspace_id == workspace_id, KeyRow.sealed.is_not(None)
    )
    return connection.execute(statement.order_by(KeyRow.created_at, KeyRow.id)).all()


def _insert_new(connection: Connection, table: type[Base], values: dict[str, Any]) -> bool:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing()
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1
