"""`/postman.json`: the API description as a Postman collection that works as it is: credentials, signature, checks.

Fill in the variables of the collection; requests that make something keep its id for those after them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import route
from litestar.handlers import HTTPRouteHandler

from campanile.http.examples import CAMPAIGN, DAY, EPOCH, PATHS, TIME
from campanile.http.responses import ReadyResponse

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
VARIABLES = {
    "base_url": "http://127.0.0.1:8080",
    "workspace_id": "",
    "report_key": "",
    "ingest_key": "",
    "manage_key": "",
    "campaign_id": CAMPAIGN,
    "report_id": "",
    "run_id": "",
    "filename": "",
    "hook_id": "",
    "hook_address": "",
    "hook_secret": "",
    "today": "",
}
_OF_PATH = {"parent_campaign_id": "campaign_id", "app_id": "workspace_id", "address": "hook_address"}
"""Path parameter → variable, where the names differ."""
_SIGN = """\
// Signature of a download: SHA-256 of APP_ID|FILENAME|SECRET_KEY in lower-case hex.
const text = [pm.variables.get("workspace_id"), pm.variables.get("filename"), pm.variables.get("report_key")].join("|");
pm.request.headers.upsert({key: "Signature", value: require("crypto-js").SHA256(text).toString()});"""
_TODAY = 'pm.collectionVariables.set("today", new Date().toISOString().slice(0, 10));'
_SECRET = {"key": "X-Campanile-Secret", "value": "{{hook_secret}}"}
"""How Postmark, which signs nothing, shows that a delivery is its own."""
_KEEP: dict[tuple[str, str], dict[str, str]] = {
    ("POST", "/v1/reports"): {"report_id": "id"},
    ("POST", "/v1/reports/{report_id}/run"): {"run_id": "id"},
    ("POST", "/v1/hooks"): {"hook_id": "hook_id", "hook_secret": "secret", "hook_address": 'url.split("/").pop()'},
    ("POST", "/v1/hooks/{hook_id}/rotate"): {"hook_secret": "secret"},
}
"""What requests keep for those after them: variable and member of the answer."""
_DELIVERIES = "/v1/hooks/{provider}/{address}"


def collection(document: Mapping[str, Any]) -> dict[str, Any]:
    """The collection of an OpenAPI document."""
    folders: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method == "head":
                continue
            # What needs things comes after what makes them, and what removes them comes last.
            needy = path == _DELIVERIES or (method == "get" and "put" in methods)
            position = 2 if method == "delete" else int(needy)
            item = _item(method.upper(), path, operation)
            folders.setdefault(operation["tags"][0], []).append((position, item))
    return {
        "info": {
            "name": document["info"]["title"],
            "version": document["info"]["version"],
            "description": document["info"]["description"],
            "schema": SCHEMA,
        },
        "variable": [{"key": name, "value": value} for name, value in VARIABLES.items()],
        "event": [_script("prerequest", _TODAY)],
        "item": [
            {"name": tag, "item": [item for _, item in sorted(items, key=lambda entry: entry[0])]}
            for tag, items in sorted(folders.items(), key=lambda folder: _FIRST.get(folder[0], 1))
        ],
    }


_FIRST = {"campaigns": -1, "intake": 0}
"""Campaigns and events come before the questions about them."""


def postman_route(document: Mapping[str, Any]) -> HTTPRouteHandler:
    """The route that serves the collection."""
    body = msgspec.json.encode(collection(document))

    @route("/postman.json", http_method=["GET", "HEAD"], include_in_schema=False, sync_to_thread=False)
    def postman() -> ReadyResponse:
        return ReadyResponse(body)

    return postman


def _item(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    header = [
        {"key": parameter["name"], "value": "{{workspace_id}}"}
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "header" and parameter["name"] == "MOE-APPKEY"
    ]
    if path == _DELIVERIES:
        header.append(_SECRET)
    request: dict[str, Any] = {
        "method": method,
        "header": header,
        "url": _url(path, operation),
        "description": operation["description"],
        "auth": _auth(operation),
    }
    content = operation.get("requestBody", {}).get("content", {})
    if content:
        media, shown = next(iter(content.items()))
        header.append({"key": "Content-Type", "value": media})
        request["body"] = {"mode": "raw", "raw": _raw(shown.get("example", {}))}
    events = [_script("test", *_checks(method, path, operation))]
    if {"signature": []} in operation["security"]:
        events.append(_script("prerequest", _SIGN))
    return {"name": operation["summary"], "request": request, "event": events}


def _url(path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            name = _OF_PATH.get(parameter["name"], parameter["name"])
            value = f"{{{{{name}}}}}" if name in VARIABLES else PATHS[name]
            path = path.replace(f"{{{parameter['name']}}}", value)
    query = [
        {"key": parameter["name"], "value": "", "description": parameter["description"], "disabled": True}
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query"
    ]
    return {
        "raw": "{{base_url}}" + path,
        "host": ["{{base_url}}"],
        "path": path.strip("/").split("/"),
        **({"query": query} if query else {}),
    }


def _auth(operation: Mapping[str, Any]) -> dict[str, Any]:
    """Basic with the kind of key that has the scope."""
    scope = operation.get("x-scope", "")
    if not scope:
        return {"type": "noauth"}
    key = "report" if scope in ("stats:read", "reports:read", "campaigns:read") else "manage"
    key = "ingest" if scope.startswith("ingest:") else key
    values = {"username": "{{workspace_id}}", "password": f"{{{{{key}_key}}}}"}
    return {"type": "basic", "basic": [{"key": name, "value": value} for name, value in values.items()]}


def _raw(example: Any) -> str:
    text = example if isinstance(example, str) else msgspec.json.format(msgspec.json.encode(example), indent=2).decode()
    variables = {TIME: "{{$isoTimestamp}}", str(EPOCH): "{{$timestamp}}", DAY: "{{today}}", CAMPAIGN: "{{campaign_id}}"}
    for value, variable in variables.items():
        text = text.replace(value, variable)
    return text


def _checks(method: str, path: str, operation: Mapping[str, Any]) -> list[str]:
    statuses = ", ".join(operation["responses"])
    lines = [f'pm.test("is answered as described", () => pm.expect(pm.response.code).to.be.oneOf([{statuses}]));']
    for variable, member in _KEEP.get((method, path), {}).items():
        lines.append(
            f'if (pm.response.code < 300) pm.collectionVariables.set("{variable}", pm.response.json().{member});'
        )
    return lines


def _script(listen: str, *lines: str) -> dict[str, Any]:
    return {"listen": listen, "script": {"type": "text/javascript", "exec": "\n".join(lines).split("\n")}}
