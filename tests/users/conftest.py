"""Fixtures of these tests."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from campanile.audit.service import AuditService
from campanile.clock import FixedClock
from campanile.metadata import Metadata
from campanile.users.passwords import Passwords
from campanile.users.service import UserService
from campanile.workspaces.service import WorkspaceService
from tests.workspaces.conftest import MASTER

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Hashing must not take the time of these tests; that it is argon2id stays so."""
PASSWORD = "correct horse battery"


@pytest.fixture
def audit(metadata: Metadata, clock: FixedClock) -> AuditService:
    return AuditService(metadata, clock)


@pytest.fixture
def workspaces(metadata: Metadata, clock: FixedClock) -> WorkspaceService:
    """Two workspaces, `WA` and `WB`."""
    service = WorkspaceService(metadata, MASTER, clock)
    for name in ("A", "B"):
        service.create(name, id=f"W{name}")
    return service


@pytest.fixture
def users(metadata: Metadata, clock: FixedClock, audit: AuditService, workspaces: WorkspaceService) -> UserService:
    """The service, on either database."""
    return UserService(metadata, MASTER, clock, audit, Passwords(CHEAP))
