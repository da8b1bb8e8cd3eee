"""Which keys have been stored? Answered from memory for almost every key (ingest specification 1.6, layer b).

`KeyFilter` holds all keys of the log at four bytes each and errs on one side only: a key it does not hold has
certainly not been stored. `RecentKeys` holds the newest keys exactly, so that a client that repeats what it has just
sent costs no lookup. Whatever the filter holds and the recent keys do not is looked up in the log.

Keys are rows of two 64-bit words. A caller with several workspaces salts them first (`salted`).
"""

from __future__ import annotations

import math
import threading
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from campanile.intake.keys import Keys

Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

_BITS_PER_KEY = 32
"""Gives about two false hits in a million keys per full layer (measured in the tests). Each costs a group a look-up in
the log, as long as half an insert."""

_BLOCK_WORDS = 128
"""A key touches one block of a KiB. Smaller ones differ more in how many keys they hold, and the fullest ones give most
false hits: blocks of a cache line, thirteen times as many."""

_PROBES = 4
"""Words of its block that a key touches: three bits in each."""

_FIRST_LAYER_KEYS = 1 << 20
"""Smallest layer, in keys: 4 MiB."""

_WORD = np.uint64(1)
_SIX_BITS = np.uint64(63)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_MIX_AGAIN = np.uint64(0xBF58476D1CE4E5B9)
_LAST_WORD = np.uint64(_BLOCK_WORDS - 1)


def workspace_salt(workspace: str) -> Words:
    """Two words that tell the event keys of one workspace from those of all others."""
    return np.frombuffer(blake2b(workspace.encode("utf-8"), digest_size=16).digest(), dtype="<u8")


def message_salt(workspace: str) -> Words:
    """The same for natural keys."""
    return workspace_salt(f"message:{workspace}")


def salted(keys: Keys, salt: Words) -> Keys:
    """The keys as they are known in this process."""
    mixed: Keys = keys ^ salt
    return mixed


class KeyFilter:
    """A set of 64-bit words that may claim to hold a word it does not hold, never the reverse.

    It grows by layers, each as large as all before it together, so a filter that has doubled n times has n + 1 of
    them. Thread-safe.
    """

    def __init__(self) -> None:
        self._layers: list[_Layer] = []
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """Memory of the filter, in bytes."""
        return sum(layer.bits.nbytes for layer in self._layers)

    def reserve(self, keys: int) -> None:
        """Make room for `keys` more keys, in one layer."""
        with self._lock:
            if not self._layers or self._layers[-1].room < keys:
                self._layers.append(_Layer(max(keys, self._capacity(), _FIRST_LAYER_KEYS)))

    def add(self, words: Words) -> None:
        """Remember the words."""
        with self._lock:
            while len(words):
                if not self._layers or self._layers[-1].room <= 0:
                    self._layers.append(_Layer(max(self._capacity(), _FIRST_LAYER_KEYS)))
                layer = self._layers[-1]
                fitting = words[: layer.room]
                layer.add(fitting)
                words = words[len(fitting) :]

    def may_hold(self, words: Words) -> Flags:
        """For each word: False if it was certainly never added."""
        with self._lock:
            layers = list(self._layers)
        found = np.zeros(len(words), dtype=np.bool_)
        for layer in layers:
            found |= layer.may_hold(words)
        return found

    def _capacity(self) -> int:
        return sum(layer.capacity for layer in self._layers)


