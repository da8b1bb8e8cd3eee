"""The receivers in OpenAPI terms."""

from __future__ import annotations

from campanile.hooks.providers import PROVIDERS
from campanile.http.openapi import Operation, Schema, parameter
from campanile.metrics.rows import EVENT_TYPES

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_INSTANT: Schema = {"type": "string", "format": "date-time"}
_MAYBE_INSTANT: Schema = {"type": ["string", "null"], "format": "date-time"}
_PROVIDER: Schema = {"enum": list(PROVIDERS)}
_OPTIONS: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "types": {"type": "array", "items": {"enum": list(EVENT_TYPES)}, "maxItems": 100},
        "campaign_id": {"type": "string", "pattern": "^[0-9a-fA-F]{24}$"},
        "channel": {"enum": ["SMS", "MMS"]},
        "topics": {"type": "array", "items": _TEXT, "maxItems": 100},
        "allow_sha1": {"type": "boolean"},
        "phone_number_ids": {"type": "array", "items": _TEXT, "maxItems": 100},
        "dropped_unsubscribed": {"enum": ["failed", "both"]},
    },
}
_HOOK: Schema = {
    "type": "object",
    "required": ["hook_id", "provider", "name", "url", "options", "created_at"],
    "properties": {
        "hook_id": _TEXT,
        "provider": _PROVIDER,
        "name": _TEXT,
        "url": _TEXT,
        "secret_is": _TEXT,
        "options": _OPTIONS,
        "created_at": _INSTANT,
        "rotated_at": _MAYBE_INSTANT,
        "previous_valid_until": _MAYBE_INSTANT,
        "secret": {"type": "string", "description": "Only when it was just made."},
        "verify_token": {"type": "string", "description": "Only when it was just made."},
    },
}
_OUTCOME: dict[str, Schema] = dict.fromkeys(("accepted", "duplicates", "ignored", "waiting", "dead_lettered"), _COUNT)
_RECEIPT: Schema = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"const": "success"},
        "request_id": _TEXT,
        "durability": {"const": "spooled", "description": "The store is down; the events wait on disk."},
        **_OUTCOME,
    },
}
_LETTER: Schema = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("id", "source", "hook_id", "code", "field", "message"), _TEXT),
        "at": _INSTANT,
        "retriable": {"type": "boolean"},
        "content": {"type": "object"},
    },
}
_DELIVERY: Schema = {
    "type": "object",
    "properties": {
        "at": _INSTANT,
        "outcome": {"enum": ["ok", "spooled", "refused", "failed"]},
        "bytes": _COUNT,
        "error": _TEXT,
        **_OUTCOME,
    },
}
_DELIVERED: dict[str, Schema] = {"application/json": {"type": ["object", "array"]}}
"""What providers post; Twilio posts a form, and Amazon calls its JSON text."""
_HOOK_ID = parameter("hook_id", "path", _TEXT, "Id of the hook.", required=True)
_ADDRESS = (
    parameter("provider", "path", _PROVIDER, "Who posts.", required=True),
    parameter(
        "address",
        "path",
        {"type": "string", "pattern": "^[a-z2-7]{26}$"},
        "Last part of the hook's URL.",
        required=True,
    ),
)
_MANAGED = (400, 401, 403, 404, 405, 408, 413, 415, 429, 500, 503)
_READ = (400, 401, 403, 404, 405, 429, 500, 503)


def _json(schema: Schema) -> dict[str, Schema]:
    return {"application/json": schema}


def _list(name: str, item: Schema) -> dict[str, Schema]:
    return _json({"type": "object", "required": [name], "properties": {name: {"type": "array", "items": item}}})


def _look(path: str, summary: str, description: str, answer: tuple[str, dict[str, Schema]], *of: Schema) -> Operation:
    """An operation that shows something."""
    return Operation(
        method="GET",
        path=path,
        summary=summary,
        description=description,
        tag="hooks",
        scope="hooks:read",
        parameters=of,
        answers={200: answer},
        errors=_READ,
    )


