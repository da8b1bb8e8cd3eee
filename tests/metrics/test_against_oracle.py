"""Row classes, stages and formulas give the numbers of the rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from campanile.metrics.channels import CHANNELS
from campanile.metrics.formulas import conversion_base
from campanile.metrics.pairs import MetricType
from tests.metrics.log import Log
from tests.oracle.fixtures import NAMES, load, workspace
from tests.oracle.histories import History, histories
from tests.oracle.model import Campaign, Workspace, measure
from tests.oracle.tree import leaf, nested, tree

TYPES: tuple[MetricType, ...] = ("TOTAL", "UNIQUE")


def built(asked: Workspace, campaign: Campaign, expected: dict[str, Any], metric_type: MetricType) -> dict[str, Any]:
    """The tree with the nodes of `expected`, every number from the product's tables; control groups as they are."""
    log = Log(asked, campaign)
    leaves: dict[tuple[str, str, str], Any] = {}
    for platform, locales in expected["platforms"].items():
        for locale, variations in locales["locales"].items():
            for variation, given_ in variations["variations"].items():
                key = (platform, locale, variation)
                leaves[key] = given_ if "performance_stats" not in given_ else log_leaf(log, key, metric_type)
    return nested(leaves)


def log_leaf(log: Log, key: tuple[str, str, str], metric_type: MetricType) -> dict[str, Any]:
    stats = log.performance(key, metric_type)
    channel = CHANNELS[log.channel]
    extended = {name: stats[name] for name in channel.extended_fields if name in stats}
    return {
        "performance_stats": {name: stats[name] for name in channel.fields},
        **({"performance_stats_extended": extended} if extended else {}),
        "delivery_funnel": {step: pair.under(metric_type) for step, pair in log.funnel(key).items()},
        "failure_breakdown": {reason: pair.under(metric_type) for reason, pair in log.failures(key).items()},
    }


@pytest.mark.parametrize("metric_type", TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_golden_fixtures(name: str, metric_type: MetricType) -> None:
    fixture = load(name)
    asked = workspace(fixture)
    for campaign in fixture["campaigns"]:
        expected = fixture["expected"][metric_type][campaign["campaign_id"]]
        assert built(asked, campaign, expected, metric_type) == expected
        assert built(asked, campaign, expected, metric_type) == tree(asked, campaign["campaign_id"], metric_type)


@settings(deadline=None)
@given(histories())
def test_random_histories(history: History) -> None:
    asked = history.workspace()
    for campaign in history.campaigns:
        log = Log(asked, campaign)
        for key, node in measure(asked, campaign["campaign_id"]).items():
            if node.control_group:
                continue
            counts = log.counts(key)
            for metric, pair in node.counts.items():
                if metric != "removed":  # no metric of its own: the breakdown shows it
                    assert counts.get(metric, (0, 0)) == pair, metric
            steps = log.funnel(key)
            assert list(steps) == list(node.funnel)
            assert [tuple(pair) for pair in steps.values()] == [tuple(pair) for pair in node.funnel.values()]
            for metric_type in TYPES:
                assert log_leaf(log, key, metric_type) == leaf(asked, campaign, node, metric_type)


def test_conversion_bases_come_from_the_same_counts() -> None:
    fixture = load("metrics_email")
    log = Log(workspace(fixture), fixture["campaigns"][0])
    counts = log.counts(("EMAIL", "all_locales", "all_variations"))
    assert conversion_base("EMAIL", "VIEW_THROUGH", counts, True) == 5
    assert conversion_base("EMAIL", "CLICK_THROUGH", counts, True) == 4
