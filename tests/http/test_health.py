"""Liveness, readiness, metrics."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import anyio
import httpx
import pytest

from campanile.errors import EngineUnavailable
from campanile.http import health
from campanile.http.health import Check, health_routes
from tests.http.apps import app_with, client_of


def get(
    path: str, checks: dict[str, Check] | None = None, method: str = "GET", spared: Sequence[str] = ()
) -> httpx.Response:
    async def run() -> httpx.Response:
        async with client_of(app_with(*health_routes(checks or {}, spared))) as client:
            return await client.request(method, path)

    return anyio.run(run)


def fine() -> None:
    return None


def broken() -> None:
    raise EngineUnavailable("the password is hunter2")


def test_alive() -> None:
    response = get("/healthz", {"engine": broken})
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready() -> None:
    response = get("/readyz", {"engine": fine, "limiter": lambda: "degraded"})
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "checks": {"engine": "ok", "limiter": "degraded"}}


def test_not_ready_names_the_culprit_and_nothing_else() -> None:
    response = get("/readyz", {"engine": broken, "metadata": fine})
    assert response.status_code == 503
    assert response.json() == {"status": "not_ready", "checks": {"engine": "failed", "metadata": "ok"}}


def test_what_is_spared_is_shown_and_does_not_count() -> None:
    response = get("/readyz", {"engine": fine, "files": broken}, spared=["files"])
    assert (response.status_code, response.json()["checks"]) == (200, {"engine": "ok", "files": "failed"})
    response = get("/readyz", {"engine": broken, "files": broken}, spared=["files"])
    assert response.status_code == 503


def test_a_check_that_hangs_is_a_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    release = threading.Event()

    def hang() -> None:
        release.wait(30)

    try:
        response = get("/readyz", {"engine": hang, "metadata": fine})
    finally:
        release.set()
    assert (response.status_code, response.json()["checks"]) == (503, {"engine": "failed", "metadata": "ok"})


def test_metrics() -> None:
    get("/healthz")
    response = get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"
    assert 'campanile_http_requests_total{method="GET",route="/healthz",status="200"}' in response.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_answers_are_never_cached(path: str) -> None:
    assert get(path).headers["cache-control"] == "no-store"
    assert get(path, method="HEAD").status_code == 200
