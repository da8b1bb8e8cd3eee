"""Short ways to register campaigns, and to see what the database is asked meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import event

from campanile.campaigns.schemas import Campaign, CampaignHint
from campanile.campaigns.service import CampaignService
from campanile.errors import Problem
from campanile.metadata import Metadata
from campanile.workspaces.schemas import Workspace

SECOND = timedelta(seconds=1)


def one(campaigns: CampaignService, workspace: Workspace, *hints: CampaignHint) -> Campaign:
    outcomes = campaigns.register(workspace, hints)
    assert set(outcomes) == {item.campaign_id for item in hints}
    outcome = outcomes[hints[0].campaign_id]
    assert isinstance(outcome, Campaign), outcome
    return outcome


def problem(campaigns: CampaignService, workspace: Workspace, *hints: CampaignHint) -> tuple[str, str]:
    outcome = campaigns.register(workspace, hints)[hints[0].campaign_id]
    assert isinstance(outcome, Problem), outcome
    return outcome.type, outcome.attribute


@contextmanager
def statements(metadata: Metadata) -> Iterator[list[str]]:
    """What is sent to the database meanwhile."""
    seen: list[str] = []

    def note(*call: Any) -> None:
        seen.append(call[2])

    event.listen(metadata.engine, "before_cursor_execute", note)
    yield seen
    event.remove(metadata.engine, "before_cursor_execute", note)
