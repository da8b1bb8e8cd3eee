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

from campanile.metrics.pairs import Pair

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

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        places: dict[Cell[Thing], int] = {}
        numbers = np.array(
            [(places.setdefault(cell_of(row), len(places)), *row[5:9]) for row in rows],
            dtype=np.int64,
        ).reshape(-1, 5)
        self._cells = tuple(places)
        self._place, self._day, self._previous, self._total, self._unique = np.ascontiguousarray(numbers.T)

    @property
    def size_bytes(self) -> int:
        return 5 * int(self._day.nbytes) + CELL_BYTES * len(self._cells)

    @property
    def things(self) -> set[Thing]:
        return {cell.thing for cell in self._cells}

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
