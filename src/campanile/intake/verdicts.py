"""What became of the events of a request: the result of parsing, and the answer (ingest specification 1.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from campanile.errors import Problem
from campanile.intake.event import Event
from campanile.intake.limits import DEFAULT_ERRORS

Code = Literal[
    "invalid_json", "invalid_utf8", "not_an_object", "duplicate_key", "non_finite_number", "event_too_large",
    "too_deep", "too_many_attributes", "missing_field", "missing_event_id", "invalid_type", "invalid_value",
    "reserved_value", "unknown_type", "unknown_channel", "time_unparsable", "time_without_zone", "time_in_future",
    "too_old", "too_many_days", "wrong_workspace", "placeholder_user_id", "pii_rejected", "forbidden_channel",
    "unknown_campaign", "campaign_conflict", "snapshot_mode_conflict",
]  # fmt: skip
CODES: frozenset[str] = frozenset(get_args(Code))
"""Every reason for which one event, or one snapshot, can be refused."""


class Refused(Exception):
    """One record is refused; carries the reason. Never reaches a user as an exception."""

    def __init__(self, code: Code, field: str, message: str) -> None:
        super().__init__(message)
        self.code: Code = code
        self.field = field
        self.message = message

    @property
    def problem(self) -> Problem:
        return Problem(self.code, self.message, self.field)


class Rejection(msgspec.Struct, frozen=True):
    """A record that was refused. Field order is that of the answer."""

    index: int
    """Zero-based position among the records of the request."""
    line: int | None
    """One-based line of an NDJSON body."""
    event_id: str
    """Empty when the record has no usable one."""
    code: str
    field: str
    """Dotted path; empty when the record as a whole is meant."""
    message: str
    """Names the field and the rule, never the value."""


class Warned(msgspec.Struct, frozen=True):
    """Something a sender should know, counted over the request."""

    code: str
    field: str
    count: int


class ParsedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts of parsing on every record of a request: `received = len(events) + len(rejections)`."""

    received: int
    events: list[Event]
    """What may be stored, in the order of the request. Their `channel` may be empty: see `validate.complete`."""
    indexes: list[int]
    """For every event its zero-based position in the request."""
    lines: Sequence[int] | None
    """For every record of an NDJSON body its one-based line."""
    rejections: list[Rejection]
    """Ordered by position."""
    warnings: list[Warned]

    def reject(self, position: int, problem: Problem) -> Rejection:
        """The rejection of `events[position]` for a reason found later, such as an unknown campaign."""
        index = self.indexes[position]
        line = self.lines[index] if self.lines is not None else None
        return Rejection(index, line, self.events[position].event_id, problem.type, problem.attribute, problem.message)


class RejectedItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rejection on the wire."""

    index: int
    line: int | None = None
    event_id: str = ""
    code: str
    field: str = ""
    message: str


class WarningItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A warning on the wire."""

    code: str
    field: str = ""
    count: int


class IntakeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a request that could be read; `received = accepted + duplicates + rejected`."""

    request_id: str
    status: Literal["ok", "partial", "failed"]
    received: int
    accepted: int
    duplicates: int
    rejected: int
    errors: list[RejectedItem]
    errors_truncated: bool
    warnings: list[WarningItem]

    @property
    def http_status(self) -> int:
        """200 without rejections, 207 with some, 422 when nothing was taken."""
        return {"ok": 200, "partial": 207, "failed": 422}[self.status]


def answer(
    *,
    request_id: str,
    received: int,
    accepted: int,
    duplicates: int,
    rejections: Sequence[Rejection],
    warnings: Sequence[Warned] = (),
    max_errors: int = DEFAULT_ERRORS,
) -> IntakeAnswer:
    """The answer for the given counts. What is neither accepted nor a duplicate is rejected, listed or not."""
    rejected = received - accepted - duplicates
    shown = sorted(rejections, key=lambda item: item.index)[:max_errors]
    return IntakeAnswer(
        request_id=request_id,
        status="ok" if not rejected else "failed" if rejected == received else "partial",
        received=received,
        accepted=accepted,
        duplicates=duplicates,
        rejected=rejected,
        errors=[
            RejectedItem(
                index=item.index,
                line=item.line,
                event_id=item.event_id,
                code=item.code,
                field=item.field,
                message=item.message,
            )
            for item in shown
        ],
        errors_truncated=len(shown) < len(rejections),
        warnings=[WarningItem(code=item.code, field=item.field, count=item.count) for item in warnings],
    )
