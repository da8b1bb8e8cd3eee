"""The companion APIs in OpenAPI terms."""

from __future__ import annotations

from typing import Any

from campanile.campaigns.companion.routes import SCOPE, V1, V5
from campanile.campaigns.companion.schemas import MAX_IDS, MAX_LIMIT, REQUEST_ID_CHARACTERS
from campanile.campaigns.vocabulary import CHANNELS, DELIVERY_TYPES, DOCUMENT_CHANNELS
from campanile.http.openapi import Operation, Schema, parameter

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_OBJECT: Schema = {"type": "object"}
_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
_FLAG: Schema = {"type": ["boolean", "null"]}
_TEXTS: Schema = {"type": ["array", "null"], "items": _TEXT}
_STATUSES = ("DRAFT", "SCHEDULED", "ACTIVE", "SENDING", "PAUSED", "SENT", "COMPLETED", "STOPPED", "RETIRED", "ARCHIVED")
_CHANNEL_NAMES = sorted(DOCUMENT_CHANNELS.get(name, name) for name in CHANNELS)
_DAY: Schema = {"type": ["string", "null"], "description": "`YYYY-MM-DD`, `DD-MM-YYYY` or a date and time, in UTC."}


def _words(*names: str) -> Schema:
    return {"type": ["array", "null"], "items": {"enum": list(names)}}


def _request(*, named: bool, fields: Schema, flags: tuple[str, ...]) -> Schema:
    return {
        "type": "object",
        "required": [*(["request_id"] if named else []), "limit", "page"],
        "properties": {
            "request_id": {"type": "string", "minLength": 1, "maxLength": REQUEST_ID_CHARACTERS},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
            "page": {"type": "integer", "minimum": 1},
            **({"campaign_fields": {"type": ["object", "null"], "properties": fields}} if fields else {}),
            **dict.fromkeys(flags, _FLAG),
        },
    }


def _fields(kind: str, *, both_days: bool, by_id: bool = True) -> Schema:
    created: Schema = {"type": ["object", "null"], "properties": {"from_date": _DAY, "to_date": _DAY}}
    if both_days:
        day = {**_DAY, "type": "string", "minLength": 1}
        created = {**created, "required": ["from_date", "to_date"], "properties": {"from_date": day, "to_date": day}}
    return {
        **({"id": {"type": ["string", "null"]}} if by_id else {}),
        "ids": {**_TEXTS, "maxItems": MAX_IDS},
        "name": {"type": ["string", "null"], "description": "Part of the name, in any case."},
        "channels": _words(*_CHANNEL_NAMES),
        kind: _words(*DELIVERY_TYPES),
        "status": _words(*_STATUSES),
        "tags": _TEXTS,
        "created_by": _TEXTS,
        "created_date": created,
    }


