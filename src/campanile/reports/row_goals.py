"""The conversions of the rows of a portion, by columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from campanile.attribution.schemas import Conversions
from campanile.reports.columns.definitions import AttributionType
from campanile.reports.goals import BlockGoals
from campanile.reports.grid import Grid
from campanile.reports.table import Coded, Flags, Integers, Value

_NONE: Mapping[int, Conversions] = {}


class GoalColumn:
    """The conversions of the n-th goal of each row's campaign."""

    def __init__(self, rows: int, found: Mapping[int, Conversions]) -> None:
        self._rows = rows
        self._found = found

    @property
    def totals(self) -> Integers:
        return self._numbers(lambda found: found.total)

    @property
    def uniques(self) -> Integers:
        return self._numbers(lambda found: found.unique)

    def amounts(self, amount: Callable[[Conversions], Decimal]) -> Coded:
        """Something about money; 0 where there are no conversions."""
        return sparse(self._rows, {row: amount(found) for row, found in self._found.items()})

    def _numbers(self, number: Callable[[Conversions], int]) -> Integers:
        numbers = np.zeros(self._rows, np.int64)
        numbers[list(self._found)] = [number(found) for found in self._found.values()]
        return numbers


class Pairs(NamedTuple):
    """(User, instance) pairs of control groups per row."""

    converted: Integers
    held: Integers


class PortionGoals:
    """The conversions of all rows of a portion.

    Args:
        names: per target of the grid, its goals in order.
    """

    def __init__(self, grid: Grid, goals: BlockGoals, names: Sequence[Sequence[str]]) -> None:
        self._grid = grid
        self._goals = goals
        self._names = names
        self.counts: Integers = grid.of_bands([len(own) for own in names])
        """How many goals each row's campaign has."""
        self._found: dict[tuple[str, AttributionType, int], dict[int, Conversions]] = defaultdict(dict)
        self.anything: Flags = np.zeros(grid.rows, np.bool_)
        """Rows with a conversion of whatever was asked for."""
        for band, own in zip(grid.bands, names, strict=True):
            numbers: dict[str, list[int]] = defaultdict(list)
            for number, name in enumerate(own):
                numbers[name].append(number)
            for (day, locale, variation), figures in goals.of(band.number).items():
                row = grid.row(band.number, day, locale, variation)
                if row is None:
                    continue
                for (platform, attribution, goal), found in figures.items():
                    for number in numbers[goal]:
                        self._found[(platform, attribution, number)][row] = found
                    self.anything[row] |= bool(found.total or found.unique)

    def column(self, platform: str, attribution: AttributionType, number: int) -> GoalColumn:
        """The goals of a number, from 0."""
        return GoalColumn(self._grid.rows, self._found.get((platform, attribution, number), _NONE))

    def control(self, group: str, platform: str, attribution: AttributionType, number: int) -> Pairs:
        """A control group, in every row of its campaign's day."""
        pairs = Pairs(np.zeros(self._grid.rows, np.int64), np.zeros(self._grid.rows, np.int64))
        for place, (band, own) in enumerate(zip(self._grid.bands, self._names, strict=True)):
            if number >= len(own):
                continue
            key = (group, platform, attribution, own[number])
            for day, rows in zip(band.days, self._grid.rows_of_days(place), strict=True):
                pairs.converted[rows] = self._goals.converted(band.number, day, key)
                pairs.held[rows] = self._goals.held(band.number, day, group, platform)
        return pairs


def sparse(rows: int, found: Mapping[int, Decimal]) -> Coded:
    """A column that is 0 but in some rows."""
    places = np.zeros(rows, np.int64)
    places[list(found)] = np.arange(1, len(found) + 1)
    known: list[Value] = [Decimal(0), *found.values()]
    return Coded(places, known)
