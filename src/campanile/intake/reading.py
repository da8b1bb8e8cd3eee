"""From the plain bytes of a request to a batch that can be stored: all the work that needs nothing but a processor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from campanile.intake.batch import Batch
from campanile.intake.bulk import plain_events
from campanile.intake.decode import Format
from campanile.intake.parse import judge
from campanile.intake.policy import Policy
from campanile.intake.records import Records, split
from campanile.intake.validate import Validator
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
    policy = order.policy
    records = split(order.body, order.format, policy.limits, "events")
    validator = Validator(policy, order.received_at, order.idempotency_key)
    plain = None
    if records.defaults is None and records.offsets is None:
        plain = plain_events(_on_one_line(records, order.body), validator, policy.limits)
    taken = [] if plain is None else plain.indexes.tolist()
    others = sorted(set(range(len(records.raws))).difference(taken)) if taken else range(len(records.raws))
    parsed = judge(records, order.body, policy, validator, others)
    batch = None
    if (parsed.events or taken) and not (order.atomic and parsed.rejections):
        batch = Batch(
            order.workspace,
            parsed.events,
            order.received_at,
            plain=plain,
            atomic=order.atomic,
            implied_attempts=policy.implied_attempts,
        )
    return Reading(msgspec.structs.replace(parsed, events=[], indexes=[*parsed.indexes, *taken]), batch)


def _on_one_line(records: Records, body: bytes) -> Sequence[bytes]:
    """The records without line breaks, which in JSON stand between values only."""
    if records.lines is not None or b"\n" not in body:
        return records.raws
    return [raw.replace(b"\n", b" ") for raw in records.raws]
