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
from campanile.kit.hashing import KEY_BYTES, identity_key

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


_PREFIXES = tuple(f"{chr(length)}\0\0\0" for length in range(128))
"""Length prefixes of ASCII texts: four bytes, which are four characters as well."""


def event_key(event_id: str) -> bytes:
    """The key of an event id."""
    return _key(event_id)


def message_key(event: Event) -> bytes:
    """The natural key of what happened to one message, or `NO_KEY`.

    Two events with the same natural key report the same fact, whoever reports it.
    """
    if not event.message_id or not event.provider or event.type not in ONCE_PER_MESSAGE:
        return NO_KEY
    return _key(event.provider, event.message_id, event.transport, event.user_id, event.device_id, event.type)


def event_keys(ids: Iterable[str]) -> list[bytes]:
    """`event_key` of each id, with a shorter way for short ASCII ids."""
    keys = []
    for name in ids:
        if len(name) < len(_PREFIXES) and name.isascii():
            keys.append(blake2b((_PREFIXES[len(name)] + name).encode(), digest_size=KEY_BYTES).digest())
        else:
            keys.append(event_key(name))
    return keys


def message_keys(messages: Iterable[tuple[str, str, str, str, str, str]]) -> list[bytes]:
    """`message_key` of each (provider, message id, transport, user, device, type), in the same manner."""
    keys = []
    prefix = _PREFIXES
    for parts in messages:
        provider, message, way, user, device, kind = parts
        if not message or not provider or kind not in ONCE_PER_MESSAGE:
            keys.append(NO_KEY)
            continue
        try:
            text = (
                f"{prefix[len(provider)]}{provider}{prefix[len(message)]}{message}{prefix[len(way)]}{way}"
                f"{prefix[len(user)]}{user}{prefix[len(device)]}{device}{prefix[len(kind)]}{kind}"
            )
        except IndexError:
            text = "…"
        keys.append(blake2b(text.encode(), digest_size=KEY_BYTES).digest() if text.isascii() else _key(*parts))
    return keys


def _key(*parts: str) -> bytes:
    return identity_key(*parts).to_bytes(KEY_BYTES, "little")


def pack(keys: Iterable[bytes]) -> Keys:
    """Keys in one array of shape (n, 2)."""
    return np.frombuffer(b"".join(keys), dtype="<u8").reshape(-1, 2)


def pack_numbers(keys: Iterable[int]) -> Keys:
    """Keys, as the engine gives them back, in one array."""
    return pack(key.to_bytes(KEY_BYTES, "little") for key in keys)


def unpack(keys: Keys) -> list[int]:
    """Keys as the integers the engine stores."""
    return [low | high << 64 for low, high in keys.tolist()]
