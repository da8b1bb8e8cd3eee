"""Identities of events as 128-bit keys (ingest specification 1.6).

The bytes are those of `kit.hashing.identity_key`, little-endian, without the detour over Python integers: keys are
made for every event that arrives.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from campanile.intake.event import Event
from campanile.kit.hashing import KEY_BYTES

Keys = npt.NDArray[np.uint64]
"""Keys as rows of two 64-bit words, the less significant one first."""

NO_KEY = bytes(KEY_BYTES)
"""The key of an event that has no natural key."""

ONCE_PER_MESSAGE = frozenset(
    {
        "attempted", "sent", "failed", "undelivered", "delivered", "read", "hard_bounce", "soft_bounce", "complaint",
    }
)  # fmt: skip
"""Types that happen at most once to a message (ingest specification 1.6.5)."""


def event_key(event_id: str) -> bytes:
    """The key of an event id."""
    data = event_id.encode("utf-8", "surrogatepass")
    return blake2b(len(data).to_bytes(4, "little") + data, digest_size=KEY_BYTES).digest()


def message_key(event: Event) -> bytes:
    """The natural key of what happened to one message, or `NO_KEY`.

    Two events with the same natural key report the same fact, whoever reports it.
    """
    if not event.message_id or not event.provider or event.type not in ONCE_PER_MESSAGE:
        return NO_KEY
    digest = blake2b(digest_size=KEY_BYTES)
    for part in (event.provider, event.message_id, event.transport, event.user_id, event.device_id, event.type):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "little") + data)
    return digest.digest()


def pack(keys: Iterable[bytes]) -> Keys:
    """Keys in one array of shape (n, 2)."""
    return np.frombuffer(b"".join(keys), dtype="<u8").reshape(-1, 2)


def unpack(keys: Keys) -> list[int]:
    """Keys as the integers the engine stores."""
    return [low | high << 64 for low, high in keys.tolist()]
