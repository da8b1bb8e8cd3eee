"""Hostile and merely strange requests: always an answer below 500, and every refusal in the envelope of its API."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from campanile.app import OPERATIONS
from campanile.http.openapi import document
from campanile.workspaces.schemas import CreatedWorkspace
from tests.contract.routes import (
    CASES,
    COMPANION_CASES,
    KEYLESS,
    UNLIMITED,
    Call,
    Case,
    Ids,
    event,
    headers,
    key_of,
    report,
)
from tests.stats.inprocess import InProcess, running
from tests.support.engines import EmbeddedEngine

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
EXAMPLES = 25
"""Requests per test; the seeds vary from run to run, a failure prints how to repeat it."""
BY_ROUTE = {(case.method, case.route): case for case in (*CASES, *KEYLESS)}
BY_ROUTE |= {("HEAD", route): case._replace(method="HEAD") for (_, route), case in list(BY_ROUTE.items())}
OTHER_STATES = {
    "POST /v1/report-runs/{run_id}/cancel": {409},
    "POST /v1/report-runs/{run_id}/retry": {409},
    "POST /core-services/v1/campaigns/{parent_campaign_id}/executions": {400},
}
"""These are refused for a run that has finished, and for a campaign without runs."""
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@schemathesis.serializer("application/x-ndjson", "application/jsonl", "application/x-jsonlines")
def ndjson(_: Any, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    lines = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


FOUND = list(schemathesis.openapi.from_dict(document(OPERATIONS)).get_all_operations())
DESCRIBED = [found.ok() for found in FOUND if isinstance(found, Ok)]


@dataclass
class World:
    server: InProcess
    owner: CreatedWorkspace
    report_id: str = ""
    run_id: str = ""
    doomed: str = ""
    """A report that may be deleted."""
    hook_id: str = ""
    doomed_hook: str = ""

    def define(self, name: str) -> str:
        return self.server.services.definitions.create(self.owner.workspace, "fuzz", report(name)).definition.id

    def make_hook(self) -> str:
        return self.server.services.hooks.hooks.create(self.owner.workspace.id, "postmark").hook.id

    def send(self, case: Case, call: Call, **changes: Any) -> int:
        """Send the request with valid credentials and judge the answer; returns its status."""
        kind = min(case.kinds, default="report")
        report_id = self.doomed if case.method == "DELETE" else self.report_id
        hook_id = self.doomed_hook if case.method == "DELETE" else self.hook_id
        path = call.path.replace(IDS.report_id, report_id).replace(IDS.run_id, self.run_id)
        path = path.replace(IDS.hook_id, hook_id)
        if path == f"/v1/event/{IDS.workspace_id}":
            path += "/"
        path = path.replace(f"/{IDS.workspace_id}/", f"/{self.owner.workspace.id}/")
        call = call._replace(path=path.removesuffix("/") if path.startswith("/v1/event/") else path)
        given = headers(case, call, self.owner.workspace.id, key_of(self.owner, kind))
        given = {**changes.get("headers", {}), **given, **changes.get("overriding", {})}
        answer = self.server.client.request(
            case.method, call.path, content=call.content, params=changes.get("params"), headers=given
        )
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400 and answer.content:
            self.judge_refusal(case, answer)
        status: int = answer.status_code
        if (case.method, status) == ("DELETE", 204):
            if "/v1/hooks/" in path:
                self.doomed_hook = self.make_hook()
            else:
                self.doomed = self.define("Doomed")
        return status

    def judge_refusal(self, case: Case, answer: Any) -> None:
        body = answer.json()
        if case.route.startswith("/v1/"):
            assert body["error"]["message"] if "error" in body else body["rejected"] > 0, body
        elif case.signed:
            assert set(body["error"]) == {"attribute", "message", "type", "request_id"}
        elif case in COMPANION_CASES:
            assert set(body["error"]) == {"code", "message", "target", "details", "request_id"}
        else:
            assert list(body) == ["title", "description", "code"]
        assert "Traceback" not in answer.text


@pytest.fixture(name="world", scope="module")
def _world(embedded: EmbeddedEngine) -> Iterator[World]:
    with running(embedded, NOW, daily_dump_time="00:30", **UNLIMITED) as server:
        owner = server.services.workspaces.create("Fuzz")
        server.configure(owner.workspace.id, {"rate_limit": "1000000"})
        server.send_events(owner, [event(IDS, event_id="yesterday", time="2026-03-17T12:00:00Z")])
        world = World(server, owner)
        world.report_id, world.doomed = world.define("Contract"), world.define("Doomed")
        world.hook_id, world.doomed_hook = world.make_hook(), world.make_hook()
        server.services.definitions.run(owner.workspace, world.report_id, {})
        server.make_reports()
        world.run_id = server.services.runs.latest(owner.workspace.id, [world.report_id])[world.report_id]["id"]
        yield world


def test_every_described_operation_is_tried() -> None:
    assert len(DESCRIBED) == len(FOUND) == len(OPERATIONS)


def test_the_seeds_reach_what_they_should(world: World) -> None:
    """Otherwise the changes below would be made to requests that fail anyway."""
    put_first = sorted(CASES, key=lambda case: case.method != "PUT")
    reached = {case: {world.send(case, call) for call in case.calls(IDS)} for case in put_first}
    missed = {str(case): statuses for case, statuses in reached.items() if min(statuses) >= 300}
    assert missed == OTHER_STATES


@pytest.mark.parametrize("operation", DESCRIBED, ids=lambda operation: operation.label)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_requests_made_from_the_description(world: World, operation: Any, mode: GenerationMode) -> None:
    """Valid by the description, and invalid by it in one respect or another."""
    case = BY_ROUTE[operation.method.upper(), operation.path]

    @FUZZ
    @given(operation.as_strategy(generation_mode=mode))
    def send(made: Any) -> None:
        parts = made.as_transport_kwargs(base_url="http://server.test")
        content = parts.get("data", b"")
        if "json" in parts:
            content = json.dumps(parts["json"]).encode()
        call = Call(
            urlsplit(parts["url"]).path or "/",
            content if isinstance(content, bytes) else str(content).encode(),
            parts["headers"].get("Content-Type", "application/json"),
        )
        world.send(case, call, params=parts["params"], headers=sendable(parts["headers"]))

    send()


def sendable(given: dict[str, Any]) -> dict[str, str]:
    """Headers that an HTTP library lets out at all."""
    return {name: value for name, value in given.items() if isinstance(value, str) and value.isascii()}


IDS = Ids("WS", "a" * 24, "fuzz-1", "fuzz-user", "REPORT", "RUN", "HOOK")
SEEDS = [(case, call) for case in CASES for call in case.calls(IDS)]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("9" * 400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn, seed: bytes) -> bytes:
    """A valid body with one or two of its values, members or bytes changed."""
    value = json.loads(seed)
    for _ in range(draw(st.integers(1, 2))):
        value = draw(_changed(value))
    text = json.dumps(value).encode()
    if draw(st.integers(0, 5)) == 0:
        position = draw(st.integers(0, len(text)))
        text = text[:position] + draw(st.binary(min_size=1, max_size=4)) + text[position + draw(st.integers(0, 4)) :]
    return text


@st.composite
def _changed(draw: st.DrawFn, value: Any) -> Any:
    """The document with one place replaced, removed or doubled."""
    paths = list(_paths(value))
    path = draw(st.sampled_from(paths))
    if not path:
        return draw(JSON)
    changed = copy.deepcopy(value)
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    match draw(st.sampled_from(["replace", "remove", "add"])):
        case "replace":
            parent[path[-1]] = draw(JSON)
        case "remove":
            del parent[path[-1]]
        case "add" if isinstance(parent, dict):
            parent[draw(st.text(max_size=10))] = draw(JSON)
        case "add":
            parent.append(draw(JSON))
    return changed


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in members:
        yield from _paths(member, (*path, step))


@pytest.mark.parametrize(("case", "call"), [(case, call) for case, call in SEEDS if call.content], ids=str)
def test_valid_bodies_with_small_changes(world: World, case: Case, call: Call) -> None:
    @FUZZ
    @given(mutated(call.content))
    def send(content: bytes) -> None:
        world.send(case, call._replace(content=content))

    send()


MEDIA_TYPES = st.sampled_from(
    ["", "application/json", "application/json; charset=latin-1", "application/x-ndjson", "text/plain", ";;", "a/b/c"]
)
CODINGS = st.sampled_from(["", "identity", "gzip", "zstd", "br", "gzip, gzip", "deflate", "\x7f"])
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


@pytest.mark.parametrize(("case", "call"), SEEDS, ids=str)
def test_any_bytes_headers_and_parameters(world: World, case: Case, call: Call) -> None:
    names = st.sampled_from(["dry_run", "atomic", "max_errors", "mode", "on_error", "since", "limit", "offset", "x"])

    @FUZZ
    @given(
        content=st.one_of(
            st.just(call.content), st.binary(max_size=200), JSON.map(lambda value: json.dumps(value).encode())
        ),
        media_type=MEDIA_TYPES,
        coding=CODINGS,
        params=st.dictionaries(names, st.text(max_size=12) | st.sampled_from(["true", "-1", "0", "\0"]), max_size=2),
        extra=st.dictionaries(
            st.sampled_from(
                ["Idempotency-Key", "If-Match", "If-None-Match", "X-Request-Id", "MOE-APPKEY", "Authorization"]
            ),
            VALUES,
            max_size=2,
        ),
    )
    def send(content: bytes, media_type: str, coding: str, params: dict[str, str], extra: dict[str, str]) -> None:
        overriding = {"Content-Type": media_type, "Content-Encoding": coding, **extra}
        # Without this a run of bad credentials is answered by the throttle alone.
        world.server.fresh_window()
        world.send(case, call._replace(content=content), params=params, overriding=overriding)

    send()


@pytest.mark.parametrize("case", [case for case in CASES if "{" in case.route], ids=str)
def test_any_path_parameter(world: World, case: Case) -> None:
    before, _, after = case.route.partition("{")

    @FUZZ
    @given(st.text(st.characters(min_codepoint=33), min_size=1, max_size=40))
    def send(word: str) -> None:
        world.send(case, Call(before + quote(word, safe="", errors="surrogatepass") + after.partition("}")[2], b"{}"))

    send()
