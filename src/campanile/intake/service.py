"""Takes events and reported counts in: from the bytes of a request to the answer (ingest specification 1)."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

import anyio
import msgspec
import structlog

from campanile.campaigns.service import CampaignService
from campanile.clock import Clock
from campanile.engine import Engine
from campanile.errors import Problem, Unavailable
from campanile.intake import telemetry
from campanile.intake.batch import load_libraries
from campanile.intake.clocks import SenderClock, SenderClocks
from campanile.intake.committer import Committer, Outcome
from campanile.intake.decode import BodyDecoder, Coding, Format, content_coding
from campanile.intake.ledger import Ledger
from campanile.intake.limits import DEFAULT_ERRORS, IMPORT_LIMITS, Limits
from campanile.intake.machines import machine_rules
from campanile.intake.marks import Marks
from campanile.intake.merges import Merges
from campanile.intake.policy import Policy
from campanile.intake.pressure import Pressure, Ticket
from campanile.intake.readers import ReaderPool
from campanile.intake.reading import ReadingOrder
from campanile.intake.registrar import Registrar
from campanile.intake.rejects import RejectedRecord, Rejects
from campanile.intake.repository import LogRepository, StoredMergeMarks, WorkspaceLocks
from campanile.intake.snapshot_store import SnapshotStore
from campanile.intake.snapshots import ParsedSnapshots, parse_snapshots
from campanile.intake.verdicts import IntakeAnswer, ParsedBatch, Rejection, answer
from campanile.metadata import Metadata
from campanile.metadata.idempotency import Answer, IdempotencyKeys, request_digest
from campanile.settings import Settings
from campanile.workspaces.schemas import Workspace
from campanile.workspaces.service import WorkspaceService

T = TypeVar("T")

NOTHING = Outcome(0, frozenset(), {}, 0, ())
"""What becomes of no records."""

_log = structlog.get_logger("campanile.intake")

_encode = msgspec.json.Encoder(decimal_format="number").encode

PARSING_THREADS = 2
"""Requests that are read at the same time in this process. More threads would only slow each other."""


class IntakeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How the records of one request are to be taken."""

    workspace: Workspace
    request_id: str
    format: Format
    source: str = "api"
    """Where the records come from, for the metrics: `api`, `import`, or the name of a receiver."""
    idempotency_key: str | None = None
    dry_run: bool = False
    """Judge everything, store nothing."""
    atomic: bool = False
    """Store all records or none."""
    strict: bool = False
    """Unknown fields refuse a record."""
    imported: bool = False
    """History: older than the age limit."""
    max_errors: int = DEFAULT_ERRORS
    key_id: str = ""
    """Key whose clock is watched; empty for history and what receivers hand over."""


class Taken(msgspec.Struct, frozen=True):
    """What became of the records that a receiver handed over."""

    accepted: int
    duplicates: int
    refused: dict[int, Problem]
    """Position → reason."""


class Reply(msgspec.Struct, frozen=True):
    """The answer to a request, ready to be sent."""

    status: int
    body: bytes
    rejected: int = 0
    replayed: bool = False
    """Whether the request had been answered before."""


class IntakeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """State of the intake of this process, and what a workspace has sent to it since it started."""

    store: Literal["ok", "unavailable"]
    """Whether the newest group of events could be written."""
    pending_requests: int
    pending_bytes: int
    waiting_events: int
    """Events that wait for their group to be written."""
    oldest_waiting_seconds: float
    last_commit_at: datetime | None
    last_commit_seconds: float
    known_ids_bytes: int
    accepted: int
    duplicates: int
    rejected: int
    clocks: list[SenderClock]
    """Keys whose median event came more than five minutes before or after its time."""


