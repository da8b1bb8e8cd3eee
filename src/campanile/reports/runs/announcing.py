"""Who is told about the end of a run (report specification 5.2, 7.2, 13)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from campanile.jobs.queue import Queue
from campanile.metadata import Connection
from campanile.reports.runs import repository
from campanile.reports.runs.schemas import Delivery, Run, RunState
from campanile.reports.schemas import EmailDelivery, ReportSpec, WebhookDelivery

DELIVERY_JOB = "report_delivery"
"""Kind of the jobs that tell somebody; their key is `<run>/<number>`."""


def announce(
    connection: Connection, queue: Queue, run: Run, spec: ReportSpec, state: RunState, owner: str, now: datetime
) -> None:
    """Store and queue the messages about a run that got into a final state.

    Args:
        owner: address that is told about a failure; empty if nobody is to be.
    """
    deliver(connection, queue, run, list(_deliveries(spec, state, owner, now)), now)


def deliver(connection: Connection, queue: Queue, run: Run, deliveries: Sequence[Delivery], now: datetime) -> None:
    """Store and queue messages about a run."""
    for number in repository.add_deliveries(connection, run.id, deliveries):
        queue.add(connection, DELIVERY_JOB, f"{run.id}/{number}", due_at=now)


def pending(kind: str, target: str, event: RunState, now: datetime) -> Delivery:
    """A message that waits to be sent."""
    return Delivery(
        type="email" if kind == "email" else "webhook", target=target, event=event, state="PENDING", at=now, note=""
    )


def _deliveries(spec: ReportSpec, state: RunState, owner: str, now: datetime) -> Iterator[Delivery]:
    for delivery in spec.delivery:
        match delivery:
            case EmailDelivery(recipients=recipients) if state in ("SUCCESSFUL", "NO_DATA"):
                for address in recipients:
                    yield pending("email", address, state, now)
            case WebhookDelivery(url=url):
                yield pending("webhook", url, state, now)
            case _:
                continue
    if state == "FAILED" and owner:
        yield pending("email", owner, state, now)
