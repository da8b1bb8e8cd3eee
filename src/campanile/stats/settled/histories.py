"""Distinct counts of any range of days from integers (docs/decisions/0011).

For every node, thing (a metric, a reason, …) and day it is known how often the thing happened, and how many of those to
whom it happened were last active there on which earlier day. Whoever is active in a range is active there for the first
time on exactly one of its days, the one whose day before lies outside. So, with p = 0 for "never before":

    total(a, b)  = Σ events(d)        for a ≤ d < b
    unique(a, b) = Σ users(d, p)      for a ≤ d < b and p < a

Both sums are additive over shards. Days are the instants they start at, in UTC epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from campanile.metrics.pairs import ZERO, Pair

Thing = TypeVar("Thing", bound=Hashable)

Integers = npt.NDArray[np.int64]


class Cell(NamedTuple, Generic[Thing]):
    """A thing in a node: level bits and platform, locale, variation as the questions name them."""

    level: int
    platform: str
    locale: str
    variation: str
    thing: Thing


class Histories(Generic[Thing]):
    """Rows (level, platform, locale, variation, thing, day, previous, total, uniques)."""

    def __init__(self, rows: Iterable[Sequence[Any]] = ()) -> None:
        places: dict[Cell[Thing], int] = {}
        numbers = np.array(
            [(places.setdefault(cell_of(row), len(places)), *row[5:9]) for row in rows],
            dtype=np.int64,
        ).reshape(-1, 5)
        self._hold(tuple(places), numbers)

    def _hold(self, cells: tuple[Cell[Thing], ...], numbers: Integers) -> None:
        self._cells = cells
        self._numbers = numbers
        self._place, self._day, self._previous, self._total, self._unique = np.ascontiguousarray(numbers.T)

    @property
    def size_bytes(self) -> int:
        return 10 * int(self._day.nbytes) + CELL_BYTES * len(self._cells)

    @property
    def things(self) -> set[Thing]:
        return {cell.thing for cell in self._cells}

    def __eq__(self, other: object) -> bool:
        """Whether the answers are the same for every range."""
        return isinstance(other, Histories) and self._named() == other._named()

    def _named(self) -> dict[tuple[Cell[Thing], int, int], Pair]:
        found: dict[tuple[Cell[Thing], int, int], Pair] = {}
        for place, day, previous, total, unique in self._numbers.tolist():
            for key, pair in ((day, Pair(total, 0)), (previous, Pair(0, unique))):
                name = (self._cells[place], day, key)
                known = found.get(name, ZERO)
                found[name] = Pair(known.total + pair.total, known.unique + pair.unique)
        return {name: pair for name, pair in found.items() if pair != ZERO}

    def plus(self, other: Histories[Thing]) -> Histories[Thing]:
        """Both together; numbers of the other one may be negative."""
        if not len(other._numbers):
            return self
        places = {cell: number for number, cell in enumerate(self._cells)}
        theirs = np.array([places.setdefault(cell, len(places)) for cell in other._cells], dtype=np.int64)
        added = other._numbers.copy()
        added[:, 0] = theirs[added[:, 0]]
        rows = np.concatenate([self._numbers, added])
        rows = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
        begins = np.flatnonzero(np.append(True, np.any(rows[1:, :3] != rows[:-1, :3], axis=1)))
        sums = np.add.reduceat(rows[:, 3:], begins, axis=0)
        kept = np.any(sums != 0, axis=1)
        both: Histories[Thing] = Histories()
        both._hold(tuple(places), np.concatenate([rows[begins, :3], sums], axis=1)[kept])
        return both

    def between(self, start: int, end: int) -> dict[Cell[Thing], Pair]:
        """Totals and distinct counts of the days from `start` up to, without, `end`; cells without events are left
        out."""
        inside = (self._day >= start) & (self._day < end)
        first = inside & (self._previous < start)
        totals = _sums(self._place[inside], self._total[inside], len(self._cells))
        uniques = _sums(self._place[first], self._unique[first], len(self._cells))
        return {self._cells[place]: Pair(int(totals[place]), int(uniques[place])) for place in np.flatnonzero(totals)}


CELL_BYTES = 300
"""Rough memory of a cell's key, in bytes."""


def cell_of(row: Sequence[Any]) -> Cell[Any]:
    """The cell of a row that begins with its members."""
    level, platform, locale, variation, thing = row[:5]
    return Cell(level, platform, locale, variation, tuple(thing) if isinstance(thing, list) else thing)


def _sums(places: Integers, values: Integers, size: int) -> Integers:
    """Exact: sums of floats, as `bincount` makes them, end at 2^53."""
    sums = np.zeros(size, dtype=np.int64)
    np.add.at(sums, places, values)
    return sums
