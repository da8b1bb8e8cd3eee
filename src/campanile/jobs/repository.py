"""SQL of the queue. Every function runs in the transaction of the caller."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, func, insert, or_, select, text, tuple_, update
from sqlalchemy.orm import aliased

from campanile.metadata import AnyRow
from campanile.metadata.models import JobRow

_COLUMNS = tuple(JobRow.__table__.columns)


def add(connection: Connection, values: dict[str, Any]) -> bool:
    """Whether the job was added; otherwise there is one of this kind with this key."""
    known = select(JobRow.id).where(JobRow.kind == values["kind"], JobRow.key == values["key"])
    if connection.execute(known).first() is not None:
        return False
    connection.execute(insert(JobRow).values(**values))
    return True


def next_due(
    connection: Connection, kinds: Collection[str], now: datetime, *, full: Collection[tuple[str, str]]
) -> AnyRow | None:
    """The first job that is due, held by nobody, and at the head of its lane; locked until the end of the transaction.

    Args:
        full: (kind, workspace) that may not begin more work.
    """
    before = aliased(JobRow)
    head_of_lane = ~exists(
        select(before.id).where(
            before.lane == JobRow.lane,
            before.kind == JobRow.kind,
            tuple_(before.created_at, before.id) < tuple_(JobRow.created_at, JobRow.id),
        )
    )
    statement = select(*_COLUMNS).where(
        JobRow.kind.in_(kinds),
        JobRow.due_at <= now,
        or_(JobRow.held_until.is_(None), JobRow.held_until <= now),
        or_(JobRow.lane.is_(None), head_of_lane),
    )
    for kind, workspace_id in full:
        statement = statement.where(~and_(JobRow.kind == kind, func.coalesce(JobRow.workspace_id, "") == workspace_id))
    order = (JobRow.due_at, JobRow.created_at, JobRow.id)
    statement = statement.order_by(*order).limit(1).with_for_update(skip_locked=True, of=JobRow)
    return connection.execute(statement).one_or_none()


def held(connection: Connection, kind: str, workspace_id: str, now: datetime) -> int:
    """Jobs of a workspace that somebody works on. The number stays true until the end of the transaction."""
    if connection.dialect.name == "postgresql":  # on SQLite there is one writer at a time
        name = int.from_bytes(blake2b(f"{kind}/{workspace_id}".encode(), digest_size=8).digest(), "big", signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:name)"), {"name": name})
    statement = select(func.count()).where(
        JobRow.kind == kind, JobRow.workspace_id == workspace_id, JobRow.held_until > now
    )
    return connection.execute(statement).scalar_one()


def locked(connection: Connection, job_id: str) -> AnyRow | None:
    """The job, unchangeable for others until the end of the transaction."""
    return connection.execute(select(*_COLUMNS).where(JobRow.id == job_id).with_for_update()).one_or_none()


def find(connection: Connection, kind: str, key: str) -> AnyRow | None:
    """As `locked`, by what the job is about."""
    statement = select(*_COLUMNS).where(JobRow.kind == kind, JobRow.key == key)
    return connection.execute(statement.with_for_update()).one_or_none()


def change(connection: Connection, job_id: str, values: dict[str, Any]) -> None:
    connection.execute(update(JobRow).where(JobRow.id == job_id).values(**values))


def remove(connection: Connection, job_id: str) -> None:
    connection.execute(delete(JobRow).where(JobRow.id == job_id))


def count(connection: Connection, kinds: Collection[str]) -> int:
    return connection.execute(select(func.count()).where(JobRow.kind.in_(kinds))).scalar_one()
