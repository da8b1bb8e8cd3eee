"""A definition service over an empty workspace, with runs that are only written down."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from campanile.campaigns.service import CampaignService
from campanile.clock import FixedClock
from campanile.jobs.schedule import Slot
from campanile.metadata import Metadata
from campanile.reports.definitions import DefinitionService
from campanile.reports.schemas import ReportDefinition
from campanile.workspaces.schemas import CreatedWorkspace, Workspace
from campanile.workspaces.secrets import MasterKey
from campanile.workspaces.service import WorkspaceService
from tests.reports.samples import KOLKATA


class WrittenRuns:
    """Stands in for the service of runs."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.newest: dict[str, Any] = {}

    def start(
        self, definition: ReportDefinition, *, file_date: date, window: tuple[date, date] | None, trigger: str, by: str
    ) -> Any:
        self.calls.append(("start", definition.id, definition.version, file_date, window, trigger))
        return {"id": f"run-{len(self.calls)}", "file_date": file_date}

    def backfill(
        self, definition: ReportDefinition, slots: Sequence[Slot], *, overwrite: bool, by: str
    ) -> Sequence[Any]:
        self.calls.append(("backfill", definition.id, [slot.file_date for slot in slots], overwrite))
        return [{"id": f"run-{slot.file_date}"} for slot in slots]

    def latest(self, workspace_id: str, definition_ids: Collection[str]) -> Mapping[str, Any]:
        return {name: self.newest[name] for name in definition_ids if name in self.newest}

    def retire(self, workspace_id: str, definition_id: str) -> None:
        self.calls.append(("retire", workspace_id, definition_id))


class Shop(NamedTuple):
    """Everything the tests of definitions need."""

    metadata: Metadata
    clock: FixedClock
    workspaces: WorkspaceService
    campaigns: CampaignService
    runs: WrittenRuns
    definitions: DefinitionService
    owner: CreatedWorkspace
    stranger: CreatedWorkspace

    @property
    def workspace(self) -> Workspace:
        """The owner's, as it is now."""
        found = self.workspaces.get(self.owner.workspace.id)
        assert found is not None
        return found


def open_shop(metadata: Metadata, clock: FixedClock) -> Shop:
    workspaces = WorkspaceService(metadata, MasterKey("a master key of at least 32 characters"), clock)
    campaigns, runs = CampaignService(metadata, clock), WrittenRuns()

    return Shop(
        metadata,
        clock,
        workspaces,
        campaigns,
        runs,
        DefinitionService(metadata, clock, campaigns, runs),
        workspaces.create("Shop", id="SHOP", timezone=KOLKATA),
        workspaces.create("Stranger", id="STRANGER"),
    )
