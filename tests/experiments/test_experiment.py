"""`GET /v1/campaigns/{id}/experiment` through the whole application: numbers, parameters, errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campanile.experiments import routes
from campanile.workspaces.schemas import CreatedWorkspace
from tests.experiments.shop import (
    CAMPAIGN,
    EVENT,
    FIRST,
    GOAL,
    HELD,
    SECOND,
    SENT_AT,
    WINDOW_HOURS,
    Group,
    document,
    events,
    message,
    order,
)
from tests.stats.inprocess import InProcess, basic, running
from tests.support.engines import EmbeddedEngine

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
PATH = f"/v1/campaigns/{CAMPAIGN}/experiment"


@pytest.fixture(name="server", scope="module")
def _server(embedded: EmbeddedEngine) -> Iterator[InProcess]:
    with running(embedded, NOW) as server:
        yield server


class Shop:
    def __init__(self, server: InProcess, **changes: Any) -> None:
        self.server = server
        self.owner: CreatedWorkspace = server.services.workspaces.create("Shop")
        server.import_campaigns(self.owner, [document(**changes)])

    def send(self, facts: Iterable[dict[str, Any]]) -> None:
        self.server.send_events(self.owner, facts)

    def ask(self, expected: int = 200, path: str = PATH, **query: str) -> dict[str, Any]:
        headers = {"Authorization": basic(self.owner.workspace.id, self.owner.report_key)}
        answer = self.server.client.get(path, params=query, headers=headers)
        assert answer.status_code == expected, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def problem(self, **query: str) -> tuple[str, str]:
        error = self.ask(400, **query)["error"]
        return error["type"], error["attribute"]


@pytest.fixture(name="shop", scope="module")
def _shop(server: InProcess) -> Shop:
    found = Shop(server)
    found.send(events(FIRST, SECOND, HELD))
    return found


def test_intention_to_treat(shop: Shop) -> None:
    answer = shop.ask()
    assert (answer["campaign_id"], answer["campaign_name"], answer["channel"]) == (CAMPAIGN, "Voucher", "EMAIL")
    assert (answer["start_date"], answer["end_date"], answer["timezone"]) == ("2026-03-16", "2026-03-18", "UTC")
    assert (answer["sent"], answer["sent_people"]) == (800, 800)
    (goal,) = answer["goals"]
    assert (goal["goal"], goal["event"], goal["is_primary"], goal["window_hours"]) == (GOAL, EVENT, True, 24)
    (group,) = goal["control_groups"]
    effect = group["intention_to_treat"]
    assert group["group"] == "campaign_control_group"
    assert effect["treatment"] == {"size": 800, "converted": 80, "rate": 10.0, "rate_interval": [8.11, 12.27]}
    assert effect["control"] == {"size": 200, "converted": 10, "rate": 5.0, "rate_interval": [2.74, 8.96]}
    assert (effect["difference"], effect["uplift"], effect["incremental_conversions"]) == (5.0, 100.0, 40.0)
    assert effect["difference_interval"][0] > 0
    assert effect["verdict"] == "better"
    assert "10.00 % against 5.00 %" in effect["explanation"]
    assert 0.01 < effect["p_value"] < 0.05


def test_the_uplift_of_the_stats_api_stands_beside(shop: Shop) -> None:
    answer = shop.ask(attribution_type="VIEW_THROUGH,CLICK_CONVERSIONS")
    seen, clicked = answer["goals"][0]["control_groups"][0]["attributed"]
    assert seen["attribution"] == "VIEW_THROUGH"
    assert seen["wire"] == {"cvr": 40.0, "control_cvr": 5.0, "uplift": 700.0}
    assert (seen["exposed"]["treatment"]["size"], seen["exposed"]["treatment"]["converted"]) == (200, 80)
    assert seen["exposed"]["control"]["size"] == 200
    assert seen["exposed"]["uplift"] == 700.0
    assert clicked["attribution"] == "CLICK_CONVERSIONS"
    assert (clicked["exposed"]["treatment"]["converted"], clicked["exposed"]["control"]["converted"]) == (0, 10)
    stats = shop.server.stats(
        shop.owner,
        request_id="r",
        start_date="2026-03-16",
        end_date="2026-03-18",
        attribution_type="VIEW_THROUGH",
        metric_type="UNIQUE",
    )
    nodes = stats["data"][CAMPAIGN][0]["platforms"]["EMAIL"]["locales"]["all_locales"]["variations"]
    assert nodes["all_variations"]["conversion_goal_stats"][GOAL]["uplift"] == seen["wire"]["uplift"]


def test_variations(shop: Shop) -> None:
    answer = shop.ask()
    test = answer["goals"][0]["variations"]
    assert (test["verdict"], test["winner"]) == ("winner", "variation_2")
    sides = [(side["name"], side["size"], side["converted"], side["rate"]) for side in test["variations"]]
    assert sides == [("variation_1", 400, 20, 5.0), ("variation_2", 400, 60, 15.0)]
    (pair,) = test["pairs"]
    assert (pair["first"], pair["second"], pair["difference"]) == ("variation_1", "variation_2", -10.0)
    assert pair["p_value"] == pair["adjusted_p_value"] < 0.05
    split = answer["variation_split"]
    assert (split["status"], split["basis"]) == ("as_declared", "declared")
    assert split["parts"] == {"variation_1": 400, "variation_2": 400}


def test_control_groups_are_described(shop: Shop) -> None:
    (group,) = shop.ask()["control_groups"]
    assert (group["held_out"], group["held_out_people"], group["in_both"], group["cautions"]) == (200, 200, 0, [])
    ratio = group["sample_ratio"]
    assert (ratio["status"], ratio["basis"], ratio["p_value"]) == ("as_declared", "declared", 1.0)


def test_the_thresholds_are_part_of_the_answer(shop: Shop) -> None:
    assert shop.ask()["rules"] == {
        "confidence": 0.95,
        "significance": 0.05,
        "smallest_arm": 100,
        "fewest_expected": 5,
        "mismatch": 0.001,
    }


def test_open_windows_are_a_caution(shop: Shop) -> None:
    closed = shop.ask()
    assert (closed["settled_at"], closed["cautions"]) == ("2026-03-17T10:00:00Z", [])
    shop.send([message("click", "u-b00399", NOW - timedelta(hours=1), variation="variation_2")])
    assert shop.ask()["cautions"] == ["windows_open"]
    assert shop.ask(start_date="2026-03-16", end_date="2026-03-16")["settled_at"] == "2026-03-17T10:00:00Z"


def test_days_choose_sends_and_not_conversions(server: InProcess) -> None:
    late = Shop(server)
    late.send(
        [
            message("sent", "u-late", datetime(2026, 3, 16, 23, tzinfo=UTC)),
            order("u-late", datetime(2026, 3, 17, 1, tzinfo=UTC)),
            message("sent", "u-exact", SENT_AT),
            order("u-exact", SENT_AT + timedelta(hours=WINDOW_HOURS)),
            message("sent", "u-over", SENT_AT),
            order("u-over", SENT_AT + timedelta(hours=WINDOW_HOURS, milliseconds=1)),
        ]
    )
    first = late.ask(start_date="2026-03-16", end_date="2026-03-16")
    effect = first["goals"][0]["control_groups"][0]["intention_to_treat"]
    assert (effect["treatment"]["size"], effect["treatment"]["converted"]) == (3, 2)
    assert effect["verdict"] == "no_control_group"
    second = late.ask(start_date="2026-03-17", end_date="2026-03-17")
    effect = second["goals"][0]["control_groups"][0]["intention_to_treat"]
    assert effect["treatment"] == {"size": 0, "converted": 0, "rate": 0.0, "rate_interval": None}


def test_a_lost_control_group_is_a_mismatch_whatever_the_difference(server: InProcess) -> None:
    lost = Shop(server)
    lost.send(events(FIRST, SECOND, HELD._replace(people=100, buyers=0)))
    answer = lost.ask()
    assert answer["control_groups"][0]["sample_ratio"]["status"] == "mismatch"
    effect = answer["goals"][0]["control_groups"][0]["intention_to_treat"]
    assert effect["verdict"] == "sample_ratio_mismatch"
    assert effect["p_value"] < 0.05
    assert answer["goals"][0]["variations"]["verdict"] == "winner"


def test_little_data_is_called_little(server: InProcess) -> None:
    small = Shop(server)
    small.send(events(Group("s", 40, 20, "variation_1"), HELD._replace(people=10, buyers=0)))
    goal = small.ask()["goals"][0]
    assert goal["control_groups"][0]["intention_to_treat"]["verdict"] == "insufficient_data"
    assert goal["variations"] is None


def test_campaigns_without_goals_or_groups(server: InProcess) -> None:
    plain = Shop(server, conversion_goal_details={}, control_group_details={}, campaign_content={})
    answer = plain.ask()
    assert (answer["goals"], answer["control_groups"], answer["variation_split"]) == ([], [], None)
    assert (answer["start_date"], answer["end_date"]) == ("2026-03-18", "2026-03-18")


@pytest.mark.parametrize("channel", ["PUSH", "IN_APP", "FACEBOOK"])
def test_campaigns_of_other_channels_that_did_nothing_yet(server: InProcess, channel: str) -> None:
    silent = Shop(server, channel=channel)
    (group,) = silent.ask(attribution_type="VIEW_THROUGH,TOTAL_CONVERSIONS")["goals"][0]["control_groups"]
    assert group["intention_to_treat"]["verdict"] == "no_control_group"
    assert group["attributed"][1]["wire"] == {"cvr": 0.0, "control_cvr": 0.0, "uplift": 0.0}


def test_runs_count_for_their_parent(server: InProcess) -> None:
    weekly = Shop(server, campaign_delivery_type="PERIODIC")
    run = {"campaign_id": "a" * 24, "parent_campaign_id": CAMPAIGN}
    weekly.send(
        [
            message("sent", "u-1", SENT_AT, **run),
            message("sent", "u-1", SENT_AT + timedelta(hours=2), campaign_id="b" * 24, parent_campaign_id=CAMPAIGN),
            message("removed", "u-2", SENT_AT, reason="campaign_control_group", **run),
            order("u-1", SENT_AT + timedelta(hours=3)),
            order("u-2", SENT_AT + timedelta(hours=3)),
        ]
    )
    effect = weekly.ask()["goals"][0]["control_groups"][0]["intention_to_treat"]
    assert (effect["treatment"]["size"], effect["treatment"]["converted"]) == (2, 1)
    assert (effect["control"]["size"], effect["control"]["converted"]) == (1, 1)
    first = weekly.ask(path=f"/v1/campaigns/{'a' * 24}/experiment")
    effect = first["goals"][0]["control_groups"][0]["intention_to_treat"]
    assert (effect["treatment"]["size"], effect["treatment"]["converted"]) == (1, 0)


def test_people_in_both_groups_are_a_caution(server: InProcess) -> None:
    mixed = Shop(server)
    mixed.send(events(FIRST, HELD))
    mixed.send(message("sent", f"u-{HELD.name}{number:05}", SENT_AT) for number in range(3))
    (group,) = mixed.ask()["control_groups"]
    assert (group["in_both"], group["cautions"]) == (3, ["people_in_both_groups"])
    assert group["sample_ratio"]["basis"] == "drawn_again"


def test_the_model_of_the_workspace_chooses_the_attribution_type(server: InProcess) -> None:
    other = Shop(server)
    assert other.ask()["attributions"] == ["VIEW_THROUGH"]
    server.configure(other.owner.workspace.id, {"attribution_model": "last_interaction"})
    assert other.ask()["attributions"] == ["TOTAL_CONVERSIONS"]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"start_date": "2026-3-16"}, ("invalid_parameter", "start_date")),
        ({"start_date": "2026-02-30"}, ("invalid_parameter", "start_date")),
        ({"end_date": "9999-12-31"}, ("invalid_parameter", "end_date")),
        ({"start_date": "2026-03-17", "end_date": "2026-03-16"}, ("invalid_parameter", "end_date")),
        ({"start_date": "2025-03-16", "end_date": "2026-03-17"}, ("invalid_parameter", "end_date")),
        ({"attribution_type": "VIEW"}, ("invalid_parameter", "attribution_type")),
        ({"attribution_type": ""}, ("invalid_parameter", "attribution_type")),
        ({"attribution_type": "IN_SESSION,IN_SESSION"}, ("invalid_parameter", "attribution_type")),
        ({"goal": "Refund"}, ("invalid_parameter", "goal")),
        ({"goal": ""}, ("invalid_parameter", "goal")),
        ({"metric": "clicks"}, ("unknown_parameter", "metric")),
    ],
)
def test_wrong_parameters_are_named(shop: Shop, query: dict[str, str], problem: tuple[str, str]) -> None:
    assert shop.problem(**query) == problem


def test_a_year_is_the_longest_range(shop: Shop) -> None:
    assert shop.ask(start_date="2025-03-18", end_date="2026-03-18", goal=GOAL)["sent"] == 800


def test_unknown_campaigns(shop: Shop) -> None:
    for name in ("f" * 24, "nonsense"):
        error = shop.ask(404, path=f"/v1/campaigns/{name}/experiment")["error"]
        assert (error["type"], error["attribute"]) == ("not_found", "campaign_id")


def test_requests_are_limited(server: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "REQUESTS_PER_MINUTE", 2)
    busy = Shop(server, conversion_goal_details={})
    busy.ask()
    busy.ask()
    assert busy.ask(429)["error"]["type"] == "rate_limited"
