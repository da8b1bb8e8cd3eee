"""What a URL and a cookie make of a view."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from campanile.dashboard.ranges import MAX_DAYS, View, parse_view
from campanile.errors import InvalidInput
from campanile.workspaces.schemas import WorkspaceSettings

NOW = datetime(2026, 3, 18, 23, 30, tzinfo=UTC)  # in Berlin the 19th has begun
BERLIN = WorkspaceSettings(timezone="Europe/Berlin")


def view(parameters: dict[str, str] | None = None, remembered: str = "", **settings: Any) -> View:
    return parse_view(parameters or {}, remembered, NOW, msgspec.structs.replace(BERLIN, **settings))


def test_without_anything_the_last_month_of_the_workspace() -> None:
    found = view()
    assert (found.first, found.last, found.preset) == (date(2026, 2, 18), date(2026, 3, 19), "30d")
    assert (found.attribution, found.metric_type, found.shown, found.unit) == (
        "VIEW_THROUGH",
        "TOTAL",
        "numbers",
        "day",
    )
    assert view(attribution_model="last_interaction").attribution == "TOTAL_CONVERSIONS"


def test_the_url_wins_over_what_is_remembered() -> None:
    kept = "7d.CLICK_THROUGH"
    assert (view(remembered=kept).days, view(remembered=kept).attribution) == (7, "CLICK_THROUGH")
    asked = view({"range": "90d", "attribution": "IN_SESSION"}, kept)
    assert (asked.days, asked.attribution, asked.remembered) == (90, "IN_SESSION", "90d.IN_SESSION")
    assert view(remembered="nonsense.<b>").preset == "30d"


def test_chosen_days() -> None:
    found = view({"from": "2026-03-01", "to": "2026-03-10"})
    assert (found.preset, found.days, found.before.first, found.before.last) == (
        "", 10, date(2026, 2, 19), date(2026, 2, 28),
    )  # fmt: skip
    assert found.remembered == "30d.VIEW_THROUGH"


@pytest.mark.parametrize(
    "parameters",
    [
        {"range": "30d"},
        {"from": "2026-03-01", "to": "2026-03-01", "unit": "hour"},
        {"range": "365d", "count": "unique", "show": "percent", "attribution": "CLICK_CONVERSIONS", "unit": "month"},
    ],
)
def test_a_view_is_its_query(parameters: dict[str, str]) -> None:
    found = view(parameters)
    assert view(dict(parse_qsl(found.query())), "1d.IN_SESSION") == found


@pytest.mark.parametrize(
    ("days", "units", "default"),
    [
        ("2026-03-01", ("hour",), "hour"),
        ("2026-03-02", ("hour", "day"), "day"),
        ("2026-03-14", ("hour", "day", "week"), "day"),
        ("2026-04-15", ("day", "week", "month"), "day"),
        ("2026-12-31", ("day", "week", "month"), "week"),
    ],
)
def test_units_that_make_sense(days: str, units: tuple[str, ...], default: str) -> None:
    found = view({"from": "2026-03-01", "to": days})
    assert (found.units, found.unit) == (units, default)


@pytest.mark.parametrize(
    ("parameters", "attribute"),
    [
        ({"range": "3d"}, "range"),
        ({"from": "2026-03-01"}, "to"),
        ({"from": "1.3.2026", "to": "2026-03-01"}, "from"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "to"),
        ({"from": "2020-01-01", "to": "2026-03-01"}, "to"),
        ({"from": "0001-01-01", "to": "0001-01-02"}, "from"),
        ({"attribution": "FIRST_TOUCH"}, "attribution"),
        ({"count": "both"}, "count"),
        ({"show": "all"}, "show"),
        ({"unit": "minute"}, "unit"),
    ],
)
def test_what_is_wrong_is_named(parameters: dict[str, str], attribute: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        view(parameters)
    assert caught.value.attribute == attribute


def test_the_longest_range() -> None:
    assert view({"from": "2025-01-01", "to": "2026-02-04"}).days == MAX_DAYS
