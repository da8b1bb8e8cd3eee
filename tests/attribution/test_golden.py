"""The engine credits what the worked examples say, on both back ends.

Examples with the same settings share a workspace in which they cannot meet: one question per attribution type answers
for all of them, on every back end once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from campanile.attribution.rules import ATTRIBUTIONS, CONTROL_GROUPS, Attribution
from campanile.attribution.service import ALL_TOGETHER
from campanile.engine import Engine
from tests.attribution.batch import Batch, Key
from tests.oracle.attribution import Fields, Result
from tests.oracle.attribution_cases import CASES
from tests.support.attribution import EVERYTHING, first_copies

pytestmark = pytest.mark.slow


class Found(NamedTuple):
    """What the engine says about one example."""

    batch: Batch
    number: int
    """Of the example in its batch."""
    credited: dict[Attribution, dict[Key, Result]]
    control: dict[Attribution, dict[Key, Result]]


@pytest.fixture(scope="module", params=["chdb", "cluster"])
def answers(request: pytest.FixtureRequest) -> dict[str, Found]:
    """By name of the example."""
    if request.param == "cluster":
        engine: Engine = request.getfixturevalue("_cluster_engine")
        engine.truncate()
    else:
        engine = request.getfixturevalue("embedded").take()
    alike: dict[str, list[str]] = defaultdict(list)
    for name, case in CASES.items():
        alike[repr(sorted(case["settings"].items()))].append(name)
    found: dict[str, Found] = {}
    for number, names in enumerate(alike.values()):
        found |= asyncio.run(ask(engine, f"w{number}", names))
    return found


async def ask(engine: Engine, identifier: str, names: list[str]) -> dict[str, Found]:
    """Store examples in two halves, then ask for all of them."""
    cases = [CASES[name] for name in names]
    batch = Batch([(case["campaigns"], first_copies(case["events"])) for case in cases], cases[0]["settings"])
    log = batch.log(engine, identifier)
    for half in (1, 2):
        log.take(batch.part(half, of=2))
    targets = [campaign.campaign_id for campaign in batch.campaigns]
    credited: dict[Attribution, dict[Key, Result]] = {}
    control: dict[Attribution, dict[Key, Result]] = {}
    for kind in ATTRIBUTIONS:
        levels = {target: [ALL_TOGETHER] for target in targets}
        credited[kind] = await batch.found(engine, identifier, kind, levels, EVERYTHING)
        control[kind], _ = await batch.found_control(engine, identifier, kind, targets, EVERYTHING)
    return {name: Found(batch, number, credited, control) for number, name in enumerate(names)}


@pytest.mark.parametrize("name", sorted(CASES))
def test_golden_numbers(answers: Mapping[str, Found], name: str) -> None:
    case, found = CASES[name], answers[name]

    def tree(numbers: Mapping[Key, Result]) -> dict[str, Any]:
        """`numbers` by campaign and goal of the example."""
        return {
            fields["campaign_id"]: {
                goal.name: shown(numbers.get((campaign.campaign_id, goal.name), Result())) for goal in campaign.goals
            }
            for fields in case["campaigns"]
            for campaign in [found.batch.campaign_of(found.number, fields["campaign_id"])]
        }

    for kind in ATTRIBUTIONS:
        everywhere = {(key[0], key[-1]): value for key, value in found.credited[kind].items()}
        assert tree(everywhere) == case["expected"][kind], kind
        for group in CONTROL_GROUPS:
            held = {
                (target, goal): value
                for (target, book, platform, goal), value in found.control[kind].items()
                if book == group and not platform
            }
            expected = case.get("expected_control", {}).get(group, {}).get(kind)
            assert tree(held) == (expected or tree({})), (kind, group)


def shown(value: Result) -> Fields:
    return {"total": value.total, "unique": value.unique, "revenue": value.revenue}
