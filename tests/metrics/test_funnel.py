"""Funnel steps and stages."""

from __future__ import annotations

import pytest

from campanile.metrics.channels import CHANNELS
from campanile.metrics.funnel import (
    MESSAGE_STEPS,
    NEVER,
    REPORTABLE_STEPS,
    control_funnel,
    entry_steps,
    funnel,
    reason_stages,
    stage_index,
    user_steps,
)
from campanile.metrics.pairs import Pair
from campanile.metrics.reasons import CONTROL_REASONS
from tests.oracle.model import LEAVING


@pytest.mark.parametrize("channel", CHANNELS)
def test_stages_are_those_of_the_rules(channel: str) -> None:
    expected = dict.fromkeys(CONTROL_REASONS, 0)
    for number, (step, reasons) in enumerate(LEAVING.get(channel, {}).items(), start=1):
        assert user_steps(channel)[number - 1] == step
        expected.update(dict.fromkeys(reasons, number if number > 1 else 0))
    assert reason_stages(channel) == expected
    assert len(user_steps(channel)) == len(LEAVING.get(channel, {}))


def test_stage_index() -> None:
    assert stage_index("PUSH", "f_c_removed") == 3
    assert stage_index("EMAIL", "f_c_removed") == 6
    assert stage_index("CARDS", "f_c_removed") == NEVER
    assert stage_index("SMS", "users_removed_due_to_deduplication") == NEVER, "a push reason"
    assert stage_index("PUSH", "inactive_device_token") == NEVER, "loses a device, not the user"
    assert stage_index("PUSH", "something_else") == NEVER


def test_user_steps_come_first() -> None:
    for channel in CHANNELS.values():
        assert channel.funnel[: len(channel.user_steps)] == channel.user_steps
        assert all(step in MESSAGE_STEPS for step in channel.funnel[len(channel.user_steps) :])


def test_entry_steps() -> None:
    assert entry_steps("PUSH") == ("", "reachable_users_in_segment")
    assert entry_steps("EMAIL") == ("", "total_user_in_segment")
    assert entry_steps("FACEBOOK_AUDIENCE") == ("", "eligible")
    assert entry_steps("IN_APP") == ("",)
    assert "sent" not in REPORTABLE_STEPS and "user_devices" in REPORTABLE_STEPS


def test_a_step_is_passed_by_those_who_leave_later() -> None:
    depths = {0: Pair(1, 1), 2: Pair(2, 1), 3: Pair(4, 3), NEVER: Pair(8, 5)}
    steps = funnel("SMS", dict.fromkeys(user_steps("SMS"), depths), {"sent": Pair(7, 5)}, {}, {})
    assert steps == {
        "reachable_users_in_segment": Pair(14, 9),
        "after_fc": Pair(12, 8),
        "users_after_dup": Pair(8, 5),
        "after_invalid_removal": Pair(8, 5),
        "sent": Pair(7, 5),
        "delivered": Pair(0, 0),
    }


def test_survivors_replace_and_snapshots_add() -> None:
    depths = {step: {NEVER: Pair(8, 5)} for step in user_steps("PUSH")}
    survivors = {"after_fc": Pair(3, 2), "user_devices": Pair(6, 4)}
    snapshots = {"users_after_dup": Pair(100, 100), "after_fc": Pair(10, 10)}
    steps = funnel("PUSH", depths, {"user_devices": Pair(1, 1), "sent": Pair(2, 2)}, survivors, snapshots)
    assert steps["reachable_users_in_segment"] == Pair(8, 5)
    assert steps["after_fc"] == Pair(13, 12)
    assert steps["users_after_dup"] == Pair(108, 105)
    assert steps["user_devices"] == Pair(6, 4)
    assert steps["sent"] == Pair(2, 2)
    assert list(steps) == list(CHANNELS["PUSH"].funnel)


def test_control_groups_reach_nobody() -> None:
    assert control_funnel("PUSH") == {"reachable_users_in_segment": 0}
    assert control_funnel("IN_APP") == {"reachable_users_in_segment": 0}
    assert [control_funnel(channel) for channel in ("EMAIL", "CONNECTOR", "CONNECTED_APPS")] == [{}, {}, {}]
