"""From the numbers of rows to the values of their cells, column by column because that is fast."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np

from campanile.metrics.formulas import base_term, fraction_terms
from campanile.metrics.pairs import MetricType
from campanile.metrics.registry import COUNTS, RATES, Term
from campanile.metrics.rows import BotMode
from campanile.reports.columns.catalogue import columns_by_key
from campanile.reports.columns.definitions import (
    Amplified,
    AttributionType,
    ColumnDef,
    Counted,
    Detailed,
    Failing,
    GoalFigure,
    HeldOut,
    RegistryRate,
    Share,
    Source,
    StepPassed,
)
from campanile.reports.row_goals import Pairs, PortionGoals, sparse
from campanile.reports.row_numbers import CONTROL_REASONS, PortionNumbers
from campanile.reports.schemas import CHANNELS
from campanile.reports.table import (
    Cells,
    Coded,
    Flags,
    Integers,
    Percentages,
    Whole,
    constant,
    dividing,
    quotient,
)

_HUNDRED = Decimal(100)


class RowFacts:
    """All rows of a portion while their cells are computed.

    Args:
        tracked: per row, whether deliveries of its campaign are reported.
    """

    def __init__(self, numbers: PortionNumbers, goals: PortionGoals, tracked: Flags) -> None:
        self.numbers = numbers
        self.goals = goals
        self._tracked = tracked
        self._all_tracked = bool(tracked.all())

    @property
    def rows(self) -> int:
        return len(self._tracked)

    def of_tracking(self, values: Callable[[bool], Integers]) -> Integers:
        """What depends on whether deliveries are reported: `values` of either case, chosen row by row."""
        return values(True) if self._all_tracked else np.where(self._tracked, values(True), values(False))

    def term(self, terms: Callable[[bool], Term | None], platform: str, metric_type: MetricType) -> Integers:
        """The values of a term that depends on it, and may be none."""

        def values(tracked: bool) -> Integers:
            term = terms(tracked)
            return np.zeros(self.rows, np.int64) if term is None else self.numbers.values(term, platform, metric_type)

        return self.of_tracking(values)


Cell = Callable[[RowFacts], Cells]
"""The values of a column in each row."""


class CellMaker:
    """Makes the functions that compute numeric cells of one channel."""

    def __init__(self, channel: str, attribution: AttributionType, bot_mode: BotMode) -> None:
        self._token = channel
        self._channel = CHANNELS[channel]
        self._attribution: AttributionType = attribution
        self._bot_mode = bot_mode

    def cell(self, column: ColumnDef) -> Cell | None:
        """The function for a numeric column; None for other ones and for those that nothing is known of."""
        return self._cell(column.cell) if column.numeric else None

    def _cell(self, source: Source) -> Cell | None:
        match source:
            case Counted() | StepPassed() | HeldOut() | Failing() | Detailed():
                count = self._count(source)
                return None if count is None else lambda facts: Whole(count(facts))
            case RegistryRate():
                return self._rate(source)
            case Share(part, whole):
                return self._share(part, whole)
            case Amplified():
                return _amplified(source)
            case GoalFigure():
                return self._goal(source)
            case _:
                return None

    def _count(self, source: Source) -> Callable[[RowFacts], Integers] | None:
        match source:
            case Counted(count, metric_type, platform):
                if COUNTS[count].adjusted and self._bot_mode == "off":
                    return None
                return lambda facts: facts.numbers.values(Term(count=count), platform, metric_type)
            case StepPassed(step, platform):
                return lambda facts: facts.numbers.passed(platform, step)
            case HeldOut(group, platform):
                return lambda facts: facts.numbers.reasons(platform, CONTROL_REASONS[group])
            case Failing(reasons, platform):
                return lambda facts: _sum(facts, [facts.numbers.reasons(platform, reason) for reason in reasons])
            case Detailed(detail, platform):
                return lambda facts: facts.numbers.details(platform, detail)
            case _:
                return None

    def _rate(self, source: RegistryRate) -> Cell | None:
        rate, platform, metric_type = RATES[source.rate], source.platform, source.metric_type
        if rate.adjusted and self._bot_mode == "off":
            return None
        terms = {tracked: fraction_terms(rate, self._channel, tracked) or (None, None) for tracked in (True, False)}

        def percentages(facts: RowFacts) -> Cells:
            part = facts.term(lambda tracked: terms[tracked][0], platform, metric_type)
            return Percentages(part, facts.term(lambda tracked: terms[tracked][1], platform, metric_type))

        return percentages

    def _share(self, part_key: str, whole_key: str) -> Cell | None:
        known = columns_by_key(self._token)
        part, whole = self._count(known[part_key].cell), self._count(known[whole_key].cell)
        if part is None or whole is None:
            return None
        return lambda facts: Percentages(part(facts), whole(facts))

    def _goal(self, source: GoalFigure) -> Cell:
        attribution = source.attribution or self._attribution
        index, platform, channel = source.goal - 1, source.platform, self._channel
        terms = {tracked: base_term(channel, attribution.upper(), tracked) for tracked in (True, False)}

        def reached(facts: RowFacts) -> Integers:
            return facts.term(lambda tracked: terms[tracked], platform, "TOTAL")

        def control(facts: RowFacts) -> Pairs:
            return facts.goals.control(source.group or "", platform, attribution, index)

        def figures(facts: RowFacts) -> Cells:
            blank = facts.goals.counts <= index
            if blank.all():
                return constant(facts.rows, None)
            goal = facts.goals.column(platform, attribution, index)
            match source.figure:
                case "converted_users":
                    return Whole(goal.uniques, blank)
                case "conversion_events":
                    return Whole(goal.totals, blank)
                case "cvr":
                    return Percentages(goal.uniques, reached(facts), blank)
                case "total_revenue":
                    return goal.amounts(lambda found: found.revenue).without(blank)
                case "average_order_value":
                    return goal.amounts(lambda found: quotient(found.revenue, found.total)).without(blank)
                case "average_revenue_per_user":
                    return goal.amounts(lambda found: quotient(found.revenue, found.unique)).without(blank)
                case "control_conversions":
                    return Whole(control(facts).converted, blank)
                case "control_cvr":
                    return Percentages(*control(facts), blank)
                case "control_uplift":
                    return _uplifts(goal.uniques, reached(facts), control(facts)).without(blank)

        return figures


def uplift(unique: int, base: int, control_unique: int, members: int) -> Decimal:
    """Change of the conversion rate against a control group in percent; 0 where nobody in the group converted."""
    if not control_unique or not members:
        return Decimal(0)
    if not base:
        return -_HUNDRED  # nobody was reached: the rate is 0
    return dividing(100 * (unique * members - control_unique * base), control_unique * base)


def _uplifts(uniques: Integers, bases: Integers, pairs: Pairs) -> Coded:
    compared = np.flatnonzero((pairs.converted > 0) & (pairs.held > 0))
    columns = (uniques, bases, pairs.converted, pairs.held)
    numbers = zip(*(column[compared].tolist() for column in columns), strict=True)
    changes = [uplift(*row) for row in numbers]
    return sparse(len(uniques), dict(zip(compared.tolist(), changes, strict=True)))


def _amplified(source: Amplified) -> Cell:
    platform = source.platform
    impression, sent = Term(count="impression"), Term(count="sent")

    def figures(facts: RowFacts) -> Cells:
        amplified = facts.numbers.details(platform, "amplified_impression")
        alone = np.maximum(0, facts.numbers.values(impression, platform, "TOTAL") - amplified)
        messages = facts.numbers.values(sent, platform, "TOTAL")
        if source.figure == "fcm_delivery_rate":
            return Percentages(alone, messages)
        return Percentages(amplified, np.where(messages > 0, alone, 0))

    return figures


def _sum(facts: RowFacts, columns: list[Integers]) -> Integers:
    total = np.zeros(facts.rows, np.int64)
    for column in columns:
        total = total + column
    return total
