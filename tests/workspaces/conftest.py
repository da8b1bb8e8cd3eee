"""Fixtures of these tests."""

from __future__ import annotations

import pytest

from campanile.clock import FixedClock
from campanile.metadata import Metadata
from campanile.workspaces.secrets import MasterKey
from campanile.workspaces.service import WorkspaceService

MASTER = MasterKey("a master key of at least 32 characters")


@pytest.fixture
def workspaces(metadata: Metadata, clock: FixedClock) -> WorkspaceService:
    """The service, on either database."""
    return WorkspaceService(metadata, MASTER, clock)
