"""The narrow interface to the event store; both back ends answer the same questions with the same numbers."""

from __future__ import annotations

import asyncio
import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from importlib import resources
from typing import Any

import pyarrow as pa

from campanile.engine.movements import Movements
from campanile.engine.questions import Question, load_question
from campanile.engine.tables import TABLES, arrow_table
from campanile.errors import CampanileError

WRITE_SETTINGS: dict[str, str] = {
    # Server-side batching would acknowledge before the rows are durable; groups are formed by the intake.
    "async_insert": "0",
    # Duplicates are removed by identity; block hashes would drop a repeated block of distinct facts.
    "insert_deduplicate": "0",
    "deduplicate_blocks_in_dependent_materialized_views": "0",
    # What stands twice in one insert stays until a merge; questions read FINAL. Looking for it costs a third of an
    # insert, and the intake has looked already.
    "optimize_on_insert": "0",
}
"""Pinned for every insert; their defaults differ between engine versions."""

MAX_QUERY_BYTES = 16 * 1024 * 1024
"""Largest statement, in bytes: questions carry id lists."""

COPY_SETTINGS = {
    "max_partitions_per_insert_block": "0",  # a history may have any number of months
    "max_execution_time": "0",
}
"""For statements that copy rows within the store."""

COPY_USERS = 500
"""Users whose events are copied by one statement."""
_COPIED = {
    **{column: column for column in TABLES["events"]},
    "user_id": "transform(user_id, {moved:Array(String)}, {canonical:Array(String)}, user_id)",
    "sequence": "greatest(sequence, {sequence:UInt64})",
    "merged": "{sequence:UInt64}",
}
_COPY = (
    f"INSERT INTO [database].events ({', '.join(f'`{column}`' for column in _COPIED)})"
    f" SELECT {', '.join(_COPIED.values())} FROM [database].events FINAL"
    " WHERE workspace_id = {workspace:String} AND type != 'user_merge'"
    " AND user_key IN (SELECT sipHash64({workspace:String}, concat('u:', arrayJoin({moved:Array(String)}))))"
    " AND user_id IN {moved:Array(String)}"
)
"""`[database]` is to be replaced. Keys of users follow from their ids; the log is sorted by them within a day."""

_MIGRATION_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_CLUSTER_ONLY = "-- only: cluster"


class EngineError(CampanileError):
    """The engine refused a statement: a defect, not the user's fault. Shown as status 500 without details."""

    type = "engine_error"


class QuestionTimeout(EngineError):
    """A question ran longer than the configured time."""

    type = "question_timeout"


