"""Campaigns and numbers to build answers from, without a database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from campanile.campaigns.schemas import Campaign, Goal
from campanile.metrics.pairs import Pair
from campanile.stats.numbers import CampaignNumbers, GoalNumbers, NodeKey, NodeNumbers

CREATED = datetime(2024, 10, 1, tzinfo=UTC)

_CAMPAIGN = Campaign(
    campaign_id="66e933029ff25f3322d8279d",
    channel="PUSH",
    delivery_type="ONE_TIME",
    status="ACTIVE",
    name="P1",
    parent_id=None,
    flow_id=None,
    flow_name=None,
    created_at=CREATED,
    updated_at=CREATED,
    sent_time=None,
    platforms=("ANDROID",),
    locales=(),
    variations=(),
    goals=(),
    attribution_window_hours=None,
    campaign_control_group=False,
    global_control_group=False,
    attempts="explicit",
    delivery_tracking=True,
    source="api",
    revision=1,
    observed_platforms=(),
    observed_locales=(),
    observed_variations=(),
    first_event_at=None,
    last_event_at=None,
)


def campaign(campaign_id: str = _CAMPAIGN.campaign_id, **changes: Any) -> Campaign:
    return msgspec.structs.replace(_CAMPAIGN, campaign_id=campaign_id, **changes)


def node(
    counts: Mapping[str, tuple[int, int]] | None = None,
    *,
    funnel: Mapping[str, tuple[int, int]] | None = None,
    failures: Mapping[str, tuple[int, int]] | None = None,
    goals: Mapping[str, tuple[int, int, str]] | None = None,
    held_out: int = 0,
) -> NodeNumbers:
    return NodeNumbers(
        counts={key: Pair(*pair) for key, pair in (counts or {}).items()},
        funnel={key: Pair(*pair) for key, pair in (funnel or {}).items()},
        failures={key: Pair(*pair) for key, pair in (failures or {}).items()},
        goals={
            key: GoalNumbers(total, unique, Decimal(revenue)) for key, (total, unique, revenue) in (goals or {}).items()
        },
        held_out=held_out,
    )


def numbers(owner: Campaign | None = None, nodes: Mapping[NodeKey, NodeNumbers] | None = None) -> CampaignNumbers:
    key: NodeKey = ("ANDROID", "all_locales", "all_variations")
    return CampaignNumbers(owner or campaign(), dict(nodes or {key: node()}))


GOAL = Goal(name="Goal 1", event="purchase", revenue_attribute="amount")
PLAIN_GOAL = Goal(name="Goal 1", event="purchase")
