"""Rows by columns: what writers of files get, so that a column is spelled at once and not cell by cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Value = str | int | Decimal | bool | date | datetime | tuple[str, ...] | None
"""A cell. None is a blank one. By type of the column:

`integer` int; `percent`, `currency`, `decimal` Decimal (not rounded, but for custom columns); `date` date; `datetime`
datetime in the zone of the workspace; `boolean` bool; `list` tuple of str; `text` str.
"""
Row = tuple[Value, ...]

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

EXACT = 2**46
"""Counts up to here are divided and rounded in machine integers; larger ones one by one."""

_ARITHMETIC = Context(prec=40, rounding=ROUND_HALF_UP)
_ZERO = Decimal(0)
_HALF_WORD = 2**31


def dividing(n: Decimal | int, d: int) -> Decimal:
    """n / d with as many digits as any file may want. `d` is not 0."""
    return _ARITHMETIC.divide(Decimal(n), Decimal(d))


def percentage(n: int, d: int) -> Decimal:
    """100 · n / d, not rounded; 0 when `d` is 0."""
    return dividing(100 * n, d) if n and d else _ZERO


def quotient(amount: Decimal, parts: int) -> Decimal:
    """An amount per part, not rounded; 0 when there are none."""
    return dividing(amount, parts) if parts else _ZERO


class Coded(NamedTuple):
    """A column of which each different value is known once."""

    places: Integers
    """Of each row's value."""
    known: Sequence[Value]

    def take(self, rows: Integers) -> Coded:
        return Coded(self.places[rows], self.known)

    def cut(self, start: int, end: int) -> Coded:
        return Coded(self.places[start:end], self.known)

    def without(self, blank: Flags) -> Coded:
        """The same with some blank rows."""
        return Coded(np.where(blank, len(self.known), self.places), [*self.known, None])

    def values(self) -> list[Value]:
        known = self.known
        return [known[place] for place in self.places.tolist()]


class Whole(NamedTuple):
    """A column of counts."""

    numbers: Integers
    blank: Flags | None = None
    """Rows without a number; None: there are none."""

    def take(self, rows: Integers) -> Whole:
        return Whole(self.numbers[rows], None if self.blank is None else self.blank[rows])

    def cut(self, start: int, end: int) -> Whole:
        return Whole(self.numbers[start:end], None if self.blank is None else self.blank[start:end])

    def as_coded(self) -> Coded:
        """The same, each different number once."""
        numbers, places = np.unique(self.numbers, return_inverse=True)
        return _without(Coded(places, numbers.tolist()), self.blank)

    def values(self) -> list[Value]:
        return _blanked(self.numbers.tolist(), self.blank)


class Percentages(NamedTuple):
    """A column of shares, 100 · part / whole; 0 where there is no whole. Parts and wholes are not negative."""

    parts: Integers
    wholes: Integers
    blank: Flags | None = None

    def take(self, rows: Integers) -> Percentages:
        return Percentages(self.parts[rows], self.wholes[rows], None if self.blank is None else self.blank[rows])

    def cut(self, start: int, end: int) -> Percentages:
        blank = None if self.blank is None else self.blank[start:end]
        return Percentages(self.parts[start:end], self.wholes[start:end], blank)

    def values(self) -> list[Value]:
        return self.as_coded().values()

    @property
    def small(self) -> bool:
        """Whether machine numbers hold all that is needed to round them."""
        return not len(self.parts) or max(int(self.parts.max()), int(self.wholes.max())) <= EXACT

    def hundredths(self) -> Integers:
        """Rounded half up to two decimals, times 100; of small ones."""
        wholes = np.maximum(self.wholes, 1)
        rounded = (20_000 * self.parts + wholes) // (2 * wholes)
        return np.where(self.wholes > 0, rounded, 0)

    def as_coded(self) -> Coded:
        """The same, each different share divided once."""
        if len(self.parts) and max(int(self.parts.max()), int(self.wholes.max())) < _HALF_WORD:
            packed, places = np.unique(self.parts << 32 | self.wholes, return_inverse=True)
            pairs = zip((packed >> 32).tolist(), (packed & 0xFFFFFFFF).tolist(), strict=True)
            return _without(Coded(places, [percentage(part, whole) for part, whole in pairs]), self.blank)
        known: dict[tuple[int, int], int] = {}
        found = zip(self.parts.tolist(), self.wholes.tolist(), strict=True)
        numbers = np.array([known.setdefault(pair, len(known)) for pair in found], np.int64)
        return _without(Coded(numbers, [percentage(part, whole) for part, whole in known]), self.blank)


Cells = Whole | Percentages | Coded


class Batch:
    """Some rows, by columns."""

    __slots__ = ("_rows", "columns")

    def __init__(self, rows: int, columns: Sequence[Cells]) -> None:
        self._rows = rows
        self.columns = columns

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[Row]:
        return zip(*(column.values() for column in self.columns), strict=True)

    @property
    def widest(self) -> int:
        """Characters that the texts of a row have at most."""
        return sum(
            max((_characters(value) for value in column.known), default=0)
            for column in self.columns
            if isinstance(column, Coded)
        )

    def cut(self, start: int, end: int) -> Batch:
        """Some of the rows, one after the other."""
        end = min(end, self._rows)
        return Batch(max(0, end - start), [column.cut(start, end) for column in self.columns])

    def pieces(self, rows: int) -> Iterator[Batch]:
        """All rows, so many at a time."""
        for start in range(0, self._rows, rows):
            yield self.cut(start, start + rows)


def constant(rows: int, value: Value) -> Coded:
    """A column with one value."""
    return Coded(np.zeros(rows, np.int64), (value,))


def _characters(value: Value) -> int:
    if isinstance(value, tuple):
        return sum(map(len, value))
    return len(value) if isinstance(value, str) else 0


def _blanked(values: list[Value], blank: Flags | None) -> list[Value]:
    if blank is None:
        return values
    return [None if empty else value for value, empty in zip(values, blank.tolist(), strict=True)]


def _without(cells: Coded, blank: Flags | None) -> Coded:
    return cells if blank is None else cells.without(blank)
