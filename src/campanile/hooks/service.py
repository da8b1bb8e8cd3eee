"""Receives what providers and others post, and lets operators manage how (ingest specification 2, 3)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

import anyio
import anyio.to_thread
import msgspec

from campanile.audit.schemas import OPERATOR
from campanile.audit.service import AuditService
from campanile.clock import Clock
from campanile.engine import Engine
from campanile.errors import (
    CampanileError,
    Conflict,
    Forbidden,
    InvalidInput,
    NotAcceptable,
    NotFound,
    Problem,
    Unauthenticated,
    Unavailable,
)
from campanile.hooks import telemetry
from campanile.hooks.chores import Chores
from campanile.hooks.drafts import Desk, Unreadable
from campanile.hooks.inbox import Inbox, parcels_again
from campanile.hooks.management import Hooks
from campanile.hooks.messages import Messages
from campanile.hooks.moengage import streams, track_event
from campanile.hooks.providers import PROVIDERS
from campanile.hooks.providers.protocol import BadSignature, Provider, Tools, matches
from campanile.hooks.providers.sns import Fetch, SnsCertificates
from campanile.hooks.repository import HookRepository
from campanile.hooks.schemas import (
    DeadLetter,
    Delivered,
    DeliveryNote,
    Hook,
    Incoming,
    Outcome,
    Parcel,
    ProviderCard,
    Reading,
    Vault,
)
from campanile.hooks.spool import Spool
from campanile.hooks.table import standard_table
from campanile.intake.service import IntakeService
from campanile.metadata import Metadata
from campanile.metadata.idempotency import IdempotencyKeys, request_digest
from campanile.net.fetch import FetchFailed, FetchRefused
from campanile.settings import Settings
from campanile.workspaces.schemas import Workspace
from campanile.workspaces.service import WorkspaceService

HAND_OVER_SECONDS = 8.0
"""Time for the store to take a delivery; then it is spooled. The most impatient provider gives up after 15 seconds."""
READING_THREADS = 2
"""Deliveries that are verified and read at the same time."""
UNMAPPED_CODES = 100
"""Different unknown codes that are counted by name."""
LETTERS_AT_ONCE = 1_000
"""Dead letters listed or tried again at a time."""

T = TypeVar("T")

_REFUSALS: dict[int, type[CampanileError]] = {401: Unauthenticated, 403: Forbidden, 406: NotAcceptable}


class Located(NamedTuple):
    """The hook behind an address."""

    hook: Hook
    provider: Provider
    workspace: Workspace


class Receipt(msgspec.Struct, frozen=True):
    """The answer to a delivery."""

    status: int
    ignored: int
    delivered: Delivered


class Trial(msgspec.Struct, frozen=True):
    """What a delivery would do."""

    events: list[dict[str, Any]]
    problems: list[Problem]
    ignored: int


class _Tokens:
    """One-time tokens, remembered for a day. Blocks."""

    def __init__(self, keys: IdempotencyKeys) -> None:
        self._keys = keys

    def claim(self, hook: Hook, token: str, body: bytes) -> bool:
        name = f"hook-token:{sha256(token.encode()).hexdigest()}"
        try:
            self._keys.claim(hook.workspace_id, name, request_digest(body))
        except Conflict:
            return False
        return True


class HookService:
    """The receivers of one process. `start` it in the event loop that serves the requests, after the intake."""

    def __init__(
        self,
        engine: Engine,
        metadata: Metadata,
        workspaces: WorkspaceService,
        intake: IntakeService,
        vault: Vault,
        settings: Settings,
        clock: Clock,
        *,
        fetch: Fetch,
    ) -> None:
        """`fetch` gets documents from public addresses."""
        self._workspaces = workspaces
        self._intake = intake
        self._clock = clock
        self._fetch = fetch
        self._metadata = metadata
        self._audit = AuditService(metadata, clock)
        self._repository = HookRepository(metadata)
        self.hooks = Hooks(self._repository, vault, clock, self._audit)
        """Hooks as operators see them."""
        self._tools = Tools(
            base_url=settings.resolved_base_url,
            certificates=SnsCertificates(fetch),
            tokens=_Tokens(IdempotencyKeys(metadata, clock)),
        )
        messages = Messages(engine)
        self._inbox = Inbox(intake, messages, self._repository)
        self._spool = Spool(settings.data_path / "spool", vault, settings.spool_bytes)
        self._chores = Chores(self._inbox, intake, messages, self._repository, workspaces, self._spool, clock)
        self._reading = anyio.CapacityLimiter(READING_THREADS)
        self._unmapped: set[str] = set()
        self._base_url = settings.resolved_base_url

    # --- life

    async def start(self) -> None:
        """Begin with the background work."""
        self._chores.start()

    async def close(self) -> None:
        """End it; what waits goes on waiting."""
        await self._chores.close()

    def url(self, hook: Hook) -> str:
        """Where the provider has to post."""
        return f"{self._base_url}/v1/hooks/{hook.provider}/{hook.address}"

    @staticmethod
    def providers() -> list[ProviderCard]:
        """The providers whose webhooks are understood."""
        return [
            ProviderCard(
                name=provider.name,
                label=provider.label,
                origin=provider.origin,
                key_help=provider.key_help,
                place=provider.place,
                options=provider.options,
                types=standard_table().types(provider.name),
            )
            for provider in PROVIDERS.values()
        ]

    # --- deliveries of providers

    def locate(self, provider: str, address: str) -> Located | None:
        """The hook behind an address. Blocks.

        Raises:
            Unavailable: the database cannot be reached.
        """
        hook = self.hooks.at(provider, address)
        workspace = None if hook is None else self._workspaces.get(hook.workspace_id)
        if hook is None or workspace is None:
            return None
        return Located(hook, PROVIDERS[provider], workspace)

    def admit(self, workspace: Workspace, size: int) -> AbstractContextManager[Any]:
        """The right to post a body of `size` bytes, for the length of a `with` block.

        Raises:
            RateLimited, Unavailable: not now.
        """
        return self._intake.admit(workspace, size)

    def refuse_unknown(self, incoming: Incoming) -> NotFound:
        """The answer at an address without hook, after the work that a wrong signature would have cost."""
        matches(sha256(incoming.body).hexdigest(), ["0" * 64])
        return NotFound("There is no hook at this address.", type="unknown_hook")

    async def receive(
        self, located: Located, incoming: Incoming, request_id: str, spend: Callable[[int], None]
    ) -> Receipt:
        """Verify, read and keep one delivery; returns when nothing of it can be lost any more.

        Args:
            spend: charges events to the rate of the workspace.

        Raises:
            Unauthenticated, Forbidden, NotAcceptable: it cannot be trusted. InvalidInput: it cannot be read.
            Unavailable: nothing was kept; the provider may try again.
        """
        hook, provider, _ = located
        try:
            reading = await self._in_thread(partial(self._read, located, incoming))
            if reading.confirm:
                await self._in_thread(partial(self._confirm, reading.confirm))
            spend(len(reading.drafts))
            delivered = await self._keep(self._parcel(located, incoming, reading, request_id))
        except BadSignature as bad:
            telemetry.VERIFY_FAILURES.labels(provider.name).inc()
            self._note(hook, incoming, "refused", error=bad.code)
            message = "The delivery cannot be trusted."
            raise _REFUSALS[provider.refused](message, type=bad.code) from bad
        except Unreadable as error:
            self._note(hook, incoming, "failed", error="unreadable")
            message = f"The body is not a delivery of {provider.label}."
            raise InvalidInput(message, attribute="body", type="unreadable") from error
        except CampanileError as error:
            self._note(hook, incoming, "failed", error=error.error_type)
            raise
        outcome: Outcome = "spooled" if delivered.spooled else "ok"
        self._note(hook, incoming, outcome, delivered, ignored=reading.ignored)
        return Receipt(provider.accepted, reading.ignored, delivered)

    def handshake(self, located: Located | None, query: Mapping[str, str]) -> str:
        """The answer to Meta's question whether a subscription is wanted.

        Raises:
            NotFound: no such hook. Forbidden: the token is wrong.
        """
        if located is None or not located.hook.verify_token:
            raise NotFound("There is no hook at this address.", type="unknown_hook")
        right = matches(query.get("hub.verify_token", ""), [located.hook.verify_token])
        if not right or query.get("hub.mode") != "subscribe":
            telemetry.VERIFY_FAILURES.labels(located.provider.name).inc()
            raise Forbidden("The verify token is wrong.", type="bad_verify_token")
        return query.get("hub.challenge", "")

    def _read(self, located: Located, incoming: Incoming) -> Reading:
        located.provider.verify(located.hook, incoming, self._tools)
        return located.provider.read(self._desk(located, incoming), incoming)

    def _desk(self, located: Located, incoming: Incoming) -> Desk:
        return Desk(
            workspace=located.workspace,
            hook=located.hook,
            provider=located.provider.name,
            table=standard_table(),
            received_at=incoming.received_at,
            machine=self._intake.is_machine,
        )

    @staticmethod
    def _parcel(located: Located, incoming: Incoming, reading: Reading, request_id: str) -> Parcel:
        return Parcel(
            workspace=located.workspace,
            source=located.provider.name,
            hook_id=located.hook.id,
            request_id=request_id,
            received_at=incoming.received_at,
            drafts=reading.drafts,
            undraftable=reading.undraftable,
        )

    def _confirm(self, url: str) -> None:
        """Ask an address once, which confirms a subscription."""
        try:
            self._fetch(url)
        except FetchRefused as error:
            raise Forbidden("The subscription cannot be confirmed.", type="confirmation_refused") from error
        except FetchFailed as error:
            raise Unavailable("The subscription cannot be confirmed now.", type="confirmation_failed") from error

    async def _keep(self, parcel: Parcel) -> Delivered:
        """Store a parcel, or let it wait on disk while that is not possible."""
        if not parcel.drafts and not parcel.undraftable:
            return Delivered()
        try:
            async with asyncio.timeout(HAND_OVER_SECONDS):
                delivered = await self._inbox.take(parcel)
        except (Unavailable, TimeoutError):
            await self._in_thread(partial(self._spool.add, parcel))
            return Delivered(spooled=True)
        telemetry.DEAD_LETTERS.labels(parcel.source).inc(delivered.dead)
        return delivered

    def _note(
        self,
        hook: Hook,
        incoming: Incoming,
        outcome: Outcome,
        delivered: Delivered | None = None,
        *,
        ignored: int = 0,
        error: str = "",
    ) -> None:
        telemetry.DELIVERIES.labels(hook.provider, outcome).inc()
        delivered = delivered or Delivered()
        self._chores.note(
            DeliveryNote(
                hook_id=hook.id,
                workspace_id=hook.workspace_id,
                at=incoming.received_at,
                outcome=outcome,
                bytes=len(incoming.body),
                accepted=delivered.accepted,
                duplicates=delivered.duplicates,
                ignored=ignored,
                waiting=delivered.waiting,
                dead=delivered.dead,
                error=error,
            )
        )

    # --- MoEngage

    async def receive_streams(
        self, workspace: Workspace, body: bytes, request_id: str, spend: Callable[[int], None]
    ) -> Receipt:
        """Keep a batch of MoEngage Streams; bad events in it are put aside, they never fail it.

        Raises:
            InvalidInput: no such batch. Unavailable: nothing was kept; it may be sent again.
        """
        received_at, unmapped = self._clock.now(), Counter[str]()
        desk = Desk(workspace, None, streams.SOURCE, standard_table(), received_at, self._intake.is_machine)
        try:
            reading = await self._in_thread(partial(streams.read_streams, desk, body, unmapped))
        except Unreadable as error:
            message = "The body must be a JSON object with a list of events."
            raise InvalidInput(message, attribute="body", type="invalid_json") from error
        for code, count in unmapped.items():
            known = code in self._unmapped or len(self._unmapped) < UNMAPPED_CODES
            if known:
                self._unmapped.add(code)
            telemetry.UNMAPPED.labels(code if known else "other").inc(count)
        spend(len(reading.drafts))
        parcel = Parcel(
            workspace=workspace,
            source=streams.SOURCE,
            hook_id="",
            request_id=request_id,
            received_at=received_at,
            drafts=reading.drafts,
            undraftable=reading.undraftable,
        )
        return Receipt(HTTPStatus.OK, reading.ignored, await self._keep(parcel))

    async def receive_track_event(self, workspace: Workspace, body: bytes, request_id: str) -> Delivered:
        """Store the actions of one request of the Track Event API.

        Raises:
            InvalidInput: the body is wrong, or an action of it. Unavailable: it may be sent again.
        """
        received_at = self._clock.now()
        desk = Desk(workspace, None, track_event.SOURCE, standard_table(), received_at, self._intake.is_machine)
        drafts = await self._in_thread(partial(track_event.read_track_event, desk, body))
        parcel = Parcel(
            workspace=workspace,
            source=track_event.SOURCE,
            hook_id="",
            request_id=request_id,
            received_at=received_at,
            drafts=drafts,
        )
        _, problems = await self._inbox.rehearse(parcel)
        if problems:
            first = problems[0]
            raise InvalidInput(first.message, attribute=first.attribute, type=first.type, problems=tuple(problems))
        return await self._inbox.take(parcel)

    # --- trying out, and trying again

    async def try_out(self, workspace: Workspace, hook_id: str, incoming: Incoming | None, request_id: str) -> Trial:
        """What a delivery would do, without its signature; nothing is stored. None: a sample of the provider.

        Raises:
            NotFound: no such hook. InvalidInput: it cannot be read. Unavailable: not now.
        """
        hook = await anyio.to_thread.run_sync(self.hooks.get, workspace.id, hook_id)
        provider = PROVIDERS[hook.provider]
        if incoming is None:
            query, media, body = provider.sample(self._clock.now())
            incoming = Incoming(
                body=body, headers={"content-type": media}, path="", query=query, received_at=self._clock.now()
            )
        located = Located(hook, provider, workspace)
        try:
            reading = await self._in_thread(partial(provider.read, self._desk(located, incoming), incoming))
        except Unreadable as error:
            message = f"The body is not a delivery of {provider.label}."
            raise InvalidInput(message, attribute="body", type="unreadable") from error
        events, problems = await self._inbox.rehearse(self._parcel(located, incoming, reading, request_id))
        return Trial(events, problems, reading.ignored)

    def dead_letters(self, workspace_id: str) -> list[DeadLetter]:
        """Events that could not be stored, the newest first. Blocks."""
        return self._repository.dead_letters(workspace_id, LETTERS_AT_ONCE)

    def waiting(self, workspace_id: str) -> int:
        """How many events wait for the messages they belong to. Blocks."""
        return self._repository.count_pending(workspace_id)

    def dead(self, workspace_id: str) -> int:
        """How many events could not be stored. Blocks."""
        return self._repository.count_dead_letters(workspace_id)

    async def retry(
        self, workspace: Workspace, ids: list[str] | None, request_id: str, *, by: str = OPERATOR
    ) -> Delivered:
        """Try dead letters again, all of them or some. Those that fail again are kept again.

        Raises:
            Unavailable: store or database cannot be reached; nothing is lost.
        """
        read = partial(self._repository.dead_letters, workspace.id, LETTERS_AT_ONCE, ids)
        letters = [letter for letter in await anyio.to_thread.run_sync(read) if letter.retriable]
        total = Delivered()
        for letter, parcel in zip(letters, parcels_again(workspace, letters, request_id), strict=True):
            outcome = await self._inbox.take(parcel)
            if not outcome.dead:
                remove = partial(self._repository.remove_dead_letters, workspace.id, [letter.id])
                await anyio.to_thread.run_sync(remove)
            total = Delivered(
                accepted=total.accepted + outcome.accepted,
                duplicates=total.duplicates + outcome.duplicates,
                waiting=total.waiting + outcome.waiting,
                dead=total.dead + outcome.dead,
            )
        if letters:
            await anyio.to_thread.run_sync(partial(self._note_retry, workspace.id, total, by))
        return total

    def _note_retry(self, workspace_id: str, total: Delivered, by: str) -> None:
        with self._metadata.begin() as connection:
            self._audit.note(
                connection,
                workspace_id=workspace_id,
                actor=by,
                action="dead_letters.retried",
                subject=workspace_id,
                after={"accepted": total.accepted, "waiting": total.waiting, "dead again": total.dead},
            )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._reading)
