"""Every error, in every envelope."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest
import structlog
from litestar import Request

from campanile import errors
from campanile.errors import CampanileError, Problem
from campanile.http.errors import ErrorRenderer, Failure
from campanile.http.responses import ReadyResponse
from tests.http.apps import app_with, client_of, handler

OURS = "/v1/things"
STATS = "/core-services/v1/things"

EVERY_ERROR: list[CampanileError] = [
    errors.InvalidInput("A sentence.", attribute="field"),
    errors.Unauthenticated("A sentence."),
    errors.Forbidden("A sentence."),
    errors.NotFound("A sentence."),
    errors.MethodNotAllowed("A sentence."),
    errors.NotAcceptable("A sentence."),
    errors.RequestTimeout("A sentence."),
    errors.Conflict("A sentence."),
    errors.PreconditionFailed("A sentence."),
    errors.PayloadTooLarge("A sentence."),
    errors.UnsupportedMediaType("A sentence."),
    errors.Unprocessable("A sentence."),
    errors.RateLimited("A sentence.", retry_after=7),
    errors.Unavailable("A sentence.", retry_after=3),
    errors.EngineUnavailable("A sentence."),
]
"""All errors that explain themselves to the caller."""


def answer_to(error: Exception, path: str, method: str = "POST", requested: str | None = None) -> httpx.Response:
    async def fail(_: Request[Any, Any, Any]) -> ReadyResponse:
        raise error

    async def run() -> httpx.Response:
        async with client_of(app_with(handler(path, fail))) as client:
            return await client.request(method, requested or path)

    return anyio.run(run)


def test_every_error_class_is_tried() -> None:
    def subclasses(base: type[CampanileError]) -> set[type[CampanileError]]:
        return {base}.union(*(subclasses(child) for child in base.__subclasses__()))

    ours = {kind for kind in subclasses(CampanileError) if kind.__module__ == "campanile.errors"}
    assert {type(error) for error in EVERY_ERROR} == {kind for kind in ours if kind.status != 500}


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
def test_native_envelope(error: CampanileError) -> None:
    """The store's own words stay in the log: they hold addresses and statements."""
    sentence = "The event store cannot be reached or written now."
    if not isinstance(error, errors.EngineUnavailable):
        sentence = "A sentence."
    response = answer_to(error, OURS)
    assert response.status_code == error.status
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "error": {
            "type": error.error_type,
            "message": sentence,
            "attribute": error.attribute,
            "request_id": "request-0001",
        },
        "errors": [{"type": error.error_type, "message": sentence, "attribute": error.attribute}],
    }


def test_native_envelope_lists_every_problem() -> None:
    problems = (Problem("missing_field", "name is required", "name"), Problem("invalid_value", "too long", "team"))
    response = answer_to(errors.InvalidInput("several", problems=problems), OURS)
    assert response.json()["error"]["attribute"] == "name"
    assert [entry["attribute"] for entry in response.json()["errors"]] == ["name", "team"]


STATS_BODIES = [
    (errors.InvalidInput("x - wrong", attribute="x"), 400, "Invalid Field Value", "x - wrong"),
    (errors.InvalidInput("whatever"), 400, "Invalid Request Body", "Request body is not a valid JSON object"),
    (errors.Unauthenticated("s"), 401, "Authentication required", "Invalid identity information found."),
    (errors.Forbidden("s"), 403, "Forbidden Request", None),
    (errors.NotFound("s"), 404, "Not Found", "There is nothing at this path."),
    (errors.MethodNotAllowed("s"), 405, "Method Not Allowed", "This path does not accept this method."),
    (errors.PayloadTooLarge("s"), 413, "Payload Too Large", "Request body is larger than 64 KiB"),
    (errors.UnsupportedMediaType("s"), 415, "Unsupported Media Type", "Content-Type must be application/json"),
    (errors.RequestTimeout("Too slow."), 408, "Request Timeout", "Too slow."),
]


@pytest.mark.parametrize(("error", "status", "title", "description"), STATS_BODIES)
def test_stats_envelope(error: Exception, status: int, title: str, description: str | None) -> None:
    response = answer_to(error, STATS)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert list(response.json().items()) == [("title", title), ("description", description), ("code", "wUcwPRZF")]


