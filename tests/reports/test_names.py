"""Names of reports, and the stems of their files."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.reports.names import NAME_CHARACTERS, copy_name, is_name, stem, stem_key
from tests.reports.vectors import vectors

NAMES = st.from_regex(r"\A[A-Za-z][A-Za-z0-9 _-]{0,125}[A-Za-z0-9_-]\Z")


@pytest.mark.parametrize("vector", vectors("name"))
def test_which_names_are_accepted(vector: dict[str, Any]) -> None:
    assert is_name(vector["in"]) == ("error" not in vector)
    if "stem" in vector:
        assert stem(vector["in"]) == vector["stem"]


@pytest.mark.parametrize("vector", vectors("name_pair"))
def test_which_names_collide(vector: dict[str, Any]) -> None:
    first, second = vector["in"]
    assert (stem_key(first) == stem_key(second)) == ("error" in vector)


@pytest.mark.parametrize("vector", vectors("name_length"))
def test_how_long_names_may_be(vector: dict[str, Any]) -> None:
    assert is_name("x" * vector["length"]) == vector["ok"]


@pytest.mark.parametrize(
    "text", ["_a", "-a", " a", "a ", "a\n", "a\0", "ａ", "été", "a/b", "..", "a:b", "a\tb", "a\u00a0b", "İx", "a²"]
)
def test_other_characters_are_refused(text: str) -> None:
    assert not is_name(text)


def test_one_letter_is_a_name() -> None:
    assert is_name("x")


def test_copies_are_numbered() -> None:
    taken: set[str] = set()
    made = []
    for _ in range(3):
        made.append(copy_name("Daily", taken))
        taken.add(stem_key(made[-1]))
    assert made == ["Copy of Daily", "Copy of Daily 2", "Copy of Daily 3"]


def test_a_copy_minds_the_stem_not_the_spelling() -> None:
    assert copy_name("Daily", {"copy_of_daily"}) == "Copy of Daily 2"


@given(NAMES, st.integers(0, 12))
def test_copies_are_names_with_both_ends_of_the_original(name: str, others: int) -> None:
    taken: set[str] = set()
    for _ in range(others):
        taken.add(stem_key(copy_name(name, taken)))
    assert len(taken) == others
    made = copy_name(name, taken)
    assert is_name(made)
    assert len(made) <= NAME_CHARACTERS
    assert made.startswith(f"Copy of {name[:40]}")
    assert name[-40:] in made
