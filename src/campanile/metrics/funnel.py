"""Delivery funnels: which steps a channel has, and who passes them (metrics specification 1.4, 2.1, 3.7).

A funnel starts with **user-level steps**, numbered from 1, and goes on with message-level ones, which are counts.

Who passes a user-level step is decided per triple (instance, user, platform), where an instance belongs to one
campaign: runs of different children never share one, even if the sender gave them the same id.

1. A triple *enters* with a `qualified` event that names no step, or an entry step (`entry_steps`).
2. Its *stage* is the smallest `stage_index` over the reasons of all its `removed` and `failed` events in the range,
   whatever locale and variation those carry; `NEVER` without such events.
3. An entered triple passes step k when k < stage. So stage 0 passes nothing, and `NEVER` passes every step.
4. It passes in each node (platform, locale, variation) in which it has an entering event.
5. A pair (instance, user) passes in a node with several platforms when it passes on one of them, so with its greatest
   stage. TOTAL counts the pairs, UNIQUE the users who pass in at least one instance.

**Reported survivors.** When the requested campaign, its children included, has in the range a `qualified` event that
names a later step, that step is answered by those events in all nodes of the campaign: for a user-level step the
distinct pairs (instance, user) and users that have such an event in the node, without triples of stage 0; for
`user_devices` and `active_device_token` the events and their users.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from campanile.metrics.pairs import ZERO, Pair
from campanile.metrics.reasons import BEFORE, STAGES
from campanile.metrics.registry import AUDIENCES, CONNECTORS, PHONE

NEVER = 255
"""Stage of a user whom no reason removes."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a funnel."""

    key: str
    label: str
    definition: str
    count: str = ""
    """Count that answers a message-level step; empty for a user-level step."""


_STEPS = (
    Step(key="total_user_in_segment", label="Users in segment", definition="Everyone in the segment."),
    Step(
        key="reachable_users_in_segment",
        label="Reachable users",
        definition="Users in the segment who can be reached on the channel. Triggered campaigns: triggers under TOTAL.",
    ),
    Step(key="segment_after_uninstall", label="After uninstalls", definition="… who have not uninstalled the app."),
    Step(key="user_with_email", label="With an address", definition="… who have an e-mail address."),
    Step(
        key="user_with_email_after__h_b",
        label="After suppression",
        definition="… whose address is not bounced, unsubscribed, complained or suppressed.",
    ),
    Step(
        key="user_after_duplicate_removal",
        label="After deduplication",
        definition="… after keeping one user per address.",
    ),
    Step(
        key="after_invalid_removal",
        label="With a valid address",
        definition="… whose address or number can be used.",
    ),
    Step(
        key="after_fc",
        label="After campaign controls",
        definition="… not stopped by frequency capping or another campaign control.",
    ),
    Step(key="users_after_dup", label="After deduplication", definition="… not dropped by deduplication."),
    Step(
        key="after_personalization_removal",
        label="After personalization",
        definition="… whose content could be rendered.",
    ),
    Step(
        key="user_devices",
        label="Devices",
        definition="Attempted devices plus those removed for an inactive token.",
        count="user_devices",
    ),
    Step(
        key="active_device_token",
        label="Active device tokens",
        definition="Attempted messages that name a device.",
        count="active_device_token",
    ),
    Step(key="sent", label="Sent", definition="Messages the provider accepted.", count="sent"),
    Step(key="delivered", label="Delivered", definition="Confirmed arrivals.", count="delivered"),
    Step(key="impressions", label="Impressions", definition="Messages shown or received.", count="impression"),
)

STEPS: dict[str, Step] = {step.key: step for step in _STEPS}
"""Every funnel step by key."""

_CONNECTOR_FUNNEL = ("total_user_in_segment", "after_fc", "after_personalization_removal", "sent")
_PHONE_FUNNEL = (
    "reachable_users_in_segment", "after_fc", "users_after_dup", "after_invalid_removal", "sent", "delivered",
)  # fmt: skip

