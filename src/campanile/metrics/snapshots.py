"""Counts that senders reported as numbers (ingest specification 4.6), in the form the numbers need.

A snapshot answers for its cell, day and key; events of that cell, day and key are left out. Values of several days
and cells are added: nothing else can be said about numbers without users.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from campanile.metrics.funnel import STEPS
from campanile.metrics.pairs import Pair
from campanile.metrics.registry import COUNTS
from campanile.metrics.rows import METRIC_NUMBERS

_AGGREGATES = {"all_locales": "", "all_variations": ""}
_COUNT_OF_FIELD = {name: key for key, count in COUNTS.items() for name in (count.wire, *count.aliases)}
_PARTS = {"bounced": ("hard_bounce", "soft_bounce")}
"""Counts that are the sum of others where a snapshot names only those."""


class _Cell(NamedTuple):
    campaign_id: str
    day: str
    platform: str
    locale: str
    variation: str

    def place(self) -> tuple[str, str, str]:
        return self.platform, self.locale, self.variation

    def text(self) -> str:
        return "\t".join((self.campaign_id, self.platform, self.locale, self.variation, self.day))


class Sums(NamedTuple):
    """What snapshots add to one node."""

    counts: dict[str, Pair]
    failures: dict[str, Pair]
    steps: dict[str, Pair]
    """User-level funnel steps."""
    goals: dict[str, tuple[int, int, Decimal]]


class CellValues(NamedTuple):
    """What was reported for one cell and day."""

    campaign_id: str
    day: str
    """ISO date in the zone of the workspace."""
    platform: str
    locale: str
    """'' for all together, as for the variation."""
    variation: str
    counts: dict[str, Pair]
    failures: dict[str, Pair]
    steps: dict[str, Pair]
    """User-level funnel steps."""
    goals: dict[tuple[str, str], tuple[int, int, Decimal]]
    """(goal, attribution) → events, pairs, revenue."""


class Cells:
    """Effective values of all cells in a window; rows of the question `snapshot_cells`."""

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self._counts: dict[_Cell, dict[str, Pair]] = defaultdict(dict)
        self._failures: dict[_Cell, dict[str, Pair]] = defaultdict(dict)
        self._steps: dict[_Cell, dict[str, Pair]] = defaultdict(dict)
        self._goals: dict[_Cell, dict[tuple[str, str], tuple[int, int, Decimal]]] = defaultdict(dict)
        mirrored: list[tuple[_Cell, str, Pair]] = []
        for campaign_id, date, platform, locale, variation, kind, key, goal, attribution, total, unique, paid in rows:
            cell = _Cell(
                campaign_id, str(date), platform, _AGGREGATES.get(locale, locale), _AGGREGATES.get(variation, variation)
            )
            pair = Pair(int(total), int(unique))
            if kind == "performance":
                self._counts[cell][_COUNT_OF_FIELD.get(key, key)] = pair
            elif kind == "failure":
                self._failures[cell][key] = pair
            elif kind == "conversion":
                self._goals[cell][(goal, attribution)] = (pair.total, pair.unique, Decimal(paid))
            elif key in STEPS and STEPS[key].count:
                mirrored.append((cell, STEPS[key].count, pair))
            else:
                self._steps[cell][key] = pair
        for cell, metric, pair in mirrored:
            self._counts[cell].setdefault(metric, pair)
        for counts in self._counts.values():
            for whole, parts in _PARTS.items():
                if whole not in counts and all(part in counts for part in parts):
                    counts[whole] = Pair(*(sum(values) for values in zip(*(counts[p] for p in parts), strict=True)))
        self.counts = [
            f"{cell.text()}\t{METRIC_NUMBERS[key]}"
            for cell, values in self._counts.items()
            for key in values
            if key in METRIC_NUMBERS
        ]
        """Cells, days and metric numbers that events do not answer."""
        self.failures = [f"{cell.text()}\t{key}" for cell, values in self._failures.items() for key in values]
        """Cells, days and reasons that events do not answer."""

    def goals(self, attribution: str) -> list[str]:
        """Cells, days and goals that events do not answer under `attribution`."""
        return [
            f"{cell.text()}\t{goal}"
            for cell, values in self._goals.items()
            for goal, kind in values
            if kind == attribution
        ]

    def funnel_coverage(self, steps: Sequence[str]) -> dict[tuple[str, ...], tuple[str, ...]]:
        """Audience steps grouped by the cells and days that snapshots answer for them."""
        groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for step in steps:
            covered = tuple(sorted(cell.text() for cell, values in self._steps.items() if step in values))
            groups[covered].append(step)
        return {covered: tuple(names) for covered, names in groups.items()}

    def last_day(self, campaign_id: str, step: str) -> str | None:
        """The latest day (ISO) for which an audience step of the campaign was reported."""
        days = [cell.day for cell, steps in self._steps.items() if cell.campaign_id == campaign_id and step in steps]
        return max(days, default=None)

    def each(self) -> Iterator[CellValues]:
        """Every cell and day with everything that was reported for it."""
        kinds = (self._counts, self._failures, self._steps, self._goals)
        for cell in dict.fromkeys(cell for kind in kinds for cell in kind):
            yield CellValues(
                *cell,
                self._counts.get(cell, {}),
                self._failures.get(cell, {}),
                self._steps.get(cell, {}),
                self._goals.get(cell, {}),
            )

    def places(self, members: frozenset[str]) -> set[tuple[str, str, str]]:
        """(platform, locale, variation) of all cells of the members; '' for aggregates."""
        return {
            cell.place()
            for values in (self._counts, self._failures, self._steps, self._goals)
            for cell in values
            if cell.campaign_id in members
        }

    def sums(self, members: frozenset[str], place: tuple[str, str, str], attribution: str) -> Sums:
        """What the cells of the node `place` (platform, locale, variation) add up to; no platform = all of them."""
        platform, *split = (_AGGREGATES.get(part, part) for part in place)

        def belongs(cell: _Cell) -> bool:
            return (
                cell.campaign_id in members
                and platform in ("", cell.platform)
                and split == [cell.locale, cell.variation]
            )

        goals: dict[str, tuple[int, int, Decimal]] = {}
        for cell, values in self._goals.items():
            if belongs(cell):
                for (goal, kind), (total, unique, paid) in values.items():
                    if kind == attribution:
                        known = goals.get(goal, (0, 0, Decimal(0)))
                        goals[goal] = (known[0] + total, known[1] + unique, known[2] + paid)
        return Sums(
            _sum(values for cell, values in self._counts.items() if belongs(cell)),
            _sum(values for cell, values in self._failures.items() if belongs(cell)),
            _sum(values for cell, values in self._steps.items() if belongs(cell)),
            goals,
        )


def _sum(cells: Iterable[dict[str, Pair]]) -> dict[str, Pair]:
    total: dict[str, Pair] = {}
    for values in cells:
        for key, pair in values.items():
            known = total.get(key, Pair(0, 0))
            total[key] = Pair(known.total + pair.total, known.unique + pair.unique)
    return total
