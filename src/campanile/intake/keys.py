"""Identities of events as 128-bit keys (ingest specification 1.6).

The bytes are those of `kit.hashing.identity_key`, little-endian, without the detour over Python integers: keys are
made for every event that arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

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
    """`event_key` of each id."""
    return _digests(_framed(name.encode("utf-8", "surrogatepass")) for name in ids)


def event_keys_of(ids: pa.Array) -> list[bytes]:
    """`event_key` of each text of a column without nulls."""
    return _digests(_joined([ids]).to_pylist())


def message_keys(messages: Iterable[tuple[str, str, str, str, str, str]]) -> list[bytes]:
    """`message_key` of each (provider, message id, transport, user, device, type)."""
    keys = []
    for parts in messages:
        provider, message, *_, kind = parts
        if message and provider and kind in ONCE_PER_MESSAGE:
            text = b"".join([_framed(part.encode("utf-8", "surrogatepass")) for part in parts])
            keys.append(blake2b(text, digest_size=KEY_BYTES).digest())
        else:
            keys.append(NO_KEY)
    return keys


def message_keys_of(columns: Sequence[pa.Array]) -> list[bytes]:
    """The natural keys of messages given as columns of the same six parts, each of which has one."""
    return _digests(_joined(columns).to_pylist())


def _joined(columns: Sequence[pa.Array]) -> pa.Array:
    """What is digested, row by row: every part with its length in front."""
    pieces = []
    for column in columns:
        lengths = pc.binary_length(column).to_numpy().astype("<i4")
        pieces.append(pa.Array.from_buffers(pa.binary(4), len(column), [None, pa.py_buffer(lengths)]).cast(pa.binary()))
        pieces.append(column.cast(pa.binary()))
    return pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.binary()))


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


def _digests(texts: Iterable[bytes]) -> list[bytes]:
    # A copy of an empty digest is made in half the time of a new one.
    start = blake2b(digest_size=KEY_BYTES).copy
    digests = []
    for text in texts:
        digest = start()
        digest.update(text)
        digests.append(digest.digest())
    return digests


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