def _row(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


_SEARCH_ROW = _row(
    "campaign_id", "status", "channel", "created_at", "updated_at", "basic_details",
    campaign_id=_ID, status=_TEXT, channel={"enum": _CHANNEL_NAMES}, campaign_delivery_type=_TEXT, created_by=_TEXT,
    updated_by=_TEXT, created_at=_TEXT, updated_at=_TEXT, sent_time=_TEXT, flow_id=_ID, flow_name=_TEXT, parent_id=_ID,
    basic_details=_row("name", "tags", name=_TEXT, tags={"type": "array", "items": _TEXT}),
    campaign_status=_TEXT, campaign_start_time=_TEXT, campaign_end_time=_TEXT,
    **dict.fromkeys(
        ("campaign_content", "trigger_condition", "segmentation_details", "scheduling_details", "delivery_controls",
         "advanced", "conversion_goal_details", "control_group_details", "utm_params", "connector",
         "campaign_audience_limit"), _OBJECT,
    ),
)  # fmt: skip
_META_ROW = _row(
    "campaign_id", "channel", "platform", "campaign_name", "campaign_tags", "campaign_status", "campaign_start_time",
    campaign_id=_ID, channel={"enum": _CHANNEL_NAMES}, platform={"type": "array", "items": _TEXT}, created_by=_TEXT,
    campaign_delivery_type=_TEXT, campaign_name=_TEXT, campaign_team=_TEXT,
    campaign_tags={"type": "array", "items": _TEXT}, campaign_status=_TEXT, campaign_start_time=_TEXT,
    parent_campaign_id=_ID, flow_id=_ID, flow_name=_TEXT, total_child_campaigns=_COUNT,
    reachability_details=_row("count", count=_COUNT, last_updated_time=_TEXT),
)  # fmt: skip
_EXECUTIONS = _row(
    "executions", "total_instances",
    executions={
        "type": "array",
        "items": _row("campaign_id", "status", campaign_id=_ID, sent_time=_TEXT,
                      status={"enum": ["Sent", "Sending", "Scheduled", "Failed"]}),
    },
    total_instances=_COUNT,
)  # fmt: skip
_DETAIL: Schema = {
    "type": "object",
    "required": ["target", "message"],
    "properties": {"target": _TEXT, "message": {}, "code": _TEXT},
}
_ERROR_MEMBERS = _row(
    "code", "message", "target", "details", "request_id",
    code=_TEXT, message=_TEXT, target=_TEXT, details={"type": "array", "items": _DETAIL}, request_id=_TEXT,
)  # fmt: skip
_V1_ERROR = _row("error", "message", error=_ERROR_MEMBERS, message=_TEXT)
_V5_ERROR = _row("response_id", "error", response_id=_TEXT, error=_ERROR_MEMBERS)
_APP_KEY = "The workspace id once more."
_PAGED = " `X-Total-Count` has the number of rows on all pages; a page past the end is empty."
_READ_ERRORS = (400, 401, 403, 405, 408, 413, 415, 429, 500)


def _wrapped(data: Schema) -> Schema:
    return _row("response_id", "type", "data", response_id=_TEXT, type={"const": "campaign"}, data=data)


def _listed(row: Schema) -> Schema:
    return _wrapped(_row("campaigns", campaigns={"type": "array", "items": row, "maxItems": MAX_LIMIT}))


def _operation(method: str, path: str, summary: str, description: str, answer: Schema, **others: Any) -> Operation:
    v5 = path.startswith(V5)
    headers = [parameter("MOE-APPKEY", "header", _TEXT, _APP_KEY, required=not v5)]
    if v5:
        headers.append(parameter("X-MOE-Request-Id", "header", _TEXT, "The request id, if not in the body."))
    return Operation(
        method=method,
        path=path,
        summary=summary,
        description=description,
        tag="campaign lookup",
        scope=SCOPE,
        parameters=(*others.pop("parameters", ()), *headers),
        answers={200: ("The rows." if method == "POST" else "The row.", {"application/json": answer})},
        error_schema=_V5_ERROR if v5 else _V1_ERROR,
        bearer=False,
        **others,
    )


def _body(schema: Schema) -> dict[str, Schema]:
    return {"application/json": schema}


_ARCHIVES = ("include_child_campaigns", "include_archive_campaigns", "include_archived_campaigns")
_CHILDREN = ("include_child_campaigns",)
_PARENT = parameter("parent_campaign_id", "path", _TEXT, "24 hexadecimal digits.", required=True)
_CAMPAIGN = parameter("campaign_id", "path", _TEXT, "24 hexadecimal digits.", required=True)

OPERATIONS = (
    _operation(
        "POST", f"{V1}/search", "Find campaigns",
        "Full configuration of campaigns, newest first. Children, archived campaigns and drafts are left out unless "
        "they are asked for." + _PAGED,
        {"type": "array", "items": _SEARCH_ROW, "maxItems": MAX_LIMIT},
        bodies=_body(
            _request(named=True, fields=_fields("delivery_type", both_days=False), flags=_ARCHIVES)
        ),
        errors=_READ_ERRORS,
    ),
    _operation(
        "POST", f"{V1}/meta", "Names, parents and reach",
        "What labels statistics: a row without `parent_campaign_id` is a parent or stands alone." + _PAGED,
        {"type": "array", "items": _META_ROW, "maxItems": MAX_LIMIT},
        bodies=_body(_request(named=True, fields=_fields("delivery_type", both_days=True), flags=_CHILDREN)),
        errors=_READ_ERRORS,
    ),
    _operation(
        "POST", f"{V1}/{{parent_campaign_id}}/executions", "Runs of a parent campaign",
        "One entry per child, earliest first; `total_instances` counts those of all pages.",
        _EXECUTIONS,
        parameters=(_PARENT,),
        bodies=_body(_request(named=True, fields={}, flags=())),
        errors=(*_READ_ERRORS, 404),
    ),
    _operation(
        "POST", f"{V5}/search", "Find campaigns (version 5)",
        "As version 1 in another wrapping. A filter that this version does not have gives an empty answer." + _PAGED,
        _listed(_SEARCH_ROW),
        bodies=_body(
            _request(
                named=False,
                fields=_fields("campaign_delivery_type", both_days=False, by_id=False),
                flags=_ARCHIVES,
            )
        ),
        errors=_READ_ERRORS,
    ),
    _operation(
        "POST", f"{V5}/meta", "Names, parents and reach (version 5)",
        "As version 1 in another wrapping; `delivery_type` may be a single text." + _PAGED,
        _listed(_META_ROW),
        bodies=_body(_request(named=False, fields=_fields("delivery_type", both_days=True), flags=_CHILDREN)),
        errors=_READ_ERRORS,
    ),
    _operation(
        "GET", f"{V5}/{{campaign_id}}", "One campaign (version 5)",
        "The row of one campaign, whatever its kind and status.",
        _wrapped(_SEARCH_ROW),
        parameters=(_CAMPAIGN,),
        errors=(401, 403, 404, 405, 429, 500),
    ),
)  # fmt: skip
"""Every operation of the companion APIs."""
