"""Dialects, goal keys and the bytes of an answer."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from campanile.campaigns.schemas import Goal
from campanile.stats.tree import GoalStats, Node, Tree, campaign_tree
from campanile.stats.wire import StatsPage, encode_page
from campanile.workspaces.schemas import Dialect, WorkspaceSettings
from tests.stats.examples import campaign, node, numbers

ALL = "all_variations"
NODE = Node({"sent": 1}, [], {"sent": 1}, {})
HELD = Node(None, [], {}, {})

PUSH: Tree = {
    "ALL_PLATFORMS": {"all_locales": {ALL: NODE}},
    "ANDROID": {"all_locales": {ALL: NODE, "campaign_control_group": HELD}, "en": {ALL: NODE, "variation_1": NODE}},
    "UNKNOWN": {"all_locales": {ALL: NODE}},
}


def answer(trees: dict[str, Tree], dialect: Dialect = "docs", **settings: Any) -> dict[str, Any]:
    page = StatsPage(request_id="t", total_campaigns=7, current_page=2, total_pages=3, trees=trees)
    decoded: dict[str, Any] = json.loads(encode_page(page, dialect, WorkspaceSettings(**settings)))
    return decoded


def platforms(tree: Tree, dialect: Dialect = "docs", **settings: Any) -> dict[str, Any]:
    (element,) = answer({"c": tree}, dialect, **settings)["data"]["c"]
    found: dict[str, Any] = element["platforms"]
    return found


def test_members_of_an_answer_in_order() -> None:
    assert list(answer({}).items()) == [
        ("response_id", "t"),
        ("total_campaigns", 7),
        ("current_page", 2),
        ("total_pages", 3),
        ("data", {}),
    ]


def test_campaigns_keep_the_order_of_the_page() -> None:
    assert list(answer({"c2": PUSH, "c1": PUSH})["data"]) == ["c2", "c1"]


def test_docs() -> None:
    found = platforms(PUSH)
    assert list(found) == ["android", "unknown"]
    locales = found["android"]["locales"]
    assert list(locales) == ["all_locales", "en"]
    assert list(locales["all_locales"]["variations"]) == [ALL, "campaign_control_group"]
    assert list(locales["en"]["variations"]) == [ALL, "variation_1"]


def test_live() -> None:
    found = platforms(PUSH, "live")
    assert list(found) == ["ALL_PLATFORMS", "ANDROID", "UNKNOWN"]
    assert list(found["ANDROID"]["locales"]) == ["all_locale", "en"]


def test_channels_are_platforms_in_upper_case() -> None:
    for channel in ("EMAIL", "SMS", "CARDS", "FACEBOOK_AUDIENCE"):
        tree = {"ALL_PLATFORMS": {"all_locales": {ALL: NODE}}, channel: {"all_locales": {ALL: NODE}}}
        assert list(platforms(tree)) == [channel]
        assert list(platforms(tree, "live")) == ["ALL_PLATFORMS", channel]


def test_blocks_of_a_node() -> None:
    variations = platforms(PUSH)["android"]["locales"]["all_locales"]["variations"]
    blocks = ["performance_stats", "conversion_goal_stats", "delivery_funnel", "failure_breakdown"]
    assert list(variations[ALL]) == blocks
    assert list(variations["campaign_control_group"]) == blocks[1:]
    assert list(variations["campaign_control_group"].values()) == [{}, {}, {}]


# --- goals

STATS = GoalStats("Goal 1", "purchase", False, 24, 24, 20, 8.51, 0, -12.5, Decimal("12.30"), 50, Decimal("0.1"))


def goals(*stats: GoalStats, **settings: Any) -> dict[str, Any]:
    tree: Tree = {"EMAIL": {"all_locales": {ALL: Node({}, list(stats), {}, {})}}}
    found: dict[str, Any] = platforms(tree, **settings)["EMAIL"]["locales"]["all_locales"]["variations"][ALL]
    return dict(found["conversion_goal_stats"])


def named(name: str, event: str = "") -> GoalStats:
    return msgspec.structs.replace(STATS, name=name, event=event)


def test_members_of_a_goal_in_order() -> None:
    assert list(goals(STATS)["Goal 1"].items()) == [
        ("goal_name", "Goal 1"),
        ("conversions", 24),
        ("total", 24),
        ("unique", 20),
        ("cvr", 8.51),
        ("uplift", 0),
        ("gcg_uplift", -12.5),
        ("revenue", 12.3),
        ("average_order_value", 50),
        ("average_revenue_per_user", 0.1),
    ]


def test_goal_keys() -> None:
    assert list(goals(named("A", "buy"), named("B", ""))) == ["A", "B"]
    by_event = goals(named("A", "buy"), named("B", ""), named("C", "buy"), goal_key="event")
    assert list(by_event) == ["buy", "B", "buy (2)"]
    assert [goal["goal_name"] for goal in by_event.values()] == ["A", "B", "C"]


def test_a_repeated_key_never_hides_a_goal() -> None:
    keys = list(goals(named("A", "buy"), named("buy (2)"), named("C", "buy"), named("D", "buy"), goal_key="event"))
    assert keys == ["buy", "buy (2)", "buy (3)", "buy (4)"]


def test_untracked_revenue_may_be_left_out() -> None:
    revenue = {"revenue", "average_order_value", "average_revenue_per_user"}
    tracked = msgspec.structs.replace(STATS, tracks_revenue=True)
    assert revenue <= goals(STATS)["Goal 1"].keys()
    assert not revenue & goals(STATS, omit_untracked_revenue=True)["Goal 1"].keys()
    assert revenue <= goals(tracked, omit_untracked_revenue=True)["Goal 1"].keys()


# --- bytes


@pytest.mark.parametrize(
    ("value", "text"),
    [(200, "200"), (62.5, "62.5"), (0, "0"), (Decimal("123456789012345678.12"), "123456789012345678.12")],
)
def test_numbers_are_written_exactly(value: Any, text: str) -> None:
    tree: Tree = {"EMAIL": {"all_locales": {ALL: Node({"x": value}, [], {}, {})}}}
    page = StatsPage(request_id="t", total_campaigns=1, current_page=1, total_pages=1, trees={"c": tree})
    assert f'{{"x":{text}}}'.encode() in encode_page(page, "docs", WorkspaceSettings())


def test_text_is_utf_8_and_page_numbers_have_no_limit() -> None:
    page = StatsPage(request_id='ü"❤', total_campaigns=1, current_page=10**400, total_pages=1, trees={})
    encoded = encode_page(page, "docs", WorkspaceSettings())
    assert 'ü\\"❤'.encode() in encoded
    assert json.loads(encoded)["current_page"] == 10**400


def test_a_page_is_written_in_two_milliseconds() -> None:
    """Ten e-mail campaigns with a goal and both control groups. The best of several runs: the machine is shared."""
    counts = {"sent": (1000, 900), "delivered": (950, 880), "opened": (300, 200), "click": (60, 40)}
    target = node(counts, funnel={"sent": (1, 1)}, failures={"f_c_removed": (3, 3)}, goals={"Goal 1": (9, 7, "99.5")})
    held = node(failures={}, goals={"Goal 1": (1, 1, "3")})
    nodes = {
        ("EMAIL", "all_locales", ALL): target,
        ("EMAIL", "all_locales", "campaign_control_group"): held,
        ("EMAIL", "all_locales", "global_control_group"): held,
    }
    owner = campaign(channel="EMAIL", platforms=(), goals=(Goal(name="Goal 1", event="purchase"),))
    counted = [numbers(owner, nodes)] * 10
    settings = WorkspaceSettings()

    def once() -> float:
        started = time.perf_counter()
        trees = {
            str(index): campaign_tree(found, "TOTAL", "VIEW_THROUGH", settings) for index, found in enumerate(counted)
        }
        page = StatsPage(request_id="t", total_campaigns=10, current_page=1, total_pages=1, trees=trees)
        assert len(encode_page(page, "docs", settings)) > 10_000
        return time.perf_counter() - started

    assert min(once() for _ in range(20)) < 0.002
