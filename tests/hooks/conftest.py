"""A house for every test, over the shared engine and a copy of a migrated database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from campanile.clock import FixedClock
from campanile.engine import Engine
from tests.hooks.served import HookHouse


@pytest.fixture
def house(chdb_engine: Engine, tmp_path: Path, clock: FixedClock, _sqlite_template: Path) -> Iterator[HookHouse]:
    shutil.copy(_sqlite_template, tmp_path / "metadata.db")
    house = HookHouse(chdb_engine, tmp_path, clock)
    yield house
    house.close()
