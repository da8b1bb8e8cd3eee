"""The floor of HTTP: an empty answer of the Stats API against an echo of the same bytes by the same server."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from litestar import route
from tests.support.processes import DIE_WITH_PARENT, free_ports, scratch_folder, stop, wait_until
from tests.support.server import Server

from bench.measure import Measured, Ratio, middle
from campanile.http.responses import ReadyResponse

CONNECTIONS = 8
ANSWER = b'{"response_id":"bench","total_campaigns":0,"current_page":1,"total_pages":1,"data":{}}'


def run(rounds: int = 5, seconds: float = 4.0) -> Measured:
    """Requests per second of both routes in turn, over kept connections."""
    with scratch_folder("bench") as folder:
        preparing = Server(folder / "server")
        credentials = preparing.create_workspace("Bench")
        preparing.run("workspace", "set", credentials.workspace_id, "rate_limit=1000000")
        with _echoing(folder / "server") as port:
            token = base64.b64encode(f"{credentials.workspace_id}:{credentials.report_key}".encode()).decode()
            headers = (
                f"Host: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nAuthorization: Basic {token}\r\n"
                f"MOE-APPKEY: {credentials.workspace_id}\r\n"
            )
            body = json.dumps(
                {
                    "request_id": "bench",
                    "start_date": "2100-01-01",
                    "end_date": "2100-01-02",
                    "attribution_type": "VIEW_THROUGH",
                    "metric_type": "TOTAL",
                    "campaign_ids": ["none"],
                }
            )
            paths = {"stats": "/core-services/v1/campaign-stats", "echo": "/echo"}
            rates: dict[str, list[float]] = {name: [] for name in paths}
            for warm in (True, *[False] * rounds):
                for name, path in paths.items():
                    request = f"POST {path} HTTP/1.1\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()
                    rate = asyncio.run(_rate(port, request, 1.0 if warm else seconds))
                    if not warm:
                        rates[name].append(rate)
    ratios = tuple(stats / echo for stats, echo in zip(rates["stats"], rates["echo"], strict=True))
    detail = f"{middle(rates['stats']):,.0f} against {middle(rates['echo']):,.0f} requests/s"
    what = "empty answer of the Stats API (no campaign matches) ÷ echo of the same bytes by the same server"
    return Measured((Ratio(what, "–", ratios, detail),))


async def _rate(port: int, request: bytes, seconds: float) -> float:
    """Requests per second over `CONNECTIONS` connections that each send the next request after an answer."""
    until = time.perf_counter() + seconds
    started = time.perf_counter()
    counts = await asyncio.gather(*(_converse(port, request, until) for _ in range(CONNECTIONS)))
    return sum(counts) / (time.perf_counter() - started)


async def _converse(port: int, request: bytes, until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        assert await reader.readexactly(int(length.split(b":")[1])) == ANSWER
        count += 1
    writer.close()
    return count


@contextmanager
def _echoing(data: Path) -> Iterator[int]:
    """A server process with one more route, `/echo`."""
    (port,) = free_ports(1)
    environment = {**os.environ, "CAMPANILE_DATA": str(data), "CAMPANILE_PORT": str(port)}
    command = [*DIE_WITH_PARENT, sys.executable, "-m", "bench.floor"]
    with (data.parent / "echo.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def ready() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(ready, process, seconds=60, what="the echoing server")
    try:
        yield port
    finally:
        stop(process, gently=20)


@route("/echo", http_method=["POST"], status_code=200, include_in_schema=False, sync_to_thread=False)
def echo() -> ReadyResponse:
    """The bytes of an empty answer, without looking at the request."""
    return ReadyResponse(ANSWER)


def serve() -> None:
    """The application as `campanile serve` runs it, with the echo beside it."""
    from campanile.app import create_app
    from campanile.cli.serving import run_server
    from campanile.http.logs import configure_logging
    from campanile.settings import load_settings

    settings = load_settings(environment=os.environ)
    configure_logging("warning")
    app = create_app(settings)
    app.register(echo)
    run_server(app, settings)


if __name__ == "__main__":
    serve()
