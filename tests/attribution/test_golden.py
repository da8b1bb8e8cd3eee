"""The engine credits what the worked examples say, on both back ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from campanile.attribution.rules import ATTRIBUTIONS, CONTROL_GROUPS
from campanile.attribution.schemas import NO_CONVERSIONS, Conversions
from campanile.attribution.service import ALL_TOGETHER
from campanile.engine import Engine
from tests.oracle.attribution_cases import CASES
from tests.support.attribution import EVERYTHING, ArrivingLog, campaigns, first_copies, service, workspace

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", sorted(CASES))
def test_golden_numbers(engine: Engine, name: str) -> None:
    case = CASES[name]
    everything = campaigns(case["campaigns"])
    channels = {item.campaign_id: item.channel for item in everything}
    log, facts = ArrivingLog(engine, "w", channels), first_copies(case["events"])
    for half in (facts[: len(facts) // 2], facts[len(facts) // 2 :]):
        log.take(half)
    conversions = service(engine, everything)
    place = workspace("w", case["settings"])

    async def measure() -> None:
        for kind in ATTRIBUTIONS:
            found = await conversions.credited(place, everything, [[ALL_TOGETHER]] * len(everything), EVERYTHING, kind)
            numbers = {(number, goal): value for (number, _, _, _, goal), value in found.items()}
            assert tree(everything, numbers) == case["expected"][kind], kind
            control = await conversions.control(place, dict(enumerate(everything)), EVERYTHING, kind)
            for group in CONTROL_GROUPS:
                held = {
                    (number, goal): value
                    for (number, book, platform, goal), value in control.conversions.items()
                    if book == group and not platform
                }
                expected = case.get("expected_control", {}).get(group, {}).get(kind)
                assert tree(everything, held) == (expected or tree(everything, {})), (kind, group)

    asyncio.run(measure())


def tree(everything: Any, numbers: Mapping[tuple[int, str], Conversions]) -> dict[str, Any]:
    return {
        item.campaign_id: {goal.name: shown(numbers.get((number, goal.name), NO_CONVERSIONS)) for goal in item.goals}
        for number, item in enumerate(everything)
    }


def shown(value: Conversions) -> dict[str, Any]:
    return {"total": value.total, "unique": value.unique, "revenue": value.revenue}
