"""Downloads in OpenAPI terms."""

from __future__ import annotations

from campanile.http.openapi import Operation, Schema, parameter

_TEXT: Schema = {"type": "string"}
_BYTES: Schema = {"type": "string", "contentMediaType": "application/zip"}
_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["attribute", "message", "type", "request_id"],
            "properties": dict.fromkeys(("attribute", "message", "type", "request_id"), _TEXT),
        }
    },
}
_RANGE = (
    parameter("Range", "header", {"type": "string", "pattern": "^bytes=[0-9]*-[0-9]*$"}, "A part of the file."),
    parameter("If-Range", "header", _TEXT, "Only if the file is still this one; otherwise all of it."),
    parameter("If-None-Match", "header", _TEXT, "Only if the file is not this one."),
    parameter("If-Modified-Since", "header", _TEXT, "Only if the file was made later."),
)
_METHODS = ("GET", "HEAD")


def _answers(media_type: str) -> dict[int, tuple[str, dict[str, Schema]]]:
    return {
        200: ("The file.", {media_type: _BYTES}),
        206: ("A part of the file.", {media_type: _BYTES}),
        304: ("The caller has this file already.", {}),
        416: ("The range lies beyond the end of the file.", {}),
    }


def _named(method: str, path: str, summary: str, description: str, name: Schema) -> Operation:
    return Operation(
        method=method,
        path=f"{path}/{{app_id}}/{{filename}}",
        summary=summary,
        description=description,
        tag="report files",
        scope="",
        signed=True,
        parameters=(
            parameter("app_id", "path", _TEXT, "The workspace.", required=True),
            parameter("filename", "path", name, "Name of the file.", required=True),
            *_RANGE,
        ),
        answers=_answers("application/gzip"),
        errors=(400, 401, 404, 405, 429, 500),
        error_schema=_ERROR,
        empty=(401, 429),
    )


_REPORT: Schema = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,126}_[0-9]{8}(\\.zip)?$"}
_DAY: Schema = {"type": "string", "pattern": "^[0-9]{8}\\.zip$"}

OPERATIONS = (
    *(
        _named(
            method,
            "/campaign_reports/rest_api",
            "Download a report",
            "A finished file by its name, for seven days after it was made. The signature covers the name as it is "
            "asked for, with or without `.zip`.",
            _REPORT,
        )
        for method in _METHODS
    ),
    *(
        _named(method, path, "Download a daily dump", "Everything of one day. Deprecated: define a report.", _DAY)
        for path in ("/dailyCampaignReportDump", "/v1/dailyCampaignReportDump")
        for method in _METHODS
    ),
    *(
        Operation(
            method=method,
            path="/v1/report-runs/{run_id}/file",
            summary="Download the file of a run",
            description="`ETag` is the SHA-256 of the file.",
            tag="report runs",
            scope="reports:read",
            parameters=(parameter("run_id", "path", _TEXT, "Id of the run.", required=True), *_RANGE),
            answers=_answers("application/zip"),
            errors=(401, 403, 404, 405, 409, 410, 429, 500, 503),
        )
        for method in _METHODS
    ),
    *(
        Operation(
            method=method,
            path="/v1/export/file/{token}",
            summary="Download by the link of an e-mail",
            description="The secret in the address is all it takes, unless the report asks for a login as well.",
            tag="report files",
            scope="",
            parameters=(parameter("token", "path", _TEXT, "Secret of the link.", required=True), *_RANGE),
            answers=_answers("application/zip"),
            errors=(401, 404, 405, 410, 429, 500, 503),
        )
        for method in _METHODS
    ),
)
"""Every operation that sends files."""
