"""Report definitions in OpenAPI terms."""

from __future__ import annotations

from typing import get_args

import msgspec

from campanile.http.openapi import Operation, Schema, parameter
from campanile.http.requests import MERGE_PATCH
from campanile.jobs.schedule import Kind, Unit
from campanile.reports import content, parts, spec
from campanile.reports.expressions import EXPRESSION_CHARACTERS, ROUND_PLACES
from campanile.reports.listing import LARGEST_PAGE, PAGE, Sort
from campanile.reports.names import NAME_CHARACTERS
from campanile.reports.orders import BACKFILLED_SLOTS, FILE_DATE_DAYS
from campanile.reports.periods import MOST_DAYS, MOST_OFFSET_DAYS, Preset
from campanile.reports.preview import PREVIEW_ROWS
from campanile.reports.schemas import CHANNELS, CustomType, FormatKind, Rule, State

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_DATE: Schema = {"type": "string", "format": "date"}
_FILE_DATE: Schema = {"type": "string", "pattern": "^[0-9]{4}-?[0-9]{2}-?[0-9]{2}$"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_CHANNEL: Schema = {"enum": list(CHANNELS)}
_TIME: Schema = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
_STATES = [state for state in get_args(State) if state != "DELETED"]


def _object(properties: Schema, *required: str, **others: object) -> Schema:
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False, **others}
    if required:
        found["required"] = list(required)
    return found


