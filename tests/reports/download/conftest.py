"""The application of the vectors, once per module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from campanile.settings import Settings
from tests.reports.download.fixture import application, world_of_vectors
from tests.reports.runs.world import World
from tests.support.processes import scratch_folder


@pytest.fixture(scope="module")
def files() -> Iterator[World]:
    """The workspaces and files of the vectors."""
    with scratch_folder("downloads") as folder:
        world = world_of_vectors(folder)
        yield world
        world.metadata.close()


@pytest.fixture
def app(files: World) -> Any:
    """A fresh application over them: nobody has failed yet."""
    return application(files, Settings(report_calls=10**6))
