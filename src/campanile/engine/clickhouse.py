"""ClickHouse over HTTP: one server, or a cluster of shards.

On a cluster every table exists twice on each node: `<table>_local` holds the node's rows, `<table>` distributes
inserts by user. Questions run on the shards, over local rows only, and return integers (docs/decisions/0003).
"""

from __future__ import annotations

import contextlib
import queue
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import clickhouse_connect
import msgspec
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from campanile.engine.engine import COPY_SETTINGS, WRITE_SETTINGS, Engine, EngineError, QuestionTimeout, migration_names
from campanile.engine.questions import ALIASES, Question
from campanile.engine.tables import TABLES
from campanile.errors import ConfigurationError, EngineUnavailable

DEFAULT_HTTP_PORT = 8123
MAX_LIST_ITEMS = 1_000
"""Items a list parameter may have before it travels in the statement: parameters are part of the URL."""
_FOREGROUND = {"distributed_foreground_insert": "1"}
"""Inserts return when every shard has its rows."""
_TIMEOUT_CODE = 159
_UNAVAILABLE_CODES = frozenset({32, 198, 202, 203, 209, 210, 236, 241, 279, 394})
"""Error codes of a node that has lost another one, is overloaded or is ending: nothing is wrong with the question."""


class ClickHouseAddress(msgspec.Struct, frozen=True):
    """A parsed `clickhouse://` URL."""

    hosts: tuple[tuple[str, int], ...]
    """HTTP addresses; on a cluster without ON CLUSTER statements, one of each node."""
    user: str
    password: str
    database: str
    cluster: str
    secure: bool


def parse_address(url: str) -> ClickHouseAddress:
    """Take a `clickhouse://user:pass@host:8123[,host2:8123]/db?cluster=name&secure=1` apart.

    Raises:
        ConfigurationError: a part is missing or wrong.
    """
    parts = urlsplit(url)
    credentials, _, addresses = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    hosts = []
    for address in addresses.split(","):
        host, _, port = address.rpartition(":") if ":" in address else (address, "", "")
        if not host or (port and not port.isdigit()):
            raise ConfigurationError(f"engine_url: {address!r} is not host:port")
        hosts.append((host, int(port) if port else DEFAULT_HTTP_PORT))
    options = parse_qs(parts.query)
    names = {"database": parts.path.strip("/") or "campanile", "cluster": options.get("cluster", [""])[0]}
    for key, name in names.items():
        if name and not name.replace("_", "a").isalnum():
            raise ConfigurationError(f"engine_url: the {key} name may hold letters, digits and underscores only")
    return ClickHouseAddress(
        hosts=tuple(hosts),
        user=unquote(user) or "default",
        password=unquote(password),
        database=names["database"],
        cluster=names["cluster"],
        secure=options.get("secure", ["0"])[0] == "1",
    )


