"""Fixtures of these tests."""

from __future__ import annotations

import pytest

from campanile.campaigns.service import CampaignService
from campanile.clock import FixedClock
from campanile.metadata import Metadata
from campanile.workspaces.schemas import Workspace
from campanile.workspaces.secrets import MasterKey
from campanile.workspaces.service import WorkspaceService
from tests.campaigns.samples import DOCUMENTS, lines


@pytest.fixture
def workspaces(metadata: Metadata, clock: FixedClock) -> WorkspaceService:
    return WorkspaceService(metadata, MasterKey("a master key of at least 32 characters"), clock)


@pytest.fixture
def workspace(workspaces: WorkspaceService) -> Workspace:
    return workspaces.create("Shop", id="W").workspace


@pytest.fixture
def campaigns(metadata: Metadata, clock: FixedClock, workspace: Workspace) -> CampaignService:
    """The service over an empty workspace, on either database."""
    return CampaignService(metadata, clock)


@pytest.fixture
def shop(campaigns: CampaignService) -> CampaignService:
    """The service over the sample campaigns."""
    report = campaigns.import_lines("W", lines(*DOCUMENTS))
    assert report.created == len(DOCUMENTS)
    return campaigns