class IntakeService:
    """The intake of one process. `start` it in the event loop that serves the requests."""

    def __init__(
        self,
        engine: Engine,
        metadata: Metadata,
        workspaces: WorkspaceService,
        campaigns: CampaignService,
        settings: Settings,
        clock: Clock,
        *,
        monotonic: Callable[[], float],
        jitter: Callable[[], float] = random.random,
        limits: Limits | None = None,
        readers: int | None = None,
    ) -> None:
        """`readers` are processes that read large bodies; default: by the number of processors."""
        self._workspaces = workspaces
        self._campaigns = campaigns
        self._clock = clock
        self._limits = limits or Limits()
        self._machine_rules = settings.machine_rules
        machine_rules(self._machine_rules)  # a mistake in the file shows at start
        log = LogRepository(engine)
        locks = WorkspaceLocks(metadata)
        self._marks = Marks(log, locks, clock)
        self._ledger = Ledger(log, clock, locked=locks.effective)
        merges = Merges(
            log,
            StoredMergeMarks(metadata),
            engine.note_merges,
            self._ledger.next_sequence,
            followed=log.shared,
        )
        self._committer = Committer(
            self._ledger, log, Registrar(campaigns), merges, locks, settings, clock, monotonic=monotonic
        )
        self._snapshots = SnapshotStore(log, campaigns, locks, self._ledger)
        self._keys = IdempotencyKeys(metadata, clock)
        self._rejects = Rejects()
        self._results: dict[str, Counter[str]] = {}
        self._clocks = SenderClocks()
        disk = None if log.shared else settings.data_path
        self._pressure = Pressure(settings, monotonic=monotonic, jitter=jitter, disk=disk)
        self._readers = ReaderPool(readers)
        self._parsing = anyio.CapacityLimiter(self._readers.size + PARSING_THREADS)
        self._preparing: asyncio.Task[None] | None = None
        telemetry.QUEUE_BYTES.set_function(lambda: self._pressure.pending_bytes)
        telemetry.KNOWN_IDS_BYTES.set_function(lambda: self._ledger.size_bytes)

    # --- life

    async def start(self) -> None:
        """Begin to take requests; gets acquainted with the logs of all workspaces meanwhile."""
        self._committer.start()
        self._preparing = asyncio.get_running_loop().create_task(self._prepare(), name="intake-prepare")

    async def close(self) -> None:
        """Answer what is under way, take nothing more."""
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.wait([self._preparing])
        await self._committer.close()
        self._ledger.close()
        self._readers.close()
        with contextlib.suppress(Unavailable):  # labels of campaigns; their events are stored
            await anyio.to_thread.run_sync(self._campaigns.flush)

    async def _prepare(self) -> None:
        await anyio.to_thread.run_sync(load_libraries)
        try:
            for workspace in await anyio.to_thread.run_sync(self._workspaces.list):
                await self._committer.alone(partial(self._committer.prepare, workspace.id))
        except Unavailable as error:
            _log.warning("known_ids_delayed", error=error.message)  # each workspace is read when it sends something

    # --- what is stored

    def mark(self, workspace_id: str) -> int:
        """A sequence up to which the log of a workspace is final; see `Marks.take`. Blocks: call it from a worker
        thread.

        Raises:
            EngineUnavailable: the log cannot be read. Unavailable: the server is shutting down.
        """
        return self._committer.between(partial(self._marks.take, workspace_id))

    # --- before the body

    def admit(self, workspace: Workspace, size: int) -> AbstractContextManager[Ticket]:
        """The right to send a body of `size` bytes, for the length of a `with` block.

        Raises:
            RateLimited: the workspace has used up its rate. Unavailable: no memory, request slot or disk left.
        """
        limits = workspace.settings
        return self._pressure.admit(workspace.id, size, rate=limits.intake_rate, burst=limits.intake_burst)

    def rate_headers(self, workspace: Workspace) -> dict[str, str]:
        """`x-ratelimit-*` of a workspace, counting records."""
        return self._pressure.headers(workspace.id)

    def decoder(self, coding: Coding, content_length: int | None) -> BodyDecoder:
        """Where the body goes as it arrives.

        Raises:
            PayloadTooLarge: the declared length is beyond the limit.
        """
        return BodyDecoder(coding, self._limits, content_length=content_length)

    def unpacker(self, content_encoding: str | None, content_length: int | None) -> BodyDecoder:
        """The same for the coding that a `Content-Encoding` header names.

        Raises:
            UnsupportedMediaType: it is not known. PayloadTooLarge: the declared length is beyond the limit.
        """
        return self.decoder(content_coding(content_encoding), content_length)

    # --- the records

    def is_machine(self, act: str, user_agent: str, address: str) -> bool:
        """Whether an open or click was made by a machine; for receivers, which must not pass such things on."""
        return machine_rules(self._machine_rules).machine(act, user_agent, address)

    async def take_events(self, request: IntakeRequest, body: BodyDecoder, ticket: Ticket) -> Reply:
        """Judge and store the events of a complete body; returns when they are durable and visible.

        Raises:
            InvalidInput, PayloadTooLarge: the body cannot be read as a whole.
            RateLimited: more events than the workspace may send now.
            Conflict: the idempotency key belongs to another request.
            Unavailable: nothing is acknowledged; the same request may be sent again.
        """
        received_at = self._clock.now()
        plain = await self._plain(body, ticket)
        return await self._reply(await self._read(request, self._policy(request), plain, received_at), ticket)

    async def take_received(
        self, request: IntakeRequest, records: Sequence[Mapping[str, Any]], received_at: datetime
    ) -> Taken:
        """Judge and store events that a receiver made of somebody else's messages; as durable as `take_events`.

        They may carry names of the reserved prefix, and campaigns that they register do not report attempts
        (ingest specification 1.10, rule 1).

        Args:
            request: of format `ndjson`; its idempotency key is not looked at.
            records: events as JSON objects, at most as many as a request may hold.
            received_at: when the message arrived, which may be long ago.

        Raises:
            PayloadTooLarge: too many records. Unavailable: nothing is acknowledged; it may be done again.
        """
        if not records:
            return Taken(0, 0, {})
        policy = msgspec.structs.replace(self._policy(request), reserved_names=True, implied_attempts=True)
        body = b"\n".join(map(_encode, records))
        result, rejections = await self._judged(await self._read(request, policy, body, received_at))
        refused = {item.index: Problem(item.code, item.message, item.field) for item in rejections}
        return Taken(result.accepted, result.duplicates, refused)

    async def _read(self, request: IntakeRequest, policy: Policy, body: bytes, received_at: datetime) -> _Job:
        order = ReadingOrder(
            body=body,
            format=request.format,
            workspace=request.workspace,
            policy=policy,
            received_at=received_at,
            idempotency_key=request.idempotency_key,
            atomic=request.atomic,
        )
        with contextlib.nullcontext() if request.dry_run else self._committer.expecting():
            reading = await self._in_thread(partial(self._readers.read, order))
        batch = reading.batch

        async def store() -> Outcome:
            if batch is None:
                return NOTHING
            if request.dry_run:
                return (await self._committer.alone(partial(self._committer.write, [batch], rehearsal=True)))[0]
            outcome = await self._committer.submit(batch)
            if request.key_id:
                self._clocks.note(request.workspace.id, request.key_id, batch.times, received_at)
            return outcome

        def record_id(position: int) -> str:
            return "" if batch is None else batch.event_id(position)

        return _Job(request, "events", body, received_at, reading.parsed, store, record_id)

    async def take_snapshots(self, request: IntakeRequest, body: BodyDecoder, ticket: Ticket) -> Reply:
        """The same for reported counts."""
        received_at = self._clock.now()
        plain = await self._plain(body, ticket)
        policy = self._policy(request)
        parsed = await self._in_thread(partial(parse_snapshots, plain, request.format, policy, received_at))
        snapshots = parsed.snapshots

        async def store() -> Outcome:
            if not snapshots:
                return NOTHING
            write = partial(self._snapshots.write, request.workspace, snapshots, received_at)
            return await self._committer.alone(partial(write, atomic=request.atomic, rehearsal=request.dry_run))

        def record_id(position: int) -> str:
            return snapshots[position].snapshot_id

        return await self._reply(_Job(request, "funnel", plain, received_at, parsed, store, record_id), ticket)

    async def _plain(self, body: BodyDecoder, ticket: Ticket) -> bytes:
        plain = await self._in_thread(body.finish)
        ticket.resize(len(plain))
        return plain

    async def _reply(self, job: _Job, ticket: Ticket) -> Reply:
        request = job.request
        if request.dry_run:
            return await self._judge(job)
        ticket.spend(job.parsed.received)
        key = request.idempotency_key
        if key is None:
            return await self._judge(job)
        workspace = request.workspace.id
        digest = await self._in_thread(partial(request_digest, job.body, *job.circumstances()))
        async with self._keys.alone(workspace, key):
            earlier = await anyio.to_thread.run_sync(self._keys.claim, workspace, key, digest)
            if earlier is not None:
                return Reply(earlier.status, earlier.body, replayed=True)
            reply = await self._judge(job)
            await anyio.to_thread.run_sync(self._keys.keep, workspace, key, Answer(reply.status, reply.body))
            return reply

    async def _judge(self, job: _Job) -> Reply:
        result, _ = await self._judged(job)
        return Reply(result.http_status, msgspec.json.encode(result), result.rejected)

    async def _judged(self, job: _Job) -> tuple[IntakeAnswer, list[Rejection]]:
        request, parsed = job.request, job.parsed
        outcome = NOTHING if request.atomic and parsed.rejections else await job.store()
        rejections = [*parsed.rejections, *job.rejections(outcome)]
        withdrawn = request.atomic and bool(rejections)
        result = answer(
            request_id=request.request_id,
            received=parsed.received,
            accepted=0 if withdrawn else outcome.accepted,
            duplicates=0 if withdrawn else len(outcome.duplicates),
            rejections=rejections,
            warnings=[*parsed.warnings, *outcome.warnings],
            max_errors=request.max_errors,
        )
        if not request.dry_run:
            self._record(request, result, rejections, outcome, job.received_at)
        return result, rejections

    def _record(
        self,
        request: IntakeRequest,
        result: IntakeAnswer,
        rejections: Sequence[Rejection],
        outcome: Outcome,
        received_at: datetime,
    ) -> None:
        workspace = request.workspace.id
        results = {"accepted": result.accepted, "duplicates": result.duplicates, "rejected": result.rejected}
        self._results.setdefault(workspace, Counter()).update(results)
        for name, count in results.items():
            telemetry.EVENTS.labels(workspace, request.source, name).inc(count)
        for code, count in Counter(rejection.code for rejection in rejections).items():
            telemetry.REJECTS.labels(code).inc(count)
        if outcome.conflicting:
            telemetry.CONFLICTING.labels(workspace).inc(outcome.conflicting)
        self._rejects.add(workspace, request.source, request.request_id, received_at, rejections)

    def _policy(self, request: IntakeRequest) -> Policy:
        settings = request.workspace.settings
        limits = self._limits
        if request.imported:
            limits = msgspec.structs.replace(
                limits, age=IMPORT_LIMITS.age, earliest=IMPORT_LIMITS.earliest, future=IMPORT_LIMITS.future
            )
        return Policy(
            workspace_id=request.workspace.id,
            pseudonym_key=request.workspace.pseudonym_key,
            pii_mode=settings.pii_mode,
            reject_placeholder_ids=settings.reject_placeholder_ids,
            keep_link_query=settings.keep_link_query,
            machine_rules=self._machine_rules,
            strict=request.strict,
            limits=limits,
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._parsing)

    # --- looking in

    def status(self, workspace: Workspace) -> IntakeStatus:
        """How this process is doing."""
        results = self._results.get(workspace.id, Counter())
        return IntakeStatus(
            store="unavailable" if self._committer.failing else "ok",
            pending_requests=self._pressure.requests,
            pending_bytes=self._pressure.pending_bytes,
            waiting_events=self._committer.waiting_events,
            oldest_waiting_seconds=round(self._committer.oldest_seconds, 3),
            last_commit_at=self._committer.last_commit_at,
            last_commit_seconds=round(self._committer.last_commit_seconds, 3),
            known_ids_bytes=self._ledger.size_bytes,
            accepted=results["accepted"],
            duplicates=results["duplicates"],
            rejected=results["rejected"],
            clocks=self._clocks.wrong(workspace.id),
        )

    def rejects(self, workspace: Workspace, since: datetime | None = None) -> list[RejectedRecord]:
        """The records of the workspace that this process refused, newest first."""
        return self._rejects.newest(workspace.id, since)


class _Job(NamedTuple):
    """A request that has been read."""

    request: IntakeRequest
    endpoint: str
    body: bytes
    received_at: datetime
    parsed: ParsedBatch | ParsedSnapshots
    store: Callable[[], Awaitable[Outcome]]
    record_id: Callable[[int], str]
    """Id of the record at a position among those that were to be stored."""

    def circumstances(self) -> tuple[str, ...]:
        """What, besides its body, decides what the request does."""
        request = self.request
        return self.endpoint, request.format, repr((request.atomic, request.strict, request.imported))

    def rejections(self, outcome: Outcome) -> Iterator[Rejection]:
        """What was refused when it was to be stored."""
        parsed = self.parsed
        for position, problem in sorted(outcome.rejected.items()):
            index = parsed.indexes[position]
            line = None if parsed.lines is None else parsed.lines[index]
            yield Rejection(index, line, self.record_id(position), problem.type, problem.attribute, problem.message)
