"""The oracle gives every golden number."""

from __future__ import annotations

import pytest

from tests.oracle.fixtures import NAMES, load, workspace
from tests.oracle.tree import tree


def test_all_fixtures_are_there() -> None:
    assert len(NAMES) == 15


@pytest.mark.parametrize("metric_type", ["TOTAL", "UNIQUE"])
@pytest.mark.parametrize("name", NAMES)
def test_oracle_equals_golden(name: str, metric_type: str) -> None:
    fixture = load(name)
    expected = fixture["expected"][metric_type]
    assert {campaign: tree(workspace(fixture), campaign, metric_type) for campaign in expected} == expected
    assert set(expected) == {campaign["campaign_id"] for campaign in fixture["campaigns"]}
