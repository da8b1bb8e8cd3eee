"""An intake behind its routes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from campanile.clock import FixedClock
from campanile.engine import Engine
from tests.intake.served import Served


@pytest.fixture
def served(chdb_engine: Engine, tmp_path: Path, clock: FixedClock) -> Iterator[Served]:
    served = Served(chdb_engine, tmp_path, clock)
    yield served
    served.close()
