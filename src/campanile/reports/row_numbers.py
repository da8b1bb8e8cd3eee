"""The numbers of rows: answers of the engine and reported counts, put together by columns.

They are the numbers of the Stats API for the same campaigns, days and split: the same classes of events, the same
funnel, the same precedence of reported counts (report specification 11).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from campanile.metrics.channels import CAMPAIGN_CONTROL_GROUP, GLOBAL_CONTROL_GROUP
from campanile.metrics.funnel import MESSAGE_STEPS, user_steps
from campanile.metrics.pairs import MetricType, Pair
from campanile.metrics.reasons import CAMPAIGN_CONTROL, GLOBAL_CONTROL
from campanile.metrics.registry import Term
from campanile.metrics.rows import METRIC_NUMBERS
from campanile.metrics.snapshots import Cells, CellValues
from campanile.reports.answers import Answer
from campanile.reports.grid import Grid
from campanile.reports.plan import Needs
from campanile.reports.rows_repository import BY_LOCALE, BY_VARIATION, RowsRepository, Scope
from campanile.reports.table import Flags, Integers

CONTROL_REASONS = {CAMPAIGN_CONTROL_GROUP: CAMPAIGN_CONTROL, GLOBAL_CONTROL_GROUP: GLOBAL_CONTROL}

Place = tuple[str, str]
"""(platform in upper case or '' for all together, what was counted)."""


class _Sums:
    """Numbers of all rows, per place; zeros where nothing was added."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._columns: dict[Place, Integers] = {}
        self._nothing = np.zeros(rows, np.int64)

    def __getitem__(self, place: Place) -> Integers:
        return self._columns.get(place, self._nothing)

    def column(self, place: Place) -> Integers:
        """To be added to."""
        if place not in self._columns:
            self._columns[place] = np.zeros(self._rows, np.int64)
        return self._columns[place]

    def put(self, grid: Grid, answer: Answer | None) -> None:
        """Add the totals of an answer."""
        if answer is not None:
            for group in grid.groups(answer):
                self.column((group.platform, group.thing))[group.rows] += group.totals

    def of(self, platform: str) -> Iterator[tuple[str, Integers]]:
        """What was counted on a platform."""
        return ((thing, column) for (where, thing), column in self._columns.items() if where == platform)

    def each(self) -> Iterator[Integers]:
        yield from self._columns.values()


