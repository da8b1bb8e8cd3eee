"""From the counts of a campaign's arms to the answer about its experiments. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from campanile.attribution.schemas import NO_ONE, ArmSizes, Members
from campanile.attribution.schemas import Arm as ArmKey
from campanile.campaigns.schemas import Campaign, Goal
from campanile.experiments import statistics
from campanile.experiments.schemas import (
    OVERLAP,
    AttributedEffect,
    Caution,
    ControlGroup,
    Experiment,
    GoalResult,
    GroupEffect,
    Rules,
    SampleRatio,
    VariationTest,
    WireUplift,
)
from campanile.experiments.splits import control_ratio, declared, variation_ratio
from campanile.experiments.statistics import Arm
from campanile.experiments.verdicts import effect, variation_test
from campanile.kit.ordering import natural_key
from campanile.kit.times import Window
from campanile.metrics.channels import CAMPAIGN_CONTROL_GROUP, GLOBAL_CONTROL_GROUP
from campanile.stats.schemas import Attribution

TREATED: ArmKey = ("", "")
MOST_VARIATIONS = 20
"""Variations that are compared, the largest ones: 190 pairs, beyond which the adjustment leaves nothing to be found."""
RULES = Rules(
    confidence=statistics.CONFIDENCE,
    significance=statistics.SIGNIFICANCE,
    smallest_arm=statistics.SMALLEST_ARM,
    fewest_expected=statistics.FEWEST_EXPECTED,
    mismatch=statistics.MISMATCH,
)
NO_WIRE = WireUplift(cvr=0.0, control_cvr=0.0, uplift=0.0)

Converted = Mapping[tuple[ArmKey, str], int]
"""(Arm, goal) → converting (user, instance) pairs."""


class Counts(msgspec.Struct, frozen=True):
    """Everything that was counted for one campaign."""

    campaign: Campaign
    document: Mapping[str, Any]
    days: Window
    attributions: tuple[Attribution, ...]
    windows: Mapping[Goal, timedelta]
    members: Members
    converted: Mapping[Attribution | None, Converted]
    """By attribution type; None is the intention to treat."""
    wire: Mapping[tuple[Attribution, str, str], WireUplift]
    """By attribution type, control group and goal."""

    def size(self, arm: ArmKey) -> ArmSizes:
        return self.members.sizes.get(arm, NO_ONE)

    @property
    def groups(self) -> dict[str, bool]:
        """Control groups, and whether they are there: enabled, or with members."""
        enabled = {
            CAMPAIGN_CONTROL_GROUP: self.campaign.campaign_control_group,
            GLOBAL_CONTROL_GROUP: self.campaign.global_control_group,
        }
        return {group: on or self.size((group, "")).sent > 0 for group, on in enabled.items()}

    @property
    def variations(self) -> dict[str, ArmSizes]:
        """Variations that were sent, by name; none where there is only one."""
        found = {name: sizes for (group, name), sizes in self.members.sizes.items() if not group and name}
        sent = sorted((name for name in found if found[name].sent), key=lambda name: -found[name].sent)
        chosen = sorted(sent[:MOST_VARIATIONS], key=natural_key)
        return {name: found[name] for name in chosen} if len(chosen) > 1 else {}


def experiment(counts: Counts, now: datetime) -> Experiment:
    """The answer as of `now`."""
    declaration = declared(counts.document)
    groups = {
        group: _group(counts, group, declaration.control if group == CAMPAIGN_CONTROL_GROUP else None)
        for group, present in counts.groups.items()
        if present
    }
    variations = counts.variations
    split = variation_ratio({n: s.tried for n, s in variations.items()}, declaration) if variations else None
    last = max(counts.days.start, datetime.fromtimestamp(counts.members.last_at / 1000, UTC))
    settled = last + max(counts.windows.values(), default=timedelta(0))
    sizes, people = counts.size(TREATED), counts.members.people[""]
    return Experiment(
        campaign_id=counts.campaign.campaign_id,
        campaign_name=counts.campaign.name,
        channel=counts.campaign.channel,
        start_date=counts.days.first,
        end_date=counts.days.last,
        timezone=counts.days.timezone,
        attributions=counts.attributions,
        settled_at=settled,
        cautions=_cautions(windows_open=now < settled, repeated_people=_repeated(sizes.sent, people)),
        sent=sizes.sent,
        sent_people=people,
        rules=RULES,
        control_groups=tuple(groups.values()),
        variation_split=split,
        goals=tuple(
            GoalResult(
                goal=goal.name,
                event=goal.event,
                is_primary=goal.is_primary,
                window_hours=reach // timedelta(hours=1),
                control_groups=tuple(_effects(counts, goal, group) for group in groups.values()),
                variations=_variations(counts, goal, split) if split is not None else None,
            )
            for goal, reach in counts.windows.items()
        ),
    )


def _group(counts: Counts, group: str, share: float | None) -> ControlGroup:
    held, treated = counts.size((group, "")), counts.size(TREATED)
    people, in_both = counts.members.people[group], counts.members.in_both[group]
    return ControlGroup(
        group=group,
        held_out=held.sent,
        held_out_people=people,
        in_both=in_both,
        sample_ratio=control_ratio(group, treated.tried, held.sent, share, in_both=counts.members.pairs_in_both[group]),
        cautions=_cautions(
            people_in_both_groups=in_both > OVERLAP * min(people, counts.members.people[""]),
            repeated_people=_repeated(held.sent, people),
        ),
    )


def _effects(counts: Counts, goal: Goal, group: ControlGroup) -> GroupEffect:
    key, treated, held = (group.group, ""), counts.size(TREATED), counts.size((group.group, ""))
    mismatch = _mismatch(group.sample_ratio)

    def arm(attribution: Attribution | None, key: ArmKey, size: int) -> Arm:
        return Arm(counts.converted[attribution].get((key, goal.name), 0), size)

    return GroupEffect(
        group=group.group,
        intention_to_treat=effect(arm(None, TREATED, treated.sent), arm(None, key, held.sent), mismatch=mismatch),
        attributed=tuple(
            AttributedEffect(
                attribution=name,
                wire=counts.wire.get((name, group.group, goal.name), NO_WIRE),
                exposed=effect(arm(name, TREATED, treated.exposed(name)), arm(name, key, held.sent), mismatch=mismatch),
            )
            for name in counts.attributions
        ),
    )


def _variations(counts: Counts, goal: Goal, split: SampleRatio) -> VariationTest:
    converted = counts.converted[None]
    arms = {
        name: Arm(converted.get((("", name), goal.name), 0), sizes.sent) for name, sizes in counts.variations.items()
    }
    return variation_test(arms, mismatch=_mismatch(split))


def _mismatch(ratio: SampleRatio) -> bool:
    """Whether a declared split was missed; assumed ones are shown and judge nothing."""
    return ratio.basis == "declared" and ratio.status == "mismatch"


def _repeated(pairs: int, people: int) -> bool:
    return pairs > statistics.CLUSTERED * people


def _cautions(**raised: bool) -> tuple[Caution, ...]:
    known: dict[str, Caution] = {
        "windows_open": "windows_open",
        "people_in_both_groups": "people_in_both_groups",
        "repeated_people": "repeated_people",
    }
    return tuple(known[name] for name, on in raised.items() if on)
