"""What is asked about the experiments of a campaign, and what is answered."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from campanile.stats.schemas import Attribution

MAX_DAYS = 366
"""Longest range in days: a year. Every question reads the touches and conversions of the whole range."""
OVERLAP = 0.01
"""Share of the smaller group's people who may be in the other one, too, before it is worth a caution: with more of
them, both groups saw the message and the difference comes out too small."""

Verdict = Literal[
    "better",
    "worse",
    "no_difference",
    "winner",
    "no_winner",
    "insufficient_data",
    "no_control_group",
    "nobody_reached",
    "sample_ratio_mismatch",
]
Caution = Literal["windows_open", "people_in_both_groups", "repeated_people"]
"""`windows_open`: conversions may still come. `repeated_people`: pairs of one person are not independent, so intervals
are narrower than they should be."""
SplitStatus = Literal["as_declared", "mismatch", "too_few", "not_checked"]
Basis = Literal["declared", "equal_assumed", "automatic", "names_differ", "nothing_declared", "drawn_again"]
"""What a split is checked against: the campaign's document; equal parts, as it declares none; nothing, because the
sender shifts the shares by itself, because the document names other variations than the events, because nothing is
declared, or because the same people were drawn several times for one instance, so that shares add up to more."""
Interval = tuple[float, float]


class ExperimentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A valid request."""

    first: date | None = None
    """First day of the sends and hold-outs; None: the campaign's first."""
    last: date | None = None
    """Last day; None: today."""
    attributions: tuple[Attribution, ...] = ()
    """Attribution types besides the intention to treat; empty: the one that the workspace looks at first."""
    goal: str | None = None
    """Name of the one goal asked about; None: all."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One arm: (user, instance) pairs, those of them that converted, and the rate in percent with its 95 % interval."""

    size: int
    converted: int
    rate: float
    rate_interval: Interval | None


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """The treated against a control group."""

    verdict: Verdict
    explanation: str
    """The verdict as a sentence."""
    treatment: Side
    control: Side
    difference: float | None
    """Points."""
    difference_interval: Interval | None
    uplift: float
    """Percent of the control's rate; 0 where that is 0."""
    uplift_interval: Interval | None
    incremental_conversions: float | None
    z: float | None
    p_value: float | None


class WireUplift(msgspec.Struct, frozen=True, kw_only=True):
    """What the Stats API says: rates with bases of their own, no interval."""

    cvr: float
    control_cvr: float
    uplift: float


class AttributedEffect(msgspec.Struct, frozen=True, kw_only=True):
    """The same comparison among those who were reached, under one attribution type, beside the figures of the wire."""

    attribution: Attribution
    wire: WireUplift
    exposed: Effect
    """Optimistic: people who see a message are more active than people who merely could have (specification 9.1)."""


class GroupEffect(msgspec.Struct, frozen=True, kw_only=True):
    """What a campaign did for one goal, by one control group."""

    group: str
    intention_to_treat: Effect
    """Everybody the campaign was sent to against everybody held out: the fair comparison (specification 9.3)."""
    attributed: tuple[AttributedEffect, ...]


class VariationSide(Side, frozen=True, kw_only=True):
    """One variation."""

    name: str


class VariationPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two variations against each other; intervals and adjusted p-values hold for all pairs together."""

    first: str
    second: str
    difference: float
    difference_interval: Interval
    p_value: float
    adjusted_p_value: float


class VariationTest(msgspec.Struct, frozen=True, kw_only=True):
    """Variations against each other, by intention to treat."""

    verdict: Verdict
    explanation: str
    winner: str | None
    variations: tuple[VariationSide, ...]
    pairs: tuple[VariationPair, ...]


class GoalResult(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one goal."""

    goal: str
    event: str
    is_primary: bool
    window_hours: int
    control_groups: tuple[GroupEffect, ...]
    variations: VariationTest | None
    """None for campaigns with fewer than two variations."""


class SampleRatio(msgspec.Struct, frozen=True, kw_only=True):
    """Whether parts have the sizes they were meant to have."""

    status: SplitStatus
    basis: Basis
    parts: dict[str, int]
    """(User, instance) pairs per part: those tried, not only those sent to, because failures come after the draw."""
    shares: dict[str, float]
    """Declared percentages; empty where nothing is checked."""
    p_value: float | None


class ControlGroup(msgspec.Struct, frozen=True, kw_only=True):
    """One control group and how well it was kept apart."""

    group: str
    held_out: int
    """(User, instance) pairs."""
    held_out_people: int
    in_both: int
    """People who were held out and sent to."""
    sample_ratio: SampleRatio
    cautions: tuple[Caution, ...]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The thresholds behind the verdicts, by what they are for."""

    confidence: float
    significance: float
    smallest_arm: int
    fewest_expected: int
    mismatch: float


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """The answer."""

    campaign_id: str
    campaign_name: str
    channel: str
    start_date: date
    end_date: date
    timezone: str
    attributions: tuple[Attribution, ...]
    settled_at: datetime
    """When the last window has closed: from then on only late events change the numbers."""
    cautions: tuple[Caution, ...]
    sent: int
    """(User, instance) pairs the campaign was sent to."""
    sent_people: int
    rules: Rules
    control_groups: tuple[ControlGroup, ...]
    variation_split: SampleRatio | None
    goals: tuple[GoalResult, ...]
    """Goals with an event. Conversions that senders attribute themselves have no counterpart among the held out."""
