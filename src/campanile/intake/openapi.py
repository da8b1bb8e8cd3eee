"""The intake in OpenAPI terms."""

from __future__ import annotations

from campanile.http.openapi import Operation, Schema, parameter
from campanile.intake.fields import ATTRIBUTIONS, STEPS, TYPES
from campanile.intake.verdicts import CODES
from campanile.metrics.channels import CHANNELS

_TEXT: Schema = {"type": "string"}
_INSTANT: Schema = {"type": ["string", "number"], "description": "RFC 3339 with an offset, or seconds since 1970."}
_EVENT: Schema = {
    "type": "object",
    "required": ["event_id", "type", "time"],
    "properties": {
        "event_id": {"type": "string", "minLength": 1, "maxLength": 128},
        "type": {"enum": sorted(TYPES)},
        "time": _INSTANT,
        "campaign_id": {"type": "string", "pattern": "^[0-9a-fA-F]{24}$"},
        "campaign_key": {"type": "string", "minLength": 1, "maxLength": 128},
        "channel": {"enum": sorted(CHANNELS)},
        "step": {"enum": sorted(STEPS)},
        "attribution": {"enum": sorted(ATTRIBUTIONS)},
        "machine": {"type": "boolean"},
        "revenue": {"type": ["number", "string"]},
        "attributes": {"type": "object"},
        **dict.fromkeys(
            (
                "parent_campaign_id", "campaign_name", "instance_id", "platform", "locale", "variation", "user_id",
                "device_id", "provider", "message_id", "transport", "source", "reason", "reason_detail", "link",
                "link_id", "name", "goal", "currency", "flow_id", "flow_name", "device_platform", "from_user_id",
                "to_user_id", "user_agent", "ip_address",
            ),
            _TEXT,
        ),
    },
}  # fmt: skip
_COUNTS = {name: {"type": "integer", "minimum": 0} for name in ("received", "accepted", "duplicates", "rejected")}
_ANSWER: Schema = {
    "type": "object",
    "required": ["request_id", "status", *_COUNTS, "errors", "errors_truncated", "warnings"],
    "properties": {
        "request_id": _TEXT,
        "status": {"enum": ["ok", "partial", "failed"]},
        **_COUNTS,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "code", "message"],
                "properties": {
                    "index": {"type": "integer"},
                    "line": {"type": "integer"},
                    "event_id": _TEXT,
                    "code": {"enum": sorted(CODES)},
                    "field": _TEXT,
                    "message": _TEXT,
                },
            },
        },
        "errors_truncated": {"type": "boolean"},
        "warnings": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "count"],
                "properties": {"code": _TEXT, "field": _TEXT, "count": {"type": "integer"}},
            },
        },
    },
}
_SNAPSHOT: Schema = {
    "type": "object",
    "required": ["snapshot_id", "channel", "date", "as_of"],
    "properties": {
        "snapshot_id": {"type": "string", "minLength": 1, "maxLength": 128},
        "campaign_id": {"type": "string", "pattern": "^[0-9a-fA-F]{24}$"},
        "channel": {"enum": sorted(CHANNELS)},
        "date": {"type": "string", "format": "date"},
        "as_of": _INSTANT,
        "mode": {"enum": ["replace", "add"]},
        "platform": _TEXT,
        "locale": _TEXT,
        "variation": _TEXT,
        **{name: {"type": "object"} for name in ("funnel", "performance", "failures", "conversions")},
    },
}
_FLAG: Schema = {"enum": ["true", "false"]}
_QUERY = (
    parameter("dry_run", "query", _FLAG, "Judge only; nothing is stored."),
    parameter("atomic", "query", _FLAG, "Store nothing unless every record is accepted."),
    parameter("strict", "query", _FLAG, "Refuse records with unknown fields."),
    parameter("max_errors", "query", {"type": "integer", "minimum": 0, "maximum": 10_000}, "Errors to list."),
    parameter("import", "query", _FLAG, "History: accept times back to 2010."),
)
_ERRORS = (400, 401, 403, 405, 408, 409, 413, 415, 429, 500, 503)
_ANSWERS = {
    200: ("All accepted or known.", {"application/json": _ANSWER}),
    207: ("Some were refused; the others are stored.", {"application/json": _ANSWER}),
    422: ("All were refused.", {"application/json": _ANSWER}),
}


def _records(name: str, record: Schema) -> dict[str, Schema]:
    many: Schema = {"type": "array", "items": record, "maxItems": 10_000}
    envelope: Schema = {"type": "object", "required": [name], "properties": {name: many}}
    return {"application/json": {"anyOf": [many, envelope, record]}, "application/x-ndjson": {"type": "string"}}


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/events",
        summary="Events in",
        description="Stores events; the answer comes when they are durable and counted. Every event has its own "
        "verdict, and an event that is sent again counts once.",
        tag="intake",
        scope="ingest:write",
        parameters=(
            *_QUERY,
            parameter(
                "Idempotency-Key",
                "header",
                {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
                "Names the whole request: the same key and body get the same answer for 24 hours.",
            ),
        ),
        bodies=_records("events", _EVENT),
        answers=_ANSWERS,
        errors=_ERRORS,
    ),
    Operation(
        method="POST",
        path="/v1/funnel",
        summary="Counts in",
        description="Stores counts that are known as numbers only: audience sizes, removals, history.",
        tag="intake",
        scope="ingest:write",
        parameters=_QUERY,
        bodies=_records("records", _SNAPSHOT),
        answers=_ANSWERS,
        errors=_ERRORS,
    ),
    Operation(
        method="GET",
        path="/v1/ingest/status",
        summary="State of the intake",
        description="Queue, last commit and totals of this process; keys of senders whose clocks are wrong.",
        tag="intake",
        scope="ingest:read",
        answers={200: ("The state.", {"application/json": {"type": "object"}})},
        errors=(401, 403, 405, 429, 500, 503),
    ),
    Operation(
        method="GET",
        path="/v1/ingest/rejects",
        summary="Newest refused records",
        description="What was refused and why, without personal data.",
        tag="intake",
        scope="ingest:read",
        parameters=(
            parameter("since", "query", {"type": "string", "format": "date-time"}, "Only refusals after this."),
        ),
        answers={200: ("The records, newest first.", {"application/json": {"type": "object"}})},
        errors=(400, 401, 403, 405, 429, 500, 503),
    ),
)
"""Every operation of this noun."""
