"""Statistics over many campaigns and days: how they are cut, put together, labelled and refused."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.client import ClientError, NotAdditive, Stats, Unreachable, Window, WindowStats, WrongQuestion
from campanile.client.merging import merge
from campanile.client.windows import MAX_DAYS, WINDOW_DAYS, distinct, groups, parse_day, windows
from tests.client.callers import Caller
from tests.client.faulty import FaultyServer, ok, page, tree

FIRST = date(2025, 1, 1)


def sent(number: int) -> dict[str, Any]:
    return {"performance_stats": {"sent": number}}


def bodies(server: FaultyServer) -> list[dict[str, Any]]:
    return [request.json() for request in server.requests]


def test_many_ids_are_asked_for_ten_at_a_time(server: FaultyServer, kind: str) -> None:
    ids = [f"{number:024x}" for number in range(23)]
    replies = [ok(page(dict.fromkeys(group, tree(**sent(1))), total=len(group))) for group in groups(ids)]
    server.will(*replies)
    answer = Caller(kind, server.url).ask(
        "stats", [*ids, ids[0]], start_date="2025-01-01", end_date="2025-01-31", attribution_type="IN_SESSION"
    )
    assert list(answer.data) == ids
    assert [len(body["campaign_ids"]) for body in bodies(server)] == [10, 10, 3]
    assert {(body["start_date"], body["end_date"]) for body in bodies(server)} == {("2025-01-01", "2025-01-31")}
    assert {body["attribution_type"] for body in bodies(server)} == {"IN_SESSION"}


def test_all_pages_are_asked_for_without_ids(server: FaultyServer, kind: str) -> None:
    server.will(*(ok(page({f"c{number}": tree()}, total=21, current=number, pages=3)) for number in (1, 2, 3)))
    answer = Caller(kind, server.url).ask("stats", start_date=FIRST, end_date=FIRST)
    assert list(answer.data) == ["c1", "c2", "c3"]
    assert [body["offset"] for body in bodies(server)] == [0, 10, 20]
    assert all("campaign_ids" not in body for body in bodies(server))


def test_no_ids_are_no_question(server: FaultyServer, kind: str) -> None:
    server.will(ok(page({})))
    assert Caller(kind, server.url).ask("stats", [], start_date=FIRST, end_date=FIRST).data == {}
    assert server.requests == []


def test_a_server_without_an_end(server: FaultyServer, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campanile.client.stats.MAX_PAGES", 3)
    server.will(ok(page({"c": tree()}, total=10**9, pages=10**8)))
    with pytest.raises(Unreachable, match="does not come to an end"):
        Caller(kind, server.url).ask("stats", start_date=FIRST, end_date=FIRST)


def test_long_ranges_of_totals_are_put_together(server: FaultyServer, kind: str) -> None:
    server.will(*(ok(page({"c": tree(**sent(number))})) for number in (1, 20, 300)))
    answer = Caller(kind, server.url).ask("stats", "c", start_date="2025-01-01", end_date="2025-03-10")
    (node,) = answer.nodes
    assert node.performance == {"sent": 321}
    assert node.window == Window(FIRST, date(2025, 3, 10))
    assert [(body["start_date"], body["end_date"]) for body in bodies(server)] == [
        ("2025-01-01", "2025-01-30"), ("2025-01-31", "2025-03-01"), ("2025-03-02", "2025-03-10"),
    ]  # fmt: skip


def test_unique_numbers_are_never_added_up(server: FaultyServer, kind: str) -> None:
    question = {"start_date": "2025-01-01", "end_date": "2025-02-01", "metric_type": "UNIQUE"}
    server.will(ok(page({"c": tree(**sent(1))})), ok(page({"c": tree(**sent(2))})))
    caller = Caller(kind, server.url)
    with pytest.raises(NotAdditive, match="2 requests, and must not be added up"):
        caller.ask("stats", "c", **question)
    assert server.requests == [], "it is refused before anything is asked"
    answer = caller.ask("stats", "c", **question, window_days=30)
    assert [(node.window.first, node.window.last, node.performance["sent"]) for node in answer] == [
        (date(2025, 1, 1), date(2025, 1, 30), 1), (date(2025, 1, 31), date(2025, 2, 1), 2),
    ]  # fmt: skip
    for add_up in (answer.merged, lambda: answer.data):
        with pytest.raises(NotAdditive):
            add_up()
    assert {row.metric_type for row in answer.rows()} == {"UNIQUE"}
    assert [row.start_date for row in answer.rows()] == [date(2025, 1, 1), date(2025, 1, 31)]


def test_unique_numbers_of_one_request_are_given(server: FaultyServer, kind: str) -> None:
    server.will(ok(page({"c": tree(**sent(1))})))
    answer = Caller(kind, server.url).ask(
        "stats", "c", start_date="2025-01-01", end_date="2025-01-31", metric_type="UNIQUE"
    )
    assert answer.merged() is answer
    assert answer.left_out == ()


def test_unknown_campaigns_are_named(server: FaultyServer, kind: str) -> None:
    server.will(ok(page({"a": tree()})), ok(page({"b": tree()})))
    answer = Caller(kind, server.url).ask("stats", ["a", "b", "x"], start_date=FIRST, end_date="2025-02-10")
    assert answer.missing == ("x",)


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [("2025-02-30", "2025-03-01", None), ("01.02.2025", "2025-03-01", None), ("2025-03-01", "2025-02-01", None),
     ("2025-03-01", "2025-03-01", 0), ("2025-03-01", "2025-03-01", 32)],
)  # fmt: skip
def test_days_that_mean_nothing_are_not_asked_for(
    server: FaultyServer, kind: str, start: str, end: str, days: int | None
) -> None:
    server.will(ok(page({})))
    with pytest.raises(WrongQuestion, match=r"date|range|window"):
        Caller(kind, server.url).ask("stats", start_date=start, end_date=end, window_days=days)
    assert server.requests == []


@given(st.integers(0, 400), st.none() | st.integers(1, MAX_DAYS))
def test_windows_cover_every_day_once(span: int, days: int | None) -> None:
    last = FIRST + timedelta(days=span)
    found = windows(FIRST, last, days)
    covered = [window.first + timedelta(days=number) for window in found for number in range(window.days)]
    assert covered == [FIRST + timedelta(days=number) for number in range(span + 1)]
    assert all((window.last - window.first).days <= 30 for window in found)
    if days is None:
        assert len(found) == (1 if span <= 30 else -(-(span + 1) // WINDOW_DAYS))


def test_days_and_ids_as_they_come() -> None:
    assert parse_day("2025-01-01", "x") == parse_day(FIRST, "x") == FIRST
    assert distinct("one") == ["one"]
    assert distinct(iter(["a", "b", "a"])) == ["a", "b"]


def node(**stats: float) -> dict[str, Any]:
    return {"performance_stats": stats}


def merged(*nodes: dict[str, Any], platform: str = "EMAIL") -> tuple[dict[str, Any], tuple[str, ...]]:
    data, left_out = merge([{"c": tree(platform, **node)} for node in nodes])
    variations = data["c"][0]["platforms"][platform]["locales"]["all_locales"]["variations"]
    return variations["all_variations"], left_out


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (({"click": 1, "impression": 3, "ctr": 33.33}, {"click": 1, "impression": 5, "ctr": 20}), {"ctr": 25}),
        (({"click": 1, "delivered": 3, "ctr": 33.33}, {"click": 0, "delivered": 0, "ctr": 0}), {"ctr": 33.33}),
        # No receipts: the click rate is over sent.
        (({"click": 1, "delivered": 0, "sent": 4, "ctr": 25}, {"click": 1, "delivered": 0, "sent": 4, "ctr": 25}),
         {"ctr": 25}),
        (({"impression": 1, "sent": 2, "delivery_rate": 50}, {"impression": 0, "sent": 2, "delivery_rate": 0}),
         {"delivery_rate": 25}),
        (({"attempted": 10, "sent": 9, "failed": 1, "failure_rate": 10}, {"attempted": 10, "sent": 12, "failed": 0,
           "failure_rate": 0}), {"failure_rate": 0}),
        # A server that divides failures by attempts.
        (({"attempted": 10, "sent": 7, "failed": 1, "failure_rate": 10}, {"attempted": 10, "sent": 10, "failed": 0,
           "failure_rate": 0}), {"failure_rate": 5}),
    ],
)  # fmt: skip
def test_rates_are_computed_from_the_sums(parts: tuple[dict[str, float], ...], whole: dict[str, float]) -> None:
    found, left_out = merged(*(node(**part) for part in parts))
    assert whole.items() <= found["performance_stats"].items()
    assert left_out == ()


@pytest.mark.parametrize(
    ("name", "stats"),
    [
        ("open_rate", {"opened": 5, "delivered": 10, "open_rate": 50}),
        ("ctor", {"opened": 5, "click": 5, "ctor": 100}),
        ("read_rate", {"read": 5, "delivered": 10, "read_rate": 50}),
        ("ctr", {"click": 5, "delivered": 100, "ctr": 4}),
        ("some_new_rate", {"some_new_rate": 1}),
    ],
)
def test_rates_of_people_are_left_out_and_named(name: str, stats: dict[str, float]) -> None:
    found, left_out = merged(node(**stats), node(**stats))
    assert name not in found["performance_stats"]
    assert left_out == (f"performance_stats.{name}",)


def test_click_rates_of_whatsapp_count_people() -> None:
    stats = {"click": 5, "delivered": 10, "ctr": 50}
    found, left_out = merged(node(**stats), node(**stats), platform="WHATSAPP")
    assert found["performance_stats"] == {"click": 10, "delivered": 20}
    assert left_out == ("performance_stats.ctr",)


def test_people_in_goals_and_funnels_are_left_out() -> None:
    goal = {"goal_name": "Buy", "conversions": 3, "total": 3, "unique": 2, "cvr": 1.5, "uplift": 3, "gcg_uplift": 0,
            "revenue": 10.1, "average_order_value": 3.37, "average_revenue_per_user": 5.05}  # fmt: skip
    block = {
        "conversion_goal_stats": {"Buy": goal},
        "delivery_funnel": {"after_fc": 9, "sent": 8, "delivered": 7, "impressions": 6},
        "failure_breakdown": {"bounced": 1},
    }
    found, left_out = merged(block, {**block, "failure_breakdown": {"other": 2}})
    assert found == {
        "conversion_goal_stats": {
            "Buy": {"goal_name": "Buy", "conversions": 6, "total": 6, "revenue": 20.2, "average_order_value": 3.37}
        },
        "delivery_funnel": {"sent": 16, "delivered": 14, "impressions": 12},
        "failure_breakdown": {"bounced": 1, "other": 2},
    }
    assert left_out == (
        "conversion_goal_stats.average_revenue_per_user", "conversion_goal_stats.cvr",
        "conversion_goal_stats.gcg_uplift", "conversion_goal_stats.unique", "conversion_goal_stats.uplift",
        "delivery_funnel.after_fc",
    )  # fmt: skip


def test_campaigns_and_places_of_single_windows_are_kept() -> None:
    first, second = {"a": tree("ios", **sent(1))}, {"b": tree("EMAIL", **sent(2)), "a": tree("android", **sent(4))}
    data, _ = merge([first, second, {"b": []}])
    assert list(data) == ["a", "b"]
    assert list(data["a"][0]["platforms"]) == ["ios", "android"]


def test_errors_are_client_errors() -> None:
    answer = Stats(
        metric_type="UNIQUE", attribution_type="VIEW_THROUGH",
        parts=(WindowStats(Window(FIRST, FIRST), {}), WindowStats(Window(FIRST, FIRST), {})),
    )  # fmt: skip
    with pytest.raises(ClientError):
        answer.merged()
