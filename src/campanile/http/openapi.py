"""`/openapi.json`: each noun describes its operations next to its routes; here they become one OpenAPI 3.1 document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from litestar import route
from litestar.handlers import HTTPRouteHandler

from campanile import __version__
from campanile.http.examples import BODIES, PATHS
from campanile.http.responses import JSON, ReadyResponse

Schema = dict[str, Any]
"""A JSON Schema (2020-12), as OpenAPI 3.1 uses it."""

NATIVE_ERROR: Schema = {
    "type": "object",
    "required": ["error", "errors"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message", "attribute", "request_id"],
            "properties": {name: {"type": "string"} for name in ("type", "message", "attribute", "request_id")},
        },
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "message", "attribute"],
                "properties": {name: {"type": "string"} for name in ("type", "message", "attribute")},
            },
        },
    },
}
"""The one error body of all `/v1` routes."""

_REASONS = {
    400: "The request is malformed or a field is wrong.",
    401: "No valid credentials.",
    403: "The key may not do this, or names another workspace.",
    404: "There is no such thing in this workspace.",
    405: "The path has other methods.",
    406: "The delivery cannot be trusted; the provider should not try again.",
    408: "The body arrived too slowly.",
    409: "The request contradicts what is stored.",
    410: "It was there and has expired.",
    412: "A condition of the request does not hold.",
    413: "The body is too large.",
    415: "The media type or coding is not supported.",
    416: "The range lies beyond the end of the file.",
    422: "Everything was refused; nothing was stored.",
    429: "Too many requests; `Retry-After` says how long to wait.",
    500: "A defect of the server.",
    503: "Try again later; `Retry-After` says when.",
}


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path."""

    method: str
    path: str
    """With `{parameters}`."""
    summary: str
    description: str
    tag: str
    scope: str
    """Scope the key needs; empty where no key is asked for."""
    parameters: tuple[Schema, ...] = ()
    bodies: Mapping[str, Schema] = {}
    """Media type → schema of the request body."""
    answers: Mapping[int, tuple[str, Mapping[str, Schema]]] = {}
    """Status → description and media type → schema."""
    errors: tuple[int, ...] = (400, 401, 403, 405, 500)
    """Statuses answered with the error body."""
    error_schema: Schema | None = None
    """The error body, where it is not the native one; a status in `empty` has none."""
    empty: tuple[int, ...] = ()
    bearer: bool = True
    """Whether `Authorization: Bearer <key>` is accepted besides Basic."""
    signed: bool = False
    """Whether a signature takes the place of a key."""


def parameter(name: str, place: str, schema: Schema, description: str, *, required: bool = False) -> Schema:
    """A parameter object."""
    return {"name": name, "in": place, "required": required, "schema": schema, "description": description}


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The OpenAPI document of these operations."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Campanile",
            "version": __version__,
            "description": "Campaign statistics: events in, exact numbers out.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": NATIVE_ERROR},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic", "description": "Workspace id and key."},
                "bearer": {"type": "http", "scheme": "bearer", "description": "The key alone."},
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Signature",
                    "description": "Lower-case hex of the SHA-256 of `app_id|filename|report key`; may also be a query "
                    "parameter.",
                },
            },
        },
    }


def openapi_route(operations: Iterable[Operation]) -> HTTPRouteHandler:
    """The route that serves the document."""
    body = msgspec.json.encode(document(operations))

    @route("/openapi.json", http_method=["GET", "HEAD"], include_in_schema=False, sync_to_thread=False)
    def openapi() -> ReadyResponse:
        return ReadyResponse(body)

    return openapi


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": operation.summary,
        "description": operation.description
        + (f"\n\nScope of the key: `{operation.scope}`." if operation.scope else ""),
        "operationId": f"{operation.method.lower()}_{operation.path.strip('/').translate(_NAME)}",
        "tags": [operation.tag],
        "security": _security(operation),
        "x-scope": operation.scope,
        "responses": {
            str(status): {"description": text, "content": {media: {"schema": schema} for media, schema in body.items()}}
            for status, (text, body) in operation.answers.items()
        },
    }
    if operation.parameters:
        found["parameters"] = [_shown(parameter) for parameter in operation.parameters]
    if operation.bodies:
        content = {
            media: {"schema": schema, **_example(operation, media)} for media, schema in operation.bodies.items()
        }
        found["requestBody"] = {"required": True, "content": content}
    error = operation.error_schema or {"$ref": "#/components/schemas/Error"}
    for status in operation.errors:
        body = {} if status in operation.empty else {"content": {"application/json": {"schema": error}}}
        found["responses"][str(status)] = {"description": _REASONS[status], **body}
    return found


def _shown(given: Schema) -> Schema:
    """A parameter with an example, where it is a part of the path."""
    known = PATHS.get(given["name"]) if given["in"] == "path" else None
    return given if known is None else {**given, "example": known}


def _example(operation: Operation, media: str) -> dict[str, Any]:
    """A body that works: as a value, or as text where a value is one line per entry."""
    body = BODIES.get((operation.method, operation.path))
    if body is None or media not in (JSON, "application/x-ndjson", "application/merge-patch+json"):
        return {}
    if media == "application/x-ndjson":
        return {"example": "".join(f"{msgspec.json.encode(line).decode()}\n" for line in body)}
    return {"example": body}


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    if operation.signed:
        return [{"signature": []}]
    if not operation.scope:
        return []
    names = ["basic", "bearer"] if operation.bearer else ["basic"]
    return [{name: []} for name in names]


_NAME = str.maketrans({"/": "_", "-": "_", "{": "", "}": ""})
