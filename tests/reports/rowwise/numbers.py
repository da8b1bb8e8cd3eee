"""The numbers of rows, put together row by row.

They are the numbers of the Stats API for the same campaigns, days and split: the same classes of events, the same
funnel, the same precedence of reported counts (report specification 11).
"""

from __future__ import annotations

from collections import defaultdict

from campanile.metrics.channels import CAMPAIGN_CONTROL_GROUP, GLOBAL_CONTROL_GROUP
from campanile.metrics.funnel import MESSAGE_STEPS, funnel, user_steps
from campanile.metrics.pairs import ZERO, Pair
from campanile.metrics.reasons import CAMPAIGN_CONTROL, GLOBAL_CONTROL
from campanile.metrics.rows import METRIC_NUMBERS
from campanile.metrics.snapshots import Cells, CellValues
from campanile.reports.plan import Needs
from campanile.reports.rows_repository import BY_LOCALE, BY_VARIATION, Scope
from tests.reports.rowwise.questions import Questions, RowKey

CONTROL_REASONS = {CAMPAIGN_CONTROL_GROUP: CAMPAIGN_CONTROL, GLOBAL_CONTROL_GROUP: GLOBAL_CONTROL}


class RowNumbers:
    """What was counted for one row; platforms in upper case, '' for all together."""

    __slots__ = ("counts", "details", "reasons", "stages", "steps", "survivors")

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, Pair]] = {}
        """Platform → metric key → pair."""
        self.reasons: dict[tuple[str, str], int] = {}
        """(platform, reason); control groups among them."""
        self.details: dict[tuple[str, str], int] = {}
        self.steps: dict[tuple[str, str], Pair] = {}
        """(platform, user-level step) → what was reported as a number."""
        self.stages: dict[tuple[str, tuple[str, ...]], dict[int, Pair]] = {}
        """(platform, cells answered by reported counts) → stage → pairs."""
        self.survivors: dict[tuple[str, str], Pair] = {}

    def on(self, platform: str) -> dict[str, Pair]:
        """Counts on a platform."""
        return self.counts.get(platform, _NOTHING)

    @property
    def anything(self) -> bool:
        """Whether anything that was asked for is not zero."""
        return (
            any(pair.total or pair.unique for counts in self.counts.values() for pair in counts.values())
            or any(self.reasons.values())
            or any(self.details.values())
            or bool(self.stages)
            or any(pair.total for pair in (*self.steps.values(), *self.survivors.values()))
        )


_NOTHING: dict[str, Pair] = {}
NO_NUMBERS = RowNumbers()


