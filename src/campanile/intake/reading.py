"""From the plain bytes of a request to a batch that can be stored: all the work that needs nothing but a processor."""

from __future__ import annotations

from datetime import datetime

import msgspec

from campanile.intake.batch import Batch
from campanile.intake.decode import Format
from campanile.intake.parse import parse_events
from campanile.intake.policy import Policy
from campanile.intake.verdicts import ParsedBatch
from campanile.workspaces.schemas import Workspace


class ReadingOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be read, and by which rules."""

    body: bytes
    format: Format
    workspace: Workspace
    policy: Policy
    received_at: datetime
    idempotency_key: str | None = None
    atomic: bool = False


class Reading(msgspec.Struct, frozen=True):
    """What was found."""

    parsed: ParsedBatch
    """The verdicts; its events have gone into the batch."""
    batch: Batch | None
    """None when there is nothing to store."""


def read_events(order: ReadingOrder) -> Reading:
    """Judge the events of a body and prepare those that may be stored.

    Raises:
        InvalidInput, PayloadTooLarge: the body cannot be read as a whole.
    """
    parsed = parse_events(
        order.body, order.format, order.policy, order.received_at, idempotency_key=order.idempotency_key
    )
    batch = None
    if parsed.events and not (order.atomic and parsed.rejections):
        batch = Batch(order.workspace, parsed.events, order.received_at, atomic=order.atomic)
    return Reading(msgspec.structs.replace(parsed, events=[]), batch)
