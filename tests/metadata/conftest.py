"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from campanile.metadata import Metadata
from tests.support.metadata import sqlite_metadata


@pytest.fixture
def sqlite(_sqlite_template: Path, tmp_path: Path) -> Iterator[Metadata]:
    """SQLite, for what PostgreSQL does in its own way."""
    with sqlite_metadata(_sqlite_template, tmp_path) as opened:
        yield opened
