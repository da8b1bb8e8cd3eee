"""The Stats API in OpenAPI terms; metric names come from the registry."""

from __future__ import annotations

from typing import get_args

from campanile.http.openapi import Operation, Schema, parameter
from campanile.metrics.channels import CHANNELS
from campanile.metrics.funnel import STEPS
from campanile.metrics.registry import COUNTS, RATES, wire_names
from campanile.stats.routes import PATH, SCOPE
from campanile.stats.schemas import CAMPAIGN_ID_CHARACTERS, MAX_LIMIT, REQUEST_ID_CHARACTERS, Attribution

_COUNT: Schema = {"type": "integer", "minimum": 0}
_RATE: Schema = {"type": "number", "minimum": 0}
_DATE: Schema = {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}


def _performance() -> Schema:
    fields = {
        name: {**_COUNT, "description": count.definition} for key, count in COUNTS.items() for name in wire_names(key)
    }
    fields |= {rate.key: {**_RATE, "description": rate.definition} for rate in RATES.values()}
    used = {name for channel in CHANNELS.values() for name in (*channel.fields, *channel.extended_fields)}
    aliases = {alias for count in COUNTS.values() for alias in count.aliases}
    return {
        "type": "object",
        "description": "Counts and rates of the campaign's channel.",
        "properties": {name: schema for name, schema in fields.items() if name in used | aliases},
    }


def _goals() -> Schema:
    counts = dict.fromkeys(("conversions", "total", "unique"), _COUNT)
    numbers = {
        name: {"type": "number"}
        for name in ("cvr", "uplift", "gcg_uplift", "revenue", "average_order_value", "average_revenue_per_user")
    }
    goal: Schema = {"type": "object", "properties": {"goal_name": {"type": "string"}, **counts, **numbers}}
    return {"type": "object", "additionalProperties": goal}


def _answer() -> Schema:
    node: Schema = {
        "type": "object",
        "required": ["conversion_goal_stats", "delivery_funnel", "failure_breakdown"],
        "properties": {
            "performance_stats": _performance(),
            "conversion_goal_stats": _goals(),
            "delivery_funnel": {
                "type": "object",
                "properties": {key: {**_COUNT, "description": step.definition} for key, step in STEPS.items()},
                "additionalProperties": _COUNT,
            },
            "failure_breakdown": {"type": "object", "additionalProperties": _COUNT},
        },
    }
    tree = node
    for level in ("variations", "locales", "platforms"):
        tree = {
            "type": "object",
            "required": [level],
            "properties": {level: {"type": "object", "additionalProperties": tree}},
        }
    return {
        "type": "object",
        "required": ["response_id", "total_campaigns", "current_page", "total_pages", "data"],
        "properties": {
            "response_id": {"type": "string"},
            **dict.fromkeys(("total_campaigns", "current_page", "total_pages"), _COUNT),
            "data": {
                "type": "object",
                "additionalProperties": {"type": "array", "minItems": 1, "maxItems": 1, "items": tree},
            },
        },
    }


_REQUEST: Schema = {
    "type": "object",
    "required": ["request_id", "start_date", "end_date", "attribution_type", "metric_type"],
    "properties": {
        "request_id": {"type": "string", "minLength": 1, "maxLength": REQUEST_ID_CHARACTERS},
        "campaign_ids": {
            "type": ["array", "null"],
            "maxItems": 10,
            "uniqueItems": True,
            "items": {"type": "string", "minLength": 1, "maxLength": CAMPAIGN_ID_CHARACTERS},
        },
        "start_date": _DATE,
        "end_date": {**_DATE, "description": "Inclusive; at most 30 days after start_date."},
        "attribution_type": {"enum": list(get_args(Attribution))},
        "metric_type": {"enum": ["TOTAL", "UNIQUE"]},
        "offset": {"type": ["integer", "null"], "minimum": 0, "description": "Campaigns to skip."},
        "limit": {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_LIMIT},
    },
}
_ERROR: Schema = {
    "type": "object",
    "required": ["title", "description", "code"],
    "properties": {
        "title": {"type": "string"},
        "description": {"type": ["string", "null"]},
        "code": {"type": "string", "pattern": "^[A-Za-z]{8}$"},
    },
}

OPERATIONS = (
    Operation(
        method="POST",
        path=PATH,
        summary="Statistics of campaigns",
        description="Counts, rates, goals, funnel and failures per platform, locale and variation. With campaign ids "
        "exactly those; without, every parent and child campaign with activity in the window, oldest first.",
        tag="stats",
        scope=SCOPE,
        parameters=(
            parameter("MOE-APPKEY", "header", {"type": "string"}, "The workspace id once more.", required=True),
        ),
        bodies={"application/json": _REQUEST},
        answers={200: ("The page.", {"application/json": _answer()})},
        errors=(400, 401, 403, 405, 408, 413, 415, 429, 500),
        error_schema=_ERROR,
        empty=(429,),
        bearer=False,
    ),
)
"""Every operation of this noun."""
