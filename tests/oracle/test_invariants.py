"""Each invariant holds on correct numbers and is violated by wrong ones."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings

from tests.oracle.fixtures import NAMES, load
from tests.oracle.histories import History, histories, lawful_histories
from tests.oracle.invariants import all_variations, check_node, check_parts, check_tree
from tests.oracle.model import Workspace, measure
from tests.oracle.tree import leaf, tree

# Numbers that satisfy everything, and that single changes spoil.
EMAIL: dict[str, Any] = {
    "performance_stats": {
        "attempted": 10, "sent": 8, "failed": 2, "bounced": 3, "hard_bounce": 2, "soft_bounce": 1, "opened": 4,
        "click": 3, "delivered": 5, "sent_rate": 80, "failure_rate": 20, "adjusted_open": 3, "adjusted_click": 2,
    },
    "delivery_funnel": {"total_user_in_segment": 12, "after_fc": 11, "sent": 8, "delivered": 5},
    "failure_breakdown": {"smtp_exception": 2, "user_without_email": 1},
}  # fmt: skip
SMS: dict[str, Any] = {
    "performance_stats": {"attempted": 5, "sent": 4, "failed": 1, "delivered": 3, "sent_rate": 80, "failure_rate": 20},
    "delivery_funnel": {"reachable_users_in_segment": 6, "sent": 4, "delivered": 3},
    "failure_breakdown": {"timeout": 1},
}
RCS: dict[str, Any] = {**SMS, "performance_stats": {**SMS["performance_stats"], "read": 2}}
PUSH: dict[str, Any] = {
    "performance_stats": {"attempted": 5, "sent": 4, "failed": 1, "impression": 6},
    "delivery_funnel": {
        "reachable_users_in_segment": 6, "after_fc": 6, "user_devices": 6, "active_device_token": 5,
        "sent": 4, "impressions": 6,
    },
    "failure_breakdown": {"timeout": 1},
}  # fmt: skip
AUDIENCE: dict[str, Any] = {
    "performance_stats": {"attempted": 5, "sent": 4, "successfully_synced": 3, "eligible_users": 6},
    "delivery_funnel": {},
    "failure_breakdown": {},
}

SPOILED = [
    ("I1", "EMAIL", EMAIL, "unique", "performance_stats", {"click": 4}),
    ("I1", "EMAIL", EMAIL, "unique", "delivery_funnel", {"after_fc": 12}),
    ("I1", "EMAIL", EMAIL, "unique", "failure_breakdown", {"smtp_exception": 0}),
    ("I1", "EMAIL", EMAIL, "unique", "failure_breakdown", {"another": 1}),
    ("I2", "SMS", SMS, "total", "performance_stats", {"attempted": 6}),
    ("I3", "SMS", SMS, "unique", "performance_stats", {"attempted": 3}),
    ("I3", "SMS", SMS, "both", "performance_stats", {"sent": 4, "failed": 1, "attempted": 5, "_unique_attempted": 3}),
    ("I4", "SMS", SMS, "total", "performance_stats", {"failure_rate": 21}),
    ("I5", "EMAIL", EMAIL, "total", "performance_stats", {"hard_bounce": 3}),
    ("I6", "EMAIL", EMAIL, "unique", "performance_stats", {"bounced": 1}),
    ("I7", "EMAIL", EMAIL, "both", "performance_stats", {"delivered": 6}),
    ("I8", "SMS", SMS, "both", "performance_stats", {"delivered": 5}),
    ("I9", "SMS", SMS, "both", "failure_breakdown", {"timeout": 0}),
    ("I10", "EMAIL", EMAIL, "both", "delivery_funnel", {"after_fc": 13}),
    ("I11", "EMAIL", EMAIL, "both", "delivery_funnel", {"after_fc": 7}),
    ("I12", "PUSH", PUSH, "both", "delivery_funnel", {"active_device_token": 7}),
    ("I13", "SMS", SMS, "both", "delivery_funnel", {"sent": 5}),
    ("I14", "EMAIL", EMAIL, "both", "performance_stats", {"opened": 6}),
    ("I14", "RCS", RCS, "both", "performance_stats", {"read": 4}),
    ("I17", "FACEBOOK_AUDIENCE", AUDIENCE, "both", "performance_stats", {"attempted": 7}),
    ("I18", "EMAIL", EMAIL, "both", "performance_stats", {"adjusted_open": 5}),
]


def spoil(node: dict[str, Any], block: str, changes: dict[str, int]) -> dict[str, Any]:
    spoiled = copy.deepcopy(node)
    spoiled[block].update({key: value for key, value in changes.items() if not key.startswith("_")})
    return spoiled


@pytest.mark.parametrize(
    ("channel", "node"),
    [("EMAIL", EMAIL), ("SMS", SMS), ("RCS", RCS), ("PUSH", PUSH), ("GOOGLE_ADS_AUDIENCE", AUDIENCE)],
)
def test_correct_nodes_pass(channel: str, node: dict[str, Any]) -> None:
    check_node(channel, node, node, complete=True)


@pytest.mark.parametrize(("name", "channel", "node", "side", "block", "changes"), SPOILED)
def test_every_invariant_can_fail(
    name: str, channel: str, node: dict[str, Any], side: str, block: str, changes: dict[str, int]
) -> None:
    total = spoil(node, block, changes) if side in ("total", "both") else node
    unique = spoil(node, block, changes) if side in ("unique", "both") else node
    if "_unique_attempted" in changes:
        unique = spoil(unique, block, {"attempted": changes["_unique_attempted"]})
    with pytest.raises(AssertionError, match=rf"^{name}\b"):
        check_node(channel, total, unique, complete=True)


def test_removed_and_undelivered_make_the_breakdown_exact() -> None:
    check_node("EMAIL", EMAIL, EMAIL, complete=True, removed=1)
    with pytest.raises(AssertionError, match=r"^I9\b"):
        check_node("EMAIL", EMAIL, EMAIL, complete=True, removed=0)
    with pytest.raises(AssertionError, match=r"^I7\b"):
        check_node("EMAIL", EMAIL, EMAIL, complete=True, undelivered=1)
    with pytest.raises(AssertionError, match=r"^I8\b"):
        check_node("SMS", SMS, SMS, complete=True, undelivered=2)


def test_incomplete_ranges_may_break_what_needs_a_whole_life() -> None:
    in_flight = spoil(SMS, "performance_stats", {"attempted": 7})
    check_node("SMS", in_flight, in_flight, complete=False)


PART: dict[str, Any] = {
    "performance_stats": {"sent": 2, "ctr": 50},
    "delivery_funnel": {"reachable_users_in_segment": 2, "sent": 2},
    "failure_breakdown": {"timeout": 1},
}


def whole(total: int, unique: int, reachable: int) -> tuple[dict[str, Any], dict[str, Any]]:
    def node(amount: int) -> dict[str, Any]:
        return {
            "performance_stats": {"sent": amount, "ctr": 1},
            "delivery_funnel": {"reachable_users_in_segment": reachable, "sent": amount},
            "failure_breakdown": {"timeout": amount // 2},
        }

    return node(total), node(unique)


def test_parts_add_up() -> None:
    check_parts(whole(4, 3, 3), [(PART, PART), (PART, PART)], exhaustive=True)
    check_parts(whole(5, 3, 3), [(PART, PART), (PART, PART)], exhaustive=False)


@pytest.mark.parametrize(
    ("name", "numbers", "exhaustive"),
    [
        ("I19", (5, 3, 3), True),  # TOTAL does not add up
        ("I19", (3, 3, 3), False),  # the parts exceed the whole
        ("I20", (4, 1, 3), True),  # a part has more users than the whole
        ("I20", (4, 3, 1), True),  # … on a user-level step
        ("I20", (4, 3, 5), True),  # users from nowhere
    ],
)
def test_parts_that_do_not_fit(name: str, numbers: tuple[int, int, int], exhaustive: bool) -> None:
    with pytest.raises(AssertionError, match=rf"^{name}\b"):
        check_parts(whole(*numbers), [(PART, PART), (PART, PART)], exhaustive=exhaustive)


def one_node(leaf: dict[str, Any], platforms: tuple[str, ...] = ("ALL_PLATFORMS", "ANDROID")) -> dict[str, Any]:
    return {"platforms": {p: {"locales": {"all_locales": {"variations": leaf}}} for p in platforms}}


def test_trees() -> None:
    good = one_node({"all_variations": PUSH})
    check_tree("PUSH", good, good, complete=True)
    bad_control = one_node({"all_variations": PUSH, "campaign_control_group": PUSH})
    late = one_node({"all_variations": PUSH}, ("ANDROID", "ALL_PLATFORMS"))
    double = one_node({"all_variations": PUSH}, ("ALL_PLATFORMS", "ANDROID", "IOS"))
    for tree_, message in ((bad_control, "control group"), (late, "aggregates first"), (double, "I19")):
        with pytest.raises(AssertionError, match=f"^{message}"):
            check_tree("PUSH", tree_, tree_, complete=True)
    with pytest.raises(AssertionError, match=r"^same nodes"):
        check_tree("PUSH", good, one_node({"all_variations": PUSH}, ("ANDROID",)), complete=True)


# ---- The oracle satisfies them -----------------------------------------------------------------------------------

IN_FLIGHT = {"metrics_sms", "metrics_email", "metrics_google_ads_audience", "metrics_push"}
"""Fixtures with messages in transit, or with events beside the range."""


@pytest.mark.parametrize("name", NAMES)
def test_golden_fixtures_satisfy_them(name: str) -> None:
    fixture = load(name)
    for campaign in fixture["campaigns"]:
        total, unique = (fixture["expected"][kind][campaign["campaign_id"]] for kind in ("TOTAL", "UNIQUE"))
        check_tree(campaign["channel"], total, unique, complete=name not in IN_FLIGHT)


def check_history(history: History) -> None:
    workspace_ = history.workspace()
    for campaign in history.campaigns:
        channel, key = campaign["channel"], campaign["campaign_id"]
        trees = [tree(workspace_, key, kind, all_platforms=True) for kind in ("TOTAL", "UNIQUE")]
        check_tree(channel, *trees, complete=history.lawful, survivors=history.survivors)
        for node in measure(workspace_, key).values():
            if not node.control_group:
                check_node(
                    channel,
                    leaf(workspace_, campaign, node, "TOTAL"),
                    leaf(workspace_, campaign, node, "UNIQUE"),
                    complete=history.lawful,
                    undelivered=node.counts["undelivered"].total,
                    removed=node.removed.total,
                    survivors=history.survivors,
                )
        check_children(workspace_, campaign, history)


def check_children(workspace_: Workspace, campaign: dict[str, Any], history: History) -> None:
    """A parent is its own events and those of its children (reported survivors answer for the whole family)."""
    own = Workspace([c for c in workspace_.campaigns if "parent_campaign_id" not in c], *_rest(workspace_))
    members = [c["campaign_id"] for c in workspace_.campaigns if c.get("parent_campaign_id") == campaign["campaign_id"]]
    if not members or history.survivors:
        return

    def widest(asked: Workspace, key: str) -> tuple[Any, Any]:
        total, unique = (tree(asked, key, kind, all_platforms=True) for kind in ("TOTAL", "UNIQUE"))
        return all_variations(total, "ALL_PLATFORMS"), all_variations(unique, "ALL_PLATFORMS")

    check_parts(
        widest(workspace_, campaign["campaign_id"]),
        [widest(own, campaign["campaign_id"]), *(widest(workspace_, key) for key in members)],
        exhaustive=True,
    )


def _rest(workspace_: Workspace) -> tuple[Any, Any, Any]:
    return workspace_.events, workspace_.request, workspace_.settings


@settings(deadline=None)
@given(lawful_histories())
def test_lawful_histories_satisfy_them(history: History) -> None:
    check_history(history)


@settings(deadline=None)
@given(histories())
def test_any_history_satisfies_the_unconditional_ones(history: History) -> None:
    check_history(history)


@settings(deadline=None)
@given(histories())
def test_days_add_up(history: History) -> None:
    workspace_ = history.workspace()
    first, last = history.request["start_date"], history.request["end_date"]
    days = [{"start_date": day, "end_date": day} for day in sorted({first, last})]
    for campaign in history.campaigns:

        def widest(request: dict[str, str], key: str = campaign["campaign_id"]) -> tuple[Any, Any]:
            asked = Workspace(workspace_.campaigns, workspace_.events, request, workspace_.settings)
            total, unique = (tree(asked, key, kind, all_platforms=True) for kind in ("TOTAL", "UNIQUE"))
            return all_variations(total, "ALL_PLATFORMS"), all_variations(unique, "ALL_PLATFORMS")

        if not history.survivors:
            check_parts(
                widest({"start_date": first, "end_date": last}),
                [widest(day) for day in days],
                exhaustive=True,
                user_steps=False,
            )
