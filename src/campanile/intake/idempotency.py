"""One request, one effect, one answer: the header `Idempotency-Key` (ingest specification 1.6.3).

A key is bound to a request before anything is stored, and to its answer afterwards. A request that failed on the way
keeps its binding and may be sent again; doing it twice is harmless, because its events have fixed ids.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from hashlib import blake2b

import msgspec

from campanile.clock import Clock
from campanile.errors import Conflict, InvalidInput
from campanile.intake import repository
from campanile.metadata import Metadata

HEADER = "Idempotency-Key"

KEY_CHARACTERS = 128
"""Longest key, in characters."""

KEPT = timedelta(hours=24)
"""How long a key stays bound."""

CLEANING = timedelta(minutes=10)
"""Pause between two deletions of expired keys."""


class Answer(msgspec.Struct, frozen=True):
    """What a request was answered, ready to be sent again."""

    status: int
    body: bytes


def checked_key(value: str | None) -> str | None:
    """The key of a request, if it has one.

    Raises:
        InvalidInput: empty, too long, or characters other than visible ASCII.
    """
    if value is None:
        return None
    if not 1 <= len(value) <= KEY_CHARACTERS or any(not "!" <= character <= "~" for character in value):
        raise InvalidInput(
            f"{HEADER} must be 1 to {KEY_CHARACTERS} visible ASCII characters.",
            attribute=HEADER,
            type="invalid_idempotency_key",
        )
    return value


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

    def claim(self, workspace: str, key: str, digest: bytes) -> Answer | None:
        """Bind the key to a request. Returns the answer if that request has been answered already.

        Raises:
            Conflict: the key is bound to another request.
        """
        now = self._clock.now()
        with self._metadata.begin() as connection:
            if self._cleaned_at is None or now - self._cleaned_at >= CLEANING:
                self._cleaned_at = now
                repository.forget_expired_keys(connection, now)
            repository.forget_key(connection, workspace, key, now)
            bound = repository.claim_key(connection, workspace, key, digest, now + KEPT)
        if bound.digest != digest:
            raise Conflict(f"{HEADER} was used for another request.", attribute=HEADER, type="idempotency_key_reused")
        return None if bound.status is None else Answer(bound.status, bound.answer)

    def keep(self, workspace: str, key: str, answer: Answer) -> None:
        """Bind the answer to a claimed key."""
        with self._metadata.begin() as connection:
            repository.keep_answer(connection, workspace, key, answer.status, answer.body)
