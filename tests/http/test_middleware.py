"""Request ids, collected headers, and what is said about each request afterwards."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import anyio
import httpx
import pytest
import structlog
from litestar import Request
from prometheus_client import REGISTRY

from campanile.errors import Conflict
from campanile.http.context import RandomIds, RequestContext, context_of
from campanile.http.logs import configure_logging
from campanile.http.responses import ReadyResponse
from tests.http.apps import app_with, client_of, handler


async def _answer(request: Request[Any, Any, Any]) -> ReadyResponse:
    context = context_of(request.scope)
    context.headers["x-collected"] = "yes"
    if b"fail" in await request.body():
        raise Conflict("no")
    return ReadyResponse(b'"%s"' % context.request_id.encode(), headers={"Cache-Control": "no-store"})


def send(path: str = "/v1/things", *, method: str = "POST", **options: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        async with client_of(app_with(handler("/v1/things", _answer))) as client:
            return await client.request(method, path, **options)

    return anyio.run(run)


@pytest.mark.parametrize(("path", "content", "status"), [("", b"", 200), ("", b"fail", 409), ("/none", b"", 404)])
def test_every_response_has_a_request_id(path: str, content: bytes, status: int) -> None:
    response = send("/v1/things" + path, content=content)
    assert (response.status_code, response.headers["x-request-id"]) == (status, "request-0001")


def test_the_handler_sees_the_same_id() -> None:
    assert send().json() == "request-0001"


@pytest.mark.parametrize("given", ["trace-12345678", "a.b_c-d.0", "x" * 64])
def test_a_harmless_id_from_outside_is_kept(given: str) -> None:
    assert send(headers={"X-Request-Id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["short", "x" * 65, '12345678"}', "1234567é", "1234 5678", ""])
def test_other_ids_from_outside_are_replaced(given: str) -> None:
    assert send(headers={"X-Request-Id": given.encode("latin-1")}).headers["x-request-id"] == "request-0001"


def test_collected_headers_are_on_successes_and_errors() -> None:
    success, error = send(), send(content=b"fail")
    assert success.headers["x-collected"] == error.headers["x-collected"] == "yes"
    assert success.headers["cache-control"] == "no-store"


def test_access_log() -> None:
    with structlog.testing.capture_logs() as lines:
        send("/v1/things?token=s3cret", headers={"Authorization": "Basic s3cret"})
        send("/v1/" + "x" * 1000)
    access = [line for line in lines if line["event"] == "request"]
    assert access[0].pop("milliseconds") >= 0
    assert access[0] == {
        "event": "request",
        "log_level": "info",
        "method": "POST",
        "path": "/v1/things",
        "status": 200,
        "bytes": len('"request-0001"'),
        "request_id": "request-0001",
        "workspace_id": "",
        "key_id": "",
    }
    assert (access[1]["status"], len(access[1]["path"])) == (404, 256)
    assert "s3cret" not in repr(lines)


def count(method: str, route: str, status: int) -> float:
    labels = {"method": method, "route": route, "status": str(status)}
    return REGISTRY.get_sample_value("campanile_http_requests_total", labels) or 0


def test_metrics_count_routes_and_known_methods_only() -> None:
    before = [count("POST", "/v1/things", 200), count("POST", "unmatched", 404), count("OTHER", "unmatched", 405)]
    send()
    send("/v1/made-up")
    send(method="BREW")
    after = [count("POST", "/v1/things", 200), count("POST", "unmatched", 404), count("OTHER", "unmatched", 405)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1]


def test_random_ids() -> None:
    ids = RandomIds()
    assert all(re.fullmatch("[A-Za-z]{8}", ids.error_code()) for _ in range(100))
    assert len({ids.request_id() for _ in range(100)}) == 100


def test_without_the_middleware_there_is_an_anonymous_context() -> None:
    assert isinstance(context_of({}), RequestContext)
    assert context_of({}).request_id == ""


def test_logs_are_json_lines_above_the_level() -> None:
    stream = io.StringIO()
    configure_logging("info", stream)
    log = structlog.get_logger("campanile.test")
    log.debug("hidden")
    log.info("shown", number=1)
    try:
        raise RuntimeError("boom")
    except RuntimeError as error:
        log.error("failed", exc_info=error)
    shown, failed = map(json.loads, stream.getvalue().splitlines())
    assert (shown["message"], shown["level"], shown["number"]) == ("shown", "info", 1)
    assert shown["timestamp"].endswith("Z")
    assert "RuntimeError: boom" in failed["exception"]
