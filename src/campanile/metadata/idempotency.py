"""One request, one effect, one answer: the header `Idempotency-Key` (ingest specification 1.6.3, reports 15.4).

A key is bound to a request before anything is stored, and to its answer afterwards. A request that failed on the way
keeps its binding and may be sent again. Requests that must not be done twice at a time say how long they may take.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from hashlib import blake2b

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from campanile.clock import Clock
from campanile.errors import Conflict
from campanile.metadata.models import IdempotencyRow
from campanile.metadata.session import Metadata

HEADER = "Idempotency-Key"

KEPT = timedelta(hours=24)
"""How long a key stays bound."""

CLEANING = timedelta(minutes=10)
"""Pause between two deletions of expired keys."""


class InProgress(Conflict):
    """The same request is being done right now; its answer will be there soon."""

    type = "invalid_state"


class Answer(msgspec.Struct, frozen=True):
    """What a request was answered, ready to be sent again."""

    status: int
    body: bytes


def request_digest(body: bytes, *circumstances: str) -> bytes:
    """Digest of a request: its body, and whatever else decides what it does."""
    digest = blake2b(digest_size=32)
    for part in (*(text.encode("utf-8") for text in circumstances), body):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


class IdempotencyKeys:
    """The keys of all workspaces, in the metadata database."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock
        self._cleaned_at: datetime | None = None
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}
        self._users: Counter[tuple[str, str]] = Counter()

    @asynccontextmanager
    async def alone(self, workspace: str, key: str) -> AsyncIterator[None]:
        """Let requests of this process with the same key pass one after the other.

        So the second of two that arrive together gets the answer of the first.
        """
        name = (workspace, key)
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._users[name] += 1
        try:
            async with lock:
                yield
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name], self._locks[name]

    def claim(self, workspace: str, key: str, digest: bytes, *, busy: timedelta | None = None) -> Answer | None:
        """Bind the key to a request. Returns the answer if that request has been answered already.

        Args:
            key: whatever names the request in its workspace; callers may add to the caller's own key.
            busy: how long the request may take. Until then it is not given to anybody else; afterwards whoever had it
                is taken for dead. Without it, the request may be done several times.

        Raises:
            Conflict: the key is bound to another request.
            InProgress: somebody is at it.
        """
        now = self._clock.now()
        until = None if busy is None else now + busy
        with self._metadata.begin() as connection:
            if self._cleaned_at is None or now - self._cleaned_at >= CLEANING:
                self._cleaned_at = now
                connection.execute(delete(IdempotencyRow).where(IdempotencyRow.expires_at <= now))
            connection.execute(delete(IdempotencyRow).where(*_is(workspace, key), IdempotencyRow.expires_at <= now))
            mine = _insert(connection, workspace, key, digest, until, now + KEPT)
            columns = (IdempotencyRow.digest, IdempotencyRow.status, IdempotencyRow.answer)
            bound = connection.execute(select(*columns).where(*_is(workspace, key))).one()
            if bound.digest != digest:
                message = f"{HEADER} was used for another request."
                raise Conflict(message, attribute=HEADER, type="idempotency_key_reused")
            if bound.status is not None and bound.answer is not None:
                return Answer(bound.status, bound.answer)
            if not mine and until is not None and not _take_over(connection, workspace, key, now, until):
                raise InProgress("This request is being done; ask again for its answer.", attribute=HEADER)
        return None

    def keep(self, workspace: str, key: str, answer: Answer) -> None:
        """Bind the answer to a claimed key; the first one stays."""
        unanswered = update(IdempotencyRow).where(*_is(workspace, key), IdempotencyRow.status.is_(None))
        with self._metadata.begin() as connection:
            connection.execute(unanswered.values(status=answer.status, answer=answer.body, busy_until=None))

    def release(self, workspace: str, key: str) -> None:
        """The claimed request did nothing: it may be sent again at once."""
        with self._metadata.begin() as connection:
            connection.execute(update(IdempotencyRow).where(*_is(workspace, key)).values(busy_until=None))


def _insert(
    connection: Connection, workspace: str, key: str, digest: bytes, until: datetime | None, expires_at: datetime
) -> bool:
    """Whether the key is new."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(IdempotencyRow).values(
        workspace_id=workspace, key=key, digest=digest, busy_until=until, expires_at=expires_at
    )
    statement = statement.on_conflict_do_nothing().returning(IdempotencyRow.key)
    return connection.execute(statement).first() is not None


def _take_over(connection: Connection, workspace: str, key: str, now: datetime, until: datetime) -> bool:
    """Whether nobody is at the request any more."""
    free = or_(IdempotencyRow.busy_until.is_(None), IdempotencyRow.busy_until <= now)
    statement = update(IdempotencyRow).where(*_is(workspace, key), IdempotencyRow.status.is_(None), free)
    return connection.execute(statement.values(busy_until=until)).rowcount == 1


def _is(workspace: str, key: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return IdempotencyRow.workspace_id == workspace, IdempotencyRow.key == key
