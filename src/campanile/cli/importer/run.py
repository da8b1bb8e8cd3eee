"""The import of one file of events: batches in flight, state after each acknowledged one, errors aside."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from campanile.cli.importer import state as states
from campanile.cli.importer.batches import Batch, Outcome, batches, send
from campanile.cli.importer.errors import ErrorFile
from campanile.cli.importer.mapping import Converter
from campanile.cli.importer.places import fingerprint
from campanile.cli.importer.sources import ERRORS_SUFFIX, Source
from campanile.cli.importer.state import Counters, State
from campanile.client import Client
from campanile.errors import CampanileError, InvalidInput


class TooManyErrors(CampanileError):
    """The import was given up because of rejected rows; what was acknowledged stays."""

    type = "too_many_errors"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How files are imported."""

    batch: int
    jobs: int
    max_errors: int | None
    """Rejected rows after which the import is given up; None: never."""
    errors: Path | None
    """Error file; None: beside the input."""
    resume: bool | None
    """True: only go on; False: start over; None: go on when there is something to go on from."""
    retry: bool = False
    """Whether the files are error files of earlier imports."""


class FileImport:
    """One file on its way. `run` may be called once."""

    def __init__(
        self,
        source: Source,
        converter: Converter,
        client: Client,
        plan: Plan,
        stopping: threading.Event | None = None,
    ) -> None:
        """`stopping` is set when the import ends early, to end waits of the client.

        Raises:
            InvalidInput: the file or the mapping changed since the interruption, or there is nothing to go on from.
        """
        self._source = source
        self._converter = converter
        self._client = client
        self._plan = plan
        self._stopping = stopping or threading.Event()
        beside = source.place.beside if source.place else None
        self._state_path = states.state_path(beside) if beside else None
        self.error_file = ErrorFile(plan.errors or Path(f"{beside or 'stdin'}{ERRORS_SUFFIX}"))
        self.warnings: dict[str, int] = {}
        self.resumed_rows = 0
        """Rows that an earlier, interrupted run had finished."""
        self.sent_bytes = 0
        self._state = self._load()

    @property
    def counters(self) -> Counters:
        return self._state.counters

    def _load(self) -> State:
        identity = fingerprint(self._source.place) if self._source.place else ""
        mapping = f"{self._converter.digest()}:{self._client.workspace_id}"
        fresh = State(fingerprint=identity, mapping=mapping)
        if self._state_path is None and self._plan.resume:
            raise InvalidInput("standard input has no beginning to go on from: --resume needs a file")
        if self._state_path is None or self._plan.resume is False:
            return fresh
        found = states.load(self._state_path)
        if found is None:
            if self._plan.resume:
                raise InvalidInput(f"{self._source.name}: no interrupted import to go on with")
            return fresh
        if found.fingerprint != identity:
            raise InvalidInput(f"{self._source.name} changed since its import was interrupted: use --restart")
        if found.mapping != mapping:
            raise InvalidInput(
                f"{self._source.name}: mapping, flags or workspace changed since the interruption: use --restart"
            )
        self.resumed_rows = found.counters.rows
        return found

    def run(self, report: Callable[[Counters, int], None] | None = None) -> Counters:
        """Import what is left of the file; `report` is told counts and bytes read after each acknowledged batch.

        Raises:
            TooManyErrors: given up. ClientError: the server failed. In both cases a later run goes on from here.
        """
        self.error_file.truncate(self._state.errors_bytes)
        try:
            with contextlib.closing(self._outcomes()) as outcomes:
                for outcome in outcomes:
                    self._acknowledge(outcome)
                    if report is not None:
                        report(self._state.counters, self._source.consumed())
                    self._give_up_after_errors()
        finally:
            self.error_file.close()
        if self._state_path is not None:
            states.forget(self._state_path)
        return self._state.counters

    def _outcomes(self) -> Generator[Outcome, None, None]:
        """Answers in the order of the file, while later batches are on their way."""
        rows = self._source.rows(self._state.position)
        todo = batches(rows, self._converter, self._source.name, self._plan.batch, retry=self._plan.retry)
        running: deque[Future[Outcome]] = deque()
        with ThreadPoolExecutor(self._plan.jobs, thread_name_prefix="import") as pool:
            try:
                for batch in todo:
                    running.append(pool.submit(self._send, batch))
                    if len(running) > self._plan.jobs:
                        yield running.popleft().result()
                while running:
                    yield running.popleft().result()
            except BaseException:
                self._stopping.set()
                for future in running:
                    future.cancel()
                raise

    def _send(self, batch: Batch) -> Outcome:
        return send(self._client, batch, self._source.name)

    def _acknowledge(self, outcome: Outcome) -> None:
        state = self._state
        self.error_file.write(outcome.rejected)
        state.counters.add(outcome.counters)
        state.row, state.offset = outcome.end
        state.errors_bytes = self.error_file.size
        self.sent_bytes += outcome.size
        for name, count in outcome.warnings.items():
            self.warnings[name] = self.warnings.get(name, 0) + count
        if self._state_path is not None:
            states.save(self._state_path, state)

    def _give_up_after_errors(self) -> None:
        state, limit = self._state, self._plan.max_errors
        if limit is not None and state.counters.rejected > limit:
            raise TooManyErrors(
                f"{self._source.name}: given up after {state.counters.rejected} rejected rows, see "
                f"{self.error_file.path}; mend the file or raise --max-errors"
            )
