"""Runs of reports in OpenAPI terms."""

from __future__ import annotations

from campanile.http.openapi import Operation, Schema, parameter
from campanile.reports.listing import LARGEST_PAGE, PAGE
from campanile.reports.runs.schemas import STATES

_TEXT: Schema = {"type": "string"}
_DAY: Schema = {"type": "string", "pattern": "^[0-9]{4}-?[0-9]{2}-?[0-9]{2}$"}
_RUN: Schema = {
    "type": "object",
    "required": ["id", "status", "file_date", "window", "progress", "warnings"],
    "properties": {
        "id": _TEXT,
        "definition_id": {"type": ["string", "null"]},
        "definition_version": {"type": "integer"},
        "trigger": {"enum": ["schedule", "manual", "backfill", "api", "daily"]},
        "slot_at": {"type": ["string", "null"], "format": "date-time"},
        "file_date": {"type": "string", "pattern": "^[0-9]{8}$"},
        "window": {"type": "object", "properties": {"start": _TEXT, "end": _TEXT}},
        "status": {"enum": list(STATES)},
        "attempt": {"type": "integer"},
        "progress": {"type": "number", "minimum": 0, "maximum": 1},
        "file_name": {"type": ["string", "null"]},
        "size": {"type": ["integer", "null"]},
        "sha256": {"type": ["string", "null"]},
        "expires_at": {"type": ["string", "null"], "format": "date-time"},
        "files": {"type": "array", "items": {"type": "object"}},
        "warnings": {"type": "array", "items": {"type": "object"}},
        "error": {"type": ["object", "null"]},
        "deliveries": {"type": "array", "items": {"type": "object"}},
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
_WRITE = (400, 401, 403, 404, 405, 408, 409, 413, 415, 429, 500, 503)


def _move(name: str, summary: str, description: str) -> Operation:
    return Operation(
        method="POST",
        path=f"/v1/report-runs/{{run_id}}/{name}",
        summary=summary,
        description=description,
        tag="report runs",
        scope="reports:write",
        parameters=(_ID, _KEY),
        answers={202: ("The run.", {"application/json": _RUN})},
        errors=_WRITE,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/report-runs",
        summary="Runs of reports",
        description="A page of runs, newest first.",
        tag="report runs",
        scope="reports:read",
        parameters=(
            parameter("definition_id", "query", _TEXT, "Only runs of this report."),
            parameter("status", "query", {"enum": list(STATES)}, "Only runs in this state."),
            parameter("file_date_from", "query", _DAY, "First file date."),
            parameter("file_date_to", "query", _DAY, "Last file date."),
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
        errors=_READ,
    ),
    Operation(
        method="GET",
        path="/v1/report-runs/{run_id}",
        summary="A run of a report",
        description="State, progress, warnings and file.",
        tag="report runs",
        scope="reports:read",
        parameters=(_ID,),
        answers={200: ("The run.", {"application/json": _RUN})},
        errors=_READ,
    ),
    Operation(
        method="GET",
        path="/v1/report-runs/{run_id}/manifest",
        summary="What is in the file of a run",
        description="Files with their columns, rows, sizes and checksums.",
        tag="report runs",
        scope="reports:read",
        parameters=(_ID,),
        answers={200: ("The manifest.", {"application/json": {"type": "object"}})},
        errors=(*_READ, 409),
    ),
    _move("cancel", "End a run", "It leaves no file; a second time changes nothing."),
    _move("retry", "Carry out a failed run once more", "With its slot and file date."),
)
"""Every operation on runs, but for the file itself."""
