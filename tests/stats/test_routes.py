"""The endpoint: the order of its checks, its headers, its error bodies."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.di import Provide

from campanile.errors import EngineUnavailable
from campanile.http import auth
from campanile.http.errors import ErrorRenderer
from campanile.http.middleware import wrap
from campanile.stats.routes import stats_routes
from campanile.stats.schemas import MAX_BODY_BYTES, StatsRequest
from campanile.stats.wire import StatsPage, encode_page
from campanile.workspaces.schemas import Dialect, Workspace
from tests.http.apps import FixedIds, client_of
from tests.http.gates import FakeGate, principal, workspace
from tests.http.test_auth import basic
from tests.stats.vectors import BODY, PATH
from tests.support.sampling import examples


class FakeStats:
    """Answers every request with an empty page, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Workspace, StatsRequest, Dialect]] = []
        self.error: Exception | None = None

    async def answer(self, owner: Workspace, request: StatsRequest, dialect: Dialect) -> bytes:
        self.asked.append((owner, request, dialect))
        if self.error is not None:
            raise self.error
        page = StatsPage(request_id=request.request_id, total_campaigns=0, current_page=1, total_pages=1, trees={})
        return encode_page(page, dialect, owner.settings)


class Gate(FakeGate):
    """Workspace WS1 with stats, WS2 without, and a limit of 3 requests per minute each."""

    def __init__(self, **changes: Any) -> None:
        options = {"rate_limit": 3} | changes
        first = workspace("WS1", **options)
        super().__init__(
            ("report-key", principal(first)),
            ("ingest-key", principal(first, kind="ingest")),
            ("live-key", principal(first, stats_dialect="live")),
            ("report-key", principal(workspace("WS2", **(options | {"stats_enabled": False})))),
        )
        self.stats = FakeStats()


_open_gates: list[Gate] = []


@cache
def app() -> Litestar:
    """One application for all tests; it asks the gate opened last."""
    ids = FixedIds()
    return wrap(
        Litestar(
            stats_routes(),
            dependencies={"services": Provide(lambda: _open_gates[-1], sync_to_thread=False)},
            exception_handlers={Exception: ErrorRenderer(ids=ids)},
            openapi_config=None,
            logging_config=None,
        ),
        ids=ids,
    )


class Call:
    """A request that would succeed, and ways to spoil it."""

    def __init__(self) -> None:
        self.method = "POST"
        self.path = PATH
        self.headers = {
            "Content-Type": "application/json",
            "Authorization": basic("WS1", "report-key"),
            "MOE-APPKEY": "WS1",
        }
        self.content = json.dumps(BODY).encode()

    def send(self, gate: Gate) -> httpx.Response:
        async def run() -> httpx.Response:
            async with client_of(app()) as client:
                return await client.request(self.method, self.path, headers=self.headers, content=self.content)

        _open_gates[:] = [gate]
        return anyio.run(run)


def test_a_good_request() -> None:
    gate = Gate()
    response = Call().send(gate)
    assert response.status_code == 200
    assert response.json() == {
        "response_id": "t", "total_campaigns": 0, "current_page": 1, "total_pages": 1, "data": {}
    }  # fmt: skip
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    ((owner, request, dialect),) = gate.stats.asked
    assert (owner.id, request.request_id, dialect) == ("WS1", "t", "docs")


# --- the order of checks


def _unknown_path(call: Call, gate: Gate) -> None:
    call.path = PATH + "s"


def _wrong_method(call: Call, gate: Gate) -> None:
    call.method = "PUT"


def _large_body(call: Call, gate: Gate) -> None:
    call.content = b"x" * (MAX_BODY_BYTES + 1)


def _wrong_key(call: Call, gate: Gate) -> None:
    call.headers["Authorization"] = basic("WS1", "guess")


def _missing_app_key(call: Call, gate: Gate) -> None:
    call.headers.pop("MOE-APPKEY")


def _other_app_key(call: Call, gate: Gate) -> None:
    call.headers["MOE-APPKEY"] = "WS2"


def _limit_reached(call: Call, gate: Gate) -> None:
    for _ in range(3):
        anyio.run(gate.limiter.hit, "stats:WS1", 3)


def _missing_scope(call: Call, gate: Gate) -> None:
    call.headers["Authorization"] = basic("WS1", "ingest-key")


def _wrong_type(call: Call, gate: Gate) -> None:
    call.headers["Content-Type"] = "text/plain"


def _no_json(call: Call, gate: Gate) -> None:
    call.content = b"{" if len(call.content) <= MAX_BODY_BYTES else call.content


def _invalid_field(call: Call, gate: Gate) -> None:
    if call.content == json.dumps(BODY).encode():
        call.content = b"{}"


def _no_engine(call: Call, gate: Gate) -> None:
    gate.stats.error = EngineUnavailable("The event store does not answer.")


