"""Windows that are longer than their channel is meant for get a remark."""

from __future__ import annotations

from typing import Any

import pytest

from campanile.campaigns.windows import MAX_WINDOW_HOURS, window_remarks
from campanile.metrics.channels import CHANNELS

_CAMPAIGN = "conversion_goal_details.attribution_window_in_hours"
_GOAL = "conversion_goal_details.goals.0.attribution_window_in_hours"


@pytest.mark.parametrize(
    ("channel", "flow", "campaign", "goal", "expected"),
    [
        ("PUSH", None, 36, 36, []),
        ("PUSH", None, 37, 36, [_CAMPAIGN]),
        ("PUSH", None, None, 240, [_GOAL]),
        ("PUSH", "f" * 24, 240, 240, []),
        ("PUSH", "f" * 24, 241, 8760, [_CAMPAIGN, _GOAL]),
        ("EMAIL", None, 240, 241, [_GOAL]),
        ("OTHER", None, 8760, 8760, []),
    ],
)
def test_remarks(channel: str, flow: str | None, campaign: int | None, goal: int, expected: list[str]) -> None:
    details: dict[str, Any] = {"goals": [{"attribution_window_in_hours": goal}]}
    if campaign is not None:
        details["attribution_window_in_hours"] = campaign
    document = {"channel": channel, "conversion_goal_details": details}
    if flow is not None:
        document["flow_id"] = flow
    assert [remark.target for remark in window_remarks(document)] == expected


def test_documents_without_goals_or_channel_are_not_remarked_on() -> None:
    assert list(window_remarks({"channel": "PUSH"})) == []
    assert list(window_remarks({"conversion_goal_details": {"attribution_window_in_hours": 9000}})) == []


def test_every_channel_that_can_be_written_has_a_longest_window() -> None:
    assert MAX_WINDOW_HOURS.keys() == set(CHANNELS) - {"OTHER"}