@pytest.mark.parametrize("error", [RuntimeError("secret"), errors.EngineUnavailable("no store")])
def test_stats_envelope_knows_one_server_error(error: Exception) -> None:
    response = answer_to(error, STATS)
    assert response.status_code == 500
    assert response.json() == {
        "title": "Server Error",
        "description": "An unexpected error was encountered while processing this request. "
        "Please contact the administrator",
        "code": "wUcwPRZF",
    }


def test_stats_429_has_no_body() -> None:
    response = answer_to(errors.RateLimited("slow down", retry_after=31), STATS)
    assert (response.status_code, response.content) == (429, b"")
    assert response.headers["content-length"] == "0"
    assert "content-type" not in response.headers
    assert response.headers["retry-after"] == "31"


def test_headers_that_belong_to_a_status() -> None:
    assert answer_to(errors.RateLimited("s", retry_after=0), OURS).headers["retry-after"] == "1"
    assert answer_to(errors.Unavailable("s", retry_after=4), OURS).headers["retry-after"] == "4"
    assert answer_to(errors.Unavailable("s", retry_after=4), STATS).headers["retry-after"] == "4"
    assert answer_to(errors.Unauthenticated("s"), STATS).headers["www-authenticate"] == 'Basic realm="campanile"'
    assert "Bearer" in answer_to(errors.Unauthenticated("s"), OURS).headers["www-authenticate"]
    for error in (
        errors.PayloadTooLarge("s"),
        errors.RequestTimeout("s"),
        errors.InvalidInput("s", type="ambiguous_length"),
    ):
        assert answer_to(error, OURS).headers["connection"] == "close"
    assert "connection" not in answer_to(errors.InvalidInput("s"), OURS).headers
    assert "www-authenticate" not in answer_to(errors.Forbidden("s"), OURS).headers


@pytest.mark.parametrize(("path", "member"), [(OURS, "error"), (STATS, "title"), ("/dashboard", "error")])
def test_unknown_path_and_wrong_method_use_the_envelope_of_the_path(path: str, member: str) -> None:
    missing = answer_to(RuntimeError(), path, requested=path + "/nothing")
    assert missing.status_code == 404
    assert member in missing.json()
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PROPFIND"):
        refused = answer_to(RuntimeError(), path, method)
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
        assert member in refused.json()


@pytest.mark.parametrize("kind", [RuntimeError, errors.ConfigurationError, CampanileError])
def test_defects_say_nothing_and_are_logged_with_their_trace(kind: type[Exception]) -> None:
    with structlog.testing.capture_logs() as lines:
        response = answer_to(kind("password=hunter2"), OURS)
    assert response.status_code == 500
    assert response.json()["error"]["type"] == "internal_error"
    assert "hunter2" not in response.text
    (line,) = [line for line in lines if line["event"] == "request_failed"]
    assert (line["code"], line["request_id"]) == ("wUcwPRZF", "request-0001")
    assert isinstance(line["exc_info"], kind)


def test_outages_are_logged_with_their_reason_but_without_a_trace() -> None:
    with structlog.testing.capture_logs() as lines:
        response = answer_to(errors.EngineUnavailable("connection to node-7 refused"), OURS)
    assert response.status_code == 503
    assert "node-7" not in response.text
    (line,) = [line for line in lines if line["event"] == "request_failed"]
    assert line["reason"] == "connection to node-7 refused"
    assert "exc_info" not in line


def test_refusals_are_logged_under_their_code() -> None:
    with structlog.testing.capture_logs() as lines:
        answer_to(errors.Forbidden("s"), STATS)
    (line,) = [line for line in lines if line["event"] == "request_refused"]
    assert (line["code"], line["status"], line["path"]) == ("wUcwPRZF", 403, STATS)


def test_the_longest_prefix_chooses_the_envelope() -> None:
    def named(text: bytes) -> Any:
        return lambda failure, context: ReadyResponse(text, status_code=failure.status)

    renderer = ErrorRenderer({"/a/": named(b"short"), "/a/b/": named(b"long")})

    def rendered(path: str) -> bytes:
        scope: Any = {"type": "http", "path": path}
        return renderer(Request(scope), errors.NotFound("s")).content

    assert (rendered("/a/b/c"), rendered("/a/x")) == (b"long", b"short")
    assert b'"error"' in rendered("/elsewhere")


def test_a_failure_shows_its_first_problem() -> None:
    problems = (Problem("a", "first"), Problem("b", "second"))
    assert Failure(400, problems, {}).first.message == "first"