CHECKS: list[tuple[Callable[[Call, Gate], None], int, str | None]] = [
    (_unknown_path, 404, "Not Found"),
    (_wrong_method, 405, "Method Not Allowed"),
    (_large_body, 413, "Payload Too Large"),
    (_wrong_key, 401, "Authentication required"),
    (_missing_app_key, 400, "Invalid Field Value"),
    (_other_app_key, 401, "Authentication required"),
    (_limit_reached, 429, None),
    (_missing_scope, 403, "Forbidden Request"),
    (_wrong_type, 415, "Unsupported Media Type"),
    (_no_json, 400, "Invalid Request Body"),
    (_invalid_field, 400, "Invalid Field Value"),
    (_no_engine, 500, "Server Error"),
]
CLASHING = {(_wrong_key, _missing_scope), (_missing_app_key, _other_app_key)}
"""Faults of one header: a request cannot have both."""


@pytest.mark.parametrize(("spoil", "status", "title"), CHECKS)
def test_each_check(spoil: Callable[[Call, Gate], None], status: int, title: str | None) -> None:
    call, gate = Call(), Gate()
    spoil(call, gate)
    response = call.send(gate)
    assert response.status_code == status
    assert (response.json()["title"] if title else response.content) == (title or b"")


@pytest.mark.parametrize(
    ("first", "second"),
    [pair for pair in itertools.combinations(CHECKS, 2) if (pair[0][0], pair[1][0]) not in CLASHING],
    ids=lambda check: check[0].__name__,
)
def test_the_earlier_of_two_failing_checks_answers(first: Any, second: Any) -> None:
    for order in ((first, second), (second, first)):
        call, gate = Call(), Gate()
        for spoil, _, _ in order:
            spoil(call, gate)
        response = call.send(gate)
        assert response.status_code == first[1]
        if first[2]:
            assert response.json()["title"] == first[2]


def test_the_feature_may_be_off() -> None:
    call = Call()
    call.headers |= {"Authorization": basic("WS2", "report-key"), "MOE-APPKEY": "WS2"}
    response = call.send(Gate())
    assert response.status_code == 403
    assert response.json() == {"title": "Forbidden Request", "description": None, "code": "wUcwPRZF"}


def test_a_missing_app_key_may_be_401() -> None:
    call = Call()
    call.headers.pop("MOE-APPKEY")
    assert call.send(Gate(missing_appkey_status=401)).status_code == 401
    assert call.send(Gate()).json()["description"] == "app_key - Some of the field values are invalid: app_key : None"


@pytest.mark.parametrize("value", ["WS2", "ws1", "WS1 x", ""])
def test_an_app_key_must_be_equal(value: str) -> None:
    call = Call()
    call.headers["MOE-APPKEY"] = value
    assert call.send(Gate()).status_code == 401


def test_bearer_tokens_are_not_for_this_endpoint() -> None:
    call = Call()
    call.headers["Authorization"] = "Bearer report-key"
    response = call.send(Gate())
    assert (response.status_code, response.headers["www-authenticate"]) == (401, 'Basic realm="campanile"')


def test_unread_bodies_are_not_read() -> None:
    call = Call()
    call.headers["Content-Length"] = str(MAX_BODY_BYTES + 1)
    call.content = b""
    response = call.send(Gate())
    assert (response.status_code, response.headers["connection"]) == (413, "close")


def test_the_largest_body_is_accepted() -> None:
    call = Call()
    call.content = call.content.ljust(MAX_BODY_BYTES)
    assert call.send(Gate()).status_code == 200


def test_a_length_beside_a_transfer_coding_is_ambiguous() -> None:
    call = Call()
    call.headers["Transfer-Encoding"] = "chunked"
    call.headers["Content-Length"] = str(len(call.content))
    response = call.send(Gate())
    assert (response.status_code, response.json()["title"]) == (400, "Invalid Request Body")


# --- paths, methods, media types


@pytest.mark.parametrize("path", [PATH, PATH + "/", PATH + "?x=1"])
def test_paths(path: str) -> None:
    call = Call()
    call.path = path
    assert call.send(Gate()).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods(method: str) -> None:
    call = Call()
    call.method = method
    response = call.send(Gate())
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON ;charset=latin-1", 200),
        ("application/json;", 200),
        ("text/json", 415),
        ("application/jsonp", 415),
        ("application/x-ndjson", 415),
        ("", 415),
        (None, 415),
    ],
)
def test_media_types(media_type: str | None, status: int) -> None:
    call = Call()
    call.headers.pop("Content-Type")
    if media_type is not None:
        call.headers["Content-Type"] = media_type
    assert call.send(Gate()).status_code == status


# --- rate limit

RATE_HEADERS = {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}


