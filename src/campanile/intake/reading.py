"""From the plain bytes of a request to a batch that can be stored: all the work that needs nothing but a processor."""

from __future__ import annotations

from datetime import datetime

import msgspec

from campanile.intake.batch import Batch
from campanile.intake.bulk import PlainEvents, plain_events
from campanile.intake.decode import Format
from campanile.intake.parse import judge
from campanile.intake.policy import Policy
from campanile.intake.records import split
from campanile.intake.strict_json import may_hide_keys
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
    plain: list[PlainEvents] = []
    if records.defaults is None:
        plain = plain_events(records.raws, validator, policy.limits, countable=not may_hide_keys(order.body))
    judged = frozenset(index for part in plain for index in part.indexes)
    parsed = judge(records, order.body, policy, validator, judged)
    batch = None
    if (parsed.events or plain) and not (order.atomic and parsed.rejections):
        batch = Batch(
            order.workspace,
            parsed.events,
            order.received_at,
            plain=plain,
            atomic=order.atomic,
            implied_attempts=policy.implied_attempts,
        )
    indexes = [*parsed.indexes, *(index for part in plain for index in part.indexes)]
    return Reading(msgspec.structs.replace(parsed, events=[], indexes=indexes), batch)
