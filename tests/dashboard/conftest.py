"""Fixtures of the dashboard's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import NOW
from tests.dashboard.site import Site, opened
from tests.support.engines import EmbeddedEngine


@pytest.fixture(scope="module")
def site(embedded: EmbeddedEngine) -> Iterator[Site]:
    """The dashboard, shared by the tests of one file."""
    with opened(embedded, NOW) as site:
        yield site