class _Layer:
    """A block-wise Bloom filter of fixed capacity."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.room = capacity
        self._blocks = np.uint64(max(1, math.ceil(capacity * _BITS_PER_KEY / (64 * _BLOCK_WORDS))))
        self.bits = np.zeros(int(self._blocks) * _BLOCK_WORDS, dtype=np.uint64)

    def add(self, words: Words) -> None:
        for place, mask in self._probes(words):
            np.bitwise_or.at(self.bits, place, mask)
        self.room -= len(words)

    def may_hold(self, words: Words) -> Flags:
        found = np.ones(len(words), dtype=np.bool_)
        for place, mask in self._probes(words):
            found &= (self.bits[place] & mask) == mask
        return found

    def _probes(self, words: Words) -> list[tuple[npt.NDArray[np.intp], Words]]:
        # The block comes from the word itself, the rest from products that spread it over their upper bits again.
        first = (words % self._blocks) * np.uint64(_BLOCK_WORDS)
        spread = (words ^ (words >> np.uint64(32))) * _MIX
        further = (spread ^ (spread >> np.uint64(32))) * _MIX_AGAIN
        probes = []
        for index in range(_PROBES):
            place = first + ((further >> np.uint64(36 + 7 * index)) & _LAST_WORD)
            mask = _WORD << ((spread >> np.uint64(16 + 12 * index)) & _SIX_BITS)
            mask |= _WORD << ((spread >> np.uint64(22 + 12 * index)) & _SIX_BITS)
            mask |= _WORD << ((further >> np.uint64(8 + 6 * index)) & _SIX_BITS)
            probes.append((place.astype(np.intp), mask))
        return probes


class RecentKeys:
    """The newest keys, exactly: at least `limit / 2` and at most `limit` of them.

    Two open-addressing tables; when the younger one is full, it becomes the older one, which is forgotten.
    """

    def __init__(self, limit: int) -> None:
        self._limit = max(2, limit)
        self._young = _Table(self._limit // 2)
        self._old = _Table(0)

    @property
    def size_bytes(self) -> int:
        """Memory of both tables, in bytes."""
        return self._young.slots.nbytes + self._old.slots.nbytes

    def add(self, keys: Keys) -> None:
        """Remember the keys."""
        half = self._limit // 2
        for start in range(0, len(keys), half):
            part = keys[start : start + half]
            if self._young.used + len(part) > half:
                self._old, self._young = self._young, _Table(half)
            self._young.add(part)

    def holds(self, keys: Keys) -> Flags:
        """For each key: whether it is one of the recent ones."""
        return self._young.holds(keys) | self._old.holds(keys)


class _Table:
    """A hash table of keys at a load of at most one half, filled and read in whole arrays."""

    def __init__(self, capacity: int) -> None:
        self._mask = np.uint64((1 << max(4, (2 * capacity - 1).bit_length())) - 1)
        self.slots = np.zeros((int(self._mask) + 1, 2), dtype=np.uint64)
        self.used = 0

    def add(self, keys: Keys) -> None:
        keys = _nonzero(keys)
        slot = keys[:, 0] & self._mask
        while len(keys):
            free = _all_zero(self.slots[slot])
            # Of several keys that want the same free slot the last one gets it; the others find it taken below.
            self.slots[slot[free]] = keys[free]
            settled = _equal(self.slots[slot], keys)
            self.used += int((settled & free).sum())
            keys, slot = keys[~settled], (slot[~settled] + _WORD) & self._mask

    def holds(self, keys: Keys) -> Flags:
        found = np.zeros(len(keys), dtype=np.bool_)
        keys = _nonzero(keys)
        open_ = np.arange(len(keys))
        slot = keys[:, 0] & self._mask
        while len(open_):
            there = self.slots[slot]
            hit = _equal(there, keys[open_])
            found[open_[hit]] = True
            going_on = ~hit & ~_all_zero(there)
            open_, slot = open_[going_on], (slot[going_on] + _WORD) & self._mask
        return found


def _nonzero(keys: Keys) -> Keys:
    """All-zero slots mean "free": the key 0 is kept as 1, which no other key is in practice."""
    zero = _all_zero(keys)
    if zero.any():
        keys = keys.copy()
        keys[zero] = 1
    return keys


def _all_zero(keys: Keys) -> Flags:
    # Word by word: numpy takes ten times longer to reduce an axis of two.
    zero: Flags = (keys[:, 0] | keys[:, 1]) == 0
    return zero


def _equal(some: Keys, others: Keys) -> Flags:
    same: Flags = (some[:, 0] == others[:, 0]) & (some[:, 1] == others[:, 1])
    return same
