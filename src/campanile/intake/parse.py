"""From the plain bytes of a request to its events, with a verdict on every record (ingest specification 1.3, 1.9)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property

from campanile.errors import InvalidInput
from campanile.intake.decode import Format
from campanile.intake.event import Event
from campanile.intake.policy import Policy
from campanile.intake.records import Records, malformed, split
from campanile.intake.shapes import DEFAULT_FIELDS, KNOWN_FIELDS
from campanile.intake.strict_json import ExactReader, Malformed, fast, may_hide_keys
from campanile.intake.validate import Validator, is_event_id
from campanile.intake.verdicts import ParsedBatch, Refused, Rejection

_TWO_NAMES = (("campaign_id", "campaign_key"), ("campaign_delivery_type", "delivery_type"))
"""Fields of which an event's own one replaces the other one in `defaults`."""


def parse_events(
    body: bytes, form: Format, policy: Policy, now: datetime, *, idempotency_key: str | None = None
) -> ParsedBatch:
    """Every record of `body` as an event or as a rejection.

    `now` is the instant of receipt. Events without id are called after `idempotency_key` and their position.

    Raises:
        InvalidInput: the body is no JSON, or not of a form that holds events; nothing of it may be stored.
        PayloadTooLarge: more events than a request may hold.
    """
    records = split(body, form, policy.limits, "events")
    return judge(records, body, policy, Validator(policy, now, idempotency_key), range(len(records.raws)))


def judge(records: Records, body: bytes, policy: Policy, validator: Validator, positions: Iterable[int]) -> ParsedBatch:
    """The records at some positions, which ascend, each as an event or as a rejection."""
    defaults = _checked_defaults(records.defaults)
    reader = RecordReader(body, policy)
    events: list[Event] = []
    indexes: list[int] = []
    rejections: list[Rejection] = []
    for index in positions:
        event_id: object = None
        try:
            record = reader.read(records.raws[index])
            event_id = record.get("event_id")
            if defaults:
                record = _merged(defaults, record)
            event = validator.validate(record, index)
        except Refused as refused:
            rejections.append(rejection(records, index, event_id, refused))
        except Malformed as fault:
            rejections.append(rejection(records, index, None, refusal(records, index, fault)))
        else:
            events.append(event)
            indexes.append(index)
    return ParsedBatch(
        received=len(records.raws),
        events=events,
        indexes=indexes,
        lines=records.lines,
        rejections=rejections,
        warnings=validator.notices.all(),
    )


class RecordReader:
    """Reads the records of one request: quickly where that is safe, exactly elsewhere. Not thread-safe."""

    def __init__(self, body: bytes, policy: Policy) -> None:
        self._limits = policy.limits
        self._body = body
        self._exact = ExactReader(policy.limits.depth)

    def read(self, text: bytes) -> dict[str, object]:
        """The object that a record is. Raises `Refused` or `Malformed`."""
        if len(text) > self._limits.event_bytes:
            raise Refused("event_too_large", "", f"An event may have {self._limits.event_bytes} bytes")
        record = fast(text, self._limits.depth, self._countable)
        return self._exact.read(text) if record is None else record

    @cached_property
    def _countable(self) -> bool:
        return not may_hide_keys(self._body)


def refusal(records: Records, index: int, fault: Malformed) -> Refused:
    """The refusal of a line that is no JSON. In a JSON body nothing stands alone, so there the request fails."""
    if records.lines is None:
        raise malformed(fault, records.offsets[index] if records.offsets else 0) from fault
    return Refused(fault.code, "", f"{fault.message} (byte {fault.offset} of the line)")


def rejection(records: Records, index: int, record_id: object, refused: Refused) -> Rejection:
    """The verdict on a refused record."""
    return Rejection(
        index,
        None if records.lines is None else records.lines[index],
        record_id if is_event_id(record_id) else "",
        refused.code,
        refused.field,
        refused.message,
    )


def _checked_defaults(defaults: dict[str, object] | None) -> dict[str, object]:
    for name in defaults or ():
        if name not in DEFAULT_FIELDS:
            attribute = f"defaults.{name}" if name in KNOWN_FIELDS else "defaults"
            raise InvalidInput(
                f"defaults may hold {', '.join(sorted(DEFAULT_FIELDS))}", type="invalid_value", attribute=attribute
            )
    return defaults or {}


def _merged(defaults: dict[str, object], record: dict[str, object]) -> dict[str, object]:
    merged = {**defaults, **record}
    for pair in _TWO_NAMES:
        own = [name for name in pair if name in record]
        if len(own) == 1:
            for name in pair:
                if name != own[0]:
                    merged.pop(name, None)
    return merged
