"""The composition root: settings in, a Litestar application out."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from litestar import Litestar
from litestar.di import Provide

from campanile.attribution.repository import ConversionRepository
from campanile.attribution.rows import RowConversions
from campanile.attribution.service import ConversionService
from campanile.audit.service import AuditService
from campanile.campaigns.companion.openapi import OPERATIONS as COMPANION_OPERATIONS
from campanile.campaigns.companion.routes import companion_routes
from campanile.campaigns.companion.service import CompanionService
from campanile.campaigns.openapi import OPERATIONS as CAMPAIGN_OPERATIONS
from campanile.campaigns.routes import campaign_routes
from campanile.campaigns.service import CampaignService
from campanile.clock import Clock, SystemClock
from campanile.dashboard.assets import Assets
from campanile.dashboard.reference.routes import reference_route
from campanile.dashboard.rendering import Renderer
from campanile.dashboard.routes import dashboard_routes
from campanile.engine import Engine, open_engine
from campanile.experiments.openapi import OPERATIONS as EXPERIMENT_OPERATIONS
from campanile.experiments.routes import experiment_routes
from campanile.experiments.service import ExperimentService
from campanile.hooks.openapi import OPERATIONS as HOOK_OPERATIONS
from campanile.hooks.routes import hook_routes
from campanile.hooks.service import HookService
from campanile.http.campaign_errors import campaign_envelopes
from campanile.http.errors import ErrorRenderer
from campanile.http.health import health_routes
from campanile.http.middleware import wrap
from campanile.http.openapi import document, openapi_route
from campanile.http.pages import page_errors
from campanile.http.postman import postman_route
from campanile.http.proxies import trusted_networks
from campanile.http.rate_limit import open_limiter
from campanile.intake.openapi import OPERATIONS as INTAKE_OPERATIONS
from campanile.intake.routes import intake_routes
from campanile.intake.service import IntakeService
from campanile.metadata import migrate, open_metadata
from campanile.metadata.idempotency import IdempotencyKeys
from campanile.net.fetch import Fetcher
from campanile.reports.definitions import DefinitionService
from campanile.reports.download.openapi import OPERATIONS as DOWNLOAD_OPERATIONS
from campanile.reports.download.routes import download_envelopes, download_routes
from campanile.reports.office import ReportOffice
from campanile.reports.openapi import OPERATIONS as REPORT_OPERATIONS
from campanile.reports.preview import PreviewService
from campanile.reports.routes import report_routes
from campanile.reports.rows import RowsService
from campanile.reports.rows_repository import RowsRepository
from campanile.reports.runs.openapi import OPERATIONS as RUN_OPERATIONS
from campanile.reports.runs.routes import run_routes
from campanile.services import Services
from campanile.settings import Settings
from campanile.stats.analysis import Analysis
from campanile.stats.numbers import NumbersService
from campanile.stats.openapi import OPERATIONS as STATS_OPERATIONS
from campanile.stats.repository import StatsRepository
from campanile.stats.routes import stats_routes
from campanile.stats.service import StatsService
from campanile.stats.settled.credits import SettledCredits
from campanile.stats.settled.repository import SettledRepository
from campanile.stats.settled.service import SettledAnswers
from campanile.users.service import UserService
from campanile.workspaces.schemas import Workspace
from campanile.workspaces.secrets import load_master_key
from campanile.workspaces.service import WorkspaceService

OPERATIONS = (
    *STATS_OPERATIONS,
    *INTAKE_OPERATIONS,
    *COMPANION_OPERATIONS,
    *CAMPAIGN_OPERATIONS,
    *EXPERIMENT_OPERATIONS,
    *REPORT_OPERATIONS,
    *RUN_OPERATIONS,
    *DOWNLOAD_OPERATIONS,
    *HOOK_OPERATIONS,
)
"""Everything the API offers, for its description."""


def build_services(settings: Settings, clock: Clock) -> Services:
    """Open everything a server needs: master key, metadata, engine; bring both schemas up to date.

    Raises:
        ConfigurationError: the operator has to change something. EngineUnavailable: the store does not answer.
    """
    settings.data_path.mkdir(parents=True, exist_ok=True)
    master_key = load_master_key(settings)
    metadata = open_metadata(settings.resolved_metadata_url)
    migrate(metadata.engine)
    engine = open_engine(settings)
    engine.migrate()
    workspaces = WorkspaceService(metadata, master_key, clock, noticed=partial(_note_merges, engine))
    audit = AuditService(metadata, clock)
    campaigns = CampaignService(metadata, clock)
    conversions = ConversionService(ConversionRepository(engine), campaigns)
    settling = SettledRepository(engine)
    settled = SettledAnswers(settling, clock, after=settings.settled_after)
    settled_credits = SettledCredits(conversions, settling, clock, after=settings.settled_after)
    on = settings.settled_after >= 0
    credits = settled_credits if on else conversions
    numbers = NumbersService(
        StatsRepository(engine), campaigns, conversions, settled if on else None, settled_credits if on else None
    )
    intake = IntakeService(engine, metadata, workspaces, campaigns, settings, clock, monotonic=time.monotonic)
    rows = RowsService(RowsRepository(engine), campaigns, RowConversions(engine, campaigns))
    stats = StatsService(campaigns, numbers)
    office = ReportOffice(settings, clock, metadata, workspaces, rows, intake.mark)
    return Services(
        settings=settings,
        clock=clock,
        metadata=metadata,
        engine=engine,
        limiter=open_limiter(settings.limiter_url, clock),
        workspaces=workspaces,
        campaigns=campaigns,
        intake=intake,
        hooks=HookService(engine, metadata, workspaces, intake, master_key, settings, clock, fetch=Fetcher()),
        numbers=numbers,
        settled=settled,
        settled_credits=settled_credits,
        stats=stats,
        experiments=ExperimentService(campaigns, conversions, stats, clock),
        analysis=Analysis(StatsRepository(engine), campaigns, numbers, credits),
        companion=CompanionService(metadata, stats, clock),
        idempotency=IdempotencyKeys(metadata, clock),
        definitions=DefinitionService(metadata, clock, campaigns, office.runs),
        previews=PreviewService(rows, intake.mark, clock),
        office=office,
        users=UserService(metadata, master_key, clock, audit),
        audit=audit,
        pages=Renderer(Assets()),
    )


def _note_merges(engine: Engine, workspace: Workspace) -> None:
    """Merges of users that another process has completed count from the next question on."""
    if workspace.merged_through is not None:
        engine.note_merges(workspace.id, workspace.merged_through)


def create_app(settings: Settings, clock: Clock | None = None) -> Litestar:
    """The application over freshly opened services; they are closed when the application shuts down."""
    services = build_services(settings, clock or SystemClock())
    return application(services)


def application(services: Services) -> Litestar:
    """The application over `services`, which it starts and closes."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await services.intake.start()
        await services.hooks.start()
        services.office.start()
        try:
            yield
        finally:
            await services.close()

    checks = {
        "engine": services.engine.ping,
        "metadata": services.metadata.ping,
        "files": services.office.check,
        "limiter": services.limiter.check,
    }
    envelopes = {**download_envelopes(), **campaign_envelopes()}
    description = document(OPERATIONS)
    app = Litestar(
        route_handlers=[
            *health_routes(checks, spared={"files"}),
            openapi_route(OPERATIONS),
            postman_route(description),
            reference_route(description),
            *stats_routes(),
            *intake_routes(),
            *companion_routes(),
            *campaign_routes(),
            *experiment_routes(),
            *report_routes(),
            *run_routes(),
            *download_routes(),
            *hook_routes(),
            *dashboard_routes(),
        ],
        dependencies={"services": Provide(lambda: services, sync_to_thread=False)},
        exception_handlers={Exception: ErrorRenderer(envelopes, page=page_errors(services.pages))},
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,  # logging belongs to the process
        request_max_body_size=None,  # every route has a limit of its own
    )
    app.state.services = services
    return wrap(app, trusted=trusted_networks(services.settings.trusted_proxies))