class Engine(ABC):
    """An event store. Thread-safe; `close` it when done."""

    shared: bool
    """Whether other processes may write to the same store."""

    def __init__(self, *, workers: int, query_timeout: float) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="engine")
        self._query_timeout = query_timeout
        self._merged_through: dict[str, int] = {}
        self.movements: Movements | None = None if self.shared else Movements()
        """What has been written to; None where other processes write as well."""

    def ask(
        self, question: str, workspace: str, *, as_of: int | None = None, **parameters: Any
    ) -> list[tuple[Any, ...]]:
        """Answer `questions/<question>.sql` for one workspace.

        Args:
            as_of: leave out everything that was stored with a later sequence.

        Raises:
            ValueError: no workspace given.
            EngineError: the engine refused the statement. EngineUnavailable: the store does not answer.
        """
        return self._run(*self._prepared(question, workspace, as_of, parameters))

    def ask_table(
        self,
        question: str,
        workspace: str,
        *,
        as_of: int | None = None,
        threads: int | None = None,
        **parameters: Any,
    ) -> pa.Table:
        """As `ask`, the answer by columns: for answers of many thousand rows.

        Args:
            threads: of the engine that work on it, on every shard; None: as many as there are processors.
        """
        return self._run_table(*self._prepared(question, workspace, as_of, parameters), threads)

    def _prepared(
        self, question: str, workspace: str, as_of: int | None, parameters: dict[str, Any]
    ) -> tuple[Question, dict[str, Any]]:
        if not workspace:
            raise ValueError(f"the question {question} needs a workspace")
        loaded = load_question(question)
        parameters["workspace"] = workspace
        if as_of is not None:
            loaded, parameters["as_of"] = loaded.as_of(), as_of
        merged_through = self._merged_through.get(workspace)
        if merged_through is not None and loaded.reads_events:
            loaded, parameters["merged_through"] = loaded.with_merges(), merged_through
        return loaded, parameters

    def note_merges(self, workspace: str, through: int) -> None:
        """Users of the workspace have been merged, or are about to be; questions see the merges up to a sequence."""
        self._merged_through[workspace] = max(through, self._merged_through.get(workspace, 0))

    def merged_through(self, workspace: str) -> int | None:
        """The sequence up to which questions see merges of users of the workspace; None where there are none."""
        return self._merged_through.get(workspace)

    async def answer(self, question: str, workspace: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """`ask` in the engine's own threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(self.ask, question, workspace, **parameters))

    def append(self, table: str, columns: Mapping[str, Sequence[object]]) -> None:
        """Write rows given as columns; durable and visible to every later question when it returns.

        Raises:
            EngineUnavailable: nothing can be said about the rows: they may or may not have been written.
        """
        rows = arrow_table(table, columns)
        with self._noted(lambda movements: movements.writing(rows)):
            self._insert(table, rows)

    def copy_users(self, workspace: str, moves: Mapping[str, str], sequence: int) -> None:
        """Copy all events of some users to others, as a merge with a sequence.

        Questions see the copies when they see the merge. Doing it twice changes nothing.

        Raises:
            EngineUnavailable: some of the copies may have been made.
        """
        users = sorted(moves)
        for start in range(0, len(users), COPY_USERS):
            moved = users[start : start + COPY_USERS]
            parameters = {
                "workspace": workspace,
                "moved": moved,
                "canonical": [moves[user] for user in moved],
                "sequence": sequence,
            }
            with self._noted(lambda movements: movements.changing(workspace)):
                self._copy(_COPY, parameters)

    def _noted(self, change: Callable[[Movements], AbstractContextManager[None]]) -> AbstractContextManager[None]:
        """Around a write: those who rely on what they read before are told."""
        return contextlib.nullcontext() if self.movements is None else change(self.movements)

    def migrate(self) -> list[str]:
        """Apply the migrations that are missing; returns their names."""
        applied: list[str] = []
        for name in self.pending_migrations():
            path = resources.files("campanile.engine") / "migrations" / name
            self._migrate(name, split_statements(path.read_text(encoding="utf-8")))
            applied.append(name)
        return applied

    @abstractmethod
    def pending_migrations(self) -> list[str]:
        """Names of the migrations that have not been applied everywhere, in order."""

    @abstractmethod
    def ping(self) -> None:
        """Raise EngineUnavailable unless the store answers."""

    @abstractmethod
    def truncate(self) -> None:
        """Delete every row of every table; for tests and the demo."""

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    @abstractmethod
    def _run(self, question: Question, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def _run_table(self, question: Question, parameters: Mapping[str, Any], threads: int | None) -> pa.Table: ...

    def _settings(self, threads: int | None = None) -> dict[str, Any]:
        """Of a question."""
        own = {} if threads is None else {"max_threads": threads}
        return {
            "max_execution_time": self._query_timeout,
            "max_query_size": MAX_QUERY_BYTES,
            # Copies of a row have the same sorting key, and it holds the day; so they are in one partition (a month,
            # a year), and those outside a range need not be read.
            "do_not_merge_across_partitions_select_final": 1,
            **own,
        }

    @abstractmethod
    def _insert(self, table: str, rows: pa.Table) -> None: ...

    @abstractmethod
    def _copy(self, statement: str, parameters: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def _migrate(self, name: str, statements: Sequence[tuple[str, bool]]) -> None: ...


def migration_names() -> list[str]:
    """All engine migrations of this package, in order."""
    folder = resources.files("campanile.engine") / "migrations"
    return sorted(entry.name for entry in folder.iterdir() if _MIGRATION_NAME.match(entry.name))


def split_statements(text: str) -> list[tuple[str, bool]]:
    """The statements of a migration file, each with whether it is for clusters only."""
    statements: list[tuple[str, bool]] = []
    for chunk in re.split(r";\s*(?:\n|$)", text):
        body = re.sub(r"^\s*--[^\n]*$", "", chunk, flags=re.MULTILINE).strip()
        if body:
            statements.append((body, _CLUSTER_ONLY in chunk))
    return statements
