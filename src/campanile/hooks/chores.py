"""What the receivers do on the side: empty the spool, look for the messages that events wait for, tidy up."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import anyio
import anyio.to_thread
import msgspec
import structlog

from campanile.clock import Clock
from campanile.errors import Unavailable
from campanile.hooks import telemetry
from campanile.hooks.inbox import Inbox
from campanile.hooks.messages import Messages
from campanile.hooks.repository import HookRepository
from campanile.hooks.schemas import DEAD_LETTER_DAYS, DeadLetter, DeliveryNote, Parcel, Pending
from campanile.hooks.spool import Spool
from campanile.intake.service import IntakeService
from campanile.workspaces.service import WorkspaceService

PAUSE_SECONDS = 0.4
"""Between two looks: an event whose message appears is counted within a second."""
AFTER_FAILURE_SECONDS = 5.0
"""Between two looks after a defect, so that the log is not filled with it."""
TIDY = timedelta(minutes=10)
"""Between two clearances of what has expired."""
NOTES = 1_000
"""Deliveries that may wait to be written down; older ones are forgotten."""
RESOLVE_EVENTS = 200
"""Waiting events taken up at a time."""

_log = structlog.get_logger("campanile.hooks")


class Chores:
    """The background work of one process. `start` it in the event loop that serves the requests."""

    def __init__(
        self,
        inbox: Inbox,
        intake: IntakeService,
        messages: Messages,
        repository: HookRepository,
        workspaces: WorkspaceService,
        spool: Spool,
        clock: Clock,
    ) -> None:
        self._inbox = inbox
        self._intake = intake
        self._messages = messages
        self._repository = repository
        self._workspaces = workspaces
        self._spool = spool
        self._clock = clock
        self._notes: deque[tuple[str, DeliveryNote]] = deque(maxlen=NOTES)
        self._marks: dict[str, int] = {}
        """Workspace → sequence up to which the log has been searched for everything that waited then."""
        self._searched: dict[str, set[str]] = {}
        """Workspace → ids of what waited then."""
        self._tidied_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    def note(self, note: DeliveryNote) -> None:
        """Remember a delivery; it is written down soon."""
        self._notes.append((f"hd_{secrets.token_hex(8)}", note))

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="hooks-chores")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._try(self.write_notes)

    async def _run(self) -> None:
        while True:
            works = (self.empty_spool, self.resolve, self.write_notes, self.tidy)
            fine = [await self._try(work) for work in works]
            await anyio.sleep(PAUSE_SECONDS if all(fine) else AFTER_FAILURE_SECONDS)

    @staticmethod
    async def _try(work: Callable[[], Awaitable[None]]) -> bool:
        """Whether nothing is wrong with the work itself; a store that is down is no fault of it."""
        try:
            await work()
        except Unavailable as error:
            _log.debug("hooks_work_delayed", error=error.error_type)  # whoever is down says so itself
        except Exception as error:  # one that failed must not end the others
            _log.error("hooks_work_failed", exc_info=error)
            return False
        return True

    async def empty_spool(self) -> None:
        """Take out what waits, oldest first, until there is nothing left.

        Raises:
            Unavailable: the store is still down.
        """
        telemetry.SPOOL_BYTES.set(self._spool.size_bytes)
        if not self._spool.size_bytes:
            return
        for path in await anyio.to_thread.run_sync(self._spool.waiting):
            spooled = await anyio.to_thread.run_sync(self._spool.read, path)
            if spooled is None:
                continue
            workspace = await anyio.to_thread.run_sync(self._workspaces.get, spooled.workspace_id)
            if workspace is not None:
                parcel = Parcel(
                    workspace=workspace,
                    source=spooled.source,
                    hook_id=spooled.hook_id,
                    request_id=spooled.request_id,
                    received_at=spooled.received_at,
                    drafts=spooled.drafts,
                    undraftable=spooled.undraftable,
                )
                await self._inbox.take(parcel)
            await anyio.to_thread.run_sync(self._spool.remove, path)
        telemetry.SPOOL_BYTES.set(self._spool.size_bytes)

    async def resolve(self) -> None:
        """Store waiting events whose messages have appeared.

        Raises:
            Unavailable: store or database cannot be reached.
        """
        waiting = 0
        workspaces = await anyio.to_thread.run_sync(self._repository.pending_workspaces)
        for workspace_id in workspaces:
            waiting += await self._resolve(workspace_id)
        for workspace_id in self._marks.keys() - set(workspaces):
            del self._marks[workspace_id], self._searched[workspace_id]
        telemetry.UNRESOLVED.set(waiting)

    async def _resolve(self, workspace_id: str) -> int:
        """How many events of the workspace still wait."""
        mark = await anyio.to_thread.run_sync(self._intake.mark, workspace_id)
        wanted = await anyio.to_thread.run_sync(self._repository.pending_messages, workspace_id)
        searched, before = self._searched.get(workspace_id, set()), self._marks.get(workspace_id, 0)
        found: list[str] = []
        for after, ids in ((0, wanted.keys() - searched), (before, wanted.keys() & searched)):
            if not ids or (after and mark <= before):
                continue
            names = {wanted[name] for name in ids}

            def search(names: set[tuple[str, str]] = names, after: int = after) -> set[tuple[str, str]]:
                return set(self._messages.known(workspace_id, names, self._clock.now(), after=after))

            known = await anyio.to_thread.run_sync(search)
            found += [name for name in sorted(ids) if wanted[name] in known]
        for start in range(0, len(found), RESOLVE_EVENTS):
            await self._store(workspace_id, found[start : start + RESOLVE_EVENTS])
        self._marks[workspace_id] = mark
        self._searched[workspace_id] = set(wanted) - set(found)
        return len(wanted) - len(found)

    async def _store(self, workspace_id: str, ids: list[str]) -> None:
        workspace = await anyio.to_thread.run_sync(self._workspaces.get, workspace_id)
        events = await anyio.to_thread.run_sync(self._repository.pending, workspace_id, ids)
        if workspace is not None:
            parcels = [
                Parcel(
                    workspace=workspace,
                    source=event.source,
                    hook_id=event.hook_id,
                    request_id=event.id,
                    received_at=event.received_at,
                    drafts=[event.draft],
                )
                for event in events
            ]
            # Side by side, so that they are written together.
            outcomes = await asyncio.gather(*map(self._inbox.take, parcels), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        await anyio.to_thread.run_sync(self._repository.remove_pending, [event.id for event in events])

    async def write_notes(self) -> None:
        """Write down what was delivered lately."""
        notes = [self._notes.popleft() for _ in range(len(self._notes))]
        if not notes:
            return
        try:
            await anyio.to_thread.run_sync(self._repository.add_deliveries, notes)
        except Unavailable:
            self._notes.extendleft(reversed(notes))
            raise

    async def tidy(self) -> None:
        """Remove what has expired; what has waited for too long is dead."""
        now = self._clock.now()
        if self._tidied_at is not None and now - self._tidied_at < TIDY:
            return
        self._tidied_at = now
        await anyio.to_thread.run_sync(self._repository.purge_dead_letters, now)
        expired = await anyio.to_thread.run_sync(self._repository.expired_pending, now)
        if expired:
            letters = [_unresolved(event) for event in expired]
            _log.info("events_given_up", **Counter(event.source for event in expired))
            await anyio.to_thread.run_sync(self._repository.add_dead_letters, letters, now + DEAD_LETTER_DAYS)
            await anyio.to_thread.run_sync(self._repository.remove_pending, [event.id for event in expired])


def _unresolved(event: Pending) -> DeadLetter:
    return DeadLetter(
        id=event.id,
        workspace_id=event.workspace_id,
        source=event.source,
        hook_id=event.hook_id,
        at=event.received_at,
        code="message_unknown",
        field="message_id",
        message="The message it belongs to never appeared.",
        content=msgspec.to_builtins(event.draft),
        retriable=True,
    )
