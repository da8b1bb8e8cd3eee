"""The logical tree: which numbers stand where, conversions, uplift, money."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.campaigns.schemas import Campaign, Goal
from campanile.metrics.pairs import MetricType
from campanile.stats.numbers import CONTROL_REASONS, CampaignNumbers, NodeNumbers
from campanile.stats.schemas import Attribution
from campanile.stats.tree import GoalStats, Node, Tree, campaign_tree
from campanile.workspaces.schemas import WorkspaceSettings
from tests.stats.examples import GOAL, PLAIN_GOAL, campaign, node, numbers

ALL = ("all_locales", "all_variations")
EMAIL_COUNTS = {"delivered": (940, 940), "opened": (300, 235), "all_open": (310, 240), "click": (60, 47)}


def tree(
    found: CampaignNumbers,
    metric_type: MetricType = "TOTAL",
    attribution: Attribution = "VIEW_THROUGH",
    **settings: Any,
) -> Tree:
    return campaign_tree(found, metric_type, attribution, WorkspaceSettings(**settings))


def only(built: Tree) -> Node:
    ((platform),) = built
    return built[platform]["all_locales"]["all_variations"]


def email(**changes: Any) -> Campaign:
    return campaign(channel="EMAIL", platforms=(), **changes)


def email_node(owner: Campaign, numbers_of: NodeNumbers, **options: Any) -> Node:
    return only(tree(numbers(owner, {("EMAIL", *ALL): numbers_of}), **options))


def goals_of(built: Node) -> dict[str, GoalStats]:
    return {goal.name: goal for goal in built.goals}


def test_nodes_keep_their_places_and_their_order() -> None:
    keys = [
        ("ALL_PLATFORMS", "all_locales", "all_variations"),
        ("IOS", "all_locales", "all_variations"),
        ("IOS", "all_locales", "variation_1"),
        ("IOS", "all_locales", "campaign_control_group"),
        ("IOS", "en", "all_variations"),
        ("ANDROID", "all_locales", "all_variations"),
    ]
    built = tree(numbers(nodes={key: node() for key in keys}))
    found = [
        (platform, locale, variation)
        for platform, locales in built.items()
        for locale, variations in locales.items()
        for variation in variations
    ]
    assert found == keys


@pytest.mark.parametrize(("metric_type", "value"), [("TOTAL", 8), ("UNIQUE", 5)])
def test_the_metric_type_chooses_every_count(metric_type: MetricType, value: int) -> None:
    pairs = (8, 5)
    counted = node({"click": pairs}, funnel={"sent": pairs}, failures={"f_c_removed": pairs})
    built = only(tree(numbers(nodes={("ANDROID", *ALL): counted}), metric_type))
    assert built.performance is not None
    assert (built.performance["click"], built.funnel, built.failures) == (
        value,
        {"sent": value},
        {"f_c_removed": value},
    )


def test_control_groups_have_no_performance() -> None:
    for group, reason in CONTROL_REASONS.items():
        held = node(funnel={"reachable_users_in_segment": (0, 0)}, failures={reason: (3, 2)})
        built = tree(numbers(nodes={("ANDROID", "all_locales", group): held}))["ANDROID"]["all_locales"][group]
        assert built.performance is None
        assert (built.funnel, built.failures) == ({"reachable_users_in_segment": 0}, {reason: 3})


def test_settings_reach_the_performance_stats() -> None:
    counted = node({"opened": (9, 4), "human_open": (6, 3)})
    adjusted = email_node(email(), counted, bot_mode="both")
    assert adjusted.performance is not None
    assert adjusted.performance["adjusted_open"] == 6
    for settings in ({"bot_mode": "off"}, {"bot_mode": "both", "extended_metrics": False}):
        plain = email_node(email(), counted, **settings)
        assert plain.performance is not None
        assert "adjusted_open" not in plain.performance


def test_untracked_deliveries_change_the_denominator() -> None:
    counted = node({"sent": (4, 4), "click": (3, 2)}, goals={"Goal 1": (1, 1, "0")})
    for tracked, ctr, cvr in ((True, 0, 0), (False, 75, 25)):
        owner = campaign(channel="SMS", platforms=(), delivery_tracking=tracked, goals=(PLAIN_GOAL,))
        built = only(tree(numbers(owner, {("SMS", *ALL): counted})))
        assert built.performance is not None
        assert (built.performance["ctr"], built.goals[0].cvr) == (ctr, cvr)


# --- goals


def test_no_goals() -> None:
    assert only(tree(numbers())).goals == []


def test_configured_goals_come_first_and_are_never_missing() -> None:
    owner = email(goals=(Goal(name="B"), Goal(name="A")))
    built = email_node(owner, node(goals={"Z 10": (1, 1, "0"), "Z 9": (1, 1, "0"), "A": (2, 1, "0")}))
    assert [goal.name for goal in built.goals] == ["B", "A", "Z 9", "Z 10"]
    assert [goal.total for goal in built.goals] == [0, 2, 1, 1]


def test_a_goal_seen_in_one_node_is_in_all_of_them() -> None:
    nodes = {
        ("ANDROID", *ALL): node(goals={"Goal 1": (1, 1, "0")}),
        ("IOS", *ALL): node(),
        ("IOS", "all_locales", "campaign_control_group"): node(),
    }
    built = tree(numbers(nodes=nodes))
    assert all(
        [goal.name for goal in found.goals] == ["Goal 1"]
        for locales in built.values()
        for found in locales["all_locales"].values()
    )


def test_conversions_follow_the_metric_type_and_the_rate_does_not() -> None:
    counted = node(EMAIL_COUNTS, goals={"Goal 1": (24, 20, "1200")})
    total = email_node(email(goals=(GOAL,)), counted).goals[0]
    unique = email_node(email(goals=(GOAL,)), counted, metric_type="UNIQUE").goals[0]
    assert (total.conversions, unique.conversions) == (24, 20)
    assert (total.total, total.unique, unique.total, unique.unique) == (24, 20, 24, 20)
    assert total.cvr == unique.cvr == 8.33  # 20 of 240 unique opens, machine ones included
    assert (total.revenue, total.average_order_value, total.average_revenue_per_user) == (1200, 50, 60)


def test_the_attribution_type_chooses_the_base() -> None:
    counted = node(EMAIL_COUNTS, goals={"Goal 1": (12, 10, "0")})
    rates = {
        attribution: email_node(email(goals=(GOAL,)), counted, attribution=attribution).goals[0].cvr
        for attribution in ("VIEW_THROUGH", "TOTAL_CONVERSIONS", "CLICK_THROUGH", "IN_SESSION", "CLICK_CONVERSIONS")
    }
    assert rates["VIEW_THROUGH"] == rates["TOTAL_CONVERSIONS"] == 4.17
    assert rates["CLICK_THROUGH"] == rates["IN_SESSION"] == rates["CLICK_CONVERSIONS"] == 21.28


def test_no_conversions_are_plain_zeros() -> None:
    goal = email_node(email(goals=(GOAL,)), node()).goals[0]
    values = [goal.conversions, goal.cvr, goal.uplift, goal.gcg_uplift, goal.revenue, goal.average_order_value]
    assert values == [0] * 6
    assert all(type(value) is int for value in values)


def test_revenue_counts_as_tracked_when_configured_or_seen() -> None:
    owner = email(goals=(GOAL, Goal(name="Plain"), Goal(name="Paid")))
    built = email_node(owner, node(goals={"Paid": (1, 1, "5"), "Sent": (1, 1, "0")}))
    assert {name: goal.tracks_revenue for name, goal in goals_of(built).items()} == {
        "Goal 1": True,
        "Plain": False,
        "Paid": True,
        "Sent": False,
    }


# --- control groups and uplift


def with_groups(
    target: tuple[int, int], campaign_group: tuple[int, int], global_group: tuple[int, int]
) -> dict[str, GoalStats]:
    """One goal with (converted, base) of the campaign and (converted, held out) of its groups; stats by node."""
    nodes = {("ANDROID", *ALL): node({"impression": (target[1], 1)}, goals={"Goal 1": (9, target[0], "0")})}
    for (group, reason), (converted, members) in zip(
        CONTROL_REASONS.items(), (campaign_group, global_group), strict=True
    ):
        failures = {reason: (2 * members, members)} if members else {}  # removed on two devices each
        goals = {"Goal 1": (9, converted, "0")} if converted else {}
        nodes[("ANDROID", "all_locales", group)] = node(failures=failures, goals=goals, held_out=members)
    built = tree(numbers(campaign(goals=(PLAIN_GOAL,)), nodes))["ANDROID"]["all_locales"]
    return {variation: found.goals[0] for variation, found in built.items()}


def test_uplift_compares_with_each_group() -> None:
    found = with_groups((30, 100), (20, 100), (50, 100))
    assert (found["all_variations"].uplift, found["all_variations"].gcg_uplift) == (50, -40)
    assert (found["campaign_control_group"].cvr, found["global_control_group"].cvr) == (20, 50)
    assert found["campaign_control_group"].uplift == found["campaign_control_group"].gcg_uplift == 0


@pytest.mark.parametrize("group", [(0, 0), (0, 100)])
def test_uplift_without_a_comparison_is_zero(group: tuple[int, int]) -> None:
    assert with_groups((30, 100), group, (0, 0))["all_variations"].uplift == 0


def test_uplift_of_an_unreached_campaign_is_a_full_loss() -> None:
    assert with_groups((0, 0), (1, 100), (0, 0))["all_variations"].uplift == -100


def test_uplift_uses_unrounded_rates() -> None:
    """1 of 30,000 and 1 of 20,000 both round to 0.00 and 0.01 percent; the uplift does not."""
    assert with_groups((1, 30_000), (1, 20_000), (0, 0))["all_variations"].uplift == -33.33


def test_every_node_compares_with_the_group_of_its_platform() -> None:
    reason = CONTROL_REASONS["campaign_control_group"]
    nodes = {}
    for platform, converted in (("ANDROID", 1), ("IOS", 4)):
        held = node(failures={reason: (10, 10)}, goals={"Goal 1": (1, converted, "0")}, held_out=10)
        reached = node({"impression": (10, 10)}, goals={"Goal 1": (2, 2, "0")})
        nodes[(platform, "all_locales", "campaign_control_group")] = held
        nodes[(platform, "all_locales", "all_variations")] = reached
        nodes[(platform, "en", "variation_1")] = reached
    built = tree(numbers(campaign(goals=(PLAIN_GOAL,)), nodes))
    for place in (("all_locales", "all_variations"), ("en", "variation_1")):
        uplifts = [built[platform][place[0]][place[1]].goals[0].uplift for platform in ("ANDROID", "IOS")]
        assert uplifts == [100, -50]


COUNT = st.integers(0, 10**6)


@given(COUNT, COUNT.filter(bool), COUNT.filter(bool), COUNT.filter(bool))
def test_uplift_is_the_formula(unique: int, base: int, control: int, members: int) -> None:
    found = with_groups((unique, base), (control, members), (0, 0))["all_variations"].uplift
    target, held = Fraction(unique, base), Fraction(control, members)
    exact = 100 * (target - held) / held
    assert abs(Fraction(str(found)) - exact) <= Fraction(1, 200)
    assert isinstance(found, int) == (found == int(found))


# --- money


def money(amount: str, parts: tuple[int, int] = (1, 1)) -> list[object]:
    goal = email_node(email(goals=(GOAL,)), node(goals={"Goal 1": (*parts, amount)})).goals[0]
    return [goal.revenue, goal.average_order_value, goal.average_revenue_per_user]


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", 0),
        ("1200", 1200),
        ("1200.00", 1200),
        ("62.50", Decimal("62.5")),
        ("0.005", Decimal("0.01")),
        ("0.0049", 0),
        ("-3.755", Decimal("-3.76")),
        ("1E+3", 1000),
        ("123456789012345678.1234", Decimal("123456789012345678.12")),
    ],
)
def test_revenue_has_at_most_two_decimals(amount: str, shown: object) -> None:
    revenue = money(amount)[0]
    assert (revenue, type(revenue)) == (shown, type(shown))
    assert "E" not in str(revenue)


def test_averages() -> None:
    assert money("100", (3, 2)) == [100, Decimal("33.33"), 50]
    assert money("2", (3, 3)) == [2, Decimal("0.67"), Decimal("0.67")]
    assert money("5", (0, 0)) == [5, 0, 0]