def _texts(most: int) -> Schema:
    return {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": most}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_SCOPE = _object(
    {
        "channel": _CHANNEL,
        "delivery_types": {"type": "array", "items": {"enum": list(spec.DELIVERY_TYPES)}, "minItems": 1},
    },
    "channel",
)
_DATE_RANGE: Schema = {
    "oneOf": [
        _object({"type": {"const": "absolute"}, "start": _DATE, "end": _DATE}, "type", "start", "end"),
        _object({"type": {"const": "rolling"}, "preset": {"enum": list(get_args(Preset))}}, "type", "preset"),
        _object(
            {
                "type": {"const": "rolling"},
                "days": {"type": "integer", "minimum": 1, "maximum": MOST_DAYS},
                "offset_days": {"type": "integer", "minimum": 0, "maximum": MOST_OFFSET_DAYS},
            },
            "type",
            "days",
        ),
    ],
    "description": f"Days of the workspace, at most {MOST_DAYS}; rolling ones end on the day before the file date.",
}
_FILTERS = _object(
    {
        "tags": _object({"match": {"enum": ["any", "all"]}, "values": _texts(spec.FILTER_VALUES), "untagged": _FLAG}),
        "created_by": _texts(spec.FILTER_VALUES),
        "approved_by": {"type": "array", "maxItems": 0},
        "statuses": {"type": "array", "items": {"enum": list(spec.STATUSES)}},
        "include_archived": _FLAG,
    }
)
_SELECTION = _object(
    {
        "source": {"const": "campaigns"},
        "scopes": {"type": "array", "items": _SCOPE, "minItems": 1, "maxItems": len(CHANNELS)},
        "date_range": _DATE_RANGE,
        "rule": {"enum": list(get_args(Rule))},
        "campaigns": {
            "oneOf": [
                _object({"mode": {"const": "all"}}, "mode"),
                _object({"mode": {"const": "manual"}, "ids": _texts(spec.CAMPAIGNS)}, "mode", "ids"),
            ]
        },
        "filters": _FILTERS,
    },
    "scopes",
    "date_range",
)
_CUSTOM = _object(
    {
        "key": {"type": "string", "pattern": r"^custom\.[a-z][a-z0-9_]{0,39}$"},
        "header": {"type": "string", "minLength": 1, "maxLength": content.HEADER_CHARACTERS},
        "channels": {"type": "array", "items": _CHANNEL, "minItems": 1},
        "expression": {"type": "string", "minLength": 1, "maxLength": EXPRESSION_CHARACTERS},
        "type": {"enum": list(get_args(CustomType))},
        "decimals": {"type": "integer", "minimum": 0, "maximum": ROUND_PLACES},
        "on_zero_division": {"enum": ["blank", "zero"]},
    },
    "key",
    "header",
    "channels",
    "expression",
)
_CONTENT = _object(
    {
        "performance_window": {"enum": ["in_range", "lifetime"]},
        "split": _object(dict.fromkeys(("date", "child", "variation", "locale"), _FLAG)),
        "parent_totals": _FLAG,
        "skip_zero_days": _FLAG,
        "tag_categories": {"const": "all"},
        "columns": {
            "type": "object",
            "additionalProperties": {"anyOf": [{"const": "default"}, _texts(content.COLUMNS)]},
            "description": "Channel → `default`, or keys of `/v1/report-columns` and of custom attributes, in order.",
        },
        "custom_attributes": {"type": "array", "items": _CUSTOM},
    }
)
_FORMAT = _object(
    {
        "type": {"enum": list(get_args(FormatKind))},
        "delimiter": {"enum": [",", "|", ":", ";", "\t"]},
        "bom": _FLAG,
        "newline": {"enum": ["lf", "crlf"]},
        "formula_guard": _FLAG,
        "lists": {"enum": ["literal", "json", "comma"]},
        "compression": {"enum": ["zip", "tar", "gz"]},
        "include_manifest": _FLAG,
    }
)
_SCHEDULE = _object(
    {
        "type": {"enum": list(get_args(Kind))},
        "time_zone": {"type": "string", "description": "IANA name; default: that of the workspace."},
        "at": {"type": "string", "description": "`once`: `asap`, or local date and time such as 2025-03-01T06:00."},
        "time": _TIME,
        "start_date": _DATE,
        "weekdays": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 7}},
        "day": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 31}, {"const": "last"}]},
        "every": {"type": "integer", "minimum": 1, "maximum": 90},
        "unit": {"enum": list(get_args(Unit))},
        "end": _object(
            {
                "type": {"enum": ["never", "on_date", "after_runs"]},
                "date": _DATE,
                "runs": {"type": "integer", "minimum": 1, "maximum": parts.RUNS},
            },
            "type",
        ),
    },
    "type",
)
_DELIVERY = _object(
    {
        "rest_api": _FLAG,
        "email": _or_null(
            _object({"recipients": {**_texts(parts.RECIPIENTS), "minItems": 1}, "require_login": _FLAG}, "recipients")
        ),
        "webhook": _or_null(_object({"url": {"type": "string", "format": "uri"}}, "url")),
    }
)
_MEMBERS: Schema = {
    "name": {"type": "string", "pattern": rf"^[A-Za-z]([A-Za-z0-9 _-]{{0,{NAME_CHARACTERS - 2}}}[A-Za-z0-9_-])?$"},
    "team_ids": {"type": "array", "maxItems": 0},
    "selection": _SELECTION,
    "content": _CONTENT,
    "format": _FORMAT,
    "schedule": _or_null(_SCHEDULE),
    "delivery": _or_null(_DELIVERY),
    "on_empty": {"enum": ["no_file", "header_only"]},
}
_DOCUMENT = _object(
    {**_MEMBERS, "state": {"enum": ["ACTIVE", "DRAFT"]}},
    "name",
    "selection",
    description="`schedule` and `delivery` are required unless the state is `DRAFT`.",
)
_WARNING = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": _TEXT, "message": _TEXT, "channel": _TEXT, "column": _TEXT, "count": {"type": "integer"}},
}
_SHOWN: Schema = {
    **_MEMBERS,
    "state": {"enum": _STATES},
    "next_slots": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "at": _MOMENT,
                "file_date": {"type": "string", "pattern": "^[0-9]{8}$"},
                "schedule_time": _MOMENT,
                "workspace_time": _MOMENT,
            },
        },
    },
    "warnings": {"type": "array", "items": _WARNING},
}
_CHECKED: Schema = {"type": "object", "properties": _SHOWN}
_STORED: Schema = {
    "type": "object",
    "required": ["id", "version", "name", "state", "stem", "owner", "created_at", "updated_at", "warnings"],
    "properties": {
        "id": _TEXT,
        "version": {"type": "integer", "minimum": 1},
        **_SHOWN,
        "stem": {"type": "string", "description": "What file names begin with."},
        "owner": _TEXT,
        "created_at": _MOMENT,
        "updated_at": _MOMENT,
        "next_run_at": _or_null(_MOMENT),
        "last_run": _or_null({"type": "object"}),
    },
}
_PREVIEW: Schema = {
    "type": "object",
    "required": ["window", "channels", "warnings"],
    "properties": {
        "window": {"type": "object", "properties": {"start": _DATE, "end": _DATE}},
        "channels": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "channel": _CHANNEL,
                    "columns": {"type": "array", "items": {"type": "object"}},
                    "rows": {"type": "array", "items": {"type": "array", "items": _TEXT}, "maxItems": PREVIEW_ROWS},
                },
            },
        },
        "warnings": {"type": "array", "items": _WARNING},
    },
}
_RUN: Schema = {"type": "object", "required": ["id"], "properties": {"id": _TEXT}}

