"""The filter never forgets, the recent keys are exact, both stay within their bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.intake.keys import Keys
from campanile.intake.known_ids import KeyFilter, RecentKeys, Words, message_salt, salted, workspace_salt
from tests.support.sampling import examples

FALSE_HITS = 0.000_02
"""Most false hits of a filter of three layers, two of them full."""


def words(count: int, seed: int) -> Words:
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def keys(count: int, seed: int) -> Keys:
    return words(2 * count, seed).reshape(-1, 2)


def test_an_empty_filter_holds_nothing() -> None:
    assert not KeyFilter().may_hold(words(100, 1)).any()


def test_the_filter_holds_all_that_was_added_and_little_else() -> None:
    known = KeyFilter()
    added = words(3_000_000, 1)  # the first layer, and a second one of the same size, and a third one
    for part in np.array_split(added, 37):
        known.add(part)
    assert known.may_hold(added).all()
    assert known.may_hold(words(1_000_000, 2)).mean() < FALSE_HITS
    assert known.size_bytes <= 4 * (1 + 1 + 2) * (1 << 20) + 3 * 1024


def test_reserved_room_is_one_layer() -> None:
    known = KeyFilter()
    known.reserve(2_500_000)
    for part in np.array_split(words(2_500_000, 1), 3):
        known.add(part)
    assert known.size_bytes == pytest.approx(4 * 2_500_000, rel=0.01)


def test_a_part_that_does_not_fit_goes_on_in_the_next_layer() -> None:
    known = KeyFilter()
    added = words((1 << 20) + 1_000, 1)
    known.add(added[:1_000])
    known.add(added[1_000:])
    assert known.may_hold(added).all()


def test_recent_keys_are_exact() -> None:
    recent = RecentKeys(10_000)
    added = keys(4_000, 1)
    recent.add(added)
    assert recent.holds(added).all()
    assert not recent.holds(keys(100_000, 2)).any()


def test_keys_that_differ_in_one_word_are_different() -> None:
    recent = RecentKeys(100)
    recent.add(np.array([[1, 2], [3, 4]], dtype=np.uint64))
    asked = np.array([[1, 2], [1, 4], [3, 2], [3, 4], [0, 0]], dtype=np.uint64)
    assert recent.holds(asked).tolist() == [True, False, False, True, False]


def test_the_zero_key_is_a_key() -> None:
    recent = RecentKeys(100)
    zero = np.zeros((1, 2), dtype=np.uint64)
    assert not recent.holds(zero).any()
    recent.add(zero)
    assert recent.holds(zero).all()


def test_old_keys_are_forgotten_and_memory_is_bounded() -> None:
    recent = RecentKeys(2_000)
    added = keys(50_000, 1)
    for start in range(0, len(added), 300):
        recent.add(added[start : start + 300])
    held = recent.holds(added)
    assert held[-1_000:].all()
    assert 1_000 <= held.sum() <= 2_000
    assert recent.size_bytes == 2 * 2_048 * 16


@examples(50)
@given(st.lists(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), max_size=12), max_size=8))
def test_recent_keys_agree_with_a_set(groups: list[list[tuple[int, int]]]) -> None:
    """Small numbers meet in the same slots all the time: collisions, wrap-around, repeated keys within a call."""
    recent, expected = RecentKeys(10_000), set[tuple[int, int]]()
    for group in groups:
        recent.add(np.array(group, dtype=np.uint64).reshape(-1, 2))
        expected |= set(group)
    universe = [(low, high) for low in range(21) for high in range(4)]
    held = recent.holds(np.array(universe, dtype=np.uint64))
    assert {key for key, there in zip(universe, held, strict=True) if there} - {(0, 0), (1, 1)} == expected - {
        (0, 0),
        (1, 1),  # stands for (0, 0)
    }


def test_workspaces_and_kinds_of_keys_are_kept_apart() -> None:
    same = keys(3, 1)
    versions = [
        salted(same, salt) for salt in (workspace_salt("a"), workspace_salt("b"), message_salt("a"), message_salt("b"))
    ]
    assert len({version.tobytes() for version in versions}) == 4
