"""SQL of hooks, of events that wait, and of events that could not be stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from campanile.hooks.schemas import DeadLetter, DeliveryNote, Draft, Pending
from campanile.metadata import AnyRow, Metadata
from campanile.metadata.hooks import DeadLetterRow, HookDeliveryRow, HookRow, PendingEventRow
from campanile.metadata.models import Base

KEPT_DELIVERIES = 100
"""Deliveries remembered per hook."""
PURGE_ROWS = 1_000
"""Expired rows removed in one transaction."""

Note = Callable[[Connection], None]
"""Writes an entry of the audit log in the transaction of the change."""

_HOOK = tuple(HookRow.__table__.columns)
_LETTER = tuple(DeadLetterRow.__table__.columns)


class HookRepository:
    """Everything the receivers keep in the metadata database. Blocks; every method is one transaction.

    Raises:
        Unavailable: from any method, if the database cannot be reached.
    """

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    # --- hooks

    def add_hook(self, values: dict[str, Any], most: int, note: Note) -> bool:
        """Whether there was room in the workspace."""
        with self._metadata.begin() as connection:
            mine = HookRow.workspace_id == values["workspace_id"]
            if connection.execute(select(func.count()).select_from(HookRow).where(mine)).scalar_one() >= most:
                return False
            connection.execute(insert(HookRow).values(**values))
            note(connection)
        return True

    def hooks(self, workspace_id: str) -> Sequence[AnyRow]:
        """Oldest first."""
        statement = select(*_HOOK).where(HookRow.workspace_id == workspace_id)
        with self._metadata.read() as connection:
            return connection.execute(statement.order_by(HookRow.created_at, HookRow.id)).all()

    def hook(self, workspace_id: str, hook_id: str) -> AnyRow | None:
        with self._metadata.read() as connection:
            return connection.execute(select(*_HOOK).where(*_is(workspace_id, hook_id))).one_or_none()

    def hook_at(self, provider: str, address: str) -> AnyRow | None:
        """The hook behind an address, or behind its previous one."""
        at = or_(HookRow.address == address, HookRow.previous_address == address)
        with self._metadata.read() as connection:
            return connection.execute(select(*_HOOK).where(HookRow.provider == provider, at)).first()

    def change_hook(self, workspace_id: str, hook_id: str, values: dict[str, Any], note: Note) -> None:
        with self._metadata.begin() as connection:
            connection.execute(update(HookRow).where(*_is(workspace_id, hook_id)).values(**values))
            note(connection)

    def delete_hook(self, workspace_id: str, hook_id: str, note: Note) -> bool:
        """Whether there was one. Its deliveries go with it; what waits and what is dead stays."""
        with self._metadata.begin() as connection:
            connection.execute(delete(HookDeliveryRow).where(HookDeliveryRow.hook_id == hook_id, *_mine(workspace_id)))
            if connection.execute(delete(HookRow).where(*_is(workspace_id, hook_id))).rowcount != 1:
                return False
            note(connection)
        return True

    # --- deliveries

    def add_deliveries(self, notes: Sequence[tuple[str, DeliveryNote]]) -> None:
        """Remember deliveries (id, note); of each hook the newest ones stay."""
        hook_ids = sorted({note.hook_id for _, note in notes})
        with self._metadata.begin() as connection:
            known = set(connection.execute(select(HookRow.id).where(HookRow.id.in_(hook_ids))).scalars())
            rows = [{"id": name, **msgspec.structs.asdict(note)} for name, note in notes if note.hook_id in known]
            _insert_new(connection, HookDeliveryRow, rows)
            for hook_id in known:
                mine = select(HookDeliveryRow.id).where(HookDeliveryRow.hook_id == hook_id)
                newest = mine.order_by(HookDeliveryRow.at.desc(), HookDeliveryRow.id.desc()).limit(KEPT_DELIVERIES)
                keep = set(connection.execute(newest).scalars())
                old = [name for name in connection.execute(mine).scalars() if name not in keep]
                if old:
                    connection.execute(delete(HookDeliveryRow).where(HookDeliveryRow.id.in_(old)))

    def deliveries(self, workspace_id: str, hook_id: str, most: int) -> list[DeliveryNote]:
        """Newest first."""
        statement = (
            select(*HookDeliveryRow.__table__.columns)
            .where(HookDeliveryRow.hook_id == hook_id, *_mine(workspace_id))
            .order_by(HookDeliveryRow.at.desc(), HookDeliveryRow.id.desc())
            .limit(most)
        )
        with self._metadata.read() as connection:
            rows = connection.execute(statement).all()
        return [DeliveryNote(**{name: value for name, value in row._mapping.items() if name != "id"}) for row in rows]

    def last_deliveries(self, workspace_id: str) -> dict[str, tuple[datetime, str]]:
        """Hook → when the last delivery to it came, and what became of it."""
        newest = (
            select(HookDeliveryRow.hook_id, func.max(HookDeliveryRow.at).label("at"))
            .where(*_mine(workspace_id))
            .group_by(HookDeliveryRow.hook_id)
            .subquery()
        )
        both = (HookDeliveryRow.hook_id == newest.c.hook_id) & (HookDeliveryRow.at == newest.c.at)
        statement = select(HookDeliveryRow.hook_id, HookDeliveryRow.at, HookDeliveryRow.outcome).join(newest, both)
        with self._metadata.read() as connection:
            return {row.hook_id: (row.at, row.outcome) for row in connection.execute(statement)}

    # --- events that wait

    def count_pending(self, workspace_id: str) -> int:
        statement = select(func.count()).select_from(PendingEventRow)
        with self._metadata.read() as connection:
            return int(connection.execute(statement.where(PendingEventRow.workspace_id == workspace_id)).scalar_one())

    def add_pending(self, waiting: Sequence[Pending], expires_at: datetime) -> None:
        """Let events wait; those that wait already go on waiting."""
        rows = [
            {
                "id": item.id,
                "workspace_id": item.workspace_id,
                "source": item.source,
                "hook_id": item.hook_id,
                "provider": item.draft.message[0],
                "message_id": item.draft.message[1],
                "draft": msgspec.json.encode(item.draft).decode(),
                "received_at": item.received_at,
                "expires_at": expires_at,
            }
            for item in waiting
        ]
        with self._metadata.begin() as connection:
            _insert_new(connection, PendingEventRow, rows)

    def pending_workspaces(self) -> list[str]:
        """Workspaces with events that wait."""
        with self._metadata.read() as connection:
            return sorted(connection.execute(select(PendingEventRow.workspace_id).distinct()).scalars())

    def pending_messages(self, workspace_id: str) -> dict[str, tuple[str, str]]:
        """Id of what waits → provider and id of the message it waits for."""
        columns = PendingEventRow.id, PendingEventRow.provider, PendingEventRow.message_id
        with self._metadata.read() as connection:
            rows = connection.execute(select(*columns).where(PendingEventRow.workspace_id == workspace_id)).all()
        return {row.id: (row.provider, row.message_id) for row in rows}

    def pending(self, workspace_id: str, ids: Sequence[str]) -> list[Pending]:
        """Events that wait, by their ids."""
        statement = select(*PendingEventRow.__table__.columns)
        where = PendingEventRow.workspace_id == workspace_id, PendingEventRow.id.in_(ids)
        with self._metadata.read() as connection:
            return [_pending(row) for row in connection.execute(statement.where(*where)).all()]

    def expired_pending(self, now: datetime) -> list[Pending]:
        """Some of the events that have waited for too long."""
        statement = select(*PendingEventRow.__table__.columns).where(PendingEventRow.expires_at <= now)
        with self._metadata.read() as connection:
            return [_pending(row) for row in connection.execute(statement.limit(PURGE_ROWS)).all()]

    def remove_pending(self, ids: Sequence[str]) -> None:
        with self._metadata.begin() as connection:
            connection.execute(delete(PendingEventRow).where(PendingEventRow.id.in_(ids)))

    # --- events that could not be stored

    def add_dead_letters(self, letters: Sequence[DeadLetter], expires_at: datetime) -> None:
        """Keep them; the same event is kept once."""
        rows = [
            {
                **{name: getattr(letter, name) for name in DeadLetter.__struct_fields__ if name != "content"},
                "content": msgspec.json.encode(letter.content).decode(),
                "expires_at": expires_at,
            }
            for letter in letters
        ]
        with self._metadata.begin() as connection:
            _insert_new(connection, DeadLetterRow, rows)

    def dead_letters(self, workspace_id: str, most: int, ids: Sequence[str] | None = None) -> list[DeadLetter]:
        """Newest first; all, or those with these ids."""
        statement = select(*_LETTER).where(DeadLetterRow.workspace_id == workspace_id)
        if ids is not None:
            statement = statement.where(DeadLetterRow.id.in_(ids))
        with self._metadata.read() as connection:
            ordered = statement.order_by(DeadLetterRow.at.desc(), DeadLetterRow.id).limit(most)
            return [_letter(row) for row in connection.execute(ordered).all()]

    def count_dead_letters(self, workspace_id: str) -> int:
        statement = select(func.count()).select_from(DeadLetterRow)
        with self._metadata.read() as connection:
            return int(connection.execute(statement.where(DeadLetterRow.workspace_id == workspace_id)).scalar_one())

    def remove_dead_letters(self, workspace_id: str, ids: Iterable[str]) -> None:
        where = DeadLetterRow.workspace_id == workspace_id, DeadLetterRow.id.in_(list(ids))
        with self._metadata.begin() as connection:
            connection.execute(delete(DeadLetterRow).where(*where))

    def purge_dead_letters(self, now: datetime) -> None:
        """Remove some of those that have been kept long enough."""
        old = select(DeadLetterRow.id).where(DeadLetterRow.expires_at <= now).limit(PURGE_ROWS)
        with self._metadata.read() as connection:
            ids = list(connection.execute(old).scalars())
        if ids:
            with self._metadata.begin() as connection:
                connection.execute(delete(DeadLetterRow).where(DeadLetterRow.id.in_(ids)))


def _insert_new(connection: Connection, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows; those whose key exists change nothing."""
    if rows:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), list(rows))


def _is(workspace_id: str, hook_id: str) -> tuple[Any, Any]:
    return HookRow.workspace_id == workspace_id, HookRow.id == hook_id


def _mine(workspace_id: str) -> tuple[Any]:
    return (HookDeliveryRow.workspace_id == workspace_id,)


def _pending(row: AnyRow) -> Pending:
    return Pending(
        id=row.id,
        workspace_id=row.workspace_id,
        source=row.source,
        hook_id=row.hook_id,
        draft=msgspec.json.decode(row.draft, type=Draft),
        received_at=row.received_at,
    )


def _letter(row: AnyRow) -> DeadLetter:
    values = {name: row._mapping[name] for name in DeadLetter.__struct_fields__}
    return DeadLetter(**{**values, "content": msgspec.json.decode(row.content)})
