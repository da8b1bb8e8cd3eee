"""Opening the database, transactions, and what happens when it cannot be used."""

from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import OperationalError

from campanile.errors import ConfigurationError, Unavailable
from campanile.metadata import Metadata, open_metadata
from campanile.metadata import session as session_module
from campanile.metadata.models import InstallationRow, WorkspaceRow


def put(metadata: Metadata, name: str, value: str = "x") -> None:
    with metadata.begin() as connection:
        connection.execute(insert(InstallationRow).values(name=name, value=value))


def names(metadata: Metadata) -> list[str]:
    with metadata.read() as connection:
        return list(connection.execute(select(InstallationRow.name).order_by(InstallationRow.name)).scalars())


def test_a_block_is_committed_and_a_raising_one_is_not(metadata: Metadata) -> None:
    put(metadata, "kept")
    with pytest.raises(RuntimeError), metadata.begin() as connection:
        connection.execute(insert(InstallationRow).values(name="lost", value="x"))
        raise RuntimeError
    assert names(metadata) == ["kept"]


def test_instants_come_back_in_utc_whatever_zone_they_were_given_in(metadata: Metadata) -> None:
    moment = datetime(2024, 7, 4, 8, 0, 54, 847000, tzinfo=timezone(timedelta(hours=-7)))
    row = {"id": "W", "name": "w", "settings": "{}", "pseudonym_key": b"", "created_at": moment, "campaigns_version": 0}
    with metadata.begin() as connection:
        connection.execute(insert(WorkspaceRow).values(**row))
    with metadata.read() as connection:
        stored = connection.execute(select(WorkspaceRow.created_at)).scalar_one()
        earlier = select(WorkspaceRow.id).where(WorkspaceRow.created_at < moment + timedelta(milliseconds=1))
        assert connection.execute(earlier).scalar_one() == "W"
    assert stored == moment
    assert stored.tzinfo is UTC


def test_the_change_counter_moves_with_every_commit(metadata: Metadata) -> None:
    before = metadata.change_counter()
    if metadata.dialect == "postgresql":
        assert before is None
        return
    assert metadata.change_counter() == before
    put(metadata, "one")
    after = metadata.change_counter()
    assert after != before
    other = open_metadata(metadata.engine.url.render_as_string())
    put(other, "two")
    other.close()
    assert metadata.change_counter() not in (before, after)


def test_the_change_counter_of_a_lost_database_is_unavailable(tmp_path: Path) -> None:
    opened = open_metadata(f"sqlite:///{tmp_path}/metadata.db")
    (tmp_path / "metadata.db").unlink()
    with pytest.raises(Unavailable):
        opened.change_counter()
    opened.close()


def test_writers_on_sqlite_wait_for_each_other_and_readers_do_not(sqlite: Metadata) -> None:
    """A transaction reads, then writes: with a late lock two of them would fail instead of waiting."""
    put(sqlite, "count", "0")
    inside = threading.Event()
    finish = threading.Event()

    def add(wait: bool) -> None:
        with sqlite.begin() as connection:
            value = connection.execute(select(InstallationRow.value)).scalar_one()
            if wait:
                inside.set()
                assert finish.wait(10)
            connection.execute(text("UPDATE installation SET value = :value"), {"value": str(int(value) + 1)})

    first = threading.Thread(target=add, args=(True,))
    first.start()
    assert inside.wait(10)
    second = threading.Thread(target=add, args=(False,))
    second.start()
    with sqlite.read() as connection:
        assert connection.execute(select(InstallationRow.value)).scalar_one() == "0"
    finish.set()
    first.join()
    second.join()
    with sqlite.read() as connection:
        assert connection.execute(select(InstallationRow.value)).scalar_one() == "2"


def test_sqlite_is_durable_and_checks_references(sqlite: Metadata) -> None:
    with sqlite.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    full = 2
    assert pragmas == {"journal_mode": "wal", "synchronous": full, "foreign_keys": 1, "busy_timeout": 30_000}


def test_sqlite_files_are_for_their_owner_only(tmp_path: Path) -> None:
    opened = open_metadata(f"sqlite:///{tmp_path}/new/folder/metadata.db")
    with opened.begin() as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER)"))
    for path in (tmp_path / "new" / "folder").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((tmp_path / "new" / "folder").stat().st_mode) == 0o700
    opened.close()


def test_a_locked_database_is_unavailable(sqlite: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "SQLITE_BUSY_MILLISECONDS", 20)
    impatient = open_metadata(sqlite.engine.url.render_as_string())
    with sqlite.begin(), pytest.raises(Unavailable) as caught:
        put(impatient, "never")
    impatient.close()
    assert caught.value.error_type == "metadata_unavailable"


def test_an_unreachable_server_is_unavailable() -> None:
    opened = open_metadata("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(Unavailable), opened.read():
        pass
    opened.close()


def test_a_mistake_of_ours_is_not_called_unavailable(sqlite: Metadata) -> None:
    with pytest.raises(OperationalError), sqlite.read() as connection:
        connection.execute(text("SELECT * FROM no_such_table"))


@pytest.mark.parametrize(
    "url", ["mysql://localhost/x", "not a url", "sqlite://", "sqlite:///:memory:", "sqlite:////dev/null/x/y.db"]
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="metadata"):
        open_metadata(url)
