"""Doing the jobs of deliveries: each message until it is taken, refused for good, or too old."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import anyio
import anyio.to_thread
import structlog

from campanile.clock import Clock
from campanile.jobs.queue import Job, Queue
from campanile.metadata import Metadata
from campanile.reports import repository as definitions
from campanile.reports.delivery.email import MailNotSent, MailRefused, MailServer, send
from campanile.reports.delivery.messages import Facts, Sender, mail, notification
from campanile.reports.delivery.secrets import link_token, webhook_secret
from campanile.reports.delivery.webhook import WebhookFailed, WebhookRefused, WebhookSender
from campanile.reports.files.store import FileStore, FileUnreadable, StoreUnavailable
from campanile.reports.runs import repository
from campanile.reports.runs.schemas import Delivery, File, Run
from campanile.reports.schemas import EmailDelivery, ReportSpec
from campanile.workspaces.schemas import Workspace
from campanile.workspaces.service import WorkspaceService

MAIL_PAUSES = tuple(timedelta(minutes=minutes) for minutes in (5, 20, 60))
"""Pauses between the attempts to send a mail."""
WEBHOOK_PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=6),
    timedelta(hours=10),
)
"""Pauses between the eight attempts to post a webhook: the steps of Standard Webhooks, within a day."""
LINK_PATH = "/v1/export/file/"

_log = structlog.get_logger("campanile.reports")


class _Task(NamedTuple):
    """Everything about one message."""

    run: Run
    number: int
    delivery: Delivery
    facts: Facts
    workspace: Workspace
    attach: bool
    """Whether a small file may go along."""


class DeliveryService:
    """Handles the jobs of deliveries.

    Args:
        mail_server: None if no mail can be sent.
        base_url: public address of this server, for links.
        attachment_bytes: files up to this size are attached.
    """

    def __init__(
        self,
        metadata: Metadata,
        clock: Clock,
        queue: Queue,
        workspaces: WorkspaceService,
        store: FileStore,
        webhooks: WebhookSender,
        mail_server: MailServer | None,
        sender: Sender,
        *,
        base_url: str,
        attachment_bytes: int,
    ) -> None:
        self._metadata = metadata
        self._clock = clock
        self._queue = queue
        self._workspaces = workspaces
        self._store = store
        self._webhooks = webhooks
        self._mail_server = mail_server
        self._sender = sender
        self._base_url = base_url.rstrip("/")
        self._attachment_bytes = attachment_bytes

    def close(self) -> None:
        self._webhooks.close()

    async def handle(self, job: Job) -> None:
        """Send one message, or put it off.

        Raises:
            HoldLost: the job is another worker's; the message may be sent twice, under the same id.
        """
        task = await anyio.to_thread.run_sync(self._load, job)
        if task is None:
            return
        attachment = await self._attachment(task) if task.attach and task.run.file is not None else None
        await anyio.to_thread.run_sync(self._attempt, job, task, attachment)

    def _load(self, job: Job) -> _Task | None:
        run_id, _, number = job.key.rpartition("/")
        with self._queue.holding(job) as connection:
            run = repository.find_run(connection, run_id, self._clock.now())
            delivery = None if run is None else repository.delivery(connection, run_id, int(number))
            workspace = None if run is None else self._workspaces.get(run.workspace_id)
            spec = None
            if run is not None and run.definition_id is not None:
                spec = definitions.spec_of(connection, run.definition_id, run.definition_version)
            if run is None or delivery is None or workspace is None or spec is None or delivery.state != "PENDING":
                self._queue.finish(connection, job)
                return None
        login = any(isinstance(found, EmailDelivery) and found.require_login for found in spec.delivery)
        facts = self._facts(run, delivery, workspace, spec)
        attach = bool(
            delivery.type == "email"
            and facts.link
            and not login
            and run.file is not None
            and run.file.size <= self._attachment_bytes
        )
        return _Task(run, int(number), delivery, facts, workspace, attach)

    def _facts(self, run: Run, delivery: Delivery, workspace: Workspace, spec: ReportSpec) -> Facts:
        link = ""
        if delivery.event == "SUCCESSFUL" and run.file is not None and self._clock.now() < run.file.expires_at:
            link = f"{self._base_url}{LINK_PATH}{link_token(workspace, run.file.id)}"
        return Facts(
            run=run, report_name=spec.name, event=delivery.event, timezone=workspace.settings.timezone, link=link
        )

    async def _attachment(self, task: _Task) -> bytes | None:
        """The bytes of the file; None if they cannot be read: the link says more then."""
        file: File | None = task.run.file
        if file is None:
            return None
        try:
            chunks = await self._store.read(file.id, size=file.size, first=0, last=file.size - 1)
            return b"".join([chunk async for chunk in chunks])
        except (FileUnreadable, StoreUnavailable):
            return None

    def _attempt(self, job: Job, task: _Task, attachment: bytes | None) -> None:
        now = self._clock.now()
        pauses = MAIL_PAUSES if task.delivery.type == "email" else WEBHOOK_PAUSES
        note, again = "", False
        try:
            if job.attempts > len(pauses) + 1:
                raise MailRefused("a worker ended in the middle of every attempt")
            if task.delivery.type == "webhook":
                self._post(task)
            elif self._mail_server is None:
                raise MailRefused("no mail server is configured")
            else:
                target = task.delivery.target
                send(self._mail_server, mail(task.facts, target, self._sender, now=now, attachment=attachment))
        except (MailRefused, WebhookRefused) as error:
            note = str(error)
        except (MailNotSent, WebhookFailed) as error:
            note, again = str(error), job.attempts <= len(pauses)
        with self._queue.holding(job) as connection:
            if again:
                repository.change_delivery(
                    connection, task.run.id, task.number, attempts=job.attempts, at=now, note=note
                )
                self._queue.postpone(connection, job, now + pauses[job.attempts - 1])
                return
            state = "FAILED" if note else "SENT"
            repository.change_delivery(
                connection, task.run.id, task.number, state=state, attempts=job.attempts, at=now, note=note
            )
            self._queue.finish(connection, job)
        _log.info("report_delivered", run=task.run.id, type=task.delivery.type, state=state, attempts=job.attempts)

    def _post(self, task: _Task) -> None:
        self._webhooks.post(
            task.delivery.target,
            f"msg_{task.run.id}_{task.number}",
            notification(task.facts),
            webhook_secret(task.workspace),
            self._clock.now(),
        )
