"""Answers of the Stats API that ask no event store, against an echo of the same bytes by the same server."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from litestar import Request, route
from tests.support.processes import DIE_WITH_PARENT, free_ports, scratch_folder, stop, wait_until
from tests.support.server import Credentials, Server

from bench.measure import Measured, Ratio, middle
from bench.measure import seconds as seconds_of
from bench.traffic import NOW, bodies, post_all
from campanile.http.responses import ReadyResponse

PATH = "/core-services/v1/campaign-stats"
CONNECTIONS = 8
SMALL_CAMPAIGNS = 50
EVENTS_EACH = 100
RANGES = 5
"""Ranges of days that are asked for, for each campaign."""


def run(rounds: int = 5, seconds: float = 4.0) -> Measured:
    """Requests per second of each kind of answer and of the echo, in turn, over kept connections."""
    with scratch_folder("bench") as folder:
        preparing = Server(folder / "server")
        credentials = preparing.create_workspace("Bench")
        preparing.run("workspace", "set", credentials.workspace_id, "rate_limit=1000000")
        with _echoing(folder / "server") as port:
            url = f"http://127.0.0.1:{port}"
            post_all(
                url,
                credentials,
                bodies(SMALL_CAMPAIGNS * EVENTS_EACH, "small", per_request=1_000, campaigns=SMALL_CAMPAIGNS),
                1,
            )
            small = [_question([f"{number % SMALL_CAMPAIGNS:024x}"], number % RANGES) for number in _shuffled()]
            _settle(url, credentials, small)
            empty = [_question(["none"], 0)]
            requests = {
                "empty": [_request(port, credentials, body) for body in empty],
                "small": [_request(port, credentials, body) for body in small],
            }
            with httpx.Client() as client:
                for name, bodies_ in (("empty", empty), ("small", small)):
                    texts = [_ask(client, url, credentials, body).content for body in bodies_]
                    requests[f"echo of {name}"] = [_echo(port, text) for text in texts]
            rates: dict[str, list[float]] = {name: [] for name in requests}
            for warm in (True, *[False] * rounds):
                for name, each in requests.items():
                    rate = asyncio.run(_rate(port, each, 1.0 if warm else seconds))
                    if not warm:
                        rates[name].append(rate)
    return Measured(
        (
            _ratio(
                rates,
                "settled answer of the Stats API about one small campaign ÷ echo of the same bytes by the same server",
                "≥ 0.3",
                "small",
            ),
            _ratio(rates, "empty answer of the Stats API (no campaign matches) ÷ echo of the same bytes", "–", "empty"),
        )
    )


def _ratio(rates: Mapping[str, list[float]], what: str, aim: str, name: str) -> Ratio:
    echo = rates[f"echo of {name}"]
    ratios = tuple(stats / echoed for stats, echoed in zip(rates[name], echo, strict=True))
    return Ratio(what, aim, ratios, f"{middle(rates[name]):,.0f} against {middle(echo):,.0f} requests/s")


def _shuffled() -> list[int]:
    """Every campaign with every range, in an order that looks like none."""
    every = SMALL_CAMPAIGNS * RANGES
    return [number * 7919 % every for number in range(every)]


def _question(campaigns: list[str], earlier: int) -> str:
    return json.dumps(
        {
            "request_id": "bench",
            "campaign_ids": campaigns,
            "start_date": (NOW - timedelta(days=4 + earlier)).date().isoformat(),
            "end_date": NOW.date().isoformat(),
            "attribution_type": "VIEW_THROUGH",
            "metric_type": "TOTAL",
        }
    )


def _settle(url: str, credentials: Credentials, questions: list[str]) -> None:
    """Wait until the questions take a fraction of the time that the first one took, which nothing was prepared for."""
    with httpx.Client() as client:
        at_first = seconds_of(lambda: _ask(client, url, credentials, questions[0]))

        def settled() -> bool:
            took = seconds_of(lambda: [_ask(client, url, credentials, question) for question in questions])
            return took * 4 < at_first * len(questions)

        wait_until(settled, None, seconds=120, what="the integers of the campaigns")


def _ask(client: httpx.Client, url: str, credentials: Credentials, question: str) -> httpx.Response:
    headers = {"MOE-APPKEY": credentials.workspace_id, "Content-Type": "application/json"}
    auth = (credentials.workspace_id, credentials.report_key)
    answer = client.post(f"{url}{PATH}", content=question, auth=auth, headers=headers, timeout=60)
    answer.raise_for_status()
    return answer


def _request(port: int, credentials: Credentials, body: str) -> bytes:
    token = base64.b64encode(f"{credentials.workspace_id}:{credentials.report_key}".encode()).decode()
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Basic {token}\r\nMOE-APPKEY: {credentials.workspace_id}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _echo(port: int, text: bytes) -> bytes:
    head = f"POST /echo HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


async def _rate(port: int, requests: Sequence[bytes], seconds: float) -> float:
    """Requests per second over `CONNECTIONS` connections that each send the next request after an answer."""
    until = time.perf_counter() + seconds
    started = time.perf_counter()
    counts = await asyncio.gather(
        *(_converse(port, requests[number::CONNECTIONS] or requests, until) for number in range(CONNECTIONS))
    )
    return sum(counts) / (time.perf_counter() - started)


async def _converse(port: int, requests: Sequence[bytes], until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < until:
        writer.write(requests[count % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        assert await reader.readexactly(int(length.split(b":")[1]))
        count += 1
    writer.close()
    return count


@contextmanager
def _echoing(data: Path) -> Iterator[int]:
    """A server process with one more route, `/echo`."""
    (port,) = free_ports(1)
    settings = {"CAMPANILE_DATA": str(data), "CAMPANILE_PORT": str(port), "CAMPANILE_SETTLED_AFTER": "0"}
    environment = {**os.environ, **settings}
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


@route("/echo", http_method=["POST"], status_code=200, include_in_schema=False)
async def echo(request: Request[Any, Any, Any]) -> ReadyResponse:
    """The body of the request."""
    return ReadyResponse(await request.body())


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
