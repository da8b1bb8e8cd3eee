"""Stable hashes of identities."""

from __future__ import annotations

from hashlib import blake2b

KEY_BYTES = 16
"""Width of an event key: 128 bits make an accidental collision between events impossible in practice."""


def identity_key(*parts: str) -> int:
    """A 128-bit key of a tuple of strings; different tuples never share their serialised form."""
    digest = blake2b(digest_size=KEY_BYTES)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "little"))
        digest.update(data)
    return int.from_bytes(digest.digest(), "little")
