"""Everything a request handler may use, put together once per process."""

from __future__ import annotations

import msgspec

from campanile.campaigns.service import CampaignService
from campanile.clock import Clock
from campanile.engine import Engine
from campanile.http.rate_limit import Limiter
from campanile.intake.service import IntakeService
from campanile.metadata import Metadata
from campanile.settings import Settings
from campanile.stats.numbers import NumbersService
from campanile.stats.service import StatsService
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
    numbers: NumbersService
    stats: StatsService
