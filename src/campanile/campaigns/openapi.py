"""Campaign documents in OpenAPI terms."""

from __future__ import annotations

from campanile.campaigns.vocabulary import CHANNELS, DOCUMENT_CHANNELS
from campanile.http.openapi import Operation, Schema, parameter

_CHANNELS = ", ".join(DOCUMENT_CHANNELS.get(name, name) for name in CHANNELS)
_ID: Schema = {"type": "string", "pattern": "^[0-9a-fA-F]{24}$"}
_DOCUMENT: Schema = {
    "type": "object",
    "description": "A campaign as the search and meta endpoints of the campaign API show it; other keys are ignored "
    "and reported in `warnings`.",
    "properties": {
        "campaign_id": _ID,
        "channel": {"type": "string", "description": f"One of {_CHANNELS}; aliases are accepted."},
        "campaign_delivery_type": {"type": "string"},
        "status": {"type": "string"},
        "basic_details": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 512},
                "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 100},
                "platforms": {"type": "array", "items": {"type": "string"}},
            },
        },
        "parent_id": _ID,
        "created_at": {"type": "string"},
        "conversion_goal_details": {"type": "object"},
        "control_group_details": {"type": "object"},
        "campaign_content": {"type": "object"},
        "attempts": {"enum": ["explicit", "implied"]},
        "delivery_tracking": {"type": "boolean"},
    },
}
_RESULT: Schema = {
    "type": "object",
    "required": ["campaign_id", "result", "revision", "warnings"],
    "properties": {
        "campaign_id": _ID,
        "result": {"enum": ["created", "updated", "unchanged"]},
        "revision": {"type": "integer"},
        "warnings": {"type": "array"},
    },
}
_REPORT: Schema = {
    "type": "object",
    "properties": {
        **{
            name: {"type": "integer", "minimum": 0}
            for name in ("total", "created", "updated", "unchanged", "skipped", "failed")
        },
        "errors": {"type": "array", "items": {"type": "object"}},
        "errors_truncated": {"type": "boolean"},
    },
}
_CAMPAIGN = parameter("campaign_id", "path", _ID, "24 hexadecimal digits.", required=True)
_FLAG: Schema = {"enum": ["true", "false"]}

OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/campaigns/{campaign_id}",
        summary="A campaign document",
        description="The canonical document, complete with what events showed.",
        tag="campaigns",
        scope="campaigns:read",
        parameters=(_CAMPAIGN,),
        answers={200: ("The document.", {"application/json": _DOCUMENT})},
        errors=(401, 403, 404, 405, 429, 500, 503),
    ),
    Operation(
        method="PUT",
        path="/v1/campaigns/{campaign_id}",
        summary="Create or replace a campaign",
        description="Replaces everything that was written before; the same document twice changes nothing.",
        tag="campaigns",
        scope="campaigns:write",
        parameters=(
            _CAMPAIGN,
            parameter("If-Match", "header", {"type": "string"}, "Replace only this revision."),
            parameter("If-None-Match", "header", {"type": "string"}, "`*`: create only."),
        ),
        bodies={"application/json": _DOCUMENT},
        answers={
            200: ("Updated or unchanged.", {"application/json": _RESULT}),
            201: ("Created.", {"application/json": _RESULT}),
        },
        errors=(400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 429, 500, 503),
    ),
    Operation(
        method="POST",
        path="/v1/campaigns/import",
        summary="Many campaigns at once",
        description="One document per line.",
        tag="campaigns",
        scope="campaigns:write",
        parameters=(
            parameter("mode", "query", {"enum": ["replace", "merge", "skip"]}, "What happens to known campaigns."),
            parameter("on_error", "query", {"enum": ["continue", "abort"]}, "What a wrong line does to the others."),
            parameter("dry_run", "query", _FLAG, "Check only."),
        ),
        bodies={"application/x-ndjson": {"type": "string"}},
        answers={
            200: ("What became of the lines.", {"application/json": _REPORT}),
            422: ("`on_error=abort` and a line was wrong.", {"application/json": _REPORT}),
        },
        errors=(400, 401, 403, 405, 408, 413, 415, 429, 500, 503),
    ),
)
"""Every operation of this noun."""