@pytest.mark.parametrize(("spoil", "status", "title"), CHECKS)
def test_rate_headers_are_on_every_response_after_step_five(
    spoil: Callable[[Call, Gate], None], status: int, title: str | None
) -> None:
    position = [check for check, _, _ in CHECKS].index(spoil)
    call, gate = Call(), Gate()
    spoil(call, gate)
    given_headers = RATE_HEADERS & set(call.send(gate).headers)
    assert given_headers == (RATE_HEADERS if position >= [c for c, _, _ in CHECKS].index(_limit_reached) else set())


def test_the_window() -> None:
    gate = Gate()
    start = int(gate.clock.now().timestamp())
    responses = [Call().send(gate) for _ in range(4)]
    assert [response.status_code for response in responses] == [200, 200, 200, 429]
    assert [response.headers["x-ratelimit-remaining"] for response in responses] == ["2", "1", "0", "0"]
    assert {response.headers["x-ratelimit-reset"] for response in responses} == {str(start + 60)}
    refused = responses[3]
    assert (refused.content, refused.headers["content-length"]) == (b"", "0")
    assert (refused.headers["retry-after"], refused.headers["x-ratelimit-limit"]) == ("60", "3")
    assert "content-type" not in refused.headers
    gate.clock.advance(60)
    assert Call().send(gate).headers["x-ratelimit-remaining"] == "2"


def test_all_keys_of_a_workspace_share_the_window_and_workspaces_do_not() -> None:
    gate = Gate()
    live, other = Call(), Call()
    live.headers["Authorization"] = basic("WS1", "live-key")
    other.headers |= {"Authorization": basic("WS2", "report-key"), "MOE-APPKEY": "WS2"}
    for _ in range(2):
        Call().send(gate)
    assert live.send(gate).headers["x-ratelimit-remaining"] == "0"
    assert Call().send(gate).status_code == 429
    assert other.send(gate).headers["x-ratelimit-remaining"] == "2"


def test_failing_requests_count_once_they_are_authenticated() -> None:
    gate = Gate()
    for spoil in (_missing_scope, _wrong_type, _no_json):
        call = Call()
        spoil(call, gate)
        call.send(gate)
    for spoil in (_wrong_key, _other_app_key, _missing_app_key):
        call = Call()
        spoil(call, gate)
        assert call.send(gate).status_code in (400, 401)
    assert Call().send(gate).status_code == 429


def test_guessing_is_throttled_with_an_empty_answer() -> None:
    gate = Gate()
    wrong = Call()
    _wrong_key(wrong, gate)
    statuses = [wrong.send(gate).status_code for _ in range(61)]
    assert statuses == [401] * 60 + [429]
    response = Call().send(gate)
    assert (response.status_code, response.content, response.headers["retry-after"]) == (429, b"", "60")
    assert not RATE_HEADERS & set(response.headers)


# --- settings and dialects


def test_dialects() -> None:
    gate = Gate()
    Call().send(gate)
    live = Call()
    live.headers["Authorization"] = basic("WS1", "live-key")
    live.send(gate)
    assert [asked[2] for asked in gate.stats.asked] == ["docs", "live"]
    gate = Gate(stats_dialect="live")
    Call().send(gate)
    assert gate.stats.asked[0][2] == "live"


def test_the_number_of_ids_is_a_setting() -> None:
    call = Call()
    call.content = json.dumps(BODY | {"campaign_ids": [str(number) for number in range(50)]}).encode()
    assert call.send(Gate()).json()["description"].endswith("campaign_ids : 50")
    assert call.send(Gate(max_campaign_ids=50)).status_code == 200


def test_unexpected_errors_are_500_without_details() -> None:
    gate = Gate()
    gate.stats.error = ZeroDivisionError("hunter2")
    response = Call().send(gate)
    assert response.status_code == 500
    assert list(response.json()) == ["title", "description", "code"]
    assert "hunter2" not in response.text


# --- anything at all

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(st.sampled_from([*BODY, "campaign_ids", "offset", "limit"]), ANYTHING).map(BODY.__or__)


@given(BODIES.map(json.dumps) | ANYTHING.map(json.dumps) | st.text() | st.binary())
@examples(150)
def test_any_body_is_answered_with_200_or_400(content: str | bytes) -> None:
    call, gate = Call(), Gate()
    call.content = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    response = call.send(gate)
    assert response.status_code in (200, 400)
    if response.status_code == 200:
        assert response.json()["response_id"] == json.loads(content)["request_id"]
    else:
        assert list(response.json()) == ["title", "description", "code"]


@given(st.text(max_size=40), st.text(max_size=40))
@examples(100)
def test_any_credentials_are_answered_with_401(user: str, password: str) -> None:
    call, gate = Call(), Gate()
    call.headers["Authorization"] = basic(user, password)
    assert call.send(gate).status_code == 401
    assert auth.parse_authorization(call.headers["Authorization"].encode(), bearer=False) is not None or (
        "\0" in user + password
    )
