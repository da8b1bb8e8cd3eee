"""From the columns of a sheet to what has to be counted for it."""

from __future__ import annotations

from collections.abc import Iterable

from campanile.metrics.funnel import MESSAGE_STEPS
from campanile.metrics.pairs import MetricType
from campanile.metrics.registry import CONVERSION_BASES, RATES, Term
from campanile.reports.columns.catalogue import columns_by_key
from campanile.reports.columns.definitions import (
    Amplified,
    AttributionType,
    ColumnDef,
    Content,
    Counted,
    Detailed,
    Failing,
    GoalFigure,
    HeldOut,
    RegistryRate,
    Share,
    Split,
    StepPassed,
    Trait,
)
from campanile.reports.columns.goals import CLICKS
from campanile.reports.schemas import CHANNELS

TRAITS_WITHOUT_DOCUMENT = frozenset(
    {
        "campaign.id", "campaign.name", "campaign.parent_id", "campaign.flow_name", "campaign.flow_id",
        "campaign.type", "campaign.delivery_type", "campaign.channel", "campaign.status", "campaign.sent_time",
        "campaign.created_time", "campaign.attribution_window", "campaign.platforms", "campaign.goal.name",
        "campaign.goal.event", "campaign.goal.attribute", "campaign.goal.condition", "campaign.goal.value",
    }
)  # fmt: skip
"""Traits that every campaign carries; the others are looked up in its document."""


class Needs:
    """What the cells of some columns are computed from."""

    def __init__(self, channel: str, attribution: AttributionType) -> None:
        self._token = channel
        self._channel = CHANNELS[channel]
        self._attribution: AttributionType = attribution
        self.counts: dict[str, bool] = {}
        """Counts of the registry by key; whether their users are wanted."""
        self.steps: set[str] = set()
        self.groups: set[str] = set()
        """Control groups whose members are shown."""
        self.reasons: set[str] = set()
        self.details: set[str] = set()
        self.attributions: set[AttributionType] = set()
        self.compared: set[AttributionType] = set()
        """Those for which control groups are wanted."""
        self.platforms = False
        """Whether single platforms have columns."""
        self.documents = False

    @classmethod
    def of(
        cls, channel: str, columns: Iterable[ColumnDef], splits: frozenset[Split], attribution: AttributionType
    ) -> Needs:
        """What these columns need, those that stay blank under the splits left out.

        Args:
            attribution: the type that the workspace shows first.
        """
        needs = cls(channel, attribution)
        for column in columns:
            if splits <= frozenset(column.splits):
                needs.add(column)
        return needs

    def add(self, column: ColumnDef) -> None:
        cell = column.cell
        if getattr(cell, "platform", ""):
            self.platforms = True
        match cell:
            case Counted(count, metric_type):
                self._count(count, unique=metric_type == "UNIQUE")
            case RegistryRate(rate, metric_type):
                self._rate(rate, metric_type)
            case Share(part, whole):
                for key in (part, whole):
                    self.add(columns_by_key(self._token)[key])
            case StepPassed(step):
                self.steps.add(step)
                if step in MESSAGE_STEPS:
                    self._count(MESSAGE_STEPS[step])
            case HeldOut(group):
                self.groups.add(group)
            case Failing(reasons):
                self.reasons.update(reasons)
            case Detailed(detail):
                self.details.add(detail)
            case Amplified():
                self._count("impression")
                self._count("sent")
                self.details.add("amplified_impression")
            case GoalFigure():
                self._goal(cell)
            case Trait(name):
                self.documents |= name not in TRAITS_WITHOUT_DOCUMENT
            case Content():
                self.documents = True

    def _count(self, count: str, *, unique: bool = False) -> None:
        self.counts[count] = self.counts.get(count, False) or unique

    def _term(self, term: Term, metric_type: MetricType) -> None:
        unique = term.unique or metric_type == "UNIQUE"
        self._count(term.count, unique=unique)
        if term.minus:
            self._count(term.minus, unique=unique)

    def _rate(self, rate: str, metric_type: MetricType) -> None:
        ratio = RATES[rate].ratio(self._channel)
        if ratio is not None:
            for term in (ratio.numerator, ratio.denominator, ratio.untracked):
                if term is not None:
                    self._term(term, metric_type)

    def _goal(self, cell: GoalFigure) -> None:
        attribution = cell.attribution or self._attribution
        if cell.figure != "control_conversions":
            self.attributions.add(attribution)
        if cell.group is not None:
            self.compared.add(attribution)
        if cell.figure in ("cvr", "control_uplift"):
            for base in CONVERSION_BASES:
                if self._channel in base.channels:
                    self._term(base.click if attribution in CLICKS else base.view, "TOTAL")
                    if base.untracked is not None:
                        self._term(base.untracked, "TOTAL")
