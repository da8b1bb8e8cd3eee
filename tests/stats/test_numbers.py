"""The SQL counts what the oracle counts, on both back ends."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given

from campanile.engine import Engine
from campanile.metrics.registry import COUNTS
from campanile.stats.numbers import CampaignNumbers
from tests.oracle import model
from tests.oracle.fixtures import NAMES, load, workspace
from tests.oracle.histories import History, histories
from tests.support.log import measured, write
from tests.support.sampling import examples

pytestmark = pytest.mark.slow

_names = itertools.count()


def compare(numbers: CampaignNumbers, past: model.Workspace, campaign_id: str) -> None:
    """Every node the oracle has, with the same numbers; no other node but those over one single platform."""
    expected = model.measure(past, campaign_id)
    found = dict(numbers.nodes)
    if not any(key[0] == "ALL_PLATFORMS" for key in expected):
        found = {key: node for key, node in found.items() if key[0] != "ALL_PLATFORMS"}
    assert found.keys() == expected.keys(), campaign_id
    for key, node in expected.items():
        ours = found[key]
        if not node.control_group:
            counted = {name: pair for name, pair in node.counts.items() if name in COUNTS and pair.total}
            assert {name: pair for name, pair in ours.counts.items() if name in COUNTS} == counted, (campaign_id, key)
        assert ours.funnel == node.funnel, (campaign_id, key)
        assert {reason: pair for reason, pair in ours.failures.items() if pair.total} == node.failures, (
            campaign_id,
            key,
        )


@pytest.mark.parametrize("name", NAMES)
def test_golden_numbers(engine: Engine, name: str) -> None:
    past = workspace(load(name))
    write(engine, "w", model.deduplicated(past.events))
    numbers = asyncio.run(measured(engine, past))
    for campaign in past.campaigns:
        compare(numbers[campaign["campaign_id"]], past, campaign["campaign_id"])


def test_random_histories(engine: Engine) -> None:
    @examples(60, engine)
    @given(history=histories())
    def holds(history: History) -> None:
        past = history.workspace()
        identifier = f"w{next(_names)}"
        write(engine, identifier, model.deduplicated(past.events))
        numbers = asyncio.run(measured(engine, past, identifier))
        for campaign in past.campaigns:
            compare(numbers[campaign["campaign_id"]], past, campaign["campaign_id"])

    holds()
