"""What campaigns declare about their audience, and what is checked against it."""

from __future__ import annotations

from typing import Any

import pytest

from campanile.experiments.splits import control_ratio, declared, variation_ratio


def variations(**details: Any) -> dict[str, Any]:
    return {"campaign_content": {"variation_details": details}}


@pytest.mark.parametrize(
    ("groups", "share"),
    [
        ({"is_campaign_control_group_enabled": True, "campaign_control_group_percentage": 5}, 5.0),
        ({"is_campaign_control_group_enabled": False, "campaign_control_group_percentage": 5}, None),
        ({"is_campaign_control_group_enabled": True, "campaign_control_group_percentage": 0}, None),
        ({"is_campaign_control_group_enabled": True, "campaign_control_group_percentage": 100}, None),
        ({}, None),
    ],
)
def test_declared_control_groups(groups: dict[str, Any], share: float | None) -> None:
    assert declared({"control_group_details": groups}).control == share


def test_declared_variations_come_as_numbers_and_texts() -> None:
    found = declared(variations(distribution_type="MANUAL", manual_distribution_percentage={"a": "47.5", "b": 47}))
    assert found.variations == {"a": 47.5, "b": 47.0}
    assert not found.automatic
    assert declared({}) == declared({"campaign_content": {"variation_details": None}})


def test_control_groups_are_checked_against_their_share() -> None:
    kept = control_ratio("campaign_control_group", 9_500, 500, 5.0)
    assert (kept.status, kept.basis) == ("as_declared", "declared")
    assert kept.shares == {"treatment": 95.0, "campaign_control_group": 5.0}
    lost = control_ratio("campaign_control_group", 9_700, 300, 5.0)
    assert lost.status == "mismatch"
    assert lost.p_value is not None
    assert lost.p_value < 0.001
    assert control_ratio("campaign_control_group", 30, 1, 5.0).status == "too_few"
    unknown = control_ratio("global_control_group", 9_700, 300, None)
    assert (unknown.status, unknown.basis, unknown.p_value) == ("not_checked", "nothing_declared", None)


def test_variations_are_checked_in_the_ratio_of_their_shares() -> None:
    declaration = declared(variations(manual_distribution_percentage={"a": 60, "b": 30}))
    assert variation_ratio({"a": 6_010, "b": 2_990}, declaration).status == "as_declared"
    assert variation_ratio({"a": 4_500, "b": 4_500}, declaration).status == "mismatch"


def test_a_declared_variation_that_nobody_got_is_a_mismatch() -> None:
    declaration = declared(variations(manual_distribution_percentage={"a": 40, "b": 40, "c": 20, "d": 0}))
    found = variation_ratio({"a": 500, "b": 500}, declaration)
    assert (found.status, found.parts) == ("mismatch", {"a": 500, "b": 500, "c": 0})


def test_equal_parts_are_assumed_and_said_so() -> None:
    found = variation_ratio({"a": 500, "b": 700}, declared({}))
    assert (found.status, found.basis, found.shares) == ("mismatch", "equal_assumed", {"a": 50.0, "b": 50.0})


def test_what_cannot_be_checked() -> None:
    moving = declared(variations(distribution_type="SHERPA"))
    assert variation_ratio({"a": 100, "b": 900}, moving).basis == "automatic"
    other = declared(variations(manual_distribution_percentage={"variation_1": 50, "variation_2": 50}))
    found = variation_ratio({"a": 500, "b": 500}, other)
    assert (found.status, found.basis, found.shares) == ("not_checked", "names_differ", {})
