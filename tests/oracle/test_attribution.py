"""The attribution oracle gives every golden number, and each rule broken on purpose is noticed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.oracle import attribution as oracle
from tests.oracle.attribution import CONTROLS, TARGET, TYPES, Credit, History, Result
from tests.oracle.attribution_cases import CASES, history, is_fixture

NAMES = sorted(CASES)


def shown(result: Result) -> dict[str, Any]:
    return {"total": result.total, "unique": result.unique, "revenue": result.revenue}


def tree(of: History, book: str, kind: str) -> dict[str, Any]:
    return {
        campaign: {goal.name: shown(of.result(kind, campaign, goal.name, book=book)) for goal in of.goals_of(campaign)}
        for campaign in of.campaigns
    }


def test_all_examples_are_there() -> None:
    assert sum(is_fixture(name) for name in NAMES) == 59
    assert sum(not is_fixture(name) for name in NAMES) == 60


@pytest.mark.parametrize("name", NAMES)
def test_target_numbers(name: str) -> None:
    case = CASES[name]
    found = history(case)
    assert {kind: tree(found, TARGET, kind) for kind in TYPES} == case["expected"]


@pytest.mark.parametrize("name", NAMES)
def test_control_numbers(name: str) -> None:
    case = CASES[name]
    found = history(case)
    for book in CONTROLS:
        numbers = {kind: tree(found, book, kind) for kind in TYPES}
        expected = case.get("expected_control", {}).get(book)
        if expected is None:
            assert {r["total"] for kind in numbers.values() for goals in kind.values() for r in goals.values()} <= {0}
        else:
            assert numbers == expected


@pytest.mark.parametrize("name", [name for name in NAMES if "checkpoints" in CASES[name]])
def test_numbers_on_the_way(name: str) -> None:
    case = CASES[name]
    for checkpoint in case["checkpoints"]:
        ids = [event.get("event_id") for event in case["events"]]
        seen = case["events"][: ids.index(checkpoint["after"]) + 1]
        found = History(case["campaigns"], seen, case["settings"])
        assert {kind: tree(found, TARGET, kind) for kind in checkpoint["expected"]} == checkpoint["expected"]


@pytest.mark.parametrize("name", [name for name in NAMES if "expected_breakdown" in CASES[name]])
def test_breakdowns(name: str) -> None:
    case = CASES[name]
    found = history(case)
    keys: dict[str, Callable[[Credit], str]] = {
        "by_date": lambda credit: found.local_day(credit.converted_at),
        "by_touch_date": lambda credit: found.local_day(credit.touched_at),
        "by_platform": lambda credit: credit.platform,
        "by_locale": lambda credit: credit.locale,
        "by_variation": lambda credit: credit.variation,
        "by_instance": lambda credit: credit.instance,
    }
    for kind, campaigns in case["expected_breakdown"].items():
        for campaign, goals in campaigns.items():
            for goal, dimensions in goals.items():
                for dimension, expected in dimensions.items():
                    key = keys[dimension]
                    credits = [c for c in found.credits(kind) if (c.book, c.goal) == (TARGET, goal)]
                    values = {key(c) for c in credits if c.campaign in found.members_of(campaign)}
                    numbers = {
                        value: shown(found.result(kind, campaign, goal, keep=partial(_has, key, value)))
                        for value in values
                    }
                    assert {value: _same_keys(n, expected) for value, n in numbers.items()} == expected


def _has(key: Callable[[Credit], str], value: str, credit: Credit) -> bool:
    return key(credit) == value


def _same_keys(numbers: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    wanted = set().union(*expected.values())
    return {key: value for key, value in numbers.items() if key in wanted}


@pytest.mark.parametrize("name", [name for name in NAMES if "expected_flows" in CASES[name]])
def test_flows(name: str) -> None:
    case = CASES[name]
    found = history(case)
    for kind, flows in case["expected_flows"].items():
        for flow, goals in flows.items():
            members = {c for c, fields in found.campaigns.items() if fields.get("flow_id") == flow}
            for goal, expected in goals.items():
                credits = [c for c in found.credits(kind) if c.campaign in members and c.goal == goal]
                trips = {(c.user, c.instance) for c in credits}
                assert {"converted_trips": len(trips), "total": len({c.event_id for c in credits})} == expected


@pytest.mark.parametrize("name", [name for name in NAMES if "expected_stats" in CASES[name]])
def test_rates_and_uplift(name: str) -> None:
    case = CASES[name]
    found = history(case)
    for kind, campaigns in case["expected_stats"].items():
        for campaign, goals in campaigns.items():
            for goal, expected in goals.items():
                numbers = found.result(kind, campaign, goal)
                base = found.rate_base(campaign, kind)
                held = {book: len(found.holdouts(campaign, book)) for book in CONTROLS}
                control = {book: found.result(kind, campaign, goal, book=book).unique for book in CONTROLS}
                ccg, gcg = CONTROLS
                stats = {
                    "cvr": oracle.percentage(numbers.unique, base),
                    "uplift": oracle.uplift(numbers.unique, base, control[ccg], held[ccg]),
                    "gcg_uplift": oracle.uplift(numbers.unique, base, control[gcg], held[gcg]),
                    "ccg_cvr": oracle.percentage(control[ccg], held[ccg]),
                    "gcg_cvr": oracle.percentage(control[gcg], held[gcg]),
                    "average_order_value": oracle.quotient(numbers.revenue, numbers.total),
                    "average_revenue_per_user": oracle.quotient(numbers.revenue, numbers.unique),
                }
                assert {key: Decimal(str(stats[key])) for key in expected} == expected


# ---- Each rule broken on purpose ---------------------------------------------------------------------------------


class _NoWindowEnd(History):
    def goals_of(self, campaign: str) -> list[oracle.Goal]:
        return [replace(goal, window=goal.window - timedelta(milliseconds=1)) for goal in super().goals_of(campaign)]


class _RecencyOnly(History):
    def _touch(self, event: oracle.Fields) -> oracle.Touch | None:
        touch = super()._touch(event)
        return replace(touch, depth=min(touch.depth, 2)) if touch else None


class _NoTieBreak(History):
    def order_of(self, root: str) -> Any:
        return ""


class _AnyPlatform(History):
    def _same_platform(self, touch: oracle.Touch, action: oracle.Fields) -> bool:
        return True


class _Strangers(History):
    def person(self, event: oracle.Fields) -> str:
        return str(event["user_id"])


class _OneBook(History):
    def _touch(self, event: oracle.Fields) -> oracle.Touch | None:
        touch = super()._touch(event)
        return replace(touch, book=TARGET) if touch else None


@pytest.mark.parametrize("broken", [_NoWindowEnd, _RecencyOnly, _NoTieBreak, _AnyPlatform, _Strangers, _OneBook])
def test_a_broken_rule_fails_an_example(broken: type[History]) -> None:
    def differs(case: Mapping[str, Any]) -> bool:
        found = broken(case["campaigns"], case["events"], case["settings"])
        return any(tree(found, TARGET, kind) != case["expected"][kind] for kind in TYPES)

    assert any(differs(CASES[name]) for name in NAMES if is_fixture(name))
