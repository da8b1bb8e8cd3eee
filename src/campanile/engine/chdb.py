"""The embedded engine: chDB inside this process, one folder, one process."""

from __future__ import annotations

import contextlib
import os
import queue
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from pyarrow import ipc

from campanile.engine.engine import COPY_SETTINGS, WRITE_SETTINGS, Engine, EngineError, QuestionTimeout, migration_names
from campanile.engine.lock import FolderLock
from campanile.engine.questions import Question
from campanile.engine.tables import TABLES
from campanile.errors import ConfigurationError, EngineUnavailable

DATABASE = "campanile"
_TIMEOUT_CODE = 159


class ChdbEngine(Engine):
    """chDB in `folder`. `handles` questions run side by side; writes have a handle of their own.

    Raises:
        ConfigurationError: another process uses the folder, or it cannot be opened.
    """

    shared = False

    def __init__(self, folder: Path, *, handles: int, query_timeout: float) -> None:
        super().__init__(workers=handles, query_timeout=query_timeout)
        self.folder = folder
        self._lock = FolderLock(folder)
        self._spool = folder / "inserts"
        self._writing = threading.Lock()
        self._closing = threading.Lock()
        self._closed = False
        self._handles = handles
        try:
            self._spool.mkdir(exist_ok=True)
            for left_over in self._spool.iterdir():
                left_over.unlink()
            self._writer = self._open()
            self._clients: queue.LifoQueue[Client | None] = queue.LifoQueue()  # None: closed
            for _ in range(handles):
                self._clients.put(self._open())
            self._writer.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        except (ClickHouseError, OSError) as error:
            self._lock.release()
            raise ConfigurationError(f"cannot open the embedded engine in {folder}: {error}") from error

    def _open(self) -> Client:
        return clickhouse_connect.get_client(interface="chdb", path=str(self.folder / "store"))

    def pending_migrations(self) -> list[str]:
        with self._write() as client:
            client.command(_MIGRATIONS_TABLE)
            rows = client.query(f"SELECT name FROM {DATABASE}.migrations").result_rows
        done = {row[0] for row in rows}
        return [name for name in migration_names() if name not in done]

    def ping(self) -> None:
        with self._read() as client, _translated():
            client.query("SELECT 1")

    def truncate(self) -> None:
        self._merged_through.clear()
        with self._noted(lambda movements: movements.changing()), self._write() as client:
            for table in TABLES:
                client.command(f"TRUNCATE TABLE IF EXISTS {DATABASE}.{table}")

    def close(self) -> None:
        """Wait for the questions that are being answered, then give the folder back. Doing it twice is fine.

        An open handle would keep the store open, and this process could not open another one.
        """
        super().close()
        with self._closing:
            if self._closed:
                return
            for _ in range(self._handles):
                client = self._clients.get()
                if client is not None:  # None only follows the last one
                    client.close()
            with self._writing:
                self._closed = True
                self._writer.close()
            self._clients.put(None)
            self._lock.release()

    def _run(self, question: Question, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self._read() as client, _translated():
            result = client.query(question.sql(DATABASE), parameters=dict(parameters), settings=self._settings())
            return [tuple(row) for row in result.result_rows]

    def _run_table(self, question: Question, parameters: Mapping[str, Any], threads: int | None) -> pa.Table:
        # In the statement: the client would look up, set and set back settings of the session around this one.
        settings = ", ".join(f"{name} = {value}" for name, value in self._settings(threads).items())
        statement = f"{question.sql(DATABASE)}\nSETTINGS {settings}\n"
        with self._read() as client, _translated():
            return client.query_arrow(statement, parameters=dict(parameters))

    def _insert(self, table: str, rows: pa.Table) -> None:
        # The engine reads the rows from a file beside its store: the binding offers no other way in that keeps
        # binary columns intact, and a file in memory-backed /tmp would not show a full disk in time.
        columns = ", ".join(f"`{name}`" for name in rows.column_names)
        settings = ", ".join(f"{name} = {value}" for name, value in {**WRITE_SETTINGS, **_INSERT_SETTINGS}.items())
        path = ""
        try:
            handle, path = tempfile.mkstemp(dir=self._spool, suffix=".arrow")
            os.close(handle)
            with pa.OSFile(path, "wb") as file, ipc.new_file(file, rows.schema) as writer:
                writer.write_table(rows.combine_chunks())
            with self._write() as client:
                client.command(
                    f"INSERT INTO {DATABASE}.{table} ({columns}) FROM INFILE '{path}' SETTINGS {settings} FORMAT Arrow"
                )
        except (ClickHouseError, OSError, pa.ArrowException) as error:
            raise EngineUnavailable(f"the event store did not take the rows: {_first_line(error)}") from error
        finally:
            if path:
                with contextlib.suppress(FileNotFoundError):
                    Path(path).unlink()

    def _copy(self, statement: str, parameters: Mapping[str, Any]) -> None:
        settings = ", ".join(f"{name} = {value}" for name, value in {**WRITE_SETTINGS, **COPY_SETTINGS}.items())
        statement = f"{statement.replace('[database]', DATABASE)} SETTINGS {settings}"
        try:
            with self._write() as client:
                client.command(statement, parameters=dict(parameters))
        except ClickHouseError as error:
            raise EngineUnavailable(f"the event store did not take the rows: {_first_line(error)}") from error

    def _migrate(self, name: str, statements: Sequence[tuple[str, bool]]) -> None:
        with self._write() as client, _translated():
            for statement, cluster_only in statements:
                if not cluster_only:
                    client.command(statement.replace("{database}", DATABASE).replace("{local}", ""))
            client.command(f"INSERT INTO {DATABASE}.migrations (name) VALUES ('{name}')")

    @contextlib.contextmanager
    def _read(self) -> Iterator[Client]:
        client = self._clients.get()
        try:
            if client is None:
                raise EngineUnavailable(_CLOSED)
            yield client
        finally:
            self._clients.put(client)

    @contextlib.contextmanager
    def _write(self) -> Iterator[Client]:
        with self._writing:
            if self._closed:
                raise EngineUnavailable(_CLOSED)
            yield self._writer


_INSERT_SETTINGS = {"max_threads": "1"}
"""A group is one block, which one thread writes; waking others takes longer than a small one needs."""

_CLOSED = "the event store is closed"
_MIGRATIONS_TABLE = f"""CREATE TABLE IF NOT EXISTS {DATABASE}.migrations
(name String, applied_at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY name
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"""


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClickHouseError as error:
        if getattr(error, "code", None) == _TIMEOUT_CODE:
            raise QuestionTimeout("the question took too long") from error
        raise EngineError(f"the engine refused a statement: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
