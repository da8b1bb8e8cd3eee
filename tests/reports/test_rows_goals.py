"""Goal columns show what the conversion service credits, for every attribution type, day and split."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from campanile.attribution.rules import ATTRIBUTIONS, CONTROL_GROUPS
from campanile.attribution.schemas import NO_CONVERSIONS, ControlNumbers, Conversions
from campanile.campaigns.schemas import Campaign
from campanile.engine import Engine
from campanile.kit.times import Window, window
from campanile.reports.columns import columns_by_key
from campanile.reports.columns.definitions import AttributionType, GoalFigure
from campanile.reports.schemas import CHANNELS, Splits
from campanile.workspaces.schemas import Workspace
from tests.oracle.attribution import instant
from tests.oracle.attribution_cases import CASES
from tests.reports.past import Register, read, rows_service, spec_of
from tests.support.attribution import ArrivingLog, campaigns, first_copies, service, workspace

pytestmark = pytest.mark.slow

TOKENS = {channel: token for token, channel in CHANNELS.items()}
MODELS = {"all_interactions": ATTRIBUTIONS[:3], "last_interaction": ATTRIBUTIONS[3:]}
FIGURES = ("converted_users", "conversion_events", "total_revenue", "control_conversions")
Levels = tuple[str, str, str]


class Credits:
    """What the conversion service says, asked once per range and type."""

    def __init__(self, engine: Engine, place: Workspace, everything: Sequence[Campaign]) -> None:
        self._service = service(engine, everything)
        self._place = place
        self._everything = everything
        self._known: dict[Any, Any] = {}

    def of(self, days: Window, kind: Any) -> tuple[Mapping[Any, Conversions], ControlNumbers]:
        if (days, kind) not in self._known:
            self._known[days, kind] = asyncio.run(self._ask(days, kind))
        found: tuple[Mapping[Any, Conversions], ControlNumbers] = self._known[days, kind]
        return found

    async def _ask(self, days: Window, kind: Any) -> Any:
        credited = await self._service.credited(
            self._place, self._everything, [range(8)] * len(self._everything), days, kind
        )
        return credited, await self._service.control(self._place, dict(enumerate(self._everything)), days, kind)


def columns_of(token: str, model: str) -> tuple[str, ...]:
    """Identity and all figures that are counted, for every goal."""
    chosen = ["campaign.id"]
    for key, column in columns_by_key(token).items():
        cell = column.cell
        shown = isinstance(cell, GoalFigure) and cell.figure in FIGURES and cell.attribution is not None
        if shown and column.attribution_dependent.upper() in MODELS[model]:
            chosen.append(key)
    return tuple(chosen)


PLAIN, DAYS, SPLIT = Splits(child=False), Splits(date=True), Splits(child=False, variation=True, locale=True)


@pytest.mark.parametrize(
    ("name", "splits", "model"),
    [
        ("uplift_positive", PLAIN, "all_interactions"),
        ("edge_both_control_groups", DAYS, "all_interactions"),
        ("edge_both_control_groups", SPLIT, "last_interaction"),
        ("edge_parent_and_children", PLAIN, "all_interactions"),
        ("edge_parent_and_children", DAYS, "last_interaction"),
        ("edge_conversion_date_timezone", DAYS, "all_interactions"),
        ("edge_multiple_goals", SPLIT, "all_interactions"),
        ("edge_overlapping_instances", DAYS, "last_interaction"),
        ("lim_campaigns_3_control_group", DAYS, "last_interaction"),
        ("cross_platform", DAYS, "last_interaction"),
        ("instances_1_two_days", PLAIN, "last_interaction"),
    ],
)
def test_goal_columns_are_credits(chdb_engine: Engine, name: str, splits: Splits, model: Any) -> None:
    case = CASES[name]
    everything = campaigns(case["campaigns"])
    events = first_copies(case["events"])
    ArrivingLog(chdb_engine, "w", {item.campaign_id: item.channel for item in everything}).take(events)
    place = workspace("w", case["settings"])
    place = msgspec.structs.replace(place, settings=msgspec.structs.replace(place.settings, attribution_model=model))
    days = _days(events, place.settings.timezone)
    tokens = [token for token, channel in CHANNELS.items() if channel in {item.channel for item in everything}]
    spec = spec_of(tokens, splits, columns={token: columns_of(token, model) for token in tokens})
    found, _ = read(rows_service(chdb_engine, Register(everything)), place, spec, days)
    credits = Credits(chdb_engine, place, everything)
    numbers = {item.campaign_id: number for number, item in enumerate(everything)}
    parents = {item.parent_id for item in everything}
    compared = 0
    for token, rows in found.items():
        for row in rows:
            number = numbers[row["campaign.id"]]
            if splits.child and row["campaign.id"] in parents:
                continue  # the parent's own conversions only: the service counts its children, too
            goals = [goal.name for goal in everything[number].goals]
            day = row.get("split.date")
            range_ = days if day is None else window(day, day, days.timezone)
            for key, value in row.items():
                cell = columns_by_key(token)[key].cell
                if isinstance(cell, GoalFigure) and value is not None:
                    wanted = _expected(credits, cell, number, goals, range_, _levels(row))
                    if wanted is not None:
                        assert value == wanted, (key, row)
                        compared += bool(value)
    assert compared or splits.variation


def _days(events: Sequence[Mapping[str, Any]], timezone: str) -> Window:
    """Some days around everything."""
    moments = [instant(event["ts"]) for event in events]
    return window(min(moments).date() - timedelta(days=1), max(moments).date() + timedelta(days=1), timezone)


def _levels(row: Mapping[str, Any]) -> Levels | None:
    """Locale and variation as the service spells them; None for rows it does not have."""
    locale, variation = row.get("split.locale"), row.get("split.variation")
    if "split.locale" not in row and "split.variation" not in row:
        return "", "", "whole"
    if locale in ("default", "All Locales", None) or variation is None:
        return None
    return str(locale), str(variation).lower().replace(" ", "_"), "split"


def _expected(
    credits: Credits, cell: GoalFigure, number: int, goals: list[str], days: Window, levels: Levels | None
) -> int | Decimal | None:
    if cell.goal > len(goals) or levels is None:
        return None
    attribution: AttributionType | None = cell.attribution
    assert attribution is not None
    credited, control = credits.of(days, attribution.upper())
    goal = goals[cell.goal - 1]
    if cell.figure == "control_conversions":
        assert cell.group in CONTROL_GROUPS
        key = (number, str(cell.group), cell.platform, goal)
        return control.conversions.get(key, NO_CONVERSIONS).unique
    locale, variation, _ = levels
    found = credited.get((number, cell.platform, locale, variation, goal), NO_CONVERSIONS)
    if cell.figure == "total_revenue":
        return found.revenue
    return found.unique if cell.figure == "converted_users" else found.total
