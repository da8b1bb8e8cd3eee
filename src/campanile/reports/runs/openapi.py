"""Runs of reports in OpenAPI terms."""

from __future__ import annotations

from campanile.http.openapi import Operation, Schema, parameter
from campanile.reports.listing import LARGEST_PAGE, PAGE
from campanile.reports.parts import RECIPIENTS
from campanile.reports.runs.routes import PATH
from campanile.reports.runs.schemas import ERRORS, STATES

_TEXT: Schema = {"type": "string"}
_DATE: Schema = {"type": "string", "format": "date"}
_FILE_DATE: Schema = {"type": "string", "pattern": "^[0-9]{8}$"}
_MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_WINDOW: Schema = {"type": "object", "properties": {"start": _DATE, "end": _DATE}}
_PART: Schema = {
    "type": "object",
    "properties": {"name": _TEXT, "channel": _TEXT, "rows": _COUNT, "bytes": _COUNT, "sha256": _TEXT},
}
_WARNINGS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": _TEXT, "message": _TEXT, "channel": _TEXT, "column": _TEXT, "count": _COUNT},
    },
}
_RUN: Schema = {
    "type": "object",
    "required": ["id", "status", "file_date", "window", "trigger", "progress"],
    "properties": {
        "id": _TEXT,
        "definition_id": {"type": ["string", "null"], "description": "Empty for the daily dump."},
        "definition_version": _COUNT,
        "trigger": {"enum": ["schedule", "manual", "backfill", "api", "daily"]},
        "slot_at": _MOMENT,
        "file_date": _FILE_DATE,
        "window": _WINDOW,
        "status": {"enum": list(STATES)},
        "attempt": _COUNT,
        "progress": {"type": "number", "minimum": 0, "maximum": 1},
        "created_at": _MOMENT,
        "finished_at": _MOMENT,
        "as_of": _MOMENT,
        "generated_at": _MOMENT,
        "expires_at": _MOMENT,
        "file_name": {"type": ["string", "null"]},
        "size": {"type": ["integer", "null"]},
        "sha256": {"type": ["string", "null"]},
        "files": {"type": "array", "items": _PART},
        "warnings": _WARNINGS,
        "error": {
            "oneOf": [
                {"type": "null"},
                {"type": "object", "properties": {"code": {"enum": list(ERRORS)}, "message": _TEXT}},
            ]
        },
        "deliveries": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"enum": ["email", "webhook"]},
                    "target": _TEXT,
                    "event": {"enum": list(STATES)},
                    "state": {"enum": ["PENDING", "SENT", "FAILED"]},
                    "at": _MOMENT,
                },
            },
        },
    },
}
_MANIFEST: Schema = {
    "type": "object",
    "properties": {
        "run_id": _TEXT,
        "definition_id": {"type": ["string", "null"]},
        "definition_version": _COUNT,
        "name": _TEXT,
        "file_date": _FILE_DATE,
        "window": _WINDOW,
        "as_of": _MOMENT,
        "mark": {"type": ["integer", "null"], "description": "Events stored after this mark are not in the files."},
        "warnings": _WARNINGS,
        "files": {"type": "array", "items": _PART},
    },
}
_ID = parameter("run_id", "path", _TEXT, "Id of the run.", required=True)
_KEY = parameter(
    "Idempotency-Key",
    "header",
    {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    "Names the request: the same key, path and body get the same answer for 24 hours.",
)
_READ = (400, 401, 403, 404, 405, 429, 500, 503)
_CHANGE = (400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 503)


def _change(name: str, summary: str, description: str, bodies: dict[str, Schema] | None = None) -> Operation:
    return Operation(
        method="POST",
        path=f"{PATH}/{{run_id}}/{name}",
        summary=summary,
        description=description,
        tag="report runs",
        scope="reports:write",
        parameters=(_ID, _KEY),
        bodies=bodies or {},
        answers={202: ("The run.", {"application/json": _RUN})},
        errors=_CHANGE,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path=PATH,
        summary="Report runs",
        description="A page of runs, newest first. Runs are listed for 90 days.",
        tag="report runs",
        scope="reports:read",
        parameters=(
            parameter("definition_id", "query", _TEXT, "Only runs of this report."),
            parameter("status", "query", {"enum": list(STATES)}, "Only runs in this state."),
            parameter("file_date_from", "query", _FILE_DATE, "Only files of this date and later."),
            parameter("file_date_to", "query", _FILE_DATE, "Only files of this date and earlier."),
            parameter(
                "limit",
                "query",
                {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE},
                "Runs of one page.",
            ),
            parameter("cursor", "query", _TEXT, "`next_cursor` of the page before."),
        ),
        answers={
            200: (
                "The page.",
                {
                    "application/json": {
                        "type": "object",
                        "required": ["runs", "next_cursor"],
                        "properties": {
                            "runs": {"type": "array", "items": _RUN},
                            "next_cursor": {"type": ["string", "null"]},
                        },
                    }
                },
            )
        },
        errors=(400, 401, 403, 405, 429, 500, 503),
    ),
    Operation(
        method="GET",
        path=f"{PATH}/{{run_id}}",
        summary="A report run",
        description="State, progress, warnings, files and deliveries.",
        tag="report runs",
        scope="reports:read",
        parameters=(_ID,),
        answers={200: ("The run.", {"application/json": _RUN})},
        errors=_READ,
    ),
    Operation(
        method="GET",
        path=f"{PATH}/{{run_id}}/manifest",
        summary="What the files of a run hold",
        description="Files with their rows, columns and checksums, and the state of the log they are about.",
        tag="report runs",
        scope="reports:read",
        parameters=(_ID,),
        answers={200: ("The manifest.", {"application/json": _MANIFEST})},
        errors=(*_READ, 409),
    ),
    _change("cancel", "End a run", "It leaves no file; doing it again is harmless."),
    _change("retry", "Carry out a failed run once more", "It keeps its slot and its file date."),
    _change(
        "send",
        "Mail the file of a run",
        "Everybody gets a link, and a small file itself.",
        {
            "application/json": {
                "type": "object",
                "required": ["recipients"],
                "properties": {"recipients": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": RECIPIENTS}},
                "additionalProperties": False,
            }
        },
    ),
    Operation(
        method="GET",
        path="/v1/report-webhook-secret",
        summary="What webhooks are signed with",
        description="The secret of the workspace, for receivers; in the form of the Standard Webhooks scheme.",
        tag="report runs",
        scope="reports:write",
        answers={
            200: ("The secret.", {"application/json": {"type": "object", "properties": {"secret": _TEXT}}}),
        },
        errors=(400, 401, 403, 405, 429, 500, 503),
    ),
)
"""Every operation of runs."""
