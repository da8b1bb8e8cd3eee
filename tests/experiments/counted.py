"""Counts of a campaign as the store would give them, for tests that need no store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from campanile.attribution.schemas import Arm, ArmSizes, Members
from campanile.campaigns.schemas import Campaign, Goal
from campanile.experiments.results import Counts, experiment
from campanile.experiments.schemas import Experiment, WireUplift
from campanile.kit.times import epoch_milliseconds, window
from campanile.stats.schemas import Attribution
from tests.support.attribution import campaign

GROUP, EVERYBODY = "campaign_control_group", "global_control_group"
SENT_AT, LATER = datetime(2026, 3, 16, 9, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
PURCHASE = Goal(name="Purchase", event="order_placed", is_primary=True)


def emailing(**changes: Any) -> Campaign:
    return campaign(
        {"campaign_id": "e" * 24, "channel": "EMAIL", "name": "Voucher", "campaign_control_group": True, **changes}
    )


def counts(
    sizes: Mapping[Arm, int],
    converted: Mapping[Arm, int],
    *,
    control_share: int = 20,
    details: Mapping[str, Any] | None = None,
    people: Mapping[str, int] | None = None,
    in_both: int = 0,
    pairs_in_both: int = 0,
    last_at: datetime = SENT_AT,
    attributions: tuple[Attribution, ...] = ("VIEW_THROUGH",),
    **changes: Any,
) -> Counts:
    """Arms of one goal; everybody was tried, sent to and reached."""
    users = {"": 0, GROUP: 0, EVERYBODY: 0} | {group: size for (group, name), size in sizes.items() if not name}
    cohort = {(arm, PURCHASE.name): number for arm, number in converted.items()}
    return Counts(
        campaign=emailing(**changes),
        document={
            "control_group_details": {
                "is_campaign_control_group_enabled": control_share > 0,
                "campaign_control_group_percentage": control_share,
            },
            "campaign_content": {"variation_details": dict(details or {})},
        },
        days=window(date(2026, 3, 16), date(2026, 3, 18), "UTC"),
        attributions=attributions,
        windows={PURCHASE: timedelta(hours=72)},
        members=Members(
            {arm: ArmSizes(*[size] * 5) for arm, size in sizes.items()},
            {**users, **(people or {})},
            {GROUP: in_both, EVERYBODY: 0},
            {GROUP: pairs_in_both, EVERYBODY: 0},
            epoch_milliseconds(last_at),
        ),
        converted={None: cohort, **dict.fromkeys(attributions, cohort)},
        wire={
            (name, group, PURCHASE.name): WireUplift(cvr=12.5, control_cvr=5.0, uplift=150.0)
            for name in attributions
            for group in (GROUP, EVERYBODY)
        },
    )


def answer(sizes: Mapping[Arm, int], converted: Mapping[Arm, int], **options: Any) -> Experiment:
    return experiment(counts(sizes, converted, **options), LATER)
