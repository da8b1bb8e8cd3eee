"""Items made ahead of their use."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from campanile.kit.ahead import ahead, made_ahead


def test_the_items_are_the_same() -> None:
    assert list(ahead(iter([]))) == []
    assert list(ahead(iter([0, None, "", 3]))) == [0, None, "", 3]


def test_the_next_item_is_made_while_one_is_used() -> None:
    made = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number in range(3):
            made[number].set()
            yield number

    for number in ahead(items()):
        if number < 2:
            assert made[number + 1].wait(20)


def test_an_error_comes_at_its_turn() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_nothing_is_made_any_more_once_it_is_closed() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    found = ahead(items())
    assert next(found) == 0
    found.close()
    assert made == list(range(len(made)))
    assert len(made) <= 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_what_is_made_side_by_side_keeps_its_order() -> None:
    together = threading.Barrier(2)

    def make(number: int) -> int:
        together.wait(20)  # passes only while another one is being made
        return number * number

    assert list(made_ahead(make, range(8), 2)) == [number * number for number in range(8)]
    assert list(made_ahead(make, (), 2)) == []


def test_others_are_made_while_one_is_used() -> None:
    made = [threading.Event() for _ in range(5)]

    def make(number: int) -> int:
        made[number].set()
        return number

    found = made_ahead(make, range(5), 2)
    assert next(found) == 0
    assert made[1].wait(20) and made[2].wait(20)
    assert not made[3].is_set()
    found.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("made-ahead")]


def test_an_error_of_one_comes_at_its_turn() -> None:
    found = made_ahead(lambda number: 1 // number, [1, 1, 0, 1], 2)
    assert [next(found), next(found)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)
    assert list(found) == []


def test_an_error_of_the_items_waits_for_nobody() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("items")

    with pytest.raises(KeyError, match="items"):
        list(made_ahead(lambda number: number, items(), 2))