_REPORT = parameter("report_id", "path", _TEXT, "Id of the definition.", required=True)
_KEY = parameter(
    "Idempotency-Key",
    "header",
    {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    "Names the request: the same key, path and body get the same answer for 24 hours.",
)
_IF_MATCH = parameter("If-Match", "header", _TEXT, "Only if this is still the version.")
_READ = (400, 401, 403, 404, 405, 429, 500, 503)
_WRITE = (400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 429, 500, 503)


def _operation(
    method: str,
    path: str,
    summary: str,
    description: str,
    answer: tuple[int, str, Schema | None],
    *,
    parameters: tuple[Schema, ...] = (),
    bodies: dict[str, Schema] | None = None,
    scope: str = "reports:write",
) -> Operation:
    status, text, schema = answer
    owned = ("{report_id}" in path) * (_REPORT,)
    return Operation(
        method=method,
        path=path,
        summary=summary,
        description=description,
        tag="reports",
        scope=scope,
        parameters=(*owned, *parameters),
        bodies=bodies or {},
        answers={status: (text, {} if schema is None else {"application/json": schema})},
        errors=_READ if method == "GET" else _WRITE,
    )


def _move(name: str, summary: str) -> Operation:
    return _operation(
        "POST",
        f"/v1/reports/{{report_id}}/{name}",
        summary,
        "Doing it again is harmless.",
        (200, "The definition.", _STORED),
        parameters=(_KEY,),
    )


_LIST_PARAMETERS = (
    parameter("q", "query", _TEXT, "Contained in the name."),
    parameter("status", "query", {"enum": _STATES}, "Only definitions in this state."),
    parameter("report_type", "query", {"enum": ["one_time", "periodic"]}, "Only reports made once, or again."),
    parameter("created_by", "query", _TEXT, "Only definitions of this owner."),
    parameter("sort", "query", {"enum": list(get_args(Sort))}, "`-` in front: descending; default `-created_at`."),
    parameter(
        "limit",
        "query",
        {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE},
        "Definitions of one page.",
    ),
    parameter("cursor", "query", _TEXT, "`next_cursor` of the page before."),
)
_DRY_RUN = parameter("dry_run", "query", {"enum": ["true", "false"]}, "Check only; answered with 200.")
_BODY = {"application/json": _DOCUMENT}

_CREATE = _operation(
    "POST",
    "/v1/reports",
    "Create a report definition",
    "Active at once unless its state is `DRAFT`. Everything that is wrong is listed at once.",
    (201, "The definition; `Location` is its address, `ETag` its version.", _STORED),
    parameters=(_DRY_RUN, _KEY),
    bodies=_BODY,
)

OPERATIONS = (
    _operation(
        "GET",
        "/v1/reports",
        "Report definitions",
        "A page of definitions, newest first unless told otherwise.",
        (
            200,
            "The page.",
            {
                "type": "object",
                "required": ["reports", "next_cursor"],
                "properties": {"reports": {"type": "array", "items": _STORED}, "next_cursor": _or_null(_TEXT)},
            },
        ),
        parameters=_LIST_PARAMETERS,
        scope="reports:read",
    ),
    msgspec.structs.replace(
        _CREATE,
        answers={200: ("`dry_run`: what would be stored.", {"application/json": _CHECKED}), **_CREATE.answers},
    ),
    _operation(
        "GET",
        "/v1/reports/{report_id}",
        "A report definition",
        "With its next slots, its last run and what is worth knowing about it.",
        (200, "The definition; `ETag` is its version.", _STORED),
        scope="reports:read",
    ),
    _operation(
        "PUT",
        "/v1/reports/{report_id}",
        "Replace a report definition",
        "The next run uses it; running ones keep their version.",
        (200, "The definition.", _STORED),
        parameters=(_IF_MATCH,),
        bodies=_BODY,
    ),
    _operation(
        "PATCH",
        "/v1/reports/{report_id}",
        "Change members of a report definition",
        "A JSON merge patch (RFC 7396) of the definition.",
        (200, "The definition.", _STORED),
        parameters=(_IF_MATCH,),
        bodies={media: {"type": "object"} for media in (MERGE_PATCH, "application/json")},
    ),
    _operation(
        "DELETE",
        "/v1/reports/{report_id}",
        "Delete a report definition",
        "Ends its runs, purges its files, frees its name.",
        (204, "Deleted.", None),
        parameters=(_IF_MATCH,),
    ),
    _operation(
        "POST",
        "/v1/reports/{report_id}/duplicate",
        "Copy a report definition",
        "A draft with everything of the original.",
        (201, "The draft.", _STORED),
        parameters=(_KEY,),
        bodies={"application/json": _object({"name": _MEMBERS["name"]})},
    ),
    _move("activate", "Switch a draft or a paused report on"),
    _move("pause", "Let slots pass without runs"),
    _move("resume", "Switch a paused report on again"),
    _operation(
        "POST",
        "/v1/reports/{report_id}/run",
        "Run a report now",
        f"Apart from the schedule. `file_date` is today, or one of the {FILE_DATE_DAYS} days before.",
        (202, "The run.", _RUN),
        parameters=(_KEY,),
        bodies={
            "application/json": _object(
                {"window": _object({"start": _DATE, "end": _DATE}, "start", "end"), "file_date": _FILE_DATE}
            )
        },
    ),
    _operation(
        "POST",
        "/v1/reports/{report_id}/backfill",
        "Run a report for past slots",
        f"At most {BACKFILLED_SLOTS} slots, each with its own file date.",
        (202, "The runs.", {"type": "object", "properties": {"runs": {"type": "array", "items": _RUN}}}),
        parameters=(_KEY,),
        bodies={"application/json": _object({"from": _DATE, "to": _DATE, "overwrite": _FLAG}, "from", "to")},
    ),
    _operation(
        "POST",
        "/v1/reports/{report_id}/preview",
        "First rows of a report",
        f"Headers and up to {PREVIEW_ROWS} rows per channel, as files would show them now.",
        (200, "The preview.", _PREVIEW),
        scope="reports:read",
    ),
    _operation(
        "GET",
        "/v1/reports/{report_id}/versions",
        "History of a report definition",
        "Who saved what and when, newest first.",
        (
            200,
            "The versions.",
            {"type": "object", "properties": {"versions": {"type": "array", "items": {"type": "object"}}}},
        ),
        scope="reports:read",
    ),
    _operation(
        "POST",
        "/v1/report-previews",
        "First rows of a report that is not stored",
        "As the preview of a stored one; `schedule` and `delivery` may be missing.",
        (200, "The preview.", _PREVIEW),
        bodies=_BODY,
        scope="reports:read",
    ),
    _operation(
        "GET",
        "/v1/report-columns",
        "Columns of reports",
        "What files can show, per channel, in order.",
        (
            200,
            "The columns.",
            {
                "type": "object",
                "required": ["columns"],
                "properties": {
                    "columns": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["channel", "key", "header", "type"],
                            "properties": dict.fromkeys(("channel", "key", "header", "type"), _TEXT),
                        },
                    }
                },
            },
        ),
        parameters=(
            parameter("channel", "query", _CHANNEL, "Only this channel."),
            parameter("q", "query", _TEXT, "Contained in key or header."),
            parameter(
                "attribution_model",
                "query",
                {"enum": ["all_interactions", "last_interaction"]},
                "Whose conversions; default: the workspace's.",
            ),
        ),
        scope="reports:read",
    ),
)
"""Every operation of this noun."""