class PortionNumbers:
    """The numbers of all rows of a portion."""

    def __init__(self, scope: Scope, needs: Needs, cells: Cells) -> None:
        self._scope = scope
        self._needs = needs
        self._day_of = {day.isoformat(): start for start, day in scope.days.items()}
        self._cells = [cell for cell in cells.each() if cell.day in self._day_of]
        self._rows: dict[RowKey, RowNumbers] = defaultdict(RowNumbers)
        self._reported_steps: dict[tuple[int, int], set[str]] = {}
        self._coverage: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.uniques_added = False
        """Whether unique counts that were reported as numbers had to be added up."""

    def row(self, number: int, day: int, locale: str, variation: str) -> RowNumbers:
        """The numbers of a row; zeros if nothing was counted."""
        return self._rows.get((number, day, locale, variation), NO_NUMBERS)

    def funnel(self, row: RowNumbers, number: int, day: int, platform: str) -> dict[str, Pair]:
        """The delivery funnel of a row over all locales and variations; unique numbers are not counted."""
        reported = self._reported_steps.get((number, day), ())
        histograms = {
            step: row.stages.get((platform, covered), {}) for covered, steps in self._coverage.items() for step in steps
        }
        survivors = {step: row.survivors.get((platform, step), ZERO) for step in reported}
        extra = {step: pair for (where, step), pair in row.steps.items() if where == platform}
        return funnel(self._scope.channel, histograms, row.on(platform), survivors, extra)

    def fill(self, repository: Questions) -> None:
        """Ask for everything that is needed."""
        scope, needs = self._scope, self._needs
        if needs.counts:
            covered = [
                f"{self._text(cell)}\t{METRIC_NUMBERS[key]}"
                for cell in self._cells
                for key in cell.counts
                if key in needs.counts
            ]
            rows = self._rows
            for key, platform, metric, pair in repository.counts(scope, needs.counts, covered):
                counts = rows[key].counts
                if platform in counts:
                    counts[platform][metric] = pair
                else:
                    counts[platform] = {metric: pair}
        self._fill_reasons(repository)
        if needs.details:
            for (number, day, platform, locale, variation), detail, total in repository.details(scope, needs.details):
                self._rows[(number, day, locale, variation)].details[(platform, detail)] = total
        if needs.steps:
            self._fill_funnel(repository)
        for cell in self._cells:
            self._add(cell)

    def _fill_reasons(self, repository: Questions) -> None:
        held = {CONTROL_REASONS[group] for group in self._needs.groups}
        for reasons, whole in ((held, True), (self._needs.reasons, False)):
            if not reasons:
                continue
            covered = [
                f"{self._text(cell)}\t{reason}" for cell in self._cells for reason in cell.failures if reason in reasons
            ]
            for (number, day, platform, locale, variation), reason, total in repository.reasons(
                self._scope, reasons, covered, whole=whole
            ):
                self._rows[(number, day, locale, variation)].reasons[(platform, reason)] = total

    def _fill_funnel(self, repository: Questions) -> None:
        scope = self._scope
        levels = [step for step in user_steps(scope.channel) if step in self._needs.steps]
        by_coverage: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for step in levels:
            covered = tuple(sorted(self._text(cell) for cell in self._cells if step in cell.steps))
            by_coverage[covered].append(step)
        self._coverage = {covered: tuple(steps) for covered, steps in by_coverage.items()}
        for covered in self._coverage:
            for (number, day, platform, _, _), stage, total in repository.depths(scope, covered):
                stages = self._rows[(number, day, "", "")].stages
                stages.setdefault((platform, covered), {})[stage] = Pair(total, 0)
        for (member, day), reported in repository.steps(scope).items():
            for number in scope.members[member]:
                self._reported_steps.setdefault((number, day), set()).update(reported)
        if self._reported_steps:
            for (number, day, platform, _, _), step, total in repository.survivors(scope):
                self._rows[(number, day, "", "")].survivors[(platform, step)] = Pair(total, 0)

    def _add(self, cell: CellValues) -> None:
        """Add what was reported for a cell to the rows it belongs to."""
        day = self._day_of[cell.day] if self._scope.by_day else 0
        for number in self._scope.members.get(cell.campaign_id, ()):
            split = self._scope.splits.get(number, 0)
            if bool(split & BY_LOCALE) == bool(cell.locale) and bool(split & BY_VARIATION) == bool(cell.variation):
                row = self._rows[(number, day, cell.locale, cell.variation)]
                for platform in {"", cell.platform} if self._scope.platforms else {""}:
                    self._add_counts(row, platform, cell)
            if not cell.locale and not cell.variation:
                whole = self._rows[(number, day, "", "")]
                for platform in {"", cell.platform} if self._scope.platforms else {""}:
                    self._add_whole(whole, platform, cell)

    def _add_counts(self, row: RowNumbers, platform: str, cell: CellValues) -> None:
        counts = row.counts.setdefault(platform, {})
        for key, pair in cell.counts.items():
            if key in self._needs.counts:
                known = counts.get(key, ZERO)
                if known.unique and pair.unique and self._needs.counts[key]:
                    self.uniques_added = True
                counts[key] = _plus(known, pair)
        for reason, pair in cell.failures.items():
            if reason in self._needs.reasons:
                place = (platform, reason)
                row.reasons[place] = row.reasons.get(place, 0) + pair.total

    def _add_whole(self, row: RowNumbers, platform: str, cell: CellValues) -> None:
        """What belongs to no single locale or variation."""
        for group in self._needs.groups:
            reason = CONTROL_REASONS[group]
            if reason in cell.failures:
                place = (platform, reason)
                row.reasons[place] = row.reasons.get(place, 0) + cell.failures[reason].total
        for step, pair in cell.steps.items():
            if step in self._needs.steps and step not in MESSAGE_STEPS:
                row.steps[(platform, step)] = _plus(row.steps.get((platform, step), ZERO), pair)

    def _text(self, cell: CellValues) -> str:
        """A cell as questions know it."""
        return "\t".join((cell.campaign_id, cell.platform, cell.locale, cell.variation, str(self._day_of[cell.day])))


def _plus(left: Pair, right: Pair) -> Pair:
    return Pair(left.total + right.total, left.unique + right.unique)
