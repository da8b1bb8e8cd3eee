"""Identities of events as 128-bit keys (ingest specification 1.6).

The bytes are those of `kit.hashing.identity_key`, little-endian, without the detour over Python integers: keys are
made for every event that arrives.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
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


_LENGTHS = tuple(length.to_bytes(4, "little") for length in range(1025))
"""Length prefixes of all texts that can be ids: up to 256 characters of up to four bytes."""


def event_key(event_id: str) -> bytes:
    """The key of an event id."""
    return blake2b(_part(event_id), digest_size=KEY_BYTES).digest()


def message_key(event: Event) -> bytes:
    """The natural key of what happened to one message, or `NO_KEY`.

    Two events with the same natural key report the same fact, whoever reports it.
    """
    if not event.message_id or not event.provider or event.type not in ONCE_PER_MESSAGE:
        return NO_KEY
    parts = (
        _common_part(event.provider)
        + _part(event.message_id)
        + _common_part(event.transport)
        + _part(event.user_id)
        + _part(event.device_id)
        + _common_part(event.type)
    )
    return blake2b(parts, digest_size=KEY_BYTES).digest()


def _part(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    length = len(data)
    return (_LENGTHS[length] if length < len(_LENGTHS) else length.to_bytes(4, "little")) + data


_common_part = lru_cache(1024)(_part)
"""For texts that many events share."""


def pack(keys: Iterable[bytes]) -> Keys:
    """Keys in one array of shape (n, 2)."""
    return np.frombuffer(b"".join(keys), dtype="<u8").reshape(-1, 2)


def unpack(keys: Keys) -> list[int]:
    """Keys as the integers the engine stores."""
    return [low | high << 64 for low, high in keys.tolist()]
