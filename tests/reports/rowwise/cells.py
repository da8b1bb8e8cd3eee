"""From the numbers of rows to the values of their cells, row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import partial

from campanile.attribution.schemas import NO_CONVERSIONS, Conversions
from campanile.metrics.formulas import base_term, fraction_terms, term_values
from campanile.metrics.pairs import ZERO, Pair
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
from campanile.reports.goals import ControlKey, GoalFigures
from campanile.reports.schemas import CHANNELS
from tests.reports.rowwise.numbers import CONTROL_REASONS, PortionNumbers
from tests.reports.rowwise.questions import RowKey

Number = int | Decimal | None

_ARITHMETIC = Context(prec=40, rounding=ROUND_HALF_UP)
_ZERO = Decimal(0)
_HUNDRED = Decimal(100)


class RowFacts:
    """One row while its cells are computed."""

    __slots__ = ("_funnels", "_key", "_portion", "control", "goals", "names", "numbers", "tracked", "whole")

    def __init__(
        self,
        portion: PortionNumbers,
        key: RowKey,
        *,
        tracked: bool,
        names: Sequence[str],
        goals: GoalFigures,
        control: Callable[[ControlKey], tuple[int, int]],
    ) -> None:
        number, day, locale, variation = key
        self._portion = portion
        self._key = key
        self._funnels: dict[str, Mapping[str, Pair]] = {}
        self.numbers = portion.row(number, day, locale, variation)
        self.whole = portion.row(number, day, "", "") if locale or variation else self.numbers
        """Of the same campaign and day over all locales and variations."""
        self.tracked = tracked
        """Whether deliveries of the campaign are reported."""
        self.names = names
        """Goals in order."""
        self.goals = goals
        self.control = control

    @property
    def anything(self) -> bool:
        """Whether anything was counted."""
        return self.numbers.anything or any(found.total or found.unique for found in self.goals.values())

    def funnel(self, platform: str) -> Mapping[str, Pair]:
        """The delivery funnel on a platform, over all locales and variations."""
        if platform not in self._funnels:
            number, day, _, _ = self._key
            self._funnels[platform] = self._portion.funnel(self.whole, number, day, platform)
        return self._funnels[platform]


class RowBlock:
    """Rows whose cells are computed together."""

    def __init__(self, rows: Sequence[RowFacts]) -> None:
        self.rows = rows
        self.tracked = all(row.tracked for row in rows)
        """Whether deliveries of all of them are reported."""
        self._counts: dict[str, list[Mapping[str, Pair]]] = {}

    def on(self, platform: str) -> Sequence[Mapping[str, Pair]]:
        """Counts of each row on a platform."""
        found = self._counts.get(platform)
        if found is None:
            found = self._counts[platform] = [row.numbers.on(platform) for row in self.rows]
        return found

    def of_tracking(self, values: Callable[[bool], Sequence[int]]) -> Sequence[int]:
        """What depends on whether deliveries are reported: `values` of either case, chosen row by row."""
        if self.tracked:
            return values(True)
        both = zip(self.rows, values(True), values(False), strict=True)
        return [tracked if row.tracked else untracked for row, tracked, untracked in both]


Cell = Callable[[RowBlock], Sequence[Number]]
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
            case Counted():
                return self._counted(source)
            case RegistryRate():
                return self._rate(source)
            case Share(part, whole):
                return self._share(part, whole)
            case StepPassed(step, platform):
                return lambda block: [row.funnel(platform).get(step, ZERO).total for row in block.rows]
            case HeldOut(group, platform):
                place = (platform, CONTROL_REASONS[group])
                return lambda block: [row.whole.reasons.get(place, 0) for row in block.rows]
            case Failing(reasons, platform):
                places = tuple((platform, reason) for reason in reasons)
                return lambda block: [sum(row.numbers.reasons.get(place, 0) for place in places) for row in block.rows]
            case Detailed(detail, platform):
                where = (platform, detail)
                return lambda block: [row.numbers.details.get(where, 0) for row in block.rows]
            case Amplified():
                return _amplified(source)
            case GoalFigure():
                return self._goal(source)
            case _:
                return None

    def _counted(self, source: Counted) -> Cell | None:
        if COUNTS[source.count].adjusted and self._bot_mode == "off":
            return None
        term = Term(count=source.count)
        return lambda block: term_values(term, block.on(source.platform), source.metric_type)

    def _rate(self, source: RegistryRate) -> Cell | None:
        rate, platform, metric_type = RATES[source.rate], source.platform, source.metric_type
        if rate.adjusted and self._bot_mode == "off":
            return None
        terms = {tracked: fraction_terms(rate, self._channel, tracked) for tracked in (True, False)}

        def percentages(block: RowBlock) -> list[Number]:
            def side(place: int, tracked: bool) -> Sequence[int]:
                found = terms[tracked]
                return [0] * len(block.rows) if found is None else term_values(found[place], nodes, metric_type)

            nodes = block.on(platform)
            parts, wholes = (block.of_tracking(partial(side, place)) for place in (0, 1))
            return list(map(percentage, parts, wholes))

        return percentages

    def _share(self, part_key: str, whole_key: str) -> Cell | None:
        known = columns_by_key(self._token)
        part, whole = self.cell(known[part_key]), self.cell(known[whole_key])
        if part is None or whole is None:
            return None
        return lambda block: [
            percentage(int(n or 0), int(d or 0)) for n, d in zip(part(block), whole(block), strict=True)
        ]

    def _goal(self, source: GoalFigure) -> Cell:
        attribution = source.attribution or self._attribution
        index, platform, channel, group = source.goal - 1, source.platform, self._channel, source.group or ""
        terms = {tracked: base_term(channel, attribution.upper(), tracked) for tracked in (True, False)}

        def base(block: RowBlock, tracked: bool) -> Sequence[int]:
            term = terms[tracked]
            return [0] * len(block.rows) if term is None else term_values(term, block.on(platform), "TOTAL")

        def control(row: RowFacts) -> tuple[int, int]:
            return row.control((group, platform, attribution, row.names[index]))

        def figure(found: Conversions, row: RowFacts, reached: int) -> Number:
            match source.figure:
                case "converted_users":
                    return found.unique
                case "conversion_events":
                    return found.total
                case "cvr":
                    return percentage(found.unique, reached)
                case "total_revenue":
                    return found.revenue
                case "average_order_value":
                    return _quotient(found.revenue, found.total)
                case "average_revenue_per_user":
                    return _quotient(found.revenue, found.unique)
                case "control_conversions":
                    return control(row)[0]
                case "control_cvr":
                    return percentage(*control(row))
                case "control_uplift":
                    return uplift(found.unique, reached, *control(row))

        def figures(block: RowBlock) -> list[Number]:
            if not any(len(row.names) > index for row in block.rows):
                return [None] * len(block.rows)
            bases = block.of_tracking(partial(base, block))
            return [
                figure(row.goals.get((platform, attribution, row.names[index]), NO_CONVERSIONS), row, reached)
                if len(row.names) > index
                else None
                for row, reached in zip(block.rows, bases, strict=True)
            ]

        return figures


def percentage(n: int, d: int) -> Decimal:
    """100 · n / d, not rounded; 0 when `d` is 0."""
    return _ARITHMETIC.divide(Decimal(100 * n), Decimal(d)) if n and d else _ZERO


def uplift(unique: int, base: int, control_unique: int, members: int) -> Decimal:
    """Change of the conversion rate against a control group in percent; 0 where nobody in the group converted."""
    if not control_unique or not members:
        return _ZERO
    if not base:
        return -_HUNDRED  # nobody was reached: the rate is 0
    return _ARITHMETIC.divide(Decimal(100 * (unique * members - control_unique * base)), Decimal(control_unique * base))


def _quotient(amount: Decimal, parts: int) -> Decimal:
    return _ARITHMETIC.divide(amount, Decimal(parts)) if parts else _ZERO


def _amplified(source: Amplified) -> Cell:
    platform, place = source.platform, (source.platform, "amplified_impression")

    def delivery_rate(row: RowFacts) -> Number:
        counts = row.numbers.on(platform)
        alone = max(0, counts.get("impression", ZERO).total - row.numbers.details.get(place, 0))
        return percentage(alone, counts.get("sent", ZERO).total)

    def gain(row: RowFacts) -> Number:
        counts = row.numbers.on(platform)
        amplified = row.numbers.details.get(place, 0)
        alone = max(0, counts.get("impression", ZERO).total - amplified)
        return percentage(amplified, alone) if counts.get("sent", ZERO).total else _ZERO

    one = delivery_rate if source.figure == "fcm_delivery_rate" else gain
    return lambda block: [one(row) for row in block.rows]