class ClickHouseEngine(Engine):
    """ClickHouse servers at `address`."""

    shared = True

    def __init__(self, address: ClickHouseAddress, *, handles: int, query_timeout: float) -> None:
        super().__init__(workers=handles, query_timeout=query_timeout)
        self._address = address
        self._database = address.database
        self._cluster = address.cluster
        self._clients: queue.LifoQueue[Client | None] = queue.LifoQueue()
        for _ in range(handles + 1):  # one more than questions can hold, for inserts
            self._clients.put(None)
        with self._client():  # fail at start, not at the first request
            pass

    def _connect(self, host: str, port: int) -> Client:
        try:
            return clickhouse_connect.get_client(
                host=host,
                port=port,
                username=self._address.user,
                password=self._address.password,
                secure=self._address.secure,
                database="default",
                autogenerate_session_id=False,
                send_receive_timeout=int(self._query_timeout) + 10,
            )
        except ClickHouseError as error:
            raise EngineUnavailable(f"ClickHouse at {host}:{port} does not answer: {_first_line(error)}") from error

    def pending_migrations(self) -> list[str]:
        missing: set[str] = set()
        for node in self._nodes():
            with _translated():
                exists = node.query(f"EXISTS TABLE {self._database}.migrations").result_rows[0][0]
                rows = node.query(f"SELECT name FROM {self._database}.migrations").result_rows if exists else []
            missing |= set(migration_names()) - {row[0] for row in rows}
        return sorted(missing)

    def ping(self) -> None:
        with self._client() as client, _translated():
            client.query("SELECT 1")

    def truncate(self) -> None:
        self._merged_through.clear()
        for node in self._nodes():
            for table in TABLES:
                suffix = "_local" if self._cluster and table != ALIASES else ""
                node.command(f"TRUNCATE TABLE IF EXISTS {self._database}.{table}{suffix}")

    def close(self) -> None:
        super().close()
        while not self._clients.empty():
            client = self._clients.get()
            if client is not None:
                client.close()

    def _run(self, question: Question, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        sql, bound = self._statement(question, parameters)
        with self._client() as client, _translated():
            result = client.query(sql, parameters=bound, settings=self._settings())
            return [tuple(row) for row in result.result_rows]

    def _run_table(self, question: Question, parameters: Mapping[str, Any], threads: int | None) -> pa.Table:
        sql, bound = self._statement(question, parameters)
        with self._client() as client, _translated():
            return client.query_arrow(sql, parameters=bound, settings=self._settings(threads), use_strings=True)

    def _statement(self, question: Question, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        database, cluster = self._database, self._cluster
        sql = question.cluster_sql(database, cluster) if cluster else question.sql(database)
        return _inline_long_lists(sql, parameters)

    def _insert(self, table: str, rows: pa.Table) -> None:
        settings: dict[str, Any] = {**WRITE_SETTINGS, **_FOREGROUND}
        try:
            if table == ALIASES:
                for node in self._nodes():
                    node.insert_arrow(f"{self._database}.{table}", rows, settings=settings)
            else:
                with self._client() as client:
                    client.insert_arrow(f"{self._database}.{table}", rows, settings=settings)
        except (ClickHouseError, OSError) as error:
            raise EngineUnavailable(f"the event store did not take the rows: {_first_line(error)}") from error

    def _copy(self, statement: str, parameters: Mapping[str, Any]) -> None:
        settings: dict[str, Any] = {**WRITE_SETTINGS, **COPY_SETTINGS, **_FOREGROUND}
        # Each row goes to the shard of its new user, which the shard it is read from may not be.
        settings["parallel_distributed_insert_select"] = "0"
        sql, bound = _inline_long_lists(statement.replace("[database]", self._database), parameters)
        try:
            with self._client() as client:
                client.command(sql, parameters=bound, settings=settings)
        except (ClickHouseError, OSError) as error:
            raise EngineUnavailable(f"the event store did not take the rows: {_first_line(error)}") from error

    def _migrate(self, name: str, statements: Sequence[tuple[str, bool]]) -> None:
        suffix = "_local" if self._cluster else ""
        for node in self._nodes():
            with _translated():
                node.command(f"CREATE DATABASE IF NOT EXISTS {self._database}")
                node.command(
                    f"CREATE TABLE IF NOT EXISTS {self._database}.migrations (name String, applied_at DateTime"
                    " DEFAULT now()) ENGINE = ReplacingMergeTree ORDER BY name"
                )
                for statement, cluster_only in statements:
                    if cluster_only and not self._cluster:
                        continue
                    values = {"{database}": self._database, "{local}": suffix, "{cluster}": self._cluster}
                    for placeholder, value in values.items():
                        statement = statement.replace(placeholder, value)
                    node.command(statement)
                node.command(f"INSERT INTO {self._database}.migrations (name) VALUES ('{name}')")

    @contextlib.contextmanager
    def _client(self) -> Iterator[Client]:
        client = self._clients.get()
        try:
            if client is None:
                client = self._first_reachable()
            yield client
        except (OperationalError, EngineUnavailable):
            # The connection may be gone; the next caller tries the nodes anew.
            if client is not None:
                client.close()
            client = None
            raise
        finally:
            self._clients.put(client)

    def _nodes(self) -> Iterator[Client]:
        """Every node in turn, for statements that each of them needs."""
        for host, port in self._address.hosts:
            node = self._connect(host, port)
            try:
                yield node
            finally:
                node.close()

    def _first_reachable(self) -> Client:
        failure: EngineUnavailable | None = None
        for host, port in self._address.hosts:
            try:
                return self._connect(host, port)
            except EngineUnavailable as error:
                failure = error
        raise failure or EngineUnavailable("no ClickHouse address configured")


def _inline_long_lists(sql: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Move long lists from the URL into the statement, as digits only, so that no value is ever read as SQL."""
    bound = dict(parameters)
    for name, value in parameters.items():
        if isinstance(value, list) and len(value) > MAX_LIST_ITEMS:
            bound.pop(name)
            for kind in set(re.findall(r"\{" + name + r":([^}]+)\}", sql)):
                sql = sql.replace(f"{{{name}:{kind}}}", _digits(value, kind))
    return sql, bound


def _digits(items: list[Any], kind: str) -> str:
    if kind == "Array(String)":
        return f"arrayMap(x -> unhex(x), [{','.join(repr(str(item).encode().hex()) for item in items)}])"
    return f"CAST({_numbers(items)} AS {kind})"


def _numbers(items: list[Any]) -> str:
    # Quoted: a bare literal beyond 64 bits would be read as a floating-point number.
    return f"[{','.join(_numbers(item) if isinstance(item, list) else repr(str(int(item))) for item in items)}]"


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise EngineUnavailable(f"the event store does not answer: {_first_line(error)}") from error
    except ClickHouseError as error:
        if getattr(error, "code", None) == _TIMEOUT_CODE:
            raise QuestionTimeout("the question took too long") from error
        if getattr(error, "code", None) in _UNAVAILABLE_CODES:
            raise EngineUnavailable(f"the event store cannot answer now: {_first_line(error)}") from error
        raise EngineError(f"the engine refused a statement: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
