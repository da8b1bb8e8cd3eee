"""SQL of runs, their files and deliveries. Every function runs in the transaction of the caller."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from campanile.metadata import AnyRow
from campanile.metadata.models import ReportDeliveryRow, ReportFileRow, ReportRunRow
from campanile.reports.files.writing import Part
from campanile.reports.runs.schemas import UNFINISHED, Delivery, File, Run, RunState
from campanile.reports.schemas import ReportWarning

_RUN = tuple(ReportRunRow.__table__.columns)
_FILE = tuple(getattr(ReportFileRow, name).label(f"file_{name}") for name in File.__struct_fields__)
_BOTH = select(*_RUN, *_FILE).outerjoin(ReportFileRow, ReportFileRow.run_id == ReportRunRow.id)
_PLAIN = tuple(name for name in Run.__struct_fields__ if name not in ("warnings", "parts", "file", "deliveries"))

_ID = re.compile(r"run_[0-9a-f]{20}")
_encode = msgspec.json.Encoder().encode
_warnings = msgspec.json.Decoder(tuple[ReportWarning, ...]).decode
_parts = msgspec.json.Decoder(tuple[Part, ...]).decode


# --- runs


def new_id() -> str:
    return f"run_{secrets.token_hex(10)}"


def add_run(connection: Connection, run: Run, slot_key: str | None) -> bool:
    """Store a new run. False: the slot has one already."""
    values = {name: getattr(run, name) for name in _PLAIN} | _texts(run.warnings, run.parts)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(ReportRunRow).values(**values, slot_key=slot_key).on_conflict_do_nothing()
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1


def find_run(
    connection: Connection, run_id: str, now: datetime, *, workspace_id: str | None = None, lock: bool = False
) -> Run | None:
    """A run; of one workspace only, if it is named. `lock` keeps others from changing it until the end."""
    if _ID.fullmatch(run_id) is None:  # PostgreSQL refuses some of what a path may hold
        return None
    statement = _BOTH.where(ReportRunRow.id == run_id)
    if workspace_id is not None:
        statement = statement.where(ReportRunRow.workspace_id == workspace_id)
    if lock:
        statement = statement.with_for_update(of=ReportRunRow)
    row = connection.execute(statement).one_or_none()
    return None if row is None else _run(row, now, _deliveries(connection, [run_id]).get(run_id, ()))


def runs(
    connection: Connection,
    workspace_id: str,
    now: datetime,
    *,
    limit: int,
    after: tuple[datetime, str] | None = None,
    definition_id: str | None = None,
    state: RunState | None = None,
    first: date | None = None,
    last: date | None = None,
) -> list[Run]:
    """Runs of a workspace, newest first.

    Args:
        after: creation and id of the last run that was shown.
        first, last: bounds of the file date, both inclusive.
    """
    row = ReportRunRow
    statement = _BOTH.where(row.workspace_id == workspace_id)
    if after is not None:
        created_at, run_id = after
        older = or_(row.created_at < created_at, and_(row.created_at == created_at, row.id < run_id))
        statement = statement.where(older)
    if definition_id is not None:
        statement = statement.where(row.definition_id == definition_id)
    if state is not None:
        statement = statement.where(_in_state(state, now))
    if first is not None:
        statement = statement.where(row.file_date >= first)
    if last is not None:
        statement = statement.where(row.file_date <= last)
    statement = statement.order_by(row.created_at.desc(), row.id.desc()).limit(limit)
    return _complete(connection, connection.execute(statement).all(), now)


def latest(connection: Connection, workspace_id: str, definition_ids: Collection[str], now: datetime) -> list[Run]:
    """The newest run of each definition that has one."""
    row = ReportRunRow
    place = func.row_number().over(partition_by=row.definition_id, order_by=(row.created_at.desc(), row.id.desc()))
    mine = (row.workspace_id == workspace_id, row.definition_id.in_(definition_ids))
    numbered = select(row.id, place.label("place")).where(*mine).subquery()
    newest = select(numbered.c.id).where(numbered.c.place == 1)
    return _complete(connection, connection.execute(_BOTH.where(row.id.in_(newest))).all(), now)


def unfinished(connection: Connection, definition_id: str) -> list[str]:
    """Ids of the runs of a definition that are not finished."""
    statement = select(ReportRunRow.id).where(
        ReportRunRow.definition_id == definition_id, ReportRunRow.state.in_(UNFINISHED)
    )
    return list(connection.execute(statement).scalars())


def last_planned(connection: Connection, definition_id: str, limit: int) -> list[str]:
    """States of the newest planned runs of a definition that are finished, newest first."""
    row = ReportRunRow
    statement = select(row.state).where(
        row.definition_id == definition_id, row.trigger == "schedule", row.state.not_in(UNFINISHED)
    )
    return list(connection.execute(statement.order_by(row.slot_at.desc()).limit(limit)).scalars())


def change_run(connection: Connection, run_id: str, **values: Any) -> None:
    """Change columns of a run; `warnings` and `parts` as values."""
    for name in ("warnings", "parts"):
        if name in values:
            values[name] = _encode(values[name]).decode()
    connection.execute(update(ReportRunRow).where(ReportRunRow.id == run_id).values(**values))


def forget_runs(connection: Connection, before: datetime, limit: int) -> int:
    """Delete old finished runs, with everything that belongs to them; how many. Runs with bytes in the store stay."""
    run, file = ReportRunRow, ReportFileRow
    kept = select(file.run_id).where(file.purged_at.is_(None))
    statement = select(run.id).where(run.finished_at <= before, run.id.not_in(kept)).limit(limit)
    ids = list(connection.execute(statement.with_for_update(skip_locked=True)).scalars())
    if ids:
        connection.execute(delete(ReportDeliveryRow).where(ReportDeliveryRow.run_id.in_(ids)))
        connection.execute(delete(file).where(file.run_id.in_(ids)))
        connection.execute(delete(run).where(run.id.in_(ids)))
    return len(ids)


# --- files


def add_file(connection: Connection, run: Run, file: File, link_digest: bytes | None) -> None:
    """Make a file visible. It takes the place of the one that an earlier attempt may have made."""
    connection.execute(
        insert(ReportFileRow).values(
            **msgspec.structs.asdict(file),
            workspace_id=run.workspace_id,
            run_id=run.id,
            stem=run.stem,
            file_date=run.file_date,
            link_digest=link_digest,
        )
    )


def named(connection: Connection, workspace_id: str, stem: str, file_date: date, now: datetime) -> Run | None:
    """The run whose file a name means: the one that generated last; without a file, the newest run.

    Runs whose names are forgotten do not count, and neither do those without a public name.
    """
    run, file = ReportRunRow, ReportFileRow
    statement = (
        _BOTH.where(
            run.workspace_id == workspace_id,
            run.stem == stem,
            run.file_date == file_date,
            run.by_name.is_(True),
            or_(file.id.is_(None), file.forgotten_at > now),
        )
        .order_by(file.generated_at.is_(None), file.generated_at.desc(), run.created_at.desc(), run.id.desc())
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else _run(row, now, ())


def name_in_work(connection: Connection, workspace_id: str, stem: str, file_date: date) -> bool:
    """Whether a run is going to make a file of this name."""
    run = ReportRunRow
    statement = select(run.id).where(
        run.workspace_id == workspace_id,
        run.stem == stem,
        run.file_date == file_date,
        run.by_name.is_(True),
        run.state.in_(UNFINISHED),
    )
    return connection.execute(statement.limit(1)).first() is not None


def linked(connection: Connection, link_digest: bytes, now: datetime) -> Run | None:
    """The run whose file has this link."""
    row = connection.execute(_BOTH.where(ReportFileRow.link_digest == link_digest)).one_or_none()
    return None if row is None else _run(row, now, ())


def unexpired_dates(connection: Connection, definition_id: str, now: datetime) -> set[date]:
    """File dates of a definition that have a file which has not expired."""
    run, file = ReportRunRow, ReportFileRow
    statement = select(run.file_date).join(file, file.run_id == run.id)
    return set(connection.execute(statement.where(run.definition_id == definition_id, file.expires_at > now)).scalars())


def retire_files(connection: Connection, definition_id: str, now: datetime) -> None:
    """Let all files of a definition expire now, and their names with them."""
    file = ReportFileRow
    own = select(ReportRunRow.id).where(ReportRunRow.definition_id == definition_id)
    connection.execute(
        update(file)
        .where(file.run_id.in_(own), file.forgotten_at > now)
        .values(
            expires_at=now,
            forgotten_at=now,
            link_digest=None,
        )
    )


def expired_files(connection: Connection, now: datetime, limit: int) -> list[str]:
    """Ids of expired files whose bytes may still be there."""
    file = ReportFileRow
    statement = select(file.id).where(file.expires_at <= now, file.purged_at.is_(None)).order_by(file.expires_at)
    return list(connection.execute(statement.limit(limit)).scalars())


def purged(connection: Connection, file_ids: Sequence[str], now: datetime) -> None:
    """The bytes of these files are gone."""
    file, run = ReportFileRow, ReportRunRow
    connection.execute(update(file).where(file.id.in_(file_ids)).values(purged_at=now))
    owners = select(file.run_id).where(file.id.in_(file_ids))
    connection.execute(update(run).where(run.id.in_(owners), run.state == "SUCCESSFUL").values(state="EXPIRED"))


def known_files(connection: Connection, file_ids: Sequence[str]) -> set[str]:
    """Those of the ids that belong to a file whose bytes should be there."""
    file = ReportFileRow
    return set(
        connection.execute(select(file.id).where(file.id.in_(file_ids), file.purged_at.is_(None))).scalars().all()
    )


# --- deliveries


def add_deliveries(connection: Connection, run_id: str, deliveries: Sequence[Delivery]) -> list[int]:
    """Store messages to be sent; their numbers."""
    row = ReportDeliveryRow
    statement = select(func.coalesce(func.max(row.number), 0)).where(row.run_id == run_id)
    first = connection.execute(statement).scalar_one() + 1
    numbers = list(range(first, first + len(deliveries)))
    for number, delivery in zip(numbers, deliveries, strict=True):
        values = msgspec.structs.asdict(delivery)
        connection.execute(insert(row).values(run_id=run_id, number=number, attempts=0, **values))
    return numbers


def delivery(connection: Connection, run_id: str, number: int) -> Delivery | None:
    row = ReportDeliveryRow
    columns = [getattr(row, name) for name in Delivery.__struct_fields__]
    found = connection.execute(select(*columns).where(row.run_id == run_id, row.number == number)).one_or_none()
    return None if found is None else Delivery(**found._mapping)


def change_delivery(connection: Connection, run_id: str, number: int, **values: Any) -> None:
    row = ReportDeliveryRow
    connection.execute(update(row).where(row.run_id == run_id, row.number == number).values(**values))


def _deliveries(connection: Connection, run_ids: Collection[str]) -> dict[str, tuple[Delivery, ...]]:
    row = ReportDeliveryRow
    columns = [getattr(row, name) for name in Delivery.__struct_fields__]
    statement = select(row.run_id, *columns).where(row.run_id.in_(run_ids)).order_by(row.run_id, row.number)
    found: dict[str, tuple[Delivery, ...]] = {}
    for run_id, *values in connection.execute(statement):
        delivery = Delivery(**dict(zip(Delivery.__struct_fields__, values, strict=True)))
        found[run_id] = (*found.get(run_id, ()), delivery)
    return found


# --- rows into values


def _in_state(state: RunState, now: datetime) -> ColumnElement[bool]:
    """Runs whose file has expired are EXPIRED from that instant on, also before somebody writes it down."""
    run, over = ReportRunRow, ReportFileRow.expires_at <= now
    match state:
        case "EXPIRED":
            return or_(run.state == "EXPIRED", and_(run.state == "SUCCESSFUL", over))
        case "SUCCESSFUL":
            return and_(run.state == "SUCCESSFUL", ~over)
        case _:
            return run.state == state


def _complete(connection: Connection, rows: Iterable[AnyRow], now: datetime) -> list[Run]:
    rows = list(rows)
    deliveries = _deliveries(connection, [row.id for row in rows])
    return [_run(row, now, deliveries.get(row.id, ())) for row in rows]


def _run(row: AnyRow, now: datetime, deliveries: tuple[Delivery, ...]) -> Run:
    values = row._mapping
    file = None
    if values["file_id"] is not None:
        file = File(**{name: values[f"file_{name}"] for name in File.__struct_fields__})
    known = {name: values[name] for name in _PLAIN}
    if known["state"] == "SUCCESSFUL" and file is not None and file.expires_at <= now:
        known["state"] = "EXPIRED"
    return Run(
        **known,
        warnings=_warnings(values["warnings"]),
        parts=_parts(values["parts"]),
        file=file,
        deliveries=deliveries,
    )


def _texts(warnings: Sequence[ReportWarning], parts: Sequence[Part]) -> dict[str, str]:
    return {"warnings": _encode(warnings).decode(), "parts": _encode(parts).decode()}
