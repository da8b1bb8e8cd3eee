"""Experiments in OpenAPI terms: the schema is that of the answer's types."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from campanile.experiments.routes import PATH, REQUESTS_PER_MINUTE, SCOPE
from campanile.experiments.schemas import MAX_DAYS, Experiment
from campanile.http.openapi import Operation, Schema, parameter
from campanile.stats.schemas import Attribution

_DAY: Schema = {"type": "string", "format": "date"}


def _answer() -> Schema:
    """The schema of `Experiment` with everything it refers to in its place."""
    (schema,), definitions = msgspec.json.schema_components([Experiment], ref_template="{name}")

    def whole(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return whole(definitions[value["$ref"]])
            return {name: whole(member) for name, member in value.items() if name != "title"}
        return [whole(member) for member in value] if isinstance(value, list) else value

    found: Schema = whole(schema)
    return found


OPERATIONS = (
    Operation(
        method="GET",
        path=PATH,
        summary="The experiments of a campaign",
        description="What the campaign caused, by its control groups, and which variation is best: per goal the "
        "intention-to-treat difference with its 95 % interval and p-value, the same among those reached per "
        "attribution type beside the figures of the Stats API, a sample-ratio check, and a verdict in words. The days "
        "are those of the sends and hold-outs; conversions count wherever their windows reach. "
        f"At most {REQUESTS_PER_MINUTE} requests per minute and workspace.",
        tag="campaigns",
        scope=SCOPE,
        parameters=(
            parameter(
                "campaign_id",
                "path",
                {"type": "string", "pattern": "^[0-9a-fA-F]{24}$"},
                "24 hexadecimal digits.",
                required=True,
            ),
            parameter("start_date", "query", _DAY, "First day of the workspace; the campaign's first if not given."),
            parameter("end_date", "query", _DAY, f"Last day, at most {MAX_DAYS} of them; today if not given."),
            parameter(
                "attribution_type",
                "query",
                {"type": "string"},
                f"Comma-separated: {', '.join(get_args(Attribution))}. If not given, the one of the workspace's model.",
            ),
            parameter("goal", "query", {"type": "string"}, "Name of the only goal that is wanted."),
        ),
        answers={200: ("The experiments.", {"application/json": _answer()})},
        errors=(400, 401, 403, 404, 405, 429, 500, 503),
    ),
)
"""Every operation of this noun."""