class PortionNumbers:
    """The numbers of all rows of a portion."""

    def __init__(self, grid: Grid, scope: Scope, needs: Needs, cells: Cells) -> None:
        self._grid = grid
        self._scope = scope
        self._needs = needs
        self._day_of = {day.isoformat(): start for start, day in scope.days.items()}
        self._cells = [cell for cell in cells.each() if cell.day in self._day_of]
        self._totals, self._uniques = _Sums(grid.rows), _Sums(grid.rows)
        self._reasons, self._details = _Sums(grid.rows), _Sums(grid.rows)
        self._steps = _Sums(grid.rows)
        """User-level steps that were reported as numbers."""
        self._survivors = _Sums(grid.rows)
        self._stages: dict[tuple[str, ...], _Sums] = {}
        """Cells answered by reported counts → pairs per stage."""
        self._coverage: dict[str, tuple[str, ...]] = {}
        """User-level step → cells of it that are answered by reported counts."""
        self._reported: dict[str, Flags] = {}
        """Step → rows of campaigns whose senders report its survivors."""
        self.uniques_added = False
        """Whether unique counts that were reported as numbers had to be added up."""

    def values(self, term: Term, platform: str, metric_type: MetricType) -> Integers:
        """The values of a term in all rows."""
        sums = self._uniques if term.unique or metric_type == "UNIQUE" else self._totals
        values = sums[(platform, term.count)]
        return np.maximum(0, values - sums[(platform, term.minus)]) if term.minus else values

    def reasons(self, platform: str, reason: str) -> Integers:
        """Events per reason; control groups among them."""
        return self._reasons[(platform, reason)]

    def details(self, platform: str, detail: str) -> Integers:
        return self._details[(platform, detail)]

    def passed(self, platform: str, step: str) -> Integers:
        """How many pass a step of the delivery funnel, as `metrics.funnel` says, under TOTAL."""
        if step in self._coverage:
            level = user_steps(self._scope.channel).index(step) + 1
            stages = self._stages[self._coverage[step]].of(platform)
            passed = np.zeros(self._grid.rows, np.int64)
            for pairs in (pairs for stage, pairs in stages if int(stage) > level):
                passed = passed + pairs
        else:
            passed = self._totals[(platform, MESSAGE_STEPS.get(step, ""))]
        if step in self._reported:
            passed = np.where(self._reported[step], self._survivors[(platform, step)], passed)
        return passed + self._steps[(platform, step)]

    def anything(self) -> Flags:
        """Rows in which anything that was asked for is not zero."""
        found = np.zeros(self._grid.rows, np.bool_)
        every = (self._totals, self._uniques, self._reasons, self._details, self._steps, self._survivors)
        for sums in (*every, *self._stages.values()):
            for column in sums.each():
                found |= column != 0
        return found

    def fill(self, repository: RowsRepository) -> None:
        """Ask for everything that is needed."""
        scope, needs, grid = self._scope, self._needs, self._grid
        if needs.counts:
            covered = [
                f"{self._text(cell)}\t{METRIC_NUMBERS[key]}"
                for cell in self._cells
                for key in cell.counts
                if key in needs.counts
            ]
            for answer, totals, uniques in repository.counts(scope, needs.counts, covered):
                for group in grid.groups(answer):
                    for key in totals.get(group.thing, ()):
                        self._totals.column((group.platform, key))[group.rows] += group.totals
                    for key in uniques.get(group.thing, ()):
                        self._uniques.column((group.platform, key))[group.rows] += group.uniques
        self._fill_reasons(repository)
        if needs.details:
            self._details.put(grid, repository.details(scope, needs.details))
        if needs.steps:
            self._fill_funnel(repository)
        for cell in self._cells:
            self._add(cell)

    def _fill_reasons(self, repository: RowsRepository) -> None:
        held = {CONTROL_REASONS[group] for group in self._needs.groups}
        for reasons, whole in ((held, True), (self._needs.reasons, False)):
            if not reasons:
                continue
            covered = [
                f"{self._text(cell)}\t{reason}" for cell in self._cells for reason in cell.failures if reason in reasons
            ]
            self._reasons.put(self._grid, repository.reasons(self._scope, reasons, covered, whole=whole))

    def _fill_funnel(self, repository: RowsRepository) -> None:
        scope = self._scope
        for step in user_steps(scope.channel):
            if step in self._needs.steps:
                self._coverage[step] = tuple(sorted(self._text(cell) for cell in self._cells if step in cell.steps))
        for covered in dict.fromkeys(self._coverage.values()):
            self._stages[covered] = _Sums(self._grid.rows)
            self._stages[covered].put(self._grid, repository.depths(scope, covered))
        for (member, day), reported in repository.steps(scope).items():
            for number in scope.members[member]:
                row = self._grid.row(number, day, "", "")
                for step in reported if row is not None else ():
                    if step not in self._reported:
                        self._reported[step] = np.zeros(self._grid.rows, np.bool_)
                    self._reported[step][row] = True
        if self._reported:
            self._survivors.put(self._grid, repository.survivors(scope))

    def _add(self, cell: CellValues) -> None:
        """Add what was reported for a cell to the rows it belongs to."""
        day = self._day_of[cell.day] if self._scope.by_day else 0
        platforms = {"", cell.platform} if self._scope.platforms else {""}
        for number in self._scope.members.get(cell.campaign_id, ()):
            split = self._scope.splits.get(number, 0)
            row = self._grid.row(number, day, cell.locale, cell.variation)
            by_locale, by_variation = bool(split & BY_LOCALE), bool(split & BY_VARIATION)
            if row is not None and (by_locale, by_variation) == (bool(cell.locale), bool(cell.variation)):
                for platform in platforms:
                    self._add_counts(row, platform, cell)
            if row is not None and not cell.locale and not cell.variation:
                for platform in platforms:
                    self._add_whole(row, platform, cell)

    def _add_counts(self, row: int, platform: str, cell: CellValues) -> None:
        for key, pair in cell.counts.items():
            if key in self._needs.counts:
                uniques = self._uniques.column((platform, key))
                if uniques[row] and pair.unique and self._needs.counts[key]:
                    self.uniques_added = True
                self._totals.column((platform, key))[row] += pair.total
                uniques[row] += pair.unique
        self._add_reasons(row, platform, cell.failures, self._needs.reasons)

    def _add_whole(self, row: int, platform: str, cell: CellValues) -> None:
        """What belongs to no single locale or variation."""
        self._add_reasons(row, platform, cell.failures, {CONTROL_REASONS[group] for group in self._needs.groups})
        for step, pair in cell.steps.items():
            if step in self._needs.steps and step not in MESSAGE_STEPS:
                self._steps.column((platform, step))[row] += pair.total

    def _add_reasons(self, row: int, platform: str, failures: Mapping[str, Pair], wanted: Collection[str]) -> None:
        for reason, pair in failures.items():
            if reason in wanted:
                self._reasons.column((platform, reason))[row] += pair.total

    def _text(self, cell: CellValues) -> str:
        """A cell as questions know it."""
        return "\t".join((cell.campaign_id, cell.platform, cell.locale, cell.variation, str(self._day_of[cell.day])))
