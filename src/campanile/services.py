"""Everything a request handler may use, put together once per process."""

from __future__ import annotations

import anyio.to_thread
import msgspec

from campanile.audit.service import AuditService
from campanile.campaigns.companion.service import CompanionService
from campanile.campaigns.service import CampaignService
from campanile.clock import Clock
from campanile.dashboard.rendering import Renderer
from campanile.engine import Engine
from campanile.experiments.service import ExperimentService
from campanile.hooks.service import HookService
from campanile.http.rate_limit import Limiter
from campanile.intake.service import IntakeService
from campanile.metadata import Metadata
from campanile.metadata.idempotency import IdempotencyKeys
from campanile.reports.definitions import DefinitionService
from campanile.reports.download.service import DownloadService
from campanile.reports.office import ReportOffice
from campanile.reports.preview import PreviewService
from campanile.reports.runs.service import RunService
from campanile.settings import Settings
from campanile.stats.analysis import Analysis
from campanile.stats.numbers import NumbersService
from campanile.stats.service import StatsService
from campanile.stats.settled.credits import SettledCredits
from campanile.stats.settled.service import SettledAnswers
from campanile.users.service import UserService
from campanile.workspaces.service import WorkspaceService


class Services(msgspec.Struct, frozen=True):
    """The services of one server process."""

    settings: Settings
    clock: Clock
    metadata: Metadata
    engine: Engine
    limiter: Limiter
    workspaces: WorkspaceService
    campaigns: CampaignService
    intake: IntakeService
    hooks: HookService
    numbers: NumbersService
    settled: SettledAnswers
    settled_credits: SettledCredits
    stats: StatsService
    experiments: ExperimentService
    analysis: Analysis
    companion: CompanionService
    idempotency: IdempotencyKeys
    definitions: DefinitionService
    previews: PreviewService
    office: ReportOffice
    users: UserService
    audit: AuditService
    pages: Renderer

    @property
    def runs(self) -> RunService:
        return self.office.runs

    @property
    def downloads(self) -> DownloadService:
        return self.office.downloads

    def settle_all(self) -> None:
        """Wait for the integers of everything that was asked for."""
        self.settled.settle_all()
        self.settled_credits.settle_all()

    async def close(self) -> None:
        """End what works in the background, then close the stores."""
        await self.office.close()
        await self.hooks.close()
        await self.intake.close()
        await anyio.to_thread.run_sync(self.settled.close)
        await anyio.to_thread.run_sync(self.settled_credits.close)
        await anyio.to_thread.run_sync(self.engine.close)
        self.metadata.close()
