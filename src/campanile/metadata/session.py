"""Opening the metadata database and running transactions in it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine, Row, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from campanile.errors import ConfigurationError, Unavailable

SQLITE_BUSY_MILLISECONDS = 30_000
"""How long a writer waits for the one before it; long enough for the largest import in one transaction."""
POOL_CONNECTIONS = 8
"""Connections kept open per process."""
POOL_OVERFLOW = 8
"""Connections opened beyond those under load."""
POOL_WAIT_SECONDS = 30
"""How long a request waits for a free connection."""
CONNECT_SECONDS = 10
"""How long to wait for PostgreSQL to accept a connection."""

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
"""A result row whose columns are known by their names."""

_SQLITE_TRANSIENT = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)


class Metadata:
    """One open metadata database; thread-safe."""

    def __init__(self, engine: Engine, sqlite_file: Path | None = None) -> None:
        self.engine = engine
        if engine.dialect.name == "sqlite":
            self._reader = engine.execution_options(campanile_read_only=True)
        else:  # one statement sees one state anyway; without BEGIN and COMMIT a question is one round trip
            self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._sqlite_file = sqlite_file
        self._watcher: sqlite3.Connection | None = None
        self._watcher_lock = threading.Lock()

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A write transaction: committed at the end of the block, rolled back when the block raises.

        On SQLite it owns the only write lock from the start (BEGIN IMMEDIATE), so what it reads stays true.

        Raises:
            Unavailable: the database cannot be reached, or stays locked.
        """
        with _translated_errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """For reading only. On SQLite all statements see one state and wait for no writer.

        Raises:
            Unavailable: the database cannot be reached.
        """
        with _translated_errors(), self._reader.begin() as connection:
            yield connection

    def change_counter(self) -> int | None:
        """A number that differs after any commit, by any process, since the last call; a few microseconds.

        `None` on PostgreSQL, which has nothing as cheap: ask the database instead.

        Raises:
            Unavailable: the database cannot be read.
        """
        if self._sqlite_file is None:
            return None
        with self._watcher_lock:
            try:
                if self._watcher is None:
                    self._watcher = _watch(self._sqlite_file)
                version: int = self._watcher.execute("PRAGMA data_version").fetchone()[0]
            except sqlite3.OperationalError as error:
                raise _unavailable() from error
        return version

    def ping(self) -> None:
        """Raise `Unavailable` unless the database answers."""
        with self.read() as connection:
            connection.exec_driver_sql("SELECT 1")

    def close(self) -> None:
        with self._watcher_lock:
            if self._watcher is not None:
                self._watcher.close()
                self._watcher = None
        self.engine.dispose()


def open_metadata(url: str) -> Metadata:
    """Open `sqlite:///file` (created when missing, readable by its owner only) or `postgresql://…`.

    The tables are created and upgraded by `migrate`, not here.

    Raises:
        ConfigurationError: not such a URL, or the folder of the SQLite file cannot be made.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("metadata_url is not a database URL", attribute="metadata_url") from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _open_sqlite(parsed)
    if backend in ("postgresql", "postgres"):
        return Metadata(
            create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_size=POOL_CONNECTIONS,
                max_overflow=POOL_OVERFLOW,
                pool_timeout=POOL_WAIT_SECONDS,
                pool_pre_ping=True,
                connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "campanile"},
            )
        )
    raise ConfigurationError(
        f"metadata_url must start with sqlite:/// or postgresql://, not {backend}", attribute="metadata_url"
    )


def _open_sqlite(url: URL) -> Metadata:
    if not url.database or url.database == ":memory:":
        raise ConfigurationError("metadata_url must name a file: sqlite:///folder/file.db", attribute="metadata_url")
    path = Path(url.database).expanduser().resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ConfigurationError(f"cannot open the metadata database {path}: {error.strerror}") from error
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=POOL_CONNECTIONS,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_WAIT_SECONDS,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Metadata(engine, path)


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite
    for pragma in (
        f"busy_timeout={SQLITE_BUSY_MILLISECONDS}",  # first: switching to WAL may have to wait
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _watch(path: Path) -> sqlite3.Connection:
    """A connection that never writes: `data_version` tells it about the commits of others, hence about all."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MILLISECONDS}")
    return connection


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("campanile_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        cause = getattr(error, "orig", None)
        if isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode & 0xFF not in _SQLITE_TRANSIENT:
            raise
        raise _unavailable() from error


def _unavailable() -> Unavailable:
    return Unavailable("The metadata database cannot be used right now.", type="metadata_unavailable")
