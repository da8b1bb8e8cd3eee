"""Fixtures of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from campanile.clock import FixedClock
from campanile.metadata import Metadata
from tests.reports.runs.world import NOW, World


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def world(metadata: Metadata, clock: FixedClock, tmp_path: Path) -> World:
    """One process on either database, with the workspace W."""
    made = World(metadata, clock, tmp_path)
    made.workspace()
    return made
