"""The wire contract of the Stats API as data: a fixture, vectors, and how one vector is run against any server.

Nothing here knows whether the server is an application in this process or one behind a socket: it only needs something
that sends requests like `httpx.Client`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

GOLDEN = Path(__file__).parent.parent / "golden"
PATH = "/core-services/v1/campaign-stats"
WORKSPACE = "WSDEMO0000000000000000A1"

HEADERS = {
    "Content-Type": "application/json",
    "Authorization": "Basic V1NERU1PMDAwMDAwMDAwMDAwMDAwMEExOmRlbW8tY2FtcGFpZ24ta2V5LUEx",
    "MOE-APPKEY": WORKSPACE,
}
BODY: dict[str, Any] = {
    "request_id": "t",
    "start_date": "2024-12-22",
    "end_date": "2024-12-23",
    "attribution_type": "VIEW_THROUGH",
    "metric_type": "TOTAL",
}
_CODE = re.compile(r"[A-Za-z]{8}\Z")
_MISSING = object()

Json = Any


class Response(Protocol):
    """What is read of an answer."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...


class Client(Protocol):
    """What sends the requests: `httpx.Client`, or a test client made from it."""

    def request(self, method: str, url: str, *, content: bytes, headers: Mapping[str, str]) -> Response: ...


class Server(Protocol):
    """A server with the fixture in it."""

    @property
    def client(self) -> Client: ...

    def configure(self, workspace_id: str, changes: Mapping[str, str]) -> None:
        """Change settings of a workspace; an empty text restores a default."""

    def fresh_window(self) -> None:
        """Let the current rate limit window end, if the server's time can be moved."""


def fixture() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((GOLDEN / "stats_fixture.json").read_text())
    return loaded


def vectors() -> list[dict[str, Any]]:
    """All vectors, amended where the metrics specification decides otherwise."""
    amendments = json.loads((GOLDEN / "stats_amendments.json").read_text())
    loaded = [json.loads(line) for line in (GOLDEN / "stats_vectors.jsonl").read_text().splitlines()]
    for vector in loaded:
        vector.setdefault("has", {}).update(amendments.get(vector["id"], {}).get("has", {}))
    return loaded


def campaign_documents(workspace_id: str) -> list[dict[str, Any]]:
    """The campaigns of a workspace as documents for the import."""
    return [
        {name: value for name, value in document.items() if name not in ("workspace", "numbers")}
        for template in fixture()["campaigns"]
        if template["workspace"] == workspace_id
        for document in _numbered(template)
    ]


def events() -> Iterator[dict[str, Any]]:
    """All events of the fixture; every one belongs to `WORKSPACE`."""
    for number, template in enumerate(fixture()["rows"]):
        for row in _numbered(template):
            for position, count in enumerate(row["counts"]):
                yield from _spread(f"{number}-{row['campaign_id'][-2:]}-{position}", row, count)


def _spread(prefix: str, row: Mapping[str, Any], count: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    shared = {name: value for name, value in row.items() if name not in ("counts", "day", "numbers")}
    shared |= {name: value for name, value in count.items() if name not in ("events", "users", "first")}
    for index in range(count["events"]):
        user = count.get("first", 0) + index % count["users"]
        event = {"event_id": f"{prefix}-{index}", "time": f"{row['day']}T12:00:00Z", "user_id": f"user-{user}"}
        if row["channel"] == "PUSH":
            event["device_id"] = f"device-{user}"
        yield event | shared


def _numbered(template: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The template itself, or one copy for each of its `numbers` with `{number}` filled in."""
    if "numbers" not in template:
        yield dict(template)
        return
    low, high = template["numbers"]
    for number in range(low, high + 1):
        yield {
            name: value.format(number=number) if isinstance(value, str) else value for name, value in template.items()
        }


def check(server: Server, vector: Mapping[str, Any]) -> None:
    """Run one vector; an AssertionError names what differs."""
    changes = vector.get("setting", {})
    server.configure(WORKSPACE, changes)
    try:
        for _ in range(vector.get("repeat", 1)):
            response = _send(server.client, vector)
    finally:
        server.configure(WORKSPACE, dict.fromkeys(changes, ""))
    assert response.status_code == vector.get("status", vector.get("status_of_last")), response.content
    for name, value in vector.get("response_headers", {}).items():
        assert response.headers.get(name) == value, name
    if "raw_body" in vector:
        assert response.content.decode() == vector["raw_body"]
        return
    body = json.loads(response.content)
    if "body" in vector:
        _check_body(body, vector["body"])
    for path, expected in vector.get("has", {}).items():
        assert _text(at(body, path)) == _text(expected), path
    for path, keys in vector.get("keys", {}).items():
        assert list(at(body, path)) == keys, path
    for path in vector.get("absent", []):
        assert at(body, path) is _MISSING, path


def _send(client: Client, vector: Mapping[str, Any]) -> Response:
    headers = {name: value for name, value in (HEADERS | vector.get("headers", {})).items() if value is not None}
    if "raw" in vector:
        content = vector["raw"].encode()
    else:
        body = BODY | vector.get("send", {})
        content = json.dumps({name: value for name, value in body.items() if value != "__del__"}).encode()
    return client.request(vector.get("method", "POST"), PATH, content=content, headers=headers)


def _check_body(body: Json, expected: Mapping[str, Any]) -> None:
    assert list(body) == list(expected), "members and their order"
    if expected.get("code") == "*":
        assert _CODE.match(body["code"])
        body = body | {"code": "*"}
    assert _text(body) == _text(expected)


def at(body: Json, path: str) -> Json:
    """The value at a path of the vectors' notation: members and positions between slashes, or `N:id:platform:rest`."""
    if path.startswith("N:"):
        _, campaign_id, platform, rest = path.split(":", 3)
        path = f"data/{campaign_id}/0/platforms/{platform}/locales/all_locales/variations/{rest}"
    for step in path.split("/"):
        if isinstance(body, list) and int(step) < len(body):
            body = body[int(step)]
        elif isinstance(body, dict) and step in body:
            body = body[step]
        else:
            return _MISSING
    return body


def _text(value: Json) -> str:
    """Canonical text: tells 25 from 25.0, which Python's equality does not; members in any order."""
    assert value is not _MISSING, "is missing"
    return json.dumps(value, sort_keys=True)