FUNNELS: dict[str, tuple[str, ...]] = {
    "PUSH": (
        "reachable_users_in_segment", "segment_after_uninstall", "after_fc", "users_after_dup", "user_devices",
        "active_device_token", "sent", "impressions",
    ),
    "EMAIL": (
        "total_user_in_segment", "user_with_email", "user_with_email_after__h_b", "user_after_duplicate_removal",
        "after_invalid_removal", "after_fc", "after_personalization_removal", "sent", "delivered",
    ),
    **dict.fromkeys(PHONE, _PHONE_FUNNEL),
    **dict.fromkeys(CONNECTORS, _CONNECTOR_FUNNEL),
    "CARDS": ("sent", "delivered", "impressions"),
}  # fmt: skip
"""Steps per channel, in order; channels without an entry have no funnel."""

MESSAGE_STEPS: dict[str, str] = {step.key: step.count for step in _STEPS if step.count}
"""Message-level steps with the count that answers each; all others are user-level."""

REPORTABLE_STEPS = frozenset(STEPS) - {"sent", "delivered", "impressions"}
"""Steps a `qualified` event may name."""


def steps(channel: str) -> tuple[str, ...]:
    """All steps of the channel, in order; empty for channels without a funnel."""
    return FUNNELS.get(channel, ())


def user_steps(channel: str) -> tuple[str, ...]:
    """User-level steps of the channel; step k is at position k - 1."""
    return tuple(key for key in steps(channel) if key not in MESSAGE_STEPS)


def entry_steps(channel: str) -> tuple[str, ...]:
    """Values of `step` with which a `qualified` event enters the audience; the empty string is always one."""
    if channel in AUDIENCES:
        return ("", "eligible")
    return ("", *user_steps(channel)[:1])


def reach_step(channel: str) -> str | None:
    """The step that says how many people of the segment can be reached; None where a funnel has no people."""
    if channel == "EMAIL":
        return "user_with_email_after__h_b"
    return next(iter(user_steps(channel)), None)


def stage_index(channel: str, reason: str) -> int:
    """The first user-level step the reason keeps a user out of; 0 = already before step 1, `NEVER` = none."""
    known = STAGES.get(reason)
    if known is None or not known.of(channel):
        return NEVER
    if known.stage == BEFORE:
        return 0
    levels = user_steps(channel)
    return levels.index(known.stage) + 1 if known.stage in levels else NEVER


def reason_stages(channel: str) -> dict[str, int]:
    """All reasons that make a user leave the channel's funnel, with their stage; every other reason is `NEVER`."""
    stages = {reason: stage_index(channel, reason) for reason in STAGES}
    return {reason: stage for reason, stage in stages.items() if stage != NEVER}


def funnel(
    channel: str,
    depths: Mapping[str, Mapping[int, Pair]],
    counts: Mapping[str, Pair],
    survivors: Mapping[str, Pair],
    snapshots: Mapping[str, Pair],
) -> dict[str, Pair]:
    """The funnel of a node, in the order of the channel.

    Args:
        depths: user-level step → stage → entered (instance, user) pairs whose greatest stage it is, and users whose
            greatest stage over all instances it is. The same histogram for every step, unless snapshots answer some
            days of a step. Missing steps and stages are zero.
        counts: counts of the node by metric key; missing ones are zero.
        survivors: reported steps of the campaign (zero pairs included) with their numbers in this node.
        snapshots: what ready-made numbers add to user-level steps.
    """
    levels = {key: number for number, key in enumerate(user_steps(channel), start=1)}
    result = {}
    for key in steps(channel):
        if key in survivors:
            result[key] = survivors[key]
        elif key in levels:
            passed = [pair for stage, pair in depths.get(key, {}).items() if stage > levels[key]]
            result[key] = Pair(sum(pair.total for pair in passed), sum(pair.unique for pair in passed))
        else:
            result[key] = counts.get(MESSAGE_STEPS[key], ZERO)
        if key in levels and key in snapshots:
            result[key] = Pair(result[key].total + snapshots[key].total, result[key].unique + snapshots[key].unique)
    return result


def control_funnel(channel: str) -> dict[str, int]:
    """The funnel of a control-group object: nobody held out stays reachable (metrics specification 1.4)."""
    return {} if channel in ("EMAIL", *CONNECTORS) else {"reachable_users_in_segment": 0}