def _act(
    path: str, summary: str, description: str, bodies: dict[str, Schema], answer: tuple[str, dict[str, Schema]],
    *of: Schema,
) -> Operation:  # fmt: skip
    """An operation that does something to what is there."""
    return Operation(
        method="POST",
        path=path,
        summary=summary,
        description=description,
        tag="hooks",
        scope="hooks:write",
        parameters=of,
        bodies=bodies,
        answers={200: answer},
        errors=_MANAGED,
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/hooks/{provider}/{address}",
        summary="Deliveries of a provider",
        description="What a provider posts, verified by its own signature. 2xx means that nothing of it can be lost "
        "any more; it may be repeated any number of times.",
        tag="hooks",
        scope="",
        parameters=_ADDRESS,
        bodies=_DELIVERED,
        answers={200: ("Taken.", _json(_RECEIPT)), 204: ("Taken.", {})},
        errors=(400, 401, 403, 404, 405, 406, 408, 413, 415, 500, 503),
    ),
    Operation(
        method="GET",
        path="/v1/hooks/{provider}/{address}",
        summary="Handshake of WhatsApp",
        description="Answers the challenge if the verify token is right.",
        tag="hooks",
        scope="",
        parameters=(
            *_ADDRESS,
            *(
                parameter(f"hub.{name}", "query", _TEXT, "As Meta sends it.")
                for name in (
                    "mode",
                    "verify_token",
                    "challenge",
                )
            ),
        ),
        answers={200: ("The challenge.", {"text/plain": _TEXT})},
        errors=(403, 404, 405, 500, 503),
    ),
    Operation(
        method="POST",
        path="/v1/hooks",
        summary="Create a hook",
        description="A new address for a provider. Secrets that are made here are shown this once.",
        tag="hooks",
        scope="hooks:write",
        bodies=_json(
            {
                "type": "object",
                "required": ["provider"],
                "additionalProperties": False,
                "properties": {
                    "provider": _PROVIDER,
                    "name": {"type": "string", "maxLength": 256},
                    "secret": {"type": ["string", "null"], "maxLength": 4096},
                    "options": _OPTIONS,
                },
            }
        ),
        answers={201: ("The hook.", _json(_HOOK))},
        errors=(*_MANAGED, 409),
    ),
    _look(
        "/v1/hooks",
        "List hooks",
        "All hooks of the workspace, without secrets.",
        ("The hooks, oldest first.", _list("hooks", _HOOK)),
    ),
    _look("/v1/hooks/{hook_id}", "Show a hook", "One hook, without secrets.", ("The hook.", _json(_HOOK)), _HOOK_ID),
    _act(
        "/v1/hooks/{hook_id}/rotate",
        "Rotate a hook",
        "A new secret, and a new address if wanted; the previous ones work for another 24 hours.",
        _json(
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "secret": {"type": ["string", "null"], "maxLength": 4096},
                    "address": {"type": "boolean"},
                },
            }
        ),
        ("The hook.", _json(_HOOK)),
        _HOOK_ID,
    ),
    _act(
        "/v1/hooks/{hook_id}/test",
        "Try a hook",
        "What a delivery would do; nothing is stored. The body is a delivery without its signature; "
        "empty: a sample of the provider.",
        _DELIVERED,
        (
            "Events and problems.",
            _json(
                {
                    "type": "object",
                    "required": ["events", "problems", "ignored"],
                    "properties": {
                        "events": {"type": "array", "items": {"type": "object"}},
                        "problems": {"type": "array", "items": {"type": "object"}},
                        "ignored": _COUNT,
                    },
                }
            ),
        ),
        _HOOK_ID,
    ),
    _look(
        "/v1/hooks/{hook_id}/deliveries",
        "Last deliveries",
        "What was posted lately and what became of it, the newest first.",
        ("The deliveries.", _list("deliveries", _DELIVERY)),
        _HOOK_ID,
        parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 100}, "Most to list."),
    ),
    Operation(
        method="DELETE",
        path="/v1/hooks/{hook_id}",
        summary="Delete a hook",
        description="Deliveries to its address are refused from now on; what it brought stays.",
        tag="hooks",
        scope="hooks:write",
        parameters=(_HOOK_ID,),
        answers={204: ("Deleted.", {})},
        errors=_READ,
    ),
    _look(
        "/v1/dead-letters",
        "Dead letters",
        "Events of receivers that could not be stored, without personal data; kept for 30 days.",
        ("The newest 1,000.", _list("dead_letters", _LETTER)),
    ),
    _act(
        "/v1/dead-letters/retry",
        "Try dead letters again",
        "Those named, or all; whatever fails again stays.",
        _json(
            {
                "type": "object",
                "properties": {"ids": {"type": ["array", "null"], "items": _TEXT, "maxItems": 1000}},
            }
        ),
        ("What became of them.", _json({"type": "object", "properties": _OUTCOME})),
    ),
    Operation(
        method="POST",
        path="/v1/streams/moengage",
        summary="MoEngage Streams",
        description="A batch as MoEngage Streams posts it. Bad events go to the dead letters and never fail a batch.",
        tag="hooks",
        scope="ingest:write",
        bodies=_json({"type": "object", "required": ["events"], "properties": {"events": {"type": "array"}}}),
        answers={200: ("Taken.", _json(_RECEIPT))},
        errors=(400, 401, 403, 405, 408, 413, 415, 429, 500, 503),
    ),
    Operation(
        method="POST",
        path="/v1/event/{workspace_id}",
        summary="Track events",
        description="Actions of a user in the form of the Track Event API; stored when the answer arrives.",
        tag="hooks",
        scope="ingest:write",
        parameters=(
            parameter("workspace_id", "path", _TEXT, "Id of the workspace.", required=True),
            parameter("app_id", "query", _TEXT, "Accepted and not looked at."),
        ),
        bodies=_json(
            {
                "type": "object",
                "required": ["type", "actions"],
                "properties": {
                    "type": {"const": "event"},
                    "customer_id": {"type": ["string", "integer"]},
                    "user_identifiers": {"type": "object"},
                    "actions": {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 1000},
                },
            }
        ),
        answers={200: ("Stored.", _json({"type": "object", "properties": {"status": {"const": "success"}}}))},
        errors=(400, 401, 403, 405, 408, 409, 413, 415, 429, 500, 503),
    ),
)
"""Every operation of this noun."""
