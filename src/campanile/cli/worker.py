"""`campanile worker`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from campanile.cli.options import Config, Data, settings_of
from campanile.errors import ConfigurationError
from campanile.settings import Settings

if TYPE_CHECKING:
    from campanile.services import Services

JOBS = 2
"""Reports and deliveries at the same time, where the settings leave them to workers and do not say how many."""


def worker(
    *,
    jobs: Annotated[int | None, Parameter(help="Reports made at the same time (CAMPANILE_REPORT_JOBS; 2).")] = None,
    data: Data = None,
    config: Config = None,
) -> int:
    """Make reports and deliver them, beside servers, until SIGTERM or Ctrl-C; several workers may run.

    Needs a ClickHouse server, and the settings of the servers: the same event store, metadata database, report files
    and secret key. What is being made is given back at the end, and another worker makes it.
    """
    settings = worker_settings(settings_of(config, data=data), jobs)

    from campanile.app import build_services  # large; after the settings, so that their errors show at once
    from campanile.clock import SystemClock
    from campanile.http.logs import configure_logging

    configure_logging(settings.log_level)
    asyncio.run(_run(build_services(settings, SystemClock())))
    return 0


def worker_settings(settings: Settings, jobs: int | None) -> Settings:
    """The settings of a worker that shares everything else with its servers.

    Raises:
        ConfigurationError: the event store cannot be shared, or there is nothing to do; says what to do.
    """
    if settings.resolved_engine_url.startswith("chdb"):
        raise ConfigurationError(
            "the embedded event store can be opened by one process, and the server makes the reports there: set "
            "CAMPANILE_REPORT_JOBS for more at the same time. Workers need a ClickHouse server (CAMPANILE_ENGINE_URL), "
            "and the server's metadata database, report files and secret key",
            attribute="engine_url",
        )
    if jobs is not None and jobs < 1:
        raise ConfigurationError("--jobs must be at least 1", attribute="report_jobs")
    return msgspec.structs.replace(settings, report_jobs=jobs or settings.report_jobs or JOBS)


async def _run(services: Services) -> None:
    import structlog

    from campanile.cli.serving import stop_signals

    log = structlog.get_logger("campanile.worker")
    stopping = asyncio.Event()
    try:
        with stop_signals(stopping):
            services.office.start()
            log.info("ready", jobs=services.settings.report_jobs)
            await stopping.wait()
            log.info("stopping")
    finally:
        await services.close()
    log.info("stopped")
