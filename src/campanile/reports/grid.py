"""Which row of a portion the places of answers are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from campanile.reports.answers import Answer
from campanile.reports.axes import Fan
from campanile.reports.table import Integers

NOWHERE = -1
"""In place of a row: the portion has none for it."""
_FEW = 2**16
"""Numbers below are sorted by their digits, which takes a tenth of the time."""


class Group(NamedTuple):
    """Numbers of one thing on one platform; every row at most once."""

    platform: str
    thing: str
    rows: Integers
    totals: Integers
    uniques: Integers


class Band(NamedTuple):
    """The rows of one target: its days, and on each of them its variations, and of each of those its locales."""

    number: int
    days: Sequence[int]
    """Instants that follow each other in the days of the scope; (0,) for the whole range."""
    fan: Fan


class Grid:
    """The rows of some targets, one after the other.

    Conversions are known for more days than a portion has; answers are about its days only.

    Args:
        days: all days of the scope, ascending.
        by_day: whether rows are days.
    """

    def __init__(self, bands: Sequence[Band], days: Sequence[int], *, by_day: bool) -> None:
        self.bands = bands
        self._days = np.array(days if by_day else [0], np.int64)
        self._day_places = {day: place for place, day in enumerate(self._days.tolist())}
        heights = np.array([len(band.days) * band.fan.rows for band in bands], np.int64)
        widths = np.array([band.fan.rows for band in bands], np.int64)
        self._widths = widths
        self._lengths = np.array([len(band.days) for band in bands], np.int64)
        self._starts = np.concatenate([[0], np.cumsum(heights)])[:-1]
        self._first_days = np.searchsorted(self._days, np.array([band.days[0] for band in bands], np.int64))
        self._bands = {band.number: place for place, band in enumerate(bands)}
        self._places: Mapping[tuple[int, str, str], int] = {
            (place, locale.key, variation.key): number
            for place, band in enumerate(bands)
            for number, (variation, locale) in enumerate(
                (variation, locale) for variation in band.fan.variations for locale in band.fan.locales
            )
        }
        self.rows = int(heights.sum())
        self.band_of = np.repeat(np.arange(len(bands)), heights)
        """Per row, as the following."""
        within = np.arange(self.rows) - self._starts[self.band_of]
        width = widths[self.band_of]
        self.day_of = within // width + self._first_days[self.band_of]
        """Place among the days of the scope."""
        first_places = np.concatenate([[0], np.cumsum(widths)])[:-1]
        self.place_of = first_places[self.band_of] + within % width
        """Number of its variation and locale, through all targets."""

    def row(self, number: int, day: int, locale: str, variation: str) -> int | None:
        """The row of one place."""
        band = self._bands.get(number)
        if band is None:
            return None
        place = self._places.get((band, locale, variation))
        since = self._day_places.get(day, NOWHERE) - int(self._first_days[band])
        if place is None or not 0 <= since < self._lengths[band]:
            return None
        return int(self._starts[band] + since * self._widths[band] + place)

    def rows_of(self, answer: Answer) -> Integers:
        """The row of each place, or `NOWHERE`."""
        if not len(answer.targets):
            return np.zeros(0, np.int64)
        highest = max(int(answer.targets.max()), *self._bands)
        of_number = np.full(highest + 1, NOWHERE, np.int64)
        of_number[list(self._bands)] = list(self._bands.values())
        bands = of_number[answer.targets]
        since = np.searchsorted(self._days, answer.days) - self._first_days[bands]
        places = self._places_of(bands, answer)
        known = (bands != NOWHERE) & (places != NOWHERE) & (since >= 0) & (since < self._lengths[bands])
        return np.where(known, self._starts[bands] + since * self._widths[bands] + places, NOWHERE)

    def _places_of(self, bands: Integers, answer: Answer) -> Integers:
        locales, variations = answer.locales, answer.variations
        each, which = np.arange(len(self.bands)), bands
        if len(locales.known) * len(variations.known) > 1:
            packed = (bands * len(locales.known) + locales.codes) * len(variations.known) + variations.codes
            each, which = np.unique(packed, return_inverse=True)
        found = []
        for number in each.tolist():
            rest, variation = divmod(number, len(variations.known))
            band, locale = divmod(rest, len(locales.known))
            found.append(self._places.get((band, locales.known[locale], variations.known[variation]), NOWHERE))
        return np.array(found, np.int64)[which]

    def groups(self, answer: Answer) -> Iterator[Group]:
        """What was counted for the rows of this grid, by platform and thing."""
        rows = self.rows_of(answer)
        packed = answer.platforms.codes * len(answer.things.known) + answer.things.codes
        if len(answer.platforms.known) * len(answer.things.known) <= _FEW:
            packed = packed.astype(np.uint16)
        order = np.argsort(packed, kind="stable")
        order = order[rows[order] != NOWHERE]
        edges = np.flatnonzero(np.diff(packed[order])) + 1
        for chosen in np.split(order, edges):
            if len(chosen):
                platform, thing = divmod(int(packed[chosen[0]]), len(answer.things.known))
                yield Group(
                    answer.platforms.known[platform],
                    answer.things.known[thing],
                    rows[chosen],
                    answer.totals[chosen],
                    answer.uniques[chosen],
                )

    def rows_of_days(self, place: int) -> Iterator[slice]:
        """The rows of each day of a target; `place` is among the bands."""
        start, width = int(self._starts[place]), int(self._widths[place])
        for day in range(int(self._lengths[place])):
            yield slice(start + day * width, start + (day + 1) * width)

    def of_bands(self, values: Sequence[int]) -> Integers:
        """One value per target, repeated for its rows."""
        repeated: Integers = np.array(values, np.int64)[self.band_of]
        return repeated
