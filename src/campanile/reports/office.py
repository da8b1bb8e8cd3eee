"""Everything that runs, files and deliveries need, put together; what works in the background starts and ends here."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import anyio.to_thread

from campanile.clock import Clock
from campanile.jobs.queue import Queue
from campanile.jobs.worker import Regular, Worker
from campanile.metadata import Metadata
from campanile.reports.delivery.email import parse_smtp
from campanile.reports.delivery.messages import Sender
from campanile.reports.delivery.service import DeliveryService
from campanile.reports.delivery.webhook import WebhookSender
from campanile.reports.download.service import DownloadService
from campanile.reports.files.store import FileStore, open_store
from campanile.reports.runs.announcing import DELIVERY_JOB
from campanile.reports.runs.daily import DailyPlanner, parse_time
from campanile.reports.runs.generation import Generator, Rows
from campanile.reports.runs.orders import RUN_JOB
from campanile.reports.runs.schemas import RUN_MEMORY
from campanile.reports.runs.service import RUNS_AT_ONCE, RunService
from campanile.settings import Settings
from campanile.workspaces.service import WorkspaceService

PLAN_SECONDS = 2.0
"""Pause between two looks at slots that are due."""
DAILY_SECONDS = 30.0
"""The same for daily dumps."""
PURGE_SECONDS = 600.0
"""Pause between two purges: bytes are gone well within an hour of their expiry."""
FORGET_SECONDS = 3600.0
"""Pause between two looks for runs that are not listed any more, and for what crashed workers left."""
ORPHAN_AGE = timedelta(hours=24)
"""Age at which an object that no run knows is deleted; longer than any run may take."""


class ReportOffice:
    """The services of finished reports and the worker that makes them.

    Attributes:
        runs: lists, plans, cancels runs; what definitions call `Runs`.
        downloads: finds files.
        worker: makes and delivers them, once it is started.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        metadata: Metadata,
        workspaces: WorkspaceService,
        rows: Rows,
        mark: Callable[[str], int],
    ) -> None:
        """
        Args:
            mark: workspace → the mark up to which its events are seen now; blocks.

        Raises:
            ConfigurationError: a setting of files, mails or daily dumps cannot be used.
        """
        self._parallel = settings.report_jobs
        owner = f"{socket.gethostname()}/{os.getpid()}"
        self.queue = Queue(metadata, clock, owner=owner, at_once={RUN_JOB: RUNS_AT_ONCE})
        self.store: FileStore = open_store(settings.resolved_files_url)
        self.runs = RunService(metadata, clock, workspaces, self.queue, self.store, self._notify)
        self.downloads = DownloadService(
            metadata, clock, workspaces, self.store, hide_unknown=settings.hide_unknown_app_id
        )
        generator = Generator(
            metadata,
            clock,
            self.queue,
            workspaces,
            self.store,
            rows,
            mark,
            settings.data_path / "scratch",
            daily_life=timedelta(days=settings.daily_dump_days),
        )
        domain = urlsplit(settings.resolved_base_url).hostname or "localhost"
        self._deliveries = DeliveryService(
            metadata,
            clock,
            self.queue,
            workspaces,
            self.store,
            WebhookSender(allow_private=settings.webhooks_to_private_addresses),
            parse_smtp(settings.smtp_url),
            Sender(address=settings.mail_from, subject=settings.mail_subject, domain=domain),
            base_url=settings.resolved_base_url,
            attachment_bytes=settings.mail_attachment_bytes,
        )
        self._daily = DailyPlanner(
            metadata, clock, self.queue, workspaces.list, self._notify, parse_time(settings.daily_dump_time)
        )
        self.worker = Worker(
            self.queue,
            {RUN_JOB: generator.handle, DELIVERY_JOB: self._deliveries.handle},
            regulars=[
                Regular("plan_reports", PLAN_SECONDS, self.runs.plan),
                Regular("plan_daily_dumps", DAILY_SECONDS, self._daily.plan),
                Regular("purge_files", PURGE_SECONDS, self.runs.purge),
                Regular("forget_runs", FORGET_SECONDS, lambda: self.runs.forget(RUN_MEMORY)),
                Regular("sweep_files", FORGET_SECONDS, lambda: self.runs.sweep(ORPHAN_AGE)),
            ],
            parallel=max(1, settings.report_jobs),
        )

    def start(self) -> None:
        """Begin to work in the background of the running event loop, unless the settings leave that to others."""
        if self._parallel > 0:
            self.worker.start()

    async def catch_up(self) -> int:
        """Plan and do everything that is due now; how many jobs that was."""
        await anyio.to_thread.run_sync(self.runs.plan)
        await anyio.to_thread.run_sync(self._daily.plan)
        return await self.worker.drain()

    async def close(self) -> None:
        """Give back what is being worked on."""
        await self.worker.stop()
        self._deliveries.close()

    def check(self) -> None:
        """Raise StoreUnavailable unless the store of files answers."""
        self.store.check()

    def _notify(self) -> None:
        self.worker.notify()
