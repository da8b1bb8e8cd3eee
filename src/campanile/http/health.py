"""`/healthz` (the process answers), `/readyz` (it can do its work) and `/metrics` (Prometheus)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import anyio
import msgspec
import structlog
from litestar import route
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from campanile.errors import CampanileError
from campanile.http.responses import ReadyResponse

CHECK_SECONDS = 3.0
"""Seconds one readiness check may take; load balancers give up soon after."""

Check = Callable[[], str | None]
"""A readiness check: None when all is well, a word such as `degraded` when work goes on, an exception when not."""

METRICS = CONTENT_TYPE_LATEST.partition("; charset=")[0]
"""Media type of `/metrics`; the response adds the character set to every text."""

NO_STORE = {"Cache-Control": "no-store"}

_log = structlog.get_logger("campanile.http")


def health_routes(checks: Mapping[str, Check], spared: Collection[str] = ()) -> list[HTTPRouteHandler]:
    """The three routes. `checks` are synchronous, run side by side in threads, and name what the server depends on.

    Args:
        spared: those that are shown and do not count: without them most of the work goes on, so nothing is won by
            sending requests elsewhere.
    """

    @route("/healthz", http_method=["GET", "HEAD"], include_in_schema=False, media_type="application/json")
    async def healthz() -> ReadyResponse:
        return ReadyResponse(b'{"status":"ok"}', headers=NO_STORE)

    @route("/readyz", http_method=["GET", "HEAD"], include_in_schema=False, media_type="application/json")
    async def readyz() -> ReadyResponse:
        results: dict[str, str] = dict.fromkeys(checks, "failed")

        async def run(name: str, check: Check) -> None:
            with anyio.move_on_after(CHECK_SECONDS):
                try:
                    remark: str | None = await anyio.to_thread.run_sync(check, abandon_on_cancel=True)
                    results[name] = remark or "ok"
                except (CampanileError, OSError) as error:
                    _log.warning("not_ready", check=name, error=type(error).__name__)

        async with anyio.create_task_group() as group:
            for name, check in checks.items():
                group.start_soon(run, name, check)
        ready = all(result != "failed" or name in spared for name, result in results.items())
        body = {"status": "ready" if ready else "not_ready", "checks": results}
        return ReadyResponse(msgspec.json.encode(body), status_code=200 if ready else 503, headers=NO_STORE)

    @route("/metrics", http_method=["GET", "HEAD"], include_in_schema=False, sync_to_thread=False)
    def metrics() -> ReadyResponse:
        return ReadyResponse(generate_latest(REGISTRY), media_type=METRICS, headers=NO_STORE)

    return [healthz, readyz, metrics]
