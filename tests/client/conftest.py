"""A server that fails as told, and the two kinds of clients that ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.callers import KINDS
from tests.client.faulty import FaultyServer, running


@pytest.fixture(scope="module", name="server")
def _server() -> Iterator[FaultyServer]:
    with running() as server:
        yield server


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found
